//! The receiving end of a connection.

use core::ops::Deref;
use core::time::Duration;

use super::{Carrier, Transport};
use crate::channel::spsc;
use crate::error::RecvError;
use crate::pipe;

/// The receiving end of a connection: the verbs of [`spsc::Consumer`](crate::spsc::Consumer), whatever carries the messages.
/// Dropping it says goodbye.
#[derive(Debug)]
pub struct Consumer {
    by: By,
    transport: Transport,
}

/// What carries the messages.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one per connection, and on the path of every message")]
enum By {
    Ring(spsc::Consumer),
    Stream(pipe::Consumer),
}

impl Consumer {
    pub(super) fn ring(rx: spsc::Consumer, transport: Transport) -> Consumer {
        Consumer { by: By::Ring(rx), transport }
    }

    pub(super) fn stream(rx: pipe::Consumer, transport: Transport) -> Consumer {
        Consumer { by: By::Stream(rx), transport }
    }

    /// What carries the messages, and why that.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The next message, borrowed in place; blocks until there is one. Dropping the message releases it.
    ///
    /// # Errors
    /// As [`spsc::Consumer::recv`](crate::spsc::Consumer::recv) or [`pipe::Consumer::recv`](crate::pipe::Consumer::recv).
    #[inline]
    pub fn recv(&mut self) -> Result<Message<'_>, RecvError> {
        Ok(Message(match &mut self.by {
            By::Ring(rx) => MessageBy::Ring(rx.recv()?),
            By::Stream(rx) => MessageBy::Stream(rx.recv()?),
        }))
    }

    /// The next message if there is one now. Never blocks.
    ///
    /// # Errors
    /// [`RecvError::Empty`]; else as [`Consumer::recv`].
    #[inline]
    pub fn try_recv(&mut self) -> Result<Message<'_>, RecvError> {
        Ok(Message(match &mut self.by {
            By::Ring(rx) => MessageBy::Ring(rx.try_recv()?),
            By::Stream(rx) => MessageBy::Stream(rx.try_recv()?),
        }))
    }

    /// The next message; blocks until there is one, for at most `timeout`.
    ///
    /// # Errors
    /// [`RecvError::TimedOut`]; else as [`Consumer::recv`].
    #[inline]
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Message<'_>, RecvError> {
        Ok(Message(match &mut self.by {
            By::Ring(rx) => MessageBy::Ring(rx.recv_timeout(timeout)?),
            By::Stream(rx) => MessageBy::Stream(rx.recv_timeout(timeout)?),
        }))
    }

    /// Takes whatever is there, one after the other. Never blocks.
    ///
    /// # Errors
    /// [`RecvError::Forked`] in a forked child.
    pub fn drain(&mut self) -> Result<Drain<'_>, RecvError> {
        Ok(Drain(match &mut self.by {
            By::Ring(rx) => DrainBy::Ring(rx.drain()?),
            By::Stream(rx) => DrainBy::Stream(rx.drain()?),
        }))
    }

    /// Blocks until there is a message, for at most `timeout` if there is one, and takes nothing.
    ///
    /// # Errors
    /// As [`Consumer::recv_timeout`].
    pub fn wait_for_message(&mut self, timeout: Option<Duration>) -> Result<(), RecvError> {
        match &mut self.by {
            By::Ring(rx) => rx.wait_for_message(timeout),
            By::Stream(rx) => rx.wait_for_message(timeout),
        }
    }

    /// Bytes of the largest message.
    pub fn largest(&self) -> usize {
        match &self.by {
            By::Ring(rx) => rx.largest(),
            By::Stream(rx) => rx.largest(),
        }
    }

    /// Says goodbye; the same as dropping the consumer.
    pub fn close(self) {}
}

/// The ring of a name or descriptor, used as a connection is.
impl From<spsc::Consumer> for Consumer {
    fn from(rx: spsc::Consumer) -> Consumer {
        let transport = Transport::named(Carrier::Ring(rx.geometry().backing));
        Consumer::ring(rx, transport)
    }
}

/// A message, borrowed in place. Dropping it releases it.
#[derive(Debug)]
#[must_use = "a message that is dropped at once is released unread"]
pub struct Message<'a>(MessageBy<'a>);

#[derive(Debug)]
enum MessageBy<'a> {
    Ring(spsc::Message<'a>),
    Stream(pipe::Message<'a>),
}

impl Message<'_> {
    /// The number that the producer gave the message; 0 if it gave none.
    pub fn tag(&self) -> u16 {
        match &self.0 {
            MessageBy::Ring(message) => message.tag(),
            MessageBy::Stream(message) => message.tag(),
        }
    }

    /// Its place in the stream: it grows from message to message.
    pub fn sequence(&self) -> u64 {
        match &self.0 {
            MessageBy::Ring(message) => message.sequence(),
            MessageBy::Stream(message) => message.sequence(),
        }
    }

    /// Was this message in the hands of an earlier consumer, which died before it released it? Only in a ring with a name.
    pub fn redelivered(&self) -> bool {
        match &self.0 {
            MessageBy::Ring(message) => message.redelivered(),
            MessageBy::Stream(message) => message.redelivered(),
        }
    }
}

impl Deref for Message<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            MessageBy::Ring(message) => message,
            MessageBy::Stream(message) => message,
        }
    }
}

impl AsRef<[u8]> for Message<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// The messages that are there now, taken one after the other.
#[derive(Debug)]
#[must_use = "a drain takes nothing until `next` is called"]
pub struct Drain<'a>(DrainBy<'a>);

#[derive(Debug)]
enum DrainBy<'a> {
    Ring(spsc::Drain<'a>),
    Stream(pipe::Drain<'a>),
}

impl Drain<'_> {
    /// The next message; `None` when there is none now, or when what was taken should be given back: drop the drain and open
    /// another. Never blocks. The message can be used until the next call.
    ///
    /// # Errors
    /// As [`Consumer::try_recv`].
    #[expect(
        clippy::should_implement_trait,
        reason = "messages borrow from the drain, iterators cannot lend"
    )]
    pub fn next(&mut self) -> Option<Result<Message<'_>, RecvError>> {
        match &mut self.0 {
            DrainBy::Ring(drain) => {
                drain.next().map(|found| found.map(|message| Message(MessageBy::Ring(message))))
            }
            DrainBy::Stream(drain) => {
                drain.next().map(|found| found.map(|message| Message(MessageBy::Stream(message))))
            }
        }
    }
}
