//! A message, borrowed from the ring.

use core::ops::Deref;

use super::Consumer;
use crate::ring::record::Found;

/// What dropping a message does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnDrop {
    /// Nothing: the messages of a drain are released together.
    Later,
    /// Releases it.
    Plain,
    /// Releases it, in a durable ring.
    Sealed,
}

/// A message, borrowed in place. Dropping it releases its room to the producer.
#[derive(Debug)]
#[must_use = "a message that is dropped at once is released unread"]
pub struct Message<'a> {
    consumer: &'a Consumer,
    bytes: &'a [u8],
    found: Found,
    on_drop: OnDrop,
}

impl<'a> Message<'a> {
    #[inline(always)]
    pub(super) fn new(consumer: &'a Consumer, found: Found, on_drop: OnDrop) -> Self {
        Message { consumer, bytes: consumer.ring.hand_out(&found), found, on_drop }
    }

    /// The number that the producer gave the message; 0 if it gave none.
    #[inline]
    pub fn tag(&self) -> u16 {
        self.found.tag
    }

    /// The message's position in the stream, in bytes of records since the ring was created: it grows from
    /// message to message, and a redelivered message has the one it had.
    #[inline]
    pub fn sequence(&self) -> u64 {
        self.found.at.0
    }

    /// Was this message in the hands of an earlier consumer, which died before it released it?
    #[inline]
    pub fn redelivered(&self) -> bool {
        self.found.redelivered
    }
}

impl Deref for Message<'_> {
    type Target = [u8];

    #[inline(always)]
    fn deref(&self) -> &[u8] {
        self.bytes
    }
}

impl AsRef<[u8]> for Message<'_> {
    #[inline(always)]
    fn as_ref(&self) -> &[u8] {
        self.bytes
    }
}

impl Drop for Message<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        match self.on_drop {
            OnDrop::Plain => self.consumer.release(),
            OnDrop::Sealed => self.consumer.release_durably(1),
            OnDrop::Later => {}
        }
    }
}
