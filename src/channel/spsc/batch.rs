//! Several messages that become visible together.

use super::Producer;
use crate::error::SendError;
use crate::ring::record::Pending;

/// Messages that become visible together when the batch is committed. Dropping it aborts: none is sent.
#[derive(Debug)]
#[must_use = "a batch that is not committed sends nothing"]
pub struct Batch<'a> {
    pub(super) producer: &'a mut Producer,
    pub(super) pending: Pending,
}

impl<'a> Batch<'a> {
    #[inline(always)]
    pub(super) fn new(producer: &'a mut Producer) -> Self {
        Batch { pending: producer.ring.batch(), producer }
    }

    /// Appends a copy of `message`. Never blocks.
    ///
    /// # Errors
    /// [`SendError::Full`] when it does not fit now: commit, wait for space, and open the next batch.
    /// [`SendError::TooLarge`] when it never fits. The messages appended before stay in the batch.
    #[inline(always)]
    pub fn push(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.push_tagged(0, message)
    }

    /// Appends a copy of `message` with a tag.
    ///
    /// # Errors
    /// As [`Batch::push`].
    #[inline(always)]
    pub fn push_tagged(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError> {
        let home = self.producer.end.is_home();
        if home && self.producer.ring.push_ready(&mut self.pending, tag, message) {
            return Ok(());
        }
        self.push_slowly(tag, message)
    }

    #[inline(never)]
    fn push_slowly(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError> {
        if !self.producer.end.is_home() {
            return Err(SendError::Forked);
        }
        if self.producer.end.sizes().durable {
            return self.push_durably(tag, message);
        }
        match self.producer.ring.push(&mut self.pending, tag, message) {
            Ok(()) => Ok(()),
            Err(refused) => Err(self.producer.now_or_never(Some(refused), message.len())),
        }
    }

    /// Messages in the batch.
    pub fn len(&self) -> usize {
        self.producer.ring.messages_in(&self.pending) as usize
    }

    /// Has the batch no message?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sends the messages. Never blocks. An empty batch is fine.
    ///
    /// # Errors
    /// [`SendError::Forked`] when the batch was inherited by a forked child; nothing was sent then.
    #[inline]
    pub fn commit(self) -> Result<(), SendError> {
        if !self.producer.end.is_home() {
            return Err(SendError::Forked);
        }
        if self.producer.end.sizes().durable {
            return self.producer.commit_batch_durably(&self.pending);
        }
        if self.producer.ring.commit_batch(&self.pending) {
            self.producer.end.ring(&self.producer.end.control.data_bell);
        }
        Ok(())
    }
}
