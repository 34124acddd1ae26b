//! Room in the ring that the caller fills in place.

use core::ops::{Deref, DerefMut};

use super::Producer;
use crate::error::SendError;
use crate::ring::record::Claimed;

/// Room for one message, to be filled in place. Dropping it aborts: nothing is sent. In a forked child, whose
/// claim it is not, it is empty.
#[derive(Debug)]
#[must_use = "a claim that is not committed sends nothing"]
pub struct Claim<'a> {
    producer: &'a mut Producer,
    claimed: Claimed,
    tag: u16,
}

impl<'a> Claim<'a> {
    #[inline(always)]
    pub(super) fn new(producer: &'a mut Producer, claimed: Claimed) -> Self {
        Claim { producer, claimed, tag: 0 }
    }

    /// Gives the message a tag, a number that the consumer sees beside it.
    #[inline]
    pub fn set_tag(&mut self, tag: u16) {
        self.tag = tag;
    }

    /// Sends only the first `len` bytes; more than were claimed changes nothing.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        self.claimed.truncate(len as u64);
    }

    /// Sends the message. Never blocks.
    ///
    /// # Errors
    /// [`SendError::Forked`] when the claim was inherited by a forked child; nothing was sent then.
    #[inline]
    pub fn commit(self) -> Result<(), SendError> {
        if !self.producer.end.is_home() {
            return Err(SendError::Forked);
        }
        if self.producer.end.sizes().durable {
            return self.producer.commit_durably(self.claimed, self.tag);
        }
        self.producer.ring.commit(self.claimed, self.tag);
        self.producer.end.ring(&self.producer.end.control.data_bell);
        Ok(())
    }
}

impl Deref for Claim<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        if !self.producer.end.is_home() {
            return &[];
        }
        self.producer.ring.payload(&self.claimed)
    }
}

impl DerefMut for Claim<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        if !self.producer.end.is_home() {
            return &mut [];
        }
        self.producer.ring.payload_mut(&self.claimed)
    }
}
