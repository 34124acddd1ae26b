//! A message, borrowed from the consumer's buffer.

use core::ops::Deref;

/// A message, borrowed from the consumer's buffer. Dropping it does nothing: it was taken when it was received, and its
/// room is used again by the next call.
#[derive(Debug)]
pub struct Message<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) tag: u16,
    pub(super) sequence: u64,
}

impl Message<'_> {
    /// The number that the producer gave the message; 0 if it gave none.
    #[inline]
    pub fn tag(&self) -> u16 {
        self.tag
    }

    /// The message's position in what this consumer receives, in bytes: it grows from message to message.
    #[inline]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Was this message in the hands of an earlier consumer? Never: what a pipe has given out it does not give again.
    #[inline]
    pub fn redelivered(&self) -> bool {
        false
    }
}

impl Deref for Message<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.bytes
    }
}

impl AsRef<[u8]> for Message<'_> {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self.bytes
    }
}
