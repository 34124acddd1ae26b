//! A message that was copied out.

use core::ops::Deref;

use zerocopy::IntoBytes;

use crate::ring::halves::Copied;

/// A message, copied into memory of the consumer's own, where it stays until the next call. Its room in the ring is released
/// already.
#[derive(Debug)]
#[must_use = "a message that is dropped at once was received in vain"]
pub struct Message<'a> {
    bytes: &'a [u8],
    tag: u16,
}

impl<'a> Message<'a> {
    #[inline(always)]
    pub(super) fn new(words: &'a [u64], copied: Copied) -> Message<'a> {
        Message { bytes: &words.as_bytes()[..copied.len], tag: copied.tag }
    }

    /// The number that the producer gave the message; 0 if it gave none.
    #[inline]
    pub fn tag(&self) -> u16 {
        self.tag
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
