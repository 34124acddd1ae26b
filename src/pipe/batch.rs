//! Several messages that go with one system call.

use super::Producer;
use crate::error::SendError;

/// Messages that are sent with one system call when the batch is committed. Dropping it aborts: none is sent.
#[derive(Debug)]
#[must_use = "a batch that is not committed sends nothing"]
pub struct Batch<'a> {
    producer: &'a mut Producer,
    messages: usize,
}

impl<'a> Batch<'a> {
    pub(super) fn new(producer: &'a mut Producer) -> Self {
        Batch { producer, messages: 0 }
    }

    /// Appends a copy of `message`. Never blocks.
    ///
    /// # Errors
    /// [`SendError::Full`] when the batch has as many bytes as it may: as many as the largest message takes, or 64 KiB if
    /// that is more. Commit, and open the next one. [`SendError::TooLarge`] when the message never fits;
    /// [`SendError::Forked`] in a forked child. The messages appended before stay in the batch.
    pub fn push(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.push_tagged(0, message)
    }

    /// Appends a copy of `message` with a tag.
    ///
    /// # Errors
    /// As [`Batch::push`].
    pub fn push_tagged(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError> {
        self.producer.push(tag, message)?;
        self.messages += 1;
        Ok(())
    }

    /// Messages in the batch.
    pub fn len(&self) -> usize {
        self.messages
    }

    /// Has the batch no message?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sends the messages: one system call, if the pipe takes them all. Blocks while the pipe is full. An empty batch
    /// is fine.
    ///
    /// # Errors
    /// As [`Producer::send`], of all messages together.
    pub fn commit(self) -> Result<(), SendError> {
        self.producer.commit_batch()
    }
}
