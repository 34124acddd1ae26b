//! The consumer's handle.

use core::time::Duration;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use nix::poll::PollFlags;
use nix::sys::socket::Shutdown;

use super::fifo::Meeting;
use super::inbox::{Found, Inbox, Next};
use super::limit::Limit;
use super::options::Settings;
use super::stream::{Halt, Stream};
use super::{Drain, Message};
use crate::error::RecvError;
use crate::sync::{LocalU32, Ordering};

/// The receiving end of a stream. Dropping it closes its descriptor: the producer gets
/// [`SendError::Closed`](crate::SendError::Closed), and what it sent and was not received is lost.
#[derive(Debug)]
pub struct Consumer {
    source: Source,
    inbox: Inbox,
    settings: Settings,
    /// How the last stream here ended, until another begins.
    ended: Option<RecvError>,
    /// A socket's way there is told if this way ended without a goodbye.
    died: Arc<LocalU32>,
}

/// Where a consumer reads.
#[derive(Debug)]
pub(super) struct Source {
    stream: Stream,
    /// The place of a FIFO to which nobody has come yet.
    meeting: Option<Meeting>,
}

impl Consumer {
    pub(super) fn new(source: Source, settings: Settings, died: Arc<LocalU32>) -> Consumer {
        source.stream.set_pipe_size(settings.pipe_size);
        Consumer { source, inbox: Inbox::new(settings.largest), settings, ended: None, died }
    }

    /// Receives the next message; blocks until one has arrived whole. It is borrowed from the consumer's buffer, which the
    /// next call uses again.
    ///
    /// # Errors
    /// [`RecvError::Closed`] when the producer has said goodbye, [`RecvError::PeerDead`] when the stream ended without that,
    /// both after everything that was sent whole; and again, until another producer begins a stream here.
    /// [`RecvError::Corrupt`] when the bytes are no frames or a message is too large; [`RecvError::Unlinked`] when the FIFO
    /// lost its name before a producer came; [`RecvError::System`]; [`RecvError::Forked`] in a forked child.
    pub fn recv(&mut self) -> Result<Message<'_>, RecvError> {
        self.recv_within(Limit::Never)
    }

    /// Receives the next message if it has arrived. Never blocks.
    ///
    /// # Errors
    /// [`RecvError::Empty`]; else as [`Consumer::recv`].
    pub fn try_recv(&mut self) -> Result<Message<'_>, RecvError> {
        self.recv_within(Limit::Now)
    }

    /// Receives the next message; blocks for at most `timeout`. What has arrived of a message by then is kept.
    ///
    /// # Errors
    /// [`RecvError::TimedOut`]; else as [`Consumer::recv`].
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Message<'_>, RecvError> {
        self.recv_within(Limit::after(timeout))
    }

    fn recv_within(&mut self, limit: Limit) -> Result<Message<'_>, RecvError> {
        self.take_within(limit).map(|found| self.message(found))
    }

    /// Takes the next message; waits until the limit. What is taken is there until the next call that reads.
    pub(crate) fn take_within(&mut self, limit: Limit) -> Result<Found, RecvError> {
        self.check()?;
        loop {
            match self.inbox.take()? {
                Next::Message(found) => return Ok(found),
                Next::Goodbye => return Err(self.end(RecvError::Closed)),
                Next::Nothing => self.fill(limit)?,
            }
        }
    }

    /// Takes whatever has arrived, message by message. Never blocks.
    ///
    /// # Errors
    /// [`RecvError::Forked`] in a forked child.
    pub fn drain(&mut self) -> Result<Drain<'_>, RecvError> {
        self.check()?;
        Ok(Drain::new(self))
    }

    /// A message that has arrived; reads once for all calls with the same `has_read`. `None`: there is none now; why, the
    /// next receiving call tells.
    pub(super) fn take_arrived(&mut self, has_read: &mut bool) -> Result<Option<Found>, RecvError> {
        self.check()?;
        loop {
            match self.inbox.take()? {
                Next::Message(found) => return Ok(Some(found)),
                Next::Goodbye => {
                    self.end(RecvError::Closed);
                    return Ok(None);
                }
                Next::Nothing if *has_read => return Ok(None),
                Next::Nothing => *has_read = true,
            }
            match self.fill(Limit::Now) {
                Ok(()) => {}
                Err(error @ (RecvError::System { .. } | RecvError::Corrupt(_))) => return Err(error),
                Err(_) => return Ok(None),
            }
        }
    }

    /// Blocks until there is a message, for at most `timeout`; takes none.
    ///
    /// # Errors
    /// As [`Consumer::recv_timeout`].
    pub fn wait_for_message(&mut self, timeout: Option<Duration>) -> Result<(), RecvError> {
        self.check()?;
        let limit = Limit::within(timeout);
        loop {
            match self.inbox.look()? {
                Next::Message(_) => return Ok(()),
                Next::Goodbye => return Err(RecvError::Closed),
                Next::Nothing => self.fill(limit)?,
            }
        }
    }

    /// Bytes of the largest message.
    pub fn largest(&self) -> usize {
        self.inbox.largest()
    }

    /// Bytes that the pipe holds; `None` for a socket.
    pub fn pipe_size(&self) -> Option<usize> {
        self.source.stream.pipe_size()
    }

    /// Closes the descriptor; the same as dropping the consumer.
    pub fn close(self) {}

    /// The bytes of what was taken.
    pub(crate) fn bytes_of(&self, found: &Found) -> &[u8] {
        self.inbox.payload(found)
    }

    /// The guard of what was taken.
    pub(crate) fn message(&self, found: Found) -> Message<'_> {
        Message { bytes: self.inbox.payload(&found), tag: found.tag, sequence: found.sequence.0 }
    }

    fn check(&self) -> Result<(), RecvError> {
        if self.settings.home.is_here() { Ok(()) } else { Err(RecvError::Forked) }
    }

    /// Reads once. An error says why nothing was read.
    fn fill(&mut self, limit: Limit) -> Result<(), RecvError> {
        let ended = self.ended.filter(|_| !self.inbox.is_under_way());
        let limit = if ended.is_some() { Limit::Now } else { limit };
        match self.source.read(self.inbox.room(), limit, self.settings.interval) {
            Ok(0) => {
                let cut = self.inbox.cut();
                Err(self.end(ended.filter(|_| !cut).unwrap_or(RecvError::PeerDead)))
            }
            Ok(count) => {
                self.inbox.arrived(count);
                Ok(())
            }
            Err(RecvError::TimedOut) => Err(ended.unwrap_or(match limit {
                Limit::Now => RecvError::Empty,
                Limit::At(_) | Limit::Never => RecvError::TimedOut,
            })),
            Err(error) => Err(error),
        }
    }

    fn end(&mut self, how: RecvError) -> RecvError {
        if how == RecvError::PeerDead {
            self.died.store(1, Ordering::Relaxed);
        }
        self.ended = Some(how);
        how
    }
}

impl AsFd for Consumer {
    /// The descriptor, to be polled. Messages that have arrived already do not make it readable: take all of them first.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.source.stream.as_fd()
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        if self.settings.home.is_here() {
            self.source.meeting.as_ref().inspect(|meeting| meeting.give_up());
            self.source.stream.shut(Shutdown::Read);
        }
    }
}

impl Source {
    pub(super) fn new(stream: Stream, meeting: Option<Meeting>) -> Source {
        Source { stream, meeting }
    }

    /// Reads what is there; 0: the stream has ended.
    fn read(&mut self, into: &mut [u8], limit: Limit, interval: Duration) -> Result<usize, RecvError> {
        let Some(meeting) = &self.meeting else {
            return self.stream.read(into, limit).map_err(refusal);
        };
        loop {
            // Whoever has come removes the name after that, and writes before it leaves: so first the name is looked
            // for, then one who has left, and then what was written.
            let is_linked = meeting.leads_to(&self.stream);
            let has_left = self.stream.is_hung_up();
            let nap = limit.but_after(interval);
            let halt = match self.stream.read(into, nap) {
                Ok(0) if has_left => return Ok(0),
                Ok(0) if !is_linked => return Err(RecvError::Unlinked),
                Ok(0) => self.stream.wait(PollFlags::POLLIN, nap).err(),
                Ok(count) => {
                    self.meeting = None;
                    return Ok(count);
                }
                Err(halt) => Some(halt),
            };
            match halt {
                Some(Halt::TimeUp) if !limit.is_over() => {}
                Some(halt) => return Err(refusal(halt)),
                None => {}
            }
        }
    }
}

fn refusal(halt: Halt) -> RecvError {
    match halt {
        Halt::Failed(errno) => RecvError::System { errno: errno as i32 },
        Halt::TimeUp | Halt::Gone => RecvError::TimedOut,
    }
}
