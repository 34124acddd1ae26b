//! The sending end of a connection.

use core::ops::{Deref, DerefMut};
use core::time::Duration;

use super::{Carrier, Transport};
use crate::channel::spsc;
use crate::error::SendError;
use crate::pipe;

/// The sending end of a connection: the verbs of [`spsc::Producer`](crate::spsc::Producer), whatever carries the messages. Dropping
/// it says goodbye.
#[derive(Debug)]
pub struct Producer {
    by: By,
    transport: Transport,
}

/// What carries the messages.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one per connection, and on the path of every message")]
enum By {
    Ring(spsc::Producer),
    Stream(pipe::Producer),
}

/// Calls the same method of whatever carries the messages.
macro_rules! either {
    ($by:expr, $end:ident => $call:expr) => {
        match $by {
            By::Ring($end) => $call,
            By::Stream($end) => $call,
        }
    };
}

impl Producer {
    pub(super) fn ring(tx: spsc::Producer, transport: Transport) -> Producer {
        Producer { by: By::Ring(tx), transport }
    }

    pub(super) fn stream(tx: pipe::Producer, transport: Transport) -> Producer {
        Producer { by: By::Stream(tx), transport }
    }

    /// What carries the messages, and why that.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Sends a copy of `message`; blocks while there is no room.
    ///
    /// # Errors
    /// As [`spsc::Producer::send`](crate::spsc::Producer::send) or [`pipe::Producer::send`](crate::pipe::Producer::send).
    #[inline]
    pub fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        either!(&mut self.by, tx => tx.send(message))
    }

    /// Sends a copy of `message` with `tag`, a number that the consumer sees beside it; blocks while there is no room.
    ///
    /// # Errors
    /// As [`Producer::send`].
    #[inline]
    pub fn send_tagged(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError> {
        either!(&mut self.by, tx => tx.send_tagged(tag, message))
    }

    /// Sends a copy of `message` if there is room now. Never blocks.
    ///
    /// # Errors
    /// [`SendError::Full`]; else as [`Producer::send`].
    #[inline]
    pub fn try_send(&mut self, message: &[u8]) -> Result<(), SendError> {
        either!(&mut self.by, tx => tx.try_send(message))
    }

    /// Sends a copy of `message` with `tag` if there is room now. Never blocks.
    ///
    /// # Errors
    /// As [`Producer::try_send`].
    #[inline]
    pub fn try_send_tagged(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError> {
        either!(&mut self.by, tx => tx.try_send_tagged(tag, message))
    }

    /// Sends a copy of `message`; blocks while there is no room, for at most `timeout`.
    ///
    /// # Errors
    /// [`SendError::TimedOut`]; else as [`Producer::send`].
    #[inline]
    pub fn send_timeout(&mut self, message: &[u8], timeout: Duration) -> Result<(), SendError> {
        either!(&mut self.by, tx => tx.send_timeout(message, timeout))
    }

    /// Claims room for a message of `len` bytes, to be filled in place; blocks while there is none.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub fn claim(&mut self, len: usize) -> Result<Claim<'_>, SendError> {
        Ok(Claim(match &mut self.by {
            By::Ring(tx) => ClaimBy::Ring(tx.claim(len)?),
            By::Stream(tx) => ClaimBy::Stream(tx.claim(len)?),
        }))
    }

    /// Claims room for a message of `len` bytes if there is some now. Never blocks.
    ///
    /// # Errors
    /// As [`Producer::try_send`].
    pub fn try_claim(&mut self, len: usize) -> Result<Claim<'_>, SendError> {
        Ok(Claim(match &mut self.by {
            By::Ring(tx) => ClaimBy::Ring(tx.try_claim(len)?),
            By::Stream(tx) => ClaimBy::Stream(tx.try_claim(len)?),
        }))
    }

    /// Claims room for a message of `len` bytes; blocks while there is none, for at most `timeout`.
    ///
    /// # Errors
    /// As [`Producer::send_timeout`].
    pub fn claim_timeout(&mut self, len: usize, timeout: Duration) -> Result<Claim<'_>, SendError> {
        Ok(Claim(match &mut self.by {
            By::Ring(tx) => ClaimBy::Ring(tx.claim_timeout(len, timeout)?),
            By::Stream(tx) => ClaimBy::Stream(tx.claim_timeout(len, timeout)?),
        }))
    }

    /// Opens a batch: messages that are published together when it is committed. Never blocks.
    ///
    /// # Errors
    /// As [`spsc::Producer::batch`](crate::spsc::Producer::batch) or [`pipe::Producer::batch`](crate::pipe::Producer::batch).
    pub fn batch(&mut self) -> Result<Batch<'_>, SendError> {
        Ok(Batch(match &mut self.by {
            By::Ring(tx) => BatchBy::Ring(tx.batch()?),
            By::Stream(tx) => BatchBy::Stream(tx.batch()?),
        }))
    }

    /// Writes what was accepted and is still owed, where the messages go over a socket, pipe or FIFO: see
    /// [`pipe::Producer::owed`](crate::pipe::Producer::owed). Blocks while it is full, for at most `timeout` if there is one. In a ring
    /// nothing is owed.
    ///
    /// # Errors
    /// As [`pipe::Producer::flush`](crate::pipe::Producer::flush); what is left is still owed.
    pub fn flush(&mut self, timeout: Option<Duration>) -> Result<(), SendError> {
        match &mut self.by {
            By::Ring(_) => Ok(()),
            By::Stream(tx) => tx.flush(timeout),
        }
    }

    /// Bytes of the largest message.
    pub fn largest(&self) -> usize {
        either!(&self.by, tx => tx.largest())
    }

    /// Says goodbye; the same as dropping the producer.
    pub fn close(self) {}
}

/// The ring of a name or descriptor, used as a connection is.
impl From<spsc::Producer> for Producer {
    fn from(tx: spsc::Producer) -> Producer {
        let transport = Transport::named(Carrier::Ring(tx.geometry().backing));
        Producer::ring(tx, transport)
    }
}

/// Room for one message, to be filled in place. Dropping it aborts: nothing is sent.
#[derive(Debug)]
#[must_use = "a claim that is not committed sends nothing"]
pub struct Claim<'a>(ClaimBy<'a>);

#[derive(Debug)]
enum ClaimBy<'a> {
    Ring(spsc::Claim<'a>),
    Stream(pipe::Claim<'a>),
}

impl Claim<'_> {
    /// Gives the message a tag, a number that the consumer sees beside it.
    pub fn set_tag(&mut self, tag: u16) {
        match &mut self.0 {
            ClaimBy::Ring(claim) => claim.set_tag(tag),
            ClaimBy::Stream(claim) => claim.set_tag(tag),
        }
    }

    /// Sends only the first `len` bytes; more than were claimed changes nothing.
    pub fn truncate(&mut self, len: usize) {
        match &mut self.0 {
            ClaimBy::Ring(claim) => claim.truncate(len),
            ClaimBy::Stream(claim) => claim.truncate(len),
        }
    }

    /// Sends the message. Blocks no longer than the call that claimed may.
    ///
    /// # Errors
    /// As the call that claimed.
    pub fn commit(self) -> Result<(), SendError> {
        match self.0 {
            ClaimBy::Ring(claim) => claim.commit(),
            ClaimBy::Stream(claim) => claim.commit(),
        }
    }
}

impl Deref for Claim<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            ClaimBy::Ring(claim) => claim,
            ClaimBy::Stream(claim) => claim,
        }
    }
}

impl DerefMut for Claim<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.0 {
            ClaimBy::Ring(claim) => claim,
            ClaimBy::Stream(claim) => claim,
        }
    }
}

/// Messages that are published together. Dropping it sends nothing.
#[derive(Debug)]
#[must_use = "a batch that is not committed sends nothing"]
pub struct Batch<'a>(BatchBy<'a>);

#[derive(Debug)]
enum BatchBy<'a> {
    Ring(spsc::Batch<'a>),
    Stream(pipe::Batch<'a>),
}

impl Batch<'_> {
    /// Adds a message. Never blocks.
    ///
    /// # Errors
    /// [`SendError::Full`]: commit, and open another; [`SendError::TooLarge`].
    pub fn push(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.push_tagged(0, message)
    }

    /// Adds a message with a tag. Never blocks.
    ///
    /// # Errors
    /// As [`Batch::push`].
    pub fn push_tagged(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError> {
        match &mut self.0 {
            BatchBy::Ring(batch) => batch.push_tagged(tag, message),
            BatchBy::Stream(batch) => batch.push_tagged(tag, message),
        }
    }

    /// Messages in it.
    pub fn len(&self) -> usize {
        match &self.0 {
            BatchBy::Ring(batch) => batch.len(),
            BatchBy::Stream(batch) => batch.len(),
        }
    }

    /// Is there none in it?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sends them. Blocks while a pipe or socket is full; a ring has their room already.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub fn commit(self) -> Result<(), SendError> {
        match self.0 {
            BatchBy::Ring(batch) => batch.commit(),
            BatchBy::Stream(batch) => batch.commit(),
        }
    }
}
