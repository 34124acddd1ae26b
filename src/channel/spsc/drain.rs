//! Whatever is there, taken one after the other and released together.

use super::{Consumer, Message};
use crate::error::RecvError;

/// The messages that are there now. Dropping it releases those that were taken, all together; the others
/// stay.
#[derive(Debug)]
#[must_use = "a drain takes nothing until `next` is called"]
pub struct Drain<'a> {
    consumer: &'a mut Consumer,
    taken: bool,
}

impl<'a> Drain<'a> {
    #[inline(always)]
    pub(super) fn new(consumer: &'a mut Consumer) -> Self {
        Drain { consumer, taken: false }
    }

    /// The next message; `None` when the ring is empty. Never blocks. The message can be used until the next
    /// call.
    ///
    /// # Errors
    /// [`RecvError::Corrupt`].
    #[expect(
        clippy::should_implement_trait,
        reason = "messages borrow from the drain, iterators cannot lend"
    )]
    #[inline]
    pub fn next(&mut self) -> Option<Result<Message<'_>, RecvError>> {
        match self.consumer.take_ready() {
            Some(found) => {
                self.taken = true;
                Some(Ok(Message::new(self.consumer, found, false)))
            }
            None => self.next_slowly(),
        }
    }

    #[cold]
    #[inline(never)]
    fn next_slowly(&mut self) -> Option<Result<Message<'_>, RecvError>> {
        if !self.consumer.end.is_home() {
            return Some(Err(RecvError::Forked));
        }
        match self.consumer.ring.find() {
            Ok(Some(found)) => {
                self.taken = true;
                Some(Ok(Message::new(self.consumer, found, false)))
            }
            Ok(None) => None,
            Err(corrupt) => Some(Err(corrupt.into())),
        }
    }
}

impl Drop for Drain<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.taken {
            self.consumer.release();
        }
    }
}
