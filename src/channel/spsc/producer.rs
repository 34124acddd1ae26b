//! The producer's handle.

use core::time::Duration;
use std::os::fd::OwnedFd;

use super::end::End;
use super::{Batch, Claim, Peer};
use crate::channel::Geometry;
use crate::channel::endpoint::Endpoint;
use crate::channel::verbs::Sends;
use crate::channel::waiter::{MakesRoom, Waiter, Waits};
use crate::channel::{Pollable, Signalled};
use crate::error::{OpenError, SendError};
use crate::layout::participant::Counters;
use crate::notify::Signal;
use crate::ring::record::{self, Claimed, Look, Refused};
use crate::sync::pause;
use crate::wait::{self, Condition, Wait, now};

/// Looks at the lazily written head between two looks at the consumer's exact position, which costs the
/// consumer a cache miss.
const LOOKS_AT_HEAD: u32 = 256;

/// The sending end of a ring. Dropping it says goodbye: the consumer receives what was sent, then
/// [`RecvError::Closed`](crate::RecvError::Closed). Dropping blocks for up to 5 s if a process was stopped while it
/// joined or left the ring.
#[derive(Debug)]
pub struct Producer {
    pub(super) ring: record::Producer,
    pub(super) end: End,
}

impl Producer {
    pub(in crate::channel) fn attach(end: End) -> Result<Producer, OpenError> {
        let sizes = end.sizes();
        let ring = record::Producer::attach(end.window(), end.control.clone(), end.line.clone(), sizes)
            .map_err(|corrupt| end.refuse(corrupt))?;
        end.say_hello();
        Ok(Producer { ring, end })
    }

    /// Sends a copy of `message`; blocks while the ring is full.
    ///
    /// # Errors
    /// [`SendError::TooLarge`]; while full, [`SendError::Closed`] or [`SendError::PeerDead`] when the consumer
    /// has left or died, [`SendError::Unlinked`] when the ring has lost its name; [`SendError::Forked`] in a forked
    /// child. Nothing was sent then. Durable rings: [`SendError::Sync`] when the ring cannot be written to the disk; with
    /// `sync_every` the message itself may have been sent.
    #[inline(always)]
    pub fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.send_tagged(0, message)
    }

    /// Sends a copy of `message` with `tag`, a number that the consumer sees beside it; blocks while the ring
    /// is full.
    ///
    /// # Errors
    /// As [`Producer::send`].
    #[inline(always)]
    pub fn send_tagged(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError> {
        if self.send_ready(tag, message) { Ok(()) } else { self.send_waiting(tag, message, None) }
    }

    /// Sends a copy of `message` if there is room now. Makes no system call but to wake a sleeping consumer.
    ///
    /// # Errors
    /// [`SendError::Full`]; else as [`Producer::send`], but a dead consumer is noticed only after something that waits
    /// for this ring has found it (such as [`Select`](crate::Select)); [`Producer::peer`] asks.
    #[inline(always)]
    pub fn try_send(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.try_send_tagged(0, message)
    }

    /// Sends a copy of `message` with `tag` if there is room now.
    ///
    /// # Errors
    /// As [`Producer::try_send`].
    #[inline(always)]
    pub fn try_send_tagged(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError> {
        if self.send_ready(tag, message) { Ok(()) } else { self.send_now(tag, message) }
    }

    /// Sends a copy of `message`; blocks while the ring is full, for at most `timeout`.
    ///
    /// # Errors
    /// [`SendError::TimedOut`]; else as [`Producer::send`].
    pub fn send_timeout(&mut self, message: &[u8], timeout: Duration) -> Result<(), SendError> {
        if self.send_ready(0, message) { Ok(()) } else { self.send_waiting(0, message, Some(timeout)) }
    }

    /// The short way: a small message, and room for it. `false` for every other case, which the long way tells
    /// apart.
    #[inline(always)]
    fn send_ready(&mut self, tag: u16, message: &[u8]) -> bool {
        let sent = self.end.is_home() && self.ring.send_ready(tag, message);
        if sent {
            self.end.ring(&self.end.control.data_bell);
        }
        sent
    }

    fn send_once(&mut self, tag: u16, message: &[u8], look: Look) -> Result<(), Option<Refused>> {
        if !self.end.is_home() {
            return Err(None);
        }
        self.ring.send(tag, message, look).map_err(Some)?;
        self.end.ring(&self.end.control.data_bell);
        Ok(())
    }

    /// What a call that may wait looks at first. Who spins waits for the head, and looks at the position now and then; before a
    /// sleep, which costs more than following the consumer does, comes an exact look.
    fn first_look(&self) -> Look {
        if self.end.may_look_around() { Look::Head } else { Look::Position }
    }

    #[inline(never)]
    fn send_now(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError> {
        if self.end.sizes().durable {
            return self.send_durably(tag, message, None);
        }
        match self.send_once(tag, message, Look::Position) {
            Ok(()) => Ok(()),
            Err(refused) => Err(self.now_or_never(refused, message.len())),
        }
    }

    #[inline(never)]
    fn send_waiting(&mut self, tag: u16, message: &[u8], timeout: Option<Duration>) -> Result<(), SendError> {
        if self.end.sizes().durable {
            return self.send_durably(tag, message, Some(timeout));
        }
        match self.send_once(tag, message, self.first_look()) {
            Ok(()) => return Ok(()),
            Err(refused) => self.wait_after(refused, message.len(), timeout)?,
        }
        self.send_now(tag, message)
    }

    /// Claims room for a message of `len` bytes, to be filled in place; blocks while the ring is full. The
    /// claim holds whatever bytes were there before.
    ///
    /// # Errors
    /// As [`Producer::send`].
    #[inline]
    pub fn claim(&mut self, len: usize) -> Result<Claim<'_>, SendError> {
        self.claim_within(len, None)
    }

    /// Claims room for a message of `len` bytes if there is some now.
    ///
    /// # Errors
    /// As [`Producer::try_send`].
    #[inline]
    pub fn try_claim(&mut self, len: usize) -> Result<Claim<'_>, SendError> {
        self.claim_at_once(len).map(|claimed| Claim::new(self, claimed))
    }

    fn claim_at_once(&mut self, len: usize) -> Result<Claimed, SendError> {
        let mut claimed = self.claim_once(len, Look::Position);
        if matches!(claimed, Err(Some(Refused::Full { .. }))) && self.makes_room(len, true) {
            claimed = self.claim_once(len, Look::Position);
        }
        claimed.map_err(|refused| self.now_or_never(refused, len))
    }

    /// Claims room for a message of `len` bytes; blocks while the ring is full, for at most `timeout`.
    ///
    /// # Errors
    /// As [`Producer::send_timeout`].
    pub fn claim_timeout(&mut self, len: usize, timeout: Duration) -> Result<Claim<'_>, SendError> {
        self.claim_within(len, Some(timeout))
    }

    #[inline]
    fn claim_within(&mut self, len: usize, timeout: Option<Duration>) -> Result<Claim<'_>, SendError> {
        let claimed = match self.claim_once(len, self.first_look()) {
            Ok(claimed) => claimed,
            Err(refused) => {
                self.wait_after(refused, len, timeout)?;
                match self.claim_once(len, Look::Position) {
                    Ok(claimed) => claimed,
                    Err(refused) => return Err(self.now_or_never(refused, len)),
                }
            }
        };
        Ok(Claim::new(self, claimed))
    }

    #[inline(always)]
    fn claim_once(&mut self, len: usize, look: Look) -> Result<Claimed, Option<Refused>> {
        if !self.end.is_home() {
            return Err(None);
        }
        self.ring.claim(len as u64, look).map_err(Some)
    }

    /// Opens a batch: messages that become visible together when it is committed.
    ///
    /// # Errors
    /// [`SendError::Forked`] in a forked child.
    #[inline]
    pub fn batch(&mut self) -> Result<Batch<'_>, SendError> {
        if !self.end.is_home() {
            return Err(SendError::Forked);
        }
        Ok(Batch::new(self))
    }

    /// Blocks until a message of `len` bytes would fit, for at most `timeout`.
    ///
    /// # Errors
    /// As [`Producer::send_timeout`].
    pub fn wait_for_space(&mut self, len: usize, timeout: Option<Duration>) -> Result<(), SendError> {
        match self.claim_once(len, Look::Position) {
            Ok(_) => Ok(()),
            Err(refused) => self.wait_after(refused, len, timeout),
        }
    }

    /// Room for a message of `len` bytes, to be waited for together with other things.
    pub fn room(&mut self, len: usize) -> Room<'_> {
        Room { producer: self, len }
    }

    /// Waits for room after a refusal, if that is what was lacking.
    #[cold]
    pub(super) fn wait_after(
        &mut self,
        refused: Option<Refused>,
        len: usize,
        timeout: Option<Duration>,
    ) -> Result<(), SendError> {
        match refused {
            Some(Refused::Full { .. }) if self.end.durability.failed().is_none() => {}
            other => return Err(self.now_or_never(other, len)),
        }
        let patience = self.end.begin_wait(timeout);
        let seat = self.end.seat();
        let found = wait::wait(seat.sleeper(), &patience, &mut Space::new(self, len));
        self.end.end_wait(&patience);
        found.unwrap_or(Err(SendError::TimedOut))
    }

    /// The error of a call that does not wait.
    #[cold]
    pub(super) fn now_or_never(&mut self, refused: Option<Refused>, len: usize) -> SendError {
        match refused {
            None => SendError::Forked,
            Some(Refused::TooLarge) => SendError::TooLarge { len, largest: self.largest() },
            Some(Refused::Corrupt(corrupt)) => SendError::Corrupt(corrupt),
            Some(Refused::Full { need, free }) => match self.end.durability.failed() {
                Some(error) => SendError::Sync(error),
                None if self.has_lost_its_consumer(len) => SendError::Closed,
                None => self.suspected(len).unwrap_or(SendError::Full { need, free }),
            },
        }
    }

    /// Why there will be no room, if a wait has found that out just before.
    fn suspected(&mut self, len: usize) -> Option<SendError> {
        if self.end.takes_suspicion() { Space::new(self, len).check(now())?.err() } else { None }
    }

    /// Has the consumer said goodbye without leaving room for a message of `len` bytes?
    fn has_lost_its_consumer(&mut self, len: usize) -> bool {
        self.end.peer_said_goodbye() && self.ring.fits_by_position(len as u64) == Ok(false)
    }

    /// What is known of the consumer. Makes a system call.
    pub fn peer(&self) -> Peer {
        self.end.peer()
    }

    /// Bytes that records can take at once; a record is a message and 8 bytes, padded to the alignment.
    pub fn capacity(&self) -> usize {
        self.end.sizes().capacity() as usize
    }

    /// Bytes of the largest message.
    pub fn largest(&self) -> usize {
        self.end.sizes().largest() as usize
    }

    /// Bytes of records that the consumer has not released.
    ///
    /// # Errors
    /// [`SendError::Corrupt`] when the consumer's position is none that a consumer writes.
    pub fn used(&mut self) -> Result<usize, SendError> {
        Ok(self.ring.used()? as usize)
    }

    /// Does the ring's name still lead to it? Always `true` for a ring without a name; `false` once somebody has
    /// removed the name or given it to another ring: those who open the name from then on do not come here. Makes two
    /// system calls.
    pub fn is_linked(&self) -> bool {
        self.end.is_linked()
    }

    /// What the ring is made of. Reads /proc to say what pages it is on.
    pub fn geometry(&self) -> Geometry {
        self.end.geometry()
    }

    /// What this producer has done since it attached, up to now.
    pub fn counters(&self) -> Counters {
        self.end.counters(self.ring.sent())
    }

    /// Changes how blocking calls wait.
    pub fn set_wait(&mut self, wait: Wait) {
        self.end.set_wait(wait);
    }

    /// A new descriptor of the segment (close-on-exec), to hand to another process, which attaches to
    /// `fd:N`. It shares no lease with this producer.
    ///
    /// # Errors
    /// What [`OpenError`] lists; hosted memory has none.
    pub fn descriptor(&self) -> Result<OwnedFd, OpenError> {
        self.end.descriptor()
    }

    /// The same producer with a descriptor, to be waited for by `epoll` or `poll`.
    ///
    /// # Errors
    /// [`OpenError::System`] when no descriptor is to be had. The handle is closed then.
    pub fn pollable(self) -> Result<Pollable<Producer>, OpenError> {
        Pollable::new(self, |producer| &producer.end)
    }

    /// The same handle, for which the process is sent `signal` with `token` when there is something to do. Be ready for the
    /// signal before: see [`notify`](crate::notify).
    ///
    /// # Errors
    /// [`OpenError::System`] in hosted memory without leases, or when the system refuses. The handle is closed then.
    pub fn signalled(self, signal: Signal, token: u32) -> Result<Signalled<Producer>, OpenError> {
        Signalled::new(self, |producer| &producer.end, signal, token)
    }

    /// Says goodbye; the same as dropping the producer.
    pub fn close(self) {}
}

impl Sends for Producer {
    type Claimed = Claimed;
    type Claim<'a> = Claim<'a>;

    fn send_now(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError> {
        self.try_send_tagged(tag, message)
    }

    fn claim_now(&mut self, len: usize) -> Result<Claimed, SendError> {
        self.claim_at_once(len)
    }

    fn claim_of(&mut self, claimed: Claimed) -> Claim<'_> {
        Claim::new(self, claimed)
    }
}

impl MakesRoom for Producer {
    fn room_for(&mut self, len: usize) -> impl Waiter {
        self.room(len)
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        if self.end.segment.home().is_here() {
            self.ring.write_down();
            if self.end.durability.is_owing() {
                // Nobody is there any more to hear of a failure; what was not synced was not promised.
                let _ = self.sync();
            }
            self.end.say_goodbye(&self.end.control.data_bell, || self.ring.is_drained());
        }
    }
}

/// Room for a message of a certain length, as something to wait for together with others: see
/// [`Select`](crate::Select). Takes nothing: send after it was found.
#[derive(Debug)]
#[must_use = "it does nothing until it is waited for"]
pub struct Room<'a> {
    producer: &'a mut Producer,
    len: usize,
}

impl Waits for Room<'_> {
    type Wanted<'a>
        = Space<'a>
    where
        Self: 'a;

    fn wanted(&mut self) -> Space<'_> {
        Space::new(self.producer, self.len)
    }

    fn endpoint(&self) -> &Endpoint {
        &self.producer.end
    }

    fn is_beside(&self) -> bool {
        self.producer.end.is_beside()
    }
}

/// Room for a message of `len` bytes, or a reason why there will be none.
#[derive(Debug)]
pub(crate) struct Space<'a> {
    producer: &'a mut Producer,
    len: u64,
    polls: u32,
}

impl<'a> Space<'a> {
    fn new(producer: &'a mut Producer, len: usize) -> Self {
        Space { producer, len: len as u64, polls: 0 }
    }

    fn found(&mut self, fits: Result<bool, crate::Corrupt>) -> Option<Result<(), SendError>> {
        match fits {
            Ok(false) if self.producer.end.sizes().durable => self.found_by_sync(),
            Ok(false) if self.producer.end.peer_said_goodbye() => self.last(SendError::Closed),
            Ok(false) => None,
            Ok(true) => Some(Ok(())),
            Err(corrupt) => Some(Err(corrupt.into())),
        }
    }

    /// Durable rings: there may be room that only a sync makes.
    #[cold]
    fn found_by_sync(&mut self) -> Option<Result<(), SendError>> {
        if self.producer.makes_room(self.len as usize, false) {
            return Some(Ok(()));
        }
        match self.producer.end.durability.failed() {
            Some(error) => Some(Err(error.into())),
            None if self.producer.end.peer_said_goodbye() => self.last(SendError::Closed),
            None => None,
        }
    }

    /// Looks a last time, now that `error` is known, and reports it only if there is no room.
    fn last(&mut self, error: SendError) -> Option<Result<(), SendError>> {
        match self.producer.ring.fits_by_position(self.len) {
            Ok(true) => Some(Ok(())),
            Ok(false) => Some(Err(error)),
            Err(corrupt) => Some(Err(corrupt.into())),
        }
    }
}

impl Condition for Space<'_> {
    type Found = Result<(), SendError>;

    fn poll(&mut self) -> Option<Self::Found> {
        pause();
        self.polls += 1;
        let ring = &mut self.producer.ring;
        let fits = if self.polls.is_multiple_of(LOOKS_AT_HEAD) {
            ring.fits_by_position(self.len)
        } else {
            ring.fits_by_head(self.len)
        };
        self.found(fits)
    }

    fn look(&mut self) -> Option<Self::Found> {
        let (len, largest) = (self.len as usize, self.producer.largest());
        if len > largest {
            return Some(Err(SendError::TooLarge { len, largest }));
        }
        let fits = self.producer.ring.fits_by_position(self.len);
        self.found(fits)
    }

    fn check(&mut self, time: Duration) -> Option<Self::Found> {
        if self.producer.end.sizes().durable && self.producer.makes_room_now_and_then(self.len as usize, time)
        {
            return Some(Ok(()));
        }
        self.producer.end.note_look(time);
        match self.producer.end.peer() {
            Peer::Dead => self.last(SendError::PeerDead),
            Peer::Closed => self.last(SendError::Closed),
            peer if self.producer.end.waits_in_vain(peer, time) => self.last(SendError::Unlinked),
            _ => None,
        }
    }

    fn first_check(&self, _started: Duration) -> Duration {
        self.producer.end.due_at()
    }

    fn before_sleep(&mut self) {
        self.producer.ring.write_down();
        self.producer.end.note_sleep();
    }

    fn last_look(&mut self) -> Option<Self::Found> {
        if self.producer.makes_room(self.len as usize, true) {
            return Some(Ok(()));
        }
        let time = now();
        if self.producer.end.is_due(time) { self.check(time).or_else(|| self.look()) } else { self.look() }
    }
}
