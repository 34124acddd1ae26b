//! The producer's handle.

use core::time::Duration;
use std::io::IoSlice;
use std::sync::Arc;

use nix::sys::socket::Shutdown;

use super::fifo::Meeting;
use super::layout::{WORD, header};
use super::limit::Limit;
use super::options::Settings;
use super::outbox::{Mark, Outbox};
use super::stream::{Halt, Stream};
use super::{Batch, Claim};
use crate::error::{OpenError, SendError};
use crate::sync::{LocalU32, Ordering, nap};

/// Between the first two looks whether a consumer has come to a FIFO; twice as long each time, up to the liveness
/// interval.
const GLANCE: Duration = Duration::from_millis(1);
/// Bytes that a batch may have, however small the largest message is.
const BATCH: usize = 64 << 10;

/// The sending end of a stream. Dropping it writes what it owes and a goodbye, for which it waits up to
/// [`linger`](super::Options::linger) while the pipe is full: the consumer receives what was sent, then
/// [`RecvError::Closed`](crate::RecvError::Closed).
#[derive(Debug)]
pub struct Producer {
    target: Target,
    pub(super) outbox: Outbox,
    settings: Settings,
    /// A socket's way back: not zero if it ended without a goodbye.
    died: Arc<LocalU32>,
}

/// Where a producer writes.
#[derive(Debug)]
pub(super) enum Target {
    Stream(Stream),
    /// To the FIFO at which it has not met a consumer yet.
    Meeting(Meeting),
}

impl Producer {
    pub(super) fn new(target: Target, settings: Settings, died: Arc<LocalU32>) -> Producer {
        if let Target::Stream(stream) = &target {
            stream.set_pipe_size(settings.pipe_size);
        }
        Producer { target, outbox: Outbox::new(), settings, died }
    }

    /// Sends `message`; blocks while the pipe is full, or until a consumer has come to the FIFO.
    ///
    /// # Errors
    /// [`SendError::TooLarge`]; [`SendError::Closed`] or [`SendError::PeerDead`] when nobody reads any more;
    /// [`SendError::Unlinked`] when something that is not to be used has the FIFO's name; [`SendError::System`];
    /// [`SendError::Forked`] in a forked child. The message was not sent then.
    pub fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.send_tagged(0, message)
    }

    /// Sends `message` with `tag`, a number that the consumer sees beside it; blocks while the pipe is full.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub fn send_tagged(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError> {
        self.send_within(tag, message, Limit::Never)
    }

    /// Sends `message` if the pipe takes at least its beginning now; the rest, if any, is owed. Never blocks.
    ///
    /// # Errors
    /// [`SendError::Full`]; else as [`Producer::send`].
    pub fn try_send(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.try_send_tagged(0, message)
    }

    /// Sends `message` with `tag` if the pipe takes at least its beginning now.
    ///
    /// # Errors
    /// As [`Producer::try_send`].
    pub fn try_send_tagged(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError> {
        self.send_within(tag, message, Limit::Now)
    }

    /// Sends `message`; blocks while the pipe is full, for at most `timeout`. If the pipe has taken only its beginning by
    /// then, the rest is owed.
    ///
    /// # Errors
    /// [`SendError::TimedOut`]; else as [`Producer::send`].
    pub fn send_timeout(&mut self, message: &[u8], timeout: Duration) -> Result<(), SendError> {
        self.send_within(0, message, Limit::after(timeout))
    }

    fn send_within(&mut self, tag: u16, message: &[u8], limit: Limit) -> Result<(), SendError> {
        self.check(message.len())?;
        self.outbox.begin();
        self.put([&header(message.len(), tag), message], limit)
    }

    /// Claims room for a message of `len` bytes, to be filled in place; blocks while something is owed and the pipe is
    /// full. The claim holds whatever bytes were there before.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub fn claim(&mut self, len: usize) -> Result<Claim<'_>, SendError> {
        self.claim_within(len, Limit::Never)
    }

    /// Claims room for a message of `len` bytes if nothing is owed, or what is owed can be written now. Its commit does
    /// not block either, and owes what the pipe does not take.
    ///
    /// # Errors
    /// As [`Producer::try_send`].
    pub fn try_claim(&mut self, len: usize) -> Result<Claim<'_>, SendError> {
        self.claim_within(len, Limit::Now)
    }

    /// Claims room for a message of `len` bytes; the call and the commit together block for at most `timeout`.
    ///
    /// # Errors
    /// As [`Producer::send_timeout`].
    pub fn claim_timeout(&mut self, len: usize, timeout: Duration) -> Result<Claim<'_>, SendError> {
        self.claim_within(len, Limit::after(timeout))
    }

    fn claim_within(&mut self, len: usize, limit: Limit) -> Result<Claim<'_>, SendError> {
        self.check(len)?;
        self.write_owed(limit).map_err(|stop| self.stopped(stop, limit, WORD + len))?;
        self.outbox.begin();
        self.outbox.open(len);
        Ok(Claim::new(self, len, limit))
    }

    pub(super) fn commit_claim(&mut self, len: usize, tag: u16, limit: Limit) -> Result<(), SendError> {
        self.check(len)?;
        let mark = self.outbox.mark();
        self.outbox.commit(len, tag);
        self.write_accepted(mark, limit)
    }

    /// Opens a batch: messages that are sent with one system call when it is committed. Never blocks.
    ///
    /// # Errors
    /// [`SendError::Forked`] in a forked child.
    pub fn batch(&mut self) -> Result<Batch<'_>, SendError> {
        self.check(0)?;
        self.outbox.begin();
        Ok(Batch::new(self))
    }

    pub(super) fn push(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError> {
        self.check(message.len())?;
        let most = (self.settings.largest + WORD).max(BATCH);
        let (need, free) = (WORD + message.len(), most - self.outbox.open_len());
        if need > free {
            return Err(SendError::Full { need: need as u64, free: free as u64 });
        }
        self.outbox.push(message, tag);
        Ok(())
    }

    pub(super) fn commit_batch(&mut self) -> Result<(), SendError> {
        self.check(0)?;
        let mark = self.outbox.mark();
        self.outbox.commit_all();
        self.write_accepted(mark, Limit::Never)
    }

    /// Bytes that were accepted and not written yet. The next call writes them first.
    pub fn owed(&self) -> usize {
        self.outbox.owed().len()
    }

    /// Writes what is owed; blocks while the pipe is full, for at most `timeout` if there is one.
    ///
    /// # Errors
    /// As [`Producer::send_timeout`]; what is left is still owed.
    pub fn flush(&mut self, timeout: Option<Duration>) -> Result<(), SendError> {
        self.check(0)?;
        let limit = Limit::within(timeout);
        self.write_owed(limit).map_err(|stop| self.stopped(stop, limit, 0))
    }

    /// Bytes of the largest message.
    pub fn largest(&self) -> usize {
        self.settings.largest
    }

    /// Bytes that the pipe holds; `None` for a socket, and while no consumer has come to the FIFO.
    pub fn pipe_size(&self) -> Option<usize> {
        match &self.target {
            Target::Stream(stream) => stream.pipe_size(),
            Target::Meeting(_) => None,
        }
    }

    /// Says goodbye; the same as dropping the producer.
    pub fn close(self) {}

    fn check(&self, len: usize) -> Result<(), SendError> {
        if !self.settings.home.is_here() {
            return Err(SendError::Forked);
        }
        if len > self.settings.largest {
            return Err(SendError::TooLarge { len, largest: self.settings.largest });
        }
        Ok(())
    }

    /// Writes what is owed and then a frame, with as few system calls as the pipe allows. Once the frame has begun it is
    /// accepted, and what cannot be written is owed.
    fn put(&mut self, frame: [&[u8]; 2], limit: Limit) -> Result<(), SendError> {
        let whole = frame[0].len() + frame[1].len();
        let mut written = 0;
        while written < whole {
            let rest = frame_from(frame, written);
            let result = meet(&mut self.target, &self.settings, limit).and_then(|stream| {
                let parts = [self.outbox.owed(), rest[0], rest[1]].map(IoSlice::new);
                stream.write(&parts, limit).map_err(Stop::Halt)
            });
            match result {
                Ok(count) => {
                    let owed = count.min(self.outbox.owed().len());
                    self.outbox.wrote(owed);
                    written += count - owed;
                }
                Err(Stop::Halt(Halt::TimeUp | Halt::Failed(_))) if written > 0 => {
                    self.outbox.keep(rest);
                    return Ok(());
                }
                Err(stop) => return Err(self.stopped(stop, limit, whole)),
            }
        }
        Ok(())
    }

    /// Writes what was accepted behind `mark`. What cannot be written now is owed; but what an error has kept from being
    /// begun is not accepted after all.
    fn write_accepted(&mut self, mark: Mark, limit: Limit) -> Result<(), SendError> {
        match self.write_owed(limit) {
            Ok(()) | Err(Stop::Halt(Halt::TimeUp)) => Ok(()),
            Err(Stop::Halt(Halt::Failed(_))) if self.outbox.is_begun(mark) => Ok(()),
            Err(stop) => {
                self.outbox.retract(mark);
                Err(self.stopped(stop, limit, 0))
            }
        }
    }

    fn write_owed(&mut self, limit: Limit) -> Result<(), Stop> {
        while !self.outbox.owed().is_empty() {
            let stream = meet(&mut self.target, &self.settings, limit)?;
            let count = stream.write(&[IoSlice::new(self.outbox.owed())], limit).map_err(Stop::Halt)?;
            self.outbox.wrote(count);
        }
        Ok(())
    }

    /// The error of a call that needed room for `frame` bytes and for what is owed.
    fn stopped(&mut self, stop: Stop, limit: Limit, frame: usize) -> SendError {
        if matches!(stop, Stop::Halt(Halt::Gone)) {
            self.outbox.forget();
        }
        match stop {
            Stop::Halt(Halt::TimeUp) if matches!(limit, Limit::Now) => {
                SendError::Full { need: (self.owed() + frame) as u64, free: 0 }
            }
            Stop::Halt(Halt::TimeUp) => SendError::TimedOut,
            Stop::Halt(Halt::Gone) if self.died.load(Ordering::Relaxed) != 0 => SendError::PeerDead,
            Stop::Halt(Halt::Gone) => SendError::Closed,
            Stop::Halt(Halt::Failed(errno)) => SendError::System { errno: errno as i32 },
            Stop::NoMeeting(OpenError::System { source, .. }) => {
                SendError::System { errno: source.raw_os_error().unwrap_or_default() }
            }
            Stop::NoMeeting(_) => SendError::Unlinked,
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        if !self.settings.home.is_here() {
            return;
        }
        // Whoever waits at the FIFO hears a goodbye, and nobody is waited for.
        if meet(&mut self.target, &self.settings, Limit::Now).is_ok() {
            self.outbox.begin();
            self.outbox.say_goodbye();
            // A consumer that does not take it will think that the producer died.
            let _ = self.write_owed(Limit::after(self.settings.linger));
        }
        match &self.target {
            Target::Stream(stream) => stream.shut(Shutdown::Write),
            Target::Meeting(meeting) => meeting.give_up(),
        }
    }
}

/// Why nothing was written.
enum Stop {
    Halt(Halt),
    /// What has the FIFO's name cannot be used.
    NoMeeting(OpenError),
}

/// What is left of a frame of two parts behind its first `written` bytes.
fn frame_from(frame: [&[u8]; 2], written: usize) -> [&[u8]; 2] {
    let of_header = written.min(frame[0].len());
    [&frame[0][of_header..], &frame[1][written - of_header..]]
}

/// The stream, once somebody reads there.
fn meet<'a>(target: &'a mut Target, settings: &Settings, limit: Limit) -> Result<&'a mut Stream, Stop> {
    let mut glance = GLANCE;
    while let Target::Meeting(meeting) = target {
        if let Some(fifo) = meeting.open_to_write().map_err(Stop::NoMeeting)? {
            let stream = Stream::own(fifo);
            stream.set_pipe_size(settings.pipe_size);
            *target = Target::Stream(stream);
        } else if limit.is_over() {
            return Err(Stop::Halt(Halt::TimeUp));
        } else {
            nap(limit.left().map_or(glance, |left| left.min(glance)));
            glance = (2 * glance).min(settings.interval);
        }
    }
    match target {
        Target::Stream(stream) => Ok(stream),
        Target::Meeting(_) => unreachable!("the loop ends with a stream"),
    }
}
