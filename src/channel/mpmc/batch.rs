//! Several messages that become visible together.

use super::Producer;
use crate::error::SendError;
use crate::ring::slots::Pending;

/// Messages that become visible together when the batch is committed. Dropping it aborts: none is sent.
///
/// Messages that others send after its first one wait behind it until it is committed or dropped. A batch that takes no
/// more slots than the producer's last one, no more than 64, and no more than an eighth of the ring (or 8), is one claim:
/// if its producer dies, all of it was sent or nothing. Any other (a producer's first, too) is claimed in pieces, of which those that were committed
/// first are received.
#[derive(Debug)]
#[must_use = "a batch that is not committed sends nothing"]
pub struct Batch<'a> {
    producer: &'a mut Producer,
    pending: Pending,
}

impl<'a> Batch<'a> {
    pub(super) fn new(producer: &'a mut Producer) -> Self {
        Batch { producer, pending: Pending::default() }
    }

    /// Appends a copy of `message`. Never blocks.
    ///
    /// # Errors
    /// [`SendError::Full`] when it does not fit now: commit, wait for space, and open the next batch.
    /// [`SendError::TooLarge`] when it never fits. The messages appended before stay in the batch.
    #[inline]
    pub fn push(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.push_tagged(0, message)
    }

    /// Appends a copy of `message` with a tag.
    ///
    /// # Errors
    /// As [`Batch::push`].
    #[inline]
    pub fn push_tagged(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError> {
        if !self.producer.end.is_home() {
            return Err(SendError::Forked);
        }
        match self.producer.ring.push(&mut self.pending, tag, message) {
            Ok(()) => Ok(()),
            Err(refused) => Err(self.producer.now_or_never(Some(refused), message.len())),
        }
    }

    /// Messages in the batch.
    pub fn len(&self) -> usize {
        self.pending.messages() as usize
    }

    /// Has the batch no message?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sends the messages. Never blocks. An empty batch is fine.
    ///
    /// # Errors
    /// [`SendError::Forked`] when the batch was inherited by a forked child; nothing was sent then.
    pub fn commit(mut self) -> Result<(), SendError> {
        if !self.producer.end.is_home() {
            return Err(SendError::Forked);
        }
        let sent = self.producer.ring.commit_batch(&mut self.pending);
        if sent > 0 {
            self.producer.end.ring_some(u32::try_from(sent).unwrap_or(u32::MAX));
        }
        Ok(())
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        // After a commit nothing is claimed any more.
        self.producer.abort();
    }
}
