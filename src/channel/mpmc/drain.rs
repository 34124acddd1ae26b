//! Whatever is there, taken one after the other and released together.

use super::{Consumer, Message};
use crate::error::RecvError;

/// The messages that are there now, as many as an eighth of the slots. Those that were taken are this consumer's
/// until the drain is dropped, which releases them together; the others stay for everybody.
#[derive(Debug)]
#[must_use = "a drain takes nothing until `next` is called"]
pub struct Drain<'a> {
    consumer: &'a mut Consumer,
}

impl<'a> Drain<'a> {
    pub(super) fn new(consumer: &'a mut Consumer) -> Self {
        Drain { consumer }
    }

    /// The next message; `None` when there is none, or when as many are taken as a drain takes: drop it and open
    /// another. Never blocks. The message can be used until the next call.
    ///
    /// # Errors
    /// [`RecvError::Corrupt`]; [`RecvError::Forked`] in a forked child.
    #[expect(
        clippy::should_implement_trait,
        reason = "messages borrow from the drain, iterators cannot lend"
    )]
    pub fn next(&mut self) -> Option<Result<Message<'_>, RecvError>> {
        if !self.consumer.end.is_home() {
            return Some(Err(RecvError::Forked));
        }
        if self.consumer.ring.taken() >= (self.consumer.slots() as u64 / 8).max(1) {
            return None;
        }
        match self.consumer.find_next() {
            Ok(None) => None,
            Ok(Some(found)) => Some(Ok(Message::new(self.consumer, found, false))),
            Err(error) => Some(Err(error)),
        }
    }
}

impl Drop for Drain<'_> {
    fn drop(&mut self) {
        self.consumer.release();
    }
}
