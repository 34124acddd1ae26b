//! The consumer's handle.

use core::time::Duration;

use super::Message;
use super::end::{End, Ended, Looks, wait};
use crate::channel::Peer;
use crate::error::{Corrupt, RecvError};
use crate::layout::halves::largest;
use crate::ring::halves::{self, Copied};
use crate::wait::Wait;

/// The receiving end of an untrusted ring. Dropping it says goodbye: the producer gets
/// [`SendError::Closed`](crate::SendError::Closed) when nothing more fits.
#[derive(Debug)]
pub struct Consumer {
    ring: halves::Consumer,
    end: End,
}

impl Consumer {
    pub(super) fn new(end: End, size: u64) -> Consumer {
        let ring = halves::Consumer::new(end.own.clone(), end.theirs.clone(), end.their_window(size));
        Consumer { ring, end }
    }

    /// Receives the next message; blocks until there is one.
    ///
    /// # Errors
    /// [`RecvError::Closed`] or [`RecvError::PeerDead`] when the producer has left or is gone and everything was received;
    /// [`RecvError::Corrupt`] when it wrote what it must not, for ever; [`RecvError::Forked`] in a forked child.
    #[inline]
    pub fn recv(&mut self) -> Result<Message<'_>, RecvError> {
        self.recv_within(None)
    }

    /// Receives the next message; blocks until there is one, for at most `timeout`.
    ///
    /// # Errors
    /// [`RecvError::TimedOut`]; else as [`Consumer::recv`].
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Message<'_>, RecvError> {
        self.recv_within(Some(timeout))
    }

    /// Receives the next message if there is one now. Makes no system call but to wake a sleeping producer.
    ///
    /// # Errors
    /// [`RecvError::Empty`]; else as [`Consumer::recv`], but a producer that is gone is not noticed: [`Consumer::peer`] asks.
    #[inline]
    pub fn try_recv(&mut self) -> Result<Message<'_>, RecvError> {
        let copied = match self.recv_once()? {
            Some(copied) => copied,
            None if !self.ring.is_left()? => return Err(RecvError::Empty),
            // What it sent before it left.
            None => self.recv_once()?.ok_or(RecvError::Closed)?,
        };
        Ok(Message::new(self.ring.words(), copied))
    }

    /// Bytes of the largest message.
    pub fn largest(&self) -> usize {
        largest(self.ring.size()) as usize
    }

    /// What is known of the producer. Asks the system.
    pub fn peer(&mut self) -> Peer {
        self.end.peer(|| self.ring.is_left())
    }

    /// Changes how blocking calls wait.
    pub fn set_wait(&mut self, wait: Wait) {
        self.end.set_wait(wait);
    }

    /// Says goodbye; the same as dropping the consumer.
    pub fn close(self) {}

    #[inline(always)]
    fn recv_within(&mut self, timeout: Option<Duration>) -> Result<Message<'_>, RecvError> {
        let copied = match self.recv_once()? {
            Some(copied) => copied,
            None => self.recv_waiting(timeout)?,
        };
        Ok(Message::new(self.ring.words(), copied))
    }

    #[inline(always)]
    fn recv_once(&mut self) -> Result<Option<Copied>, RecvError> {
        if !self.end.is_home() {
            return Err(RecvError::Forked);
        }
        let copied = self.ring.recv()?;
        if copied.is_some() {
            self.end.ring();
        }
        Ok(copied)
    }

    #[cold]
    fn recv_waiting(&mut self, timeout: Option<Duration>) -> Result<Copied, RecvError> {
        let patience = self.end.patience(timeout);
        let ended = wait(&self.end, &patience, Data(&mut self.ring));
        self.end.end_wait(&patience);
        match ended {
            // A message that was seen stays.
            Some(Ended::Ready) => self.recv_once()?.ok_or(RecvError::Empty),
            Some(Ended::Closed) => Err(RecvError::Closed),
            Some(Ended::PeerDead) => Err(RecvError::PeerDead),
            Some(Ended::Corrupt(corrupt)) => Err(corrupt.into()),
            None => Err(RecvError::TimedOut),
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.end.leave();
    }
}

/// A message to wait for.
struct Data<'a>(&'a mut halves::Consumer);

impl Looks for Data<'_> {
    fn look(&mut self) -> Result<bool, Corrupt> {
        self.0.look()
    }

    fn is_left(&mut self) -> Result<bool, Corrupt> {
        self.0.is_left()
    }
}
