//! Whatever is there, taken one after the other and released together.

use super::message::OnDrop;
use super::{Consumer, Message};
use crate::error::RecvError;
use crate::ring::record::Found;
use crate::seq::Seq;

/// The messages that are there now, at most an eighth of the ring. Those that were taken are released together
/// when the drain is dropped; the others stay.
#[derive(Debug)]
#[must_use = "a drain takes nothing until `next` is called"]
pub struct Drain<'a> {
    consumer: &'a mut Consumer,
    began: Seq,
    /// What the consumer had received before.
    messages: u64,
}

impl<'a> Drain<'a> {
    #[inline(always)]
    pub(super) fn new(consumer: &'a mut Consumer) -> Self {
        Drain { began: consumer.ring.position(), messages: consumer.ring.received().0, consumer }
    }

    /// The next message; `None` when the ring is found empty, or when an eighth of the ring is taken and should
    /// be given back: drop the drain and open another. Never blocks. The message can be used until the next
    /// call.
    ///
    /// # Errors
    /// [`RecvError::Corrupt`]; [`RecvError::Forked`] in a forked child.
    #[expect(
        clippy::should_implement_trait,
        reason = "messages borrow from the drain, iterators cannot lend"
    )]
    #[inline(always)]
    pub fn next(&mut self) -> Option<Result<Message<'_>, RecvError>> {
        if self.consumer.ring.holds_much() && self.has_taken() {
            return None;
        }
        let found = match self.consumer.take_ready() {
            Some(found) => found,
            None => match self.next_slowly()? {
                Ok(found) => found,
                Err(error) => return Some(Err(error)),
            },
        };
        Some(Ok(Message::new(self.consumer, found, OnDrop::Later)))
    }

    #[inline(never)]
    fn next_slowly(&mut self) -> Option<Result<Found, RecvError>> {
        if !self.consumer.end.is_home() {
            return Some(Err(RecvError::Forked));
        }
        // A drain that has taken something ends here, so that what it took is released; only one that has taken
        // nothing waits as an empty poll does.
        if !self.has_taken() && !self.consumer.ring.poll() {
            return None;
        }
        self.consumer.ring.find().map_err(RecvError::from).transpose()
    }

    #[inline(always)]
    fn has_taken(&self) -> bool {
        self.consumer.ring.position() != self.began
    }
}

impl Drop for Drain<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.has_taken() {
            return;
        }
        if self.consumer.end.sizes().durable {
            self.consumer.release_durably(self.consumer.ring.received().0 - self.messages);
        } else {
            self.consumer.release();
        }
    }
}
