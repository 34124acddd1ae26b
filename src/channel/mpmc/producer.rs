//! A producer's handle.

use core::time::Duration;
use std::os::fd::OwnedFd;

use super::end::End;
use super::room::Space;
use super::{Batch, Claim, Peer, Room};
use crate::channel::Geometry;
use crate::channel::verbs::Sends;
use crate::channel::waiter::{MakesRoom, Waiter};
use crate::channel::{Pollable, Signalled};
use crate::error::{OpenError, SendError};
use crate::layout::Role;
use crate::layout::participant::Counters;
use crate::notify::Signal;
use crate::ring::slots::{self, Claimed, Refused, Turn};
use crate::wait::{self, Patience, Wait, now};

/// A sending end of a ring. Dropping it says goodbye; what it sent stays. Dropping blocks for up to 5 s if a process
/// was stopped while it joined or left the ring.
#[derive(Debug)]
pub struct Producer {
    pub(super) ring: slots::Producer,
    pub(super) end: End,
    /// Whose turn it is, and until when this producer honours it.
    yielding: Option<(Turn, Duration)>,
    /// When to ask for the turn, or for a longer one; `None`: not yet blocked, or for a single slot.
    pub(super) asks_at: Option<Duration>,
}

impl Producer {
    pub(super) fn attach(end: End) -> Result<Producer, OpenError> {
        let ring = slots::Producer::attach(end.core(), &end, &end.all_died())
            .map_err(|corrupt| end.refuse(corrupt))?;
        end.forgive();
        if ring.tombstones() > 0 {
            end.ring_consumers();
        }
        Ok(Producer { ring, end, yielding: None, asks_at: None })
    }

    /// Another producer of the same ring: a participant of its own.
    ///
    /// # Errors
    /// As [`Options::producer`](super::Options::producer).
    pub fn try_clone(&self) -> Result<Producer, OpenError> {
        Producer::attach(self.end.join_again(Role::Producer)?)
    }

    /// Sends a copy of `message`; blocks while the ring is full.
    ///
    /// # Errors
    /// [`SendError::TooLarge`]; while full, [`SendError::Closed`] or [`SendError::PeerDead`] when no consumer lives
    /// and one was there, [`SendError::Unlinked`] when none can come any more; [`SendError::Forked`] in a forked child.
    /// Nothing was sent then.
    #[inline]
    pub fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.send_tagged(0, message)
    }

    /// Sends a copy of `message` with `tag`, a number that the consumer sees beside it; blocks while the ring is
    /// full.
    ///
    /// # Errors
    /// As [`Producer::send`].
    #[inline]
    pub fn send_tagged(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError> {
        if self.send_ready(tag, message) { Ok(()) } else { self.send_waiting(tag, message, None) }
    }

    /// Sends a copy of `message` if there is room now. Makes no system call but to wake a sleeping consumer, and
    /// about once per liveness interval to look whether somebody died.
    ///
    /// # Errors
    /// [`SendError::Full`]; else as [`Producer::send`].
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
        if self.send_ready(tag, message) { Ok(()) } else { self.send_now(tag, message) }
    }

    /// Sends a copy of `message`; blocks while the ring is full, for at most `timeout`.
    ///
    /// # Errors
    /// [`SendError::Stalled`] when the time is up and a participant that lives holds the slot that was needed, else
    /// [`SendError::TimedOut`]; else as [`Producer::send`].
    pub fn send_timeout(&mut self, message: &[u8], timeout: Duration) -> Result<(), SendError> {
        if self.send_ready(0, message) { Ok(()) } else { self.send_waiting(0, message, Some(timeout)) }
    }

    /// The short way: a small message, and a free slot. `false` for every other case, which the long way tells
    /// apart.
    #[inline(always)]
    fn send_ready(&mut self, tag: u16, message: &[u8]) -> bool {
        let sent = self.end.is_home() && self.ring.send_ready(tag, message);
        if sent {
            self.end.ring_some(1);
        }
        sent
    }

    fn send_once(&mut self, tag: u16, message: &[u8]) -> Result<(), Option<Refused>> {
        self.begin()?;
        self.ring.send(tag, message).map_err(Some)?;
        self.end.ring_some(1);
        self.end_turn();
        Ok(())
    }

    /// Before anything else: is the handle this process's? A claim or batch that was leaked is aborted.
    #[inline(always)]
    fn begin(&mut self) -> Result<(), Option<Refused>> {
        if !self.end.is_home() {
            return Err(None);
        }
        self.abort();
        Ok(())
    }

    /// Aborts what is claimed, and tells the consumers that wait behind it.
    #[inline(always)]
    pub(super) fn abort(&mut self) {
        if self.end.is_home() && self.ring.abort() {
            self.end.ring_some(1);
        }
    }

    #[inline(never)]
    fn send_now(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError> {
        match self.send_once(tag, message) {
            Ok(()) => Ok(()),
            Err(refused) => Err(self.now_or_never(refused, message.len())),
        }
    }

    #[inline(never)]
    fn send_waiting(&mut self, tag: u16, message: &[u8], timeout: Option<Duration>) -> Result<(), SendError> {
        self.until(message.len(), timeout, |producer| producer.send_once(tag, message))
    }

    /// Attempts something that needs room for `len` bytes, again and again with a wait in between.
    fn until<T>(
        &mut self,
        len: usize,
        timeout: Option<Duration>,
        mut attempt: impl FnMut(&mut Self) -> Result<T, Option<Refused>>,
    ) -> Result<T, SendError> {
        let mut patience = None;
        let result = loop {
            match attempt(self) {
                Ok(done) => break Ok(done),
                Err(refused) => {
                    // Room that a wait has found may be another's by now, again and again.
                    if let (Some(Refused::Full { holder, .. }), Some(patience)) = (refused, &patience)
                        && Patience::is_spent(patience)
                    {
                        break Err(self.out_of_time(holder));
                    }
                    let patience = patience.get_or_insert_with(|| self.end.begin_wait(timeout));
                    if let Err(error) = self.wait_after(refused, len, patience) {
                        break Err(error);
                    }
                }
            }
        };
        self.end_turn();
        result
    }

    /// Claims room for a message of `len` bytes, to be filled in place; blocks while the ring is full. The claim
    /// holds whatever bytes were there before. Until it is committed or dropped, messages that are sent after it wait
    /// behind it.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub fn claim(&mut self, len: usize) -> Result<Claim<'_>, SendError> {
        self.claim_within(len, None)
    }

    /// Claims room for a message of `len` bytes if there is some now.
    ///
    /// # Errors
    /// As [`Producer::try_send`].
    pub fn try_claim(&mut self, len: usize) -> Result<Claim<'_>, SendError> {
        self.claim_now(len).map(|claimed| Claim::new(self, claimed))
    }

    /// Claims room for a message of `len` bytes; blocks while the ring is full, for at most `timeout`.
    ///
    /// # Errors
    /// As [`Producer::send_timeout`].
    pub fn claim_timeout(&mut self, len: usize, timeout: Duration) -> Result<Claim<'_>, SendError> {
        self.claim_within(len, Some(timeout))
    }

    fn claim_within(&mut self, len: usize, timeout: Option<Duration>) -> Result<Claim<'_>, SendError> {
        let claimed = self.until(len, timeout, |producer| producer.claim_once(len))?;
        Ok(Claim::new(self, claimed))
    }

    fn claim_once(&mut self, len: usize) -> Result<Claimed, Option<Refused>> {
        self.begin()?;
        let claimed = self.ring.claim(len as u64).map_err(Some)?;
        self.end_turn();
        Ok(claimed)
    }

    /// Opens a batch: messages that become visible together when it is committed.
    ///
    /// # Errors
    /// [`SendError::Forked`] in a forked child.
    pub fn batch(&mut self) -> Result<Batch<'_>, SendError> {
        self.begin().map_err(|_| SendError::Forked)?;
        Ok(Batch::new(self))
    }

    /// Blocks until a message of `len` bytes would fit, for at most `timeout`. Another producer may take the room.
    ///
    /// # Errors
    /// As [`Producer::send_timeout`].
    pub fn wait_for_space(&mut self, len: usize, timeout: Option<Duration>) -> Result<(), SendError> {
        self.begin().map_err(|_| SendError::Forked)?;
        match self.ring.fits(len as u64) {
            Ok(()) => Ok(()),
            Err(refused) => {
                let waited = self.wait_after(Some(refused), len, &self.end.begin_wait(timeout));
                self.end_turn();
                waited
            }
        }
    }

    /// Room for a message of `len` bytes, to be waited for together with other things.
    pub fn room(&mut self, len: usize) -> Room<'_> {
        Room { producer: self, len }
    }

    /// Waits for room after a refusal, if that is what was lacking.
    #[cold]
    fn wait_after(
        &mut self,
        refused: Option<Refused>,
        len: usize,
        patience: &Patience,
    ) -> Result<(), SendError> {
        let holder = match refused {
            Some(Refused::Full { holder, .. }) => holder,
            other => return Err(self.now_or_never(other, len)),
        };
        let seat = self.end.seat();
        let mut room = Space::new(self, len as u64, holder);
        let found = wait::wait(seat.sleeper(), patience, &mut room);
        let holder = room.holder();
        self.end.line.set_asleep(false);
        self.end.end_wait(patience);
        found.unwrap_or_else(|| Err(self.out_of_time(holder)))
    }

    /// Waits for as long as another producer's turn lasts, once; how long still.
    pub(super) fn honour_turn(&mut self) -> Option<Duration> {
        let turn = self.ring.turn()?;
        let time = now();
        let until = match self.yielding {
            Some((seen, until)) if seen == turn => until,
            _ => time.saturating_add(turn.lasts()),
        };
        self.yielding = Some((turn, until));
        let left = until.checked_sub(time).filter(|left| !left.is_zero());
        if left.is_none() {
            self.ring.honour(turn);
        }
        left
    }

    /// The producer's turn is over, if it had it: others may go on.
    fn end_turn(&mut self) {
        self.asks_at = None;
        if self.ring.end_turn() {
            self.end.ring_producers();
        }
    }

    /// The error of a wait whose time is up.
    fn out_of_time(&self, holder: u32) -> SendError {
        if holder == 0 || self.end.is_dead(holder) {
            return SendError::TimedOut;
        }
        let (role, pid) = self.end.who(holder);
        SendError::Stalled { role, pid }
    }

    /// The error of a call that does not wait.
    #[cold]
    pub(super) fn now_or_never(&mut self, refused: Option<Refused>, len: usize) -> SendError {
        match refused {
            None => SendError::Forked,
            Some(Refused::TooLarge) => SendError::TooLarge { len, largest: self.largest() },
            Some(Refused::Corrupt(corrupt)) => SendError::Corrupt(corrupt),
            Some(Refused::Full { need, free, holder }) => {
                let bytes = self.ring.core().slot_bytes();
                let full = SendError::Full { need: need * bytes, free: free * bytes };
                if self.honour_turn().is_some() {
                    return full;
                }
                if self.end.missed() {
                    if let Err(corrupt) = self.repair(holder, true) {
                        return SendError::Corrupt(corrupt);
                    }
                    match self.end.peer() {
                        Peer::Dead => return SendError::PeerDead,
                        peer if self.end.waits_in_vain(peer, now()) => return SendError::Unlinked,
                        _ => {}
                    }
                }
                if self.end.peers_said_goodbye() {
                    return SendError::Closed;
                }
                full
            }
        }
    }

    /// Looks whether `holder` died, and with `roll_call` some of the others, and repairs what was left.
    pub(super) fn repair(&mut self, holder: u32, roll_call: bool) -> Result<(), crate::Corrupt> {
        let died = if roll_call { self.end.died() } else { Vec::new() };
        if died.is_empty() && !self.end.is_dead(holder) {
            return Ok(());
        }
        if self.ring.sweep(&self.end, &died)? {
            self.end.ring_consumers();
            self.end.ring_producers();
        }
        Ok(())
    }

    /// What is known of the consumers, taken together. Makes a system call or two.
    pub fn peer(&self) -> Peer {
        self.end.peer()
    }

    /// How many slots the ring has.
    pub fn slots(&self) -> usize {
        self.end.sizes().slots as usize
    }

    /// Bytes of the largest message.
    pub fn largest(&self) -> usize {
        self.end.sizes().largest() as usize
    }

    /// How many slots are not free. Looks at all of them.
    ///
    /// # Errors
    /// [`SendError::Corrupt`].
    pub fn used(&self) -> Result<usize, SendError> {
        Ok(self.ring.core().used()? as usize)
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
        self.end.counters(self.ring.sent(), (self.ring.tombstones(), 0, 0))
    }

    /// Changes how blocking calls wait.
    pub fn set_wait(&mut self, wait: Wait) {
        self.end.set_wait(wait);
    }

    /// A new descriptor of the segment (close-on-exec), to hand to another process, which attaches to `fd:N`. It
    /// shares no lease with this producer.
    ///
    /// # Errors
    /// What [`OpenError`] lists.
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
        self.claim_once(len).map_err(|refused| self.now_or_never(refused, len))
    }

    fn claim_of(&mut self, claimed: Claimed) -> Claim<'_> {
        Claim::new(self, claimed)
    }
}

impl MakesRoom for Producer {
    fn room_for(&mut self, len: usize) -> impl Waiter {
        self.room(len)
    }

    fn give_up_room(&mut self) {
        self.end_turn();
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        if self.end.segment.home().is_here() {
            self.abort();
            self.ring.write_down();
            self.end.say_goodbye(|| self.ring.core().is_drained());
        }
    }
}
