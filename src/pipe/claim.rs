//! Room for a message that the caller fills in place.

use core::ops::{Deref, DerefMut};

use super::Producer;
use super::limit::Limit;
use crate::error::SendError;

/// Room for one message, to be filled in place. Dropping it aborts: nothing is sent.
#[derive(Debug)]
#[must_use = "a claim that is not committed sends nothing"]
pub struct Claim<'a> {
    producer: &'a mut Producer,
    len: usize,
    tag: u16,
    /// When the call that made the claim has to give up; its commit is bound by it, too.
    limit: Limit,
}

impl<'a> Claim<'a> {
    pub(super) fn new(producer: &'a mut Producer, len: usize, limit: Limit) -> Self {
        Claim { producer, len, tag: 0, limit }
    }

    /// Gives the message a tag, a number that the consumer sees beside it.
    #[inline]
    pub fn set_tag(&mut self, tag: u16) {
        self.tag = tag;
    }

    /// Sends only the first `len` bytes; more than were claimed changes nothing.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Sends the message. Waits for room as the call did that made the claim; what cannot be written within its limit
    /// is owed.
    ///
    /// # Errors
    /// [`SendError::Closed`], [`SendError::PeerDead`] or [`SendError::System`] as [`Producer::send`];
    /// [`SendError::Forked`] when the claim was inherited by a forked child. Nothing was sent then.
    pub fn commit(self) -> Result<(), SendError> {
        self.producer.commit_claim(self.len, self.tag, self.limit)
    }
}

impl Deref for Claim<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.producer.outbox.payload(self.len)
    }
}

impl DerefMut for Claim<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        self.producer.outbox.payload_mut(self.len)
    }
}
