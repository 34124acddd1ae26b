//! The consumer's handle.

use core::time::Duration;
use std::os::fd::OwnedFd;

use super::endpoint::Endpoint;
use super::{Drain, Message, Peer, Tune};
use crate::channel::Geometry;
use crate::error::{Corrupt, OpenError, RecvError};
use crate::layout::participant::Counters;
use crate::ring::{self, Found};
use crate::wait::{self, Condition, Wait};

/// The receiving end of a ring. Dropping it says goodbye: once the ring is full, the producer gets
/// [`SendError::Closed`](crate::SendError::Closed).
#[derive(Debug)]
pub struct Consumer {
    pub(super) ring: ring::Consumer,
    pub(super) end: Endpoint,
}

impl Consumer {
    pub(super) fn attach(end: Endpoint, tune: Tune) -> Result<Consumer, OpenError> {
        let sizes = end.header().sizes;
        let (control, line) = (end.control.clone(), end.line.clone());
        let ring = ring::Consumer::attach(end.window(), control, line, sizes, tune.pace())
            .map_err(|corrupt| OpenError::Corrupt { place: end.segment.text.clone(), corrupt })?;
        end.say_hello()?;
        Ok(Consumer { ring, end })
    }

    /// Receives the next message, borrowed in place; blocks while the ring is empty. It is released when the
    /// [`Message`] is dropped.
    ///
    /// # Errors
    /// Once everything that was committed has been received: [`RecvError::Closed`] when the producer has said
    /// goodbye, [`RecvError::PeerDead`] when it died. [`RecvError::Forked`] in a forked child.
    #[inline]
    pub fn recv(&mut self) -> Result<Message<'_>, RecvError> {
        match self.take_ready() {
            Some(found) => Ok(Message::new(self, found, true)),
            None => self.recv_waiting(None),
        }
    }

    /// Receives the next message if there is one now. Makes no system call. An empty ring costs one `pause`.
    ///
    /// # Errors
    /// [`RecvError::Empty`]; else as [`Consumer::recv`], but a dead producer is not noticed (ask
    /// [`Consumer::peer`]).
    #[inline]
    pub fn try_recv(&mut self) -> Result<Message<'_>, RecvError> {
        match self.take_ready() {
            Some(found) => Ok(Message::new(self, found, true)),
            None => self.recv_now(),
        }
    }

    /// Receives the next message; blocks while the ring is empty, for at most `timeout`.
    ///
    /// # Errors
    /// [`RecvError::TimedOut`]; else as [`Consumer::recv`].
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Message<'_>, RecvError> {
        match self.take_ready() {
            Some(found) => Ok(Message::new(self, found, true)),
            None => self.recv_waiting(Some(timeout)),
        }
    }

    /// Takes whatever is there, message by message, and releases it together: the fastest way to empty a ring.
    ///
    /// # Errors
    /// [`RecvError::Forked`] in a forked child.
    #[inline]
    pub fn drain(&mut self) -> Result<Drain<'_>, RecvError> {
        if !self.end.is_home() {
            return Err(RecvError::Forked);
        }
        Ok(Drain::new(self))
    }

    /// Blocks until there is a message, for at most `timeout`; takes none.
    ///
    /// # Errors
    /// As [`Consumer::recv_timeout`].
    pub fn wait_for_message(&mut self, timeout: Option<Duration>) -> Result<(), RecvError> {
        if !self.end.is_home() {
            return Err(RecvError::Forked);
        }
        if !self.ring.is_drained() {
            return Ok(());
        }
        self.wait(timeout, Look::Only).map(drop)
    }

    /// The short way: a message is there. `None` for every other reason, which the long way tells apart.
    #[inline(always)]
    pub(super) fn take_ready(&mut self) -> Option<Found> {
        if self.end.is_home() { self.ring.find_ready() } else { None }
    }

    #[cold]
    #[inline(never)]
    fn recv_now(&mut self) -> Result<Message<'_>, RecvError> {
        if !self.end.is_home() {
            return Err(RecvError::Forked);
        }
        if let Some(found) = self.ring.find()? {
            return Ok(Message::new(self, found, true));
        }
        // Empty; if the producer has said goodbye, this second look is the last.
        let closed = self.end.peer_said_goodbye();
        match self.ring.find_now()? {
            Some(found) => Ok(Message::new(self, found, true)),
            None if closed => Err(RecvError::Closed),
            None => Err(RecvError::Empty),
        }
    }

    #[cold]
    #[inline(never)]
    fn recv_waiting(&mut self, timeout: Option<Duration>) -> Result<Message<'_>, RecvError> {
        if !self.end.is_home() {
            return Err(RecvError::Forked);
        }
        let found = match self.ring.find()? {
            Some(found) => Some(found),
            None => self.wait(timeout, Look::Take)?,
        };
        found.map(|found| Message::new(self, found, true)).ok_or(RecvError::Empty)
    }

    fn wait(&mut self, timeout: Option<Duration>, look: Look) -> Result<Option<Found>, RecvError> {
        self.end.waits.set(self.end.waits.get() + 1);
        let patience = self.end.patience(timeout);
        let control = self.end.control.clone();
        let mut next = Next { consumer: self, look };
        wait::wait(&control.data_bell, &patience, &mut next).unwrap_or(Err(RecvError::TimedOut))
    }

    #[inline(always)]
    pub(super) fn release(&self) {
        // What a forked child inherited is the parent's to release.
        if self.end.is_home() {
            self.ring.release();
            self.end.ring(&self.end.control.space_bell);
        }
    }

    /// What is known of the producer. Makes a system call.
    pub fn peer(&self) -> Peer {
        self.end.peer()
    }

    /// Bytes that records can take at once; a record is a message and 8 bytes, padded to the alignment.
    pub fn capacity(&self) -> usize {
        self.end.header().sizes.capacity() as usize
    }

    /// Bytes of the largest message.
    pub fn largest(&self) -> usize {
        self.end.header().sizes.largest() as usize
    }

    /// Bytes of records that are sent and not released. Walks them.
    ///
    /// # Errors
    /// [`RecvError::Corrupt`].
    pub fn used(&self) -> Result<usize, RecvError> {
        Ok(self.ring.backlog()? as usize)
    }

    /// What the ring is made of. Reads /proc to say what pages it is on.
    pub fn geometry(&self) -> Geometry {
        self.end.geometry()
    }

    /// What this consumer has done since it attached.
    pub fn counters(&self) -> Counters {
        self.end.counters(self.ring.received())
    }

    /// Changes how blocking calls wait.
    pub fn set_wait(&mut self, wait: Wait) {
        self.end.set_wait(wait);
    }

    /// Changes how a stream is polled.
    pub fn set_tune(&mut self, tune: Tune) {
        self.ring.set_pace(tune.pace());
    }

    /// A new descriptor of the segment (close-on-exec), to hand to another process, which attaches to
    /// `fd:N`. It shares no lease with this consumer.
    ///
    /// # Errors
    /// What [`OpenError`] lists; hosted memory without leases has none.
    pub fn descriptor(&self) -> Result<OwnedFd, OpenError> {
        self.end.descriptor()
    }

    /// Says goodbye; the same as dropping the consumer.
    pub fn close(self) {}
}

impl Drop for Consumer {
    fn drop(&mut self) {
        if self.end.segment.home().is_here() {
            self.ring.write_down();
            self.end.say_goodbye(&self.end.control.space_bell, || self.ring.is_drained());
        }
    }
}

/// What to do with a message that is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Take it.
    Take,
    /// Leave it.
    Only,
}

/// The next message, or a reason why there will be none.
struct Next<'a> {
    consumer: &'a mut Consumer,
    look: Look,
}

type Outcome = Result<Option<Found>, RecvError>;

impl Next<'_> {
    fn find_now(&mut self) -> Option<Outcome> {
        if self.look == Look::Only {
            return (!self.consumer.ring.is_drained()).then_some(Ok(None));
        }
        outcome(self.consumer.ring.find_now())
    }

    /// Looks a last time, now that `error` is known, and reports it only if there is nothing.
    fn last(&mut self, error: RecvError) -> Option<Outcome> {
        self.find_now().or(Some(Err(error)))
    }

    fn or_goodbye(&mut self) -> Option<Outcome> {
        if self.consumer.end.peer_said_goodbye() { self.last(RecvError::Closed) } else { None }
    }
}

fn outcome(found: Result<Option<Found>, Corrupt>) -> Option<Outcome> {
    match found {
        Ok(None) => None,
        Ok(found) => Some(Ok(found)),
        Err(corrupt) => Some(Err(corrupt.into())),
    }
}

impl Condition for Next<'_> {
    type Found = Outcome;

    fn poll(&mut self) -> Option<Outcome> {
        let found = match self.look {
            Look::Take => outcome(self.consumer.ring.find()),
            Look::Only => {
                crate::sync::pause();
                self.find_now()
            }
        };
        found.or_else(|| self.or_goodbye())
    }

    fn look(&mut self) -> Option<Outcome> {
        self.find_now().or_else(|| self.or_goodbye())
    }

    fn check(&mut self) -> Option<Outcome> {
        match self.consumer.end.peer() {
            Peer::Dead => self.last(RecvError::PeerDead),
            Peer::Closed => self.last(RecvError::Closed),
            _ => None,
        }
    }

    fn before_sleep(&mut self) {
        self.consumer.ring.write_down();
        self.consumer.end.note_sleep();
    }
}
