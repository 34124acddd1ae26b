//! Whatever has arrived, taken one after the other.

use super::{Consumer, Message};
use crate::error::RecvError;

/// The messages that have arrived. Dropping it does nothing: what was not taken stays.
#[derive(Debug)]
#[must_use = "a drain takes nothing until `next` is called"]
pub struct Drain<'a> {
    consumer: &'a mut Consumer,
    has_read: bool,
}

impl<'a> Drain<'a> {
    pub(super) fn new(consumer: &'a mut Consumer) -> Self {
        Drain { consumer, has_read: false }
    }

    /// The next message; `None` when no whole one has arrived, or when one read's worth is taken: drop the drain and open
    /// another. Never blocks, and reads once at most. The message can be used until the next call.
    ///
    /// # Errors
    /// [`RecvError::Corrupt`], [`RecvError::System`]; [`RecvError::Forked`] in a forked child.
    #[expect(
        clippy::should_implement_trait,
        reason = "messages borrow from the drain, iterators cannot lend"
    )]
    pub fn next(&mut self) -> Option<Result<Message<'_>, RecvError>> {
        match self.consumer.take_arrived(&mut self.has_read) {
            Ok(Some(found)) => Some(Ok(self.consumer.message(found))),
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        }
    }
}
