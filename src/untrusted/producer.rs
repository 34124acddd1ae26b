//! The producer's handle.

use core::time::Duration;

use super::end::{End, Ended, Looks, wait};
use crate::channel::Peer;
use crate::error::{Corrupt, SendError};
use crate::layout::halves::largest;
use crate::ring::halves::{self, Refused};
use crate::wait::Wait;

/// The sending end of an untrusted ring. Dropping it says goodbye: the consumer receives what was sent, then
/// [`RecvError::Closed`](crate::RecvError::Closed).
#[derive(Debug)]
pub struct Producer {
    ring: halves::Producer,
    end: End,
}

impl Producer {
    pub(super) fn new(end: End, size: u64) -> Producer {
        let ring = halves::Producer::new(end.own.clone(), end.theirs.clone(), end.own_window(size));
        Producer { ring, end }
    }

    /// Sends a copy of `message`; blocks while the ring is full.
    ///
    /// # Errors
    /// [`SendError::TooLarge`]; while full, [`SendError::Closed`] or [`SendError::PeerDead`] when the consumer has left or is
    /// gone; [`SendError::Corrupt`] when it wrote what it must not, for ever; [`SendError::Forked`] in a forked child.
    /// Nothing was sent then.
    #[inline]
    pub fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.send_tagged(0, message)
    }

    /// Sends a copy of `message` with `tag`, a number that the consumer sees beside it; blocks while the ring is full.
    ///
    /// # Errors
    /// As [`Producer::send`].
    #[inline]
    pub fn send_tagged(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError> {
        self.send_within(tag, message, None)
    }

    /// Sends a copy of `message`; blocks while the ring is full, for at most `timeout`.
    ///
    /// # Errors
    /// [`SendError::TimedOut`]; else as [`Producer::send`].
    pub fn send_timeout(&mut self, message: &[u8], timeout: Duration) -> Result<(), SendError> {
        self.send_within(0, message, Some(timeout))
    }

    /// Sends a copy of `message` if there is room now. Makes no system call but to wake a sleeping consumer.
    ///
    /// # Errors
    /// [`SendError::Full`]; else as [`Producer::send`], but a consumer that is gone is not noticed: [`Producer::peer`] asks.
    #[inline]
    pub fn try_send(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.try_send_tagged(0, message)
    }

    /// Sends a copy of `message` with `tag` if there is room now.
    ///
    /// # Errors
    /// As [`Producer::try_send`].
    #[inline]
    pub fn try_send_tagged(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError> {
        let Sent::Full { need, free } = self.send_once(tag, message)? else { return Ok(()) };
        if !self.ring.is_left()? {
            return Err(SendError::Full { need, free });
        }
        // It may have made room before it left.
        match self.send_once(tag, message)? {
            Sent::Yes => Ok(()),
            Sent::Full { .. } => Err(SendError::Closed),
        }
    }

    /// Bytes of the largest message.
    pub fn largest(&self) -> usize {
        largest(self.ring.size()) as usize
    }

    /// What is known of the consumer. Asks the system.
    pub fn peer(&mut self) -> Peer {
        self.end.peer(|| self.ring.is_left())
    }

    /// Changes how blocking calls wait.
    pub fn set_wait(&mut self, wait: Wait) {
        self.end.set_wait(wait);
    }

    /// Says goodbye; the same as dropping the producer.
    pub fn close(self) {}

    #[inline(always)]
    fn send_once(&mut self, tag: u16, message: &[u8]) -> Result<Sent, SendError> {
        if !self.end.is_home() {
            return Err(SendError::Forked);
        }
        match self.ring.send(tag, message) {
            Ok(()) => {
                self.end.ring();
                Ok(Sent::Yes)
            }
            Err(Refused::Full { need, free }) => Ok(Sent::Full { need, free }),
            Err(Refused::TooLarge) => {
                Err(SendError::TooLarge { len: message.len(), largest: self.largest() })
            }
            Err(Refused::Corrupt(corrupt)) => Err(corrupt.into()),
        }
    }

    #[inline(always)]
    fn send_within(&mut self, tag: u16, message: &[u8], timeout: Option<Duration>) -> Result<(), SendError> {
        match self.send_once(tag, message)? {
            Sent::Yes => Ok(()),
            Sent::Full { .. } => self.send_waiting(tag, message, timeout),
        }
    }

    #[cold]
    fn send_waiting(&mut self, tag: u16, message: &[u8], timeout: Option<Duration>) -> Result<(), SendError> {
        let patience = self.end.patience(timeout);
        let room = Room { ring: &mut self.ring, len: message.len() as u64 };
        let ended = wait(&self.end, &patience, room);
        self.end.end_wait(&patience);
        match ended {
            Some(Ended::Ready) => match self.send_once(tag, message)? {
                Sent::Yes => Ok(()),
                // Room that was seen stays.
                Sent::Full { need, free } => Err(SendError::Full { need, free }),
            },
            Some(Ended::Closed) => Err(SendError::Closed),
            Some(Ended::PeerDead) => Err(SendError::PeerDead),
            Some(Ended::Corrupt(corrupt)) => Err(corrupt.into()),
            None => Err(SendError::TimedOut),
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.end.leave();
    }
}

/// What became of a message.
enum Sent {
    Yes,
    Full { need: u64, free: u64 },
}

/// Room for a message of `len` bytes.
struct Room<'a> {
    ring: &'a mut halves::Producer,
    len: u64,
}

impl Looks for Room<'_> {
    fn look(&mut self) -> Result<bool, Corrupt> {
        self.ring.has_room(self.len)
    }

    fn is_left(&mut self) -> Result<bool, Corrupt> {
        self.ring.is_left()
    }
}
