//! A message, borrowed from the ring.

use core::ops::Deref;

use super::Consumer;
use crate::ring::slots::Found;

/// A message, borrowed in place. Dropping it releases its slots to the producers; until then nobody else receives
/// it, unless this process dies.
#[derive(Debug)]
#[must_use = "a message that is dropped at once is released unread"]
pub struct Message<'a> {
    consumer: &'a Consumer,
    bytes: &'a [u8],
    found: Found,
    /// Release on drop; the messages of a drain are released together.
    release: bool,
}

impl<'a> Message<'a> {
    #[inline(always)]
    pub(super) fn new(consumer: &'a Consumer, found: Found, release: bool) -> Self {
        Message { consumer, bytes: consumer.ring.payload(&found), found, release }
    }

    /// The number that the producer gave the message; 0 if it gave none.
    #[inline]
    pub fn tag(&self) -> u16 {
        self.found.tag
    }

    /// The message's position in the ring's stream of slots: it grows from message to message, and a redelivered
    /// message has the one it had.
    #[inline]
    pub fn sequence(&self) -> u64 {
        self.found.at.0
    }

    /// Was this message in the hands of a consumer that died before it released it?
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
        if self.release {
            self.consumer.release_held(&self.found);
        }
    }
}
