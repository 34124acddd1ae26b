//! A consumer's handle.
//!
//! | way | takes | tells producers of freed slots | hears goodbyes | repairs |
//! |---|---|---|---|---|
//! | `take_ready` | a message of one slot | when it is released | | |
//! | `find`, `find_next` | any | at once | | `find_next` of an empty drain, once an interval |
//! | `seek` | nothing | at once | | |
//! | `take_now` | by `find` | at once | yes | once an interval |
//! | a wait: `poll` | nothing | at once | each 64th | |
//! | a wait: `look` | nothing | at once | yes | |
//! | a wait: `check`, `last_look` | nothing | at once | yes, by leases | yes |

use core::time::Duration;
use std::os::fd::OwnedFd;

use super::end::End;
use super::{Drain, Message, Peer, Tune};
use crate::channel::Geometry;
use crate::channel::endpoint::Endpoint;
use crate::channel::verbs::Receives;
use crate::channel::waiter::Waits;
use crate::channel::{Pollable, Signalled};
use crate::error::{OpenError, RecvError};
use crate::layout::Role;
use crate::layout::participant::Counters;
use crate::notify::Signal;
use crate::ring::slots::{self, Found, Seek};
use crate::wait::{self, Condition, Patience, Wait, now};

/// How often a call that may wait looks for a moment and finds a message that others are faster to take, before it waits in
/// earnest.
const SPINS: u32 = 64;

/// A receiving end of a ring. Dropping it says goodbye; messages that it has not received stay for others (also those
/// of a dead consumer that were to be delivered to this one again). Dropping
/// blocks for up to 5 s if a process was stopped while it joined or left the ring.
#[derive(Debug)]
pub struct Consumer {
    pub(super) ring: slots::Consumer,
    pub(super) end: End,
    tune: Tune,
}

impl Consumer {
    pub(super) fn attach(end: End, tune: Tune) -> Result<Consumer, OpenError> {
        let at_most_once = end.header().at_most_once;
        let ring = slots::Consumer::attach(end.core(), &end, &end.all_died(), at_most_once, tune.pace())
            .map_err(|corrupt| end.refuse(corrupt))?;
        end.forgive();
        if ring.repairs().0 > 0 {
            end.ring_consumers();
        }
        let mut consumer = Consumer { ring, end, tune };
        consumer.tell_freed();
        Ok(consumer)
    }

    /// Another consumer of the same ring: a participant of its own.
    ///
    /// # Errors
    /// As [`Options::consumer`](super::Options::consumer).
    pub fn try_clone(&self) -> Result<Consumer, OpenError> {
        Consumer::attach(self.end.join_again(Role::Consumer)?, self.tune)
    }

    /// Receives a message, borrowed in place; blocks while there is none. It is released when the [`Message`] is
    /// dropped.
    ///
    /// # Errors
    /// Once no producer lives, one was there, and every message has been received *and released*, by whomever
    /// (another consumer's message comes back if that one dies; its release is heard within the liveness interval):
    /// [`RecvError::Closed`] when all of them said goodbye,
    /// [`RecvError::PeerDead`] when one died, [`RecvError::Unlinked`] when none can come any more.
    /// [`RecvError::Forked`] in a forked child.
    #[inline]
    pub fn recv(&mut self) -> Result<Message<'_>, RecvError> {
        match self.take_ready() {
            Some(found) => Ok(Message::new(self, found, true)),
            None => self.take_waiting(None).map(|found| Message::new(self, found, true)),
        }
    }

    /// Receives a message if there is one now. An empty ring costs one `pause`; the first empty look after a dense
    /// stream waits as [`Tune`] says. Makes no system call but to wake a sleeping producer when the message is
    /// dropped, and, while there is none, about once per liveness interval to look whether somebody died, whose
    /// message is then this consumer's.
    ///
    /// # Errors
    /// [`RecvError::Empty`]; else as [`Consumer::recv`].
    #[inline]
    pub fn try_recv(&mut self) -> Result<Message<'_>, RecvError> {
        match self.take_ready() {
            Some(found) => Ok(Message::new(self, found, true)),
            None => self.take_now().map(|found| Message::new(self, found, true)),
        }
    }

    /// Receives a message; blocks while there is none, for at most `timeout`.
    ///
    /// # Errors
    /// [`RecvError::Stalled`] when the time is up and a producer that lives holds a claim in front of what follows,
    /// else [`RecvError::TimedOut`]; else as [`Consumer::recv`].
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Message<'_>, RecvError> {
        match self.take_ready() {
            Some(found) => Ok(Message::new(self, found, true)),
            None => self.take_waiting(Some(timeout)).map(|found| Message::new(self, found, true)),
        }
    }

    /// Takes whatever is there, message by message, and releases it together. While there is nothing it makes system
    /// calls as [`try_recv`](Consumer::try_recv) does.
    ///
    /// # Errors
    /// [`RecvError::Corrupt`]; [`RecvError::Forked`] in a forked child.
    pub fn drain(&mut self) -> Result<Drain<'_>, RecvError> {
        self.begin()?;
        Ok(Drain::new(self))
    }

    /// Blocks until there is a message, for at most `timeout`; takes none. Another consumer may take it.
    ///
    /// # Errors
    /// As [`Consumer::recv_timeout`].
    pub fn wait_for_message(&mut self, timeout: Option<Duration>) -> Result<(), RecvError> {
        self.begin()?;
        match self.seek()? {
            Seek::Ready => Ok(()),
            seen => self.wait(seen, &self.end.begin_wait(timeout)),
        }
    }

    /// Before anything else: is the handle this process's? A message that was leaked is released.
    #[inline(always)]
    fn begin(&mut self) -> Result<(), RecvError> {
        if !self.end.is_home() {
            return Err(RecvError::Forked);
        }
        if self.ring.holds() {
            self.release();
        }
        Ok(())
    }

    /// The short way: a message is there. `None` for every other reason, which the long way tells apart.
    #[inline(always)]
    fn take_ready(&mut self) -> Option<Found> {
        if self.end.is_home() { self.ring.find_ready() } else { None }
    }

    /// Looks for a moment, before a wait begins in earnest: most waits are that short.
    fn spin(&mut self) -> Result<bool, RecvError> {
        if !self.end.may_look_around() {
            return Ok(false);
        }
        for _ in 0..wait::POLLS {
            self.ring.lag();
            if self.seek()? == Seek::Ready {
                return Ok(true);
            }
        }
        Ok(false)
    }

    #[inline(never)]
    fn take_now(&mut self) -> Result<Found, RecvError> {
        self.begin()?;
        // If the producers had said goodbye before it, an empty look is the last.
        let goodbye = self.end.peers_said_goodbye();
        let mut found = self.find()?;
        if found.is_none() {
            self.ring.lag();
            found = self.find()?;
        }
        if found.is_none() && self.end.missed() {
            let peer = self.end.peer();
            self.repair(0, true)?;
            found = self.find()?;
            if found.is_none() && self.ring.is_drained() {
                match peer {
                    Peer::Dead => return Err(RecvError::PeerDead),
                    peer if self.end.waits_in_vain(peer, now()) => return Err(RecvError::Unlinked),
                    _ => {}
                }
            }
        }
        match found {
            Some(found) => Ok(found),
            None if goodbye && self.ring.is_drained() => Err(RecvError::Closed),
            None => Err(RecvError::Empty),
        }
    }

    /// Walks to the next message, and tells the producers of slots that were freed on the way.
    fn seek(&mut self) -> Result<Seek, RecvError> {
        let seen = self.ring.seek();
        self.tell_freed();
        Ok(seen?)
    }

    /// Takes the next message, and tells the producers of slots that were freed on the way.
    fn find(&mut self) -> Result<Option<Found>, RecvError> {
        let found = self.ring.find();
        self.tell_freed();
        Ok(found?)
    }

    /// Takes the next message of a drain.
    pub(super) fn find_next(&mut self) -> Result<Option<Found>, RecvError> {
        let mut found = self.ring.find_next();
        if matches!(found, Ok(None)) && self.ring.taken() == 0 && self.end.missed() {
            self.repair(0, true)?;
            found = self.ring.find_next();
        }
        self.tell_freed();
        Ok(found?)
    }

    fn tell_freed(&mut self) {
        if self.ring.take_freed() {
            self.end.ring_producers();
        }
    }

    #[inline(never)]
    fn take_waiting(&mut self, timeout: Option<Duration>) -> Result<Found, RecvError> {
        self.begin()?;
        let mut patience = None;
        let mut spins = SPINS;
        let found = loop {
            if let Some(found) = self.find()? {
                break found;
            }
            // No time limit is kept here.
            if spins > 0 && self.spin()? {
                spins -= 1;
                continue;
            }
            spins = 0;
            let seen = self.seek()?;
            // A message that a wait has found may be another's by now, again and again.
            if patience.as_ref().is_some_and(Patience::is_spent) {
                return Err(self.out_of_time(seen));
            }
            let patience = patience.get_or_insert_with(|| self.end.begin_wait(timeout));
            self.wait(seen, patience)?;
        };
        if patience.is_some() {
            // Each message woke one sleeper at most, perhaps before it could be taken.
            self.pass_on();
        }
        Ok(found)
    }

    /// Waits until there is a message, after a look that has `seen` none.
    fn wait(&mut self, seen: Seek, patience: &Patience) -> Result<(), RecvError> {
        let seat = self.end.seat();
        let mut next = Next { consumer: self, seen, polls: 0, checks: 0 };
        let found = wait::wait(seat.sleeper(), patience, &mut next);
        let seen = next.seen;
        self.end.line.set_asleep(false);
        self.end.end_wait(patience);
        found.unwrap_or_else(|| Err(self.out_of_time(seen)))
    }

    /// The error of a wait whose time is up.
    fn out_of_time(&self, seen: Seek) -> RecvError {
        match seen {
            Seek::Blocked(owner) if !self.end.is_dead(owner) => {
                let (role, pid) = self.end.who(owner);
                RecvError::Stalled { role, pid }
            }
            _ => RecvError::TimedOut,
        }
    }

    /// Looks whether `holder` died, and with `roll_call` some of the others, and repairs what was left.
    fn repair(&mut self, holder: u32, roll_call: bool) -> Result<(), crate::Corrupt> {
        let died = if roll_call { self.end.died() } else { Vec::new() };
        if died.is_empty() && !self.end.is_dead(holder) {
            return Ok(());
        }
        let repaired = self.ring.sweep(&self.end, &died)?;
        self.tell_freed();
        if repaired {
            self.end.ring_consumers();
        }
        Ok(())
    }

    /// Releases the message in hand.
    #[inline(always)]
    pub(super) fn release_held(&self, found: &Found) {
        // What a forked child inherited is the parent's to release.
        if self.end.is_home() {
            self.ring.release_held(found);
            self.end.ring_producers();
        }
    }

    /// Releases everything that was taken.
    pub(super) fn release(&mut self) {
        if self.end.is_home() && self.ring.holds() {
            self.ring.release();
            self.end.ring_producers();
        }
    }

    /// What is known of the producers, taken together. Makes a system call or two.
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
    /// [`RecvError::Corrupt`].
    pub fn used(&self) -> Result<usize, RecvError> {
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

    /// What this consumer has done since it attached, up to now.
    pub fn counters(&self) -> Counters {
        self.end.counters(self.ring.received(), self.ring.repairs())
    }

    /// Changes how a stream is polled.
    pub fn set_tune(&mut self, tune: Tune) {
        self.tune = tune;
        self.ring.set_pace(tune.pace());
    }

    /// Changes how blocking calls wait.
    pub fn set_wait(&mut self, wait: Wait) {
        self.end.set_wait(wait);
    }

    /// A new descriptor of the segment (close-on-exec), to hand to another process, which attaches to `fd:N`. It
    /// shares no lease with this consumer.
    ///
    /// # Errors
    /// What [`OpenError`] lists.
    pub fn descriptor(&self) -> Result<OwnedFd, OpenError> {
        self.end.descriptor()
    }

    /// The same consumer with a descriptor, to be waited for by `epoll` or `poll`.
    ///
    /// # Errors
    /// [`OpenError::System`] when no descriptor is to be had. The handle is closed then.
    pub fn pollable(self) -> Result<Pollable<Consumer>, OpenError> {
        Pollable::new(self, |consumer| &consumer.end)
    }

    /// The same handle, for which the process is sent `signal` with `token` when there is something to do. Be ready for the
    /// signal before: see [`notify`](crate::notify).
    ///
    /// # Errors
    /// [`OpenError::System`] in hosted memory without leases, or when the system refuses. The handle is closed then.
    pub fn signalled(self, signal: Signal, token: u32) -> Result<Signalled<Consumer>, OpenError> {
        Signalled::new(self, |consumer| &consumer.end, signal, token)
    }

    /// Says goodbye; the same as dropping the consumer.
    pub fn close(self) {}
}

impl Drop for Consumer {
    fn drop(&mut self) {
        if self.end.segment.home().is_here() {
            self.release();
            self.ring.write_down();
            if self.ring.leaves_messages() {
                self.end.line.leave_messages();
            }
            self.end.say_goodbye(|| self.ring.is_drained());
        }
    }
}

impl Receives for Consumer {
    type Taken = Found;
    type Message<'a> = Message<'a>;

    fn take(&mut self) -> Result<Found, RecvError> {
        match self.take_ready() {
            Some(found) => Ok(found),
            None => self.take_now(),
        }
    }

    fn message_of(&mut self, found: Found) -> Result<Message<'_>, RecvError> {
        Ok(Message::new(self, found, true))
    }
}

impl Waits for Consumer {
    type Wanted<'a> = Next<'a>;

    fn wanted(&mut self) -> Next<'_> {
        // Its check is made once an interval, and asks for everybody.
        Next { consumer: self, seen: Seek::Empty, polls: 0, checks: 1 }
    }

    fn endpoint(&self) -> &Endpoint {
        &self.end
    }

    fn is_beside(&self) -> bool {
        self.end.is_beside()
    }

    fn rise(&self) {
        self.end.line.set_asleep(false);
    }

    fn pass_on(&mut self) {
        if matches!(self.seek(), Ok(Seek::Ready)) {
            self.end.ring_some(1);
        }
    }
}

/// A message, or a reason why there will be none.
#[derive(Debug)]
pub(crate) struct Next<'a> {
    consumer: &'a mut Consumer,
    /// What the last look saw.
    seen: Seek,
    polls: u32,
    checks: u32,
}

impl Next<'_> {
    fn seek(&mut self) -> Option<Result<(), RecvError>> {
        match self.consumer.seek() {
            Ok(seen) => {
                self.seen = seen;
                (seen == Seek::Ready).then_some(Ok(()))
            }
            Err(error) => Some(Err(error)),
        }
    }

    /// Who holds what stands in the way; 0: nobody.
    fn holder(&self) -> u32 {
        if let Seek::Blocked(owner) = self.seen { owner } else { 0 }
    }

    /// Nothing more will come, for the reason `error`, if everything was received and released.
    fn last(&mut self, error: RecvError) -> Option<Result<(), RecvError>> {
        let found = self.seek();
        if found.is_none() && self.consumer.ring.is_drained() { Some(Err(error)) } else { found }
    }
}

impl Condition for Next<'_> {
    type Found = Result<(), RecvError>;

    fn poll(&mut self) -> Option<Self::Found> {
        self.consumer.ring.lag();
        self.polls = self.polls.wrapping_add(1);
        // Whoever spins for long hears a goodbye, too.
        if self.polls.is_multiple_of(wait::POLLS) { self.look() } else { self.seek() }
    }

    fn look(&mut self) -> Option<Self::Found> {
        if self.consumer.end.peers_said_goodbye() { self.last(RecvError::Closed) } else { self.seek() }
    }

    fn check(&mut self, time: Duration) -> Option<Self::Found> {
        // Most sleeps are short: the first check asks for more than what stands in the way once an interval.
        let roll_call = self.checks > 0 || self.consumer.end.is_due(time);
        self.consumer.end.note_look(time);
        self.checks = 1;
        if let Err(corrupt) = self.consumer.repair(self.holder(), roll_call) {
            return Some(Err(corrupt.into()));
        }
        match self.consumer.end.peer() {
            Peer::Dead => self.last(RecvError::PeerDead),
            Peer::Closed => self.last(RecvError::Closed),
            peer if self.consumer.end.waits_in_vain(peer, time) => self.last(RecvError::Unlinked),
            _ => self.seek(),
        }
    }

    fn check_again(&self, interval: Duration) -> Duration {
        self.consumer.end.check_again(self.holder(), interval)
    }

    fn first_check(&self, started: Duration) -> Duration {
        if self.holder() == 0 { self.consumer.end.due_at() } else { started }
    }

    fn before_sleep(&mut self) {
        self.consumer.ring.write_down();
        self.consumer.end.note_sleep();
    }

    fn last_look(&mut self) -> Option<Self::Found> {
        let time = now();
        if self.consumer.end.is_due(time) {
            self.checks += 1;
            self.check(time)
        } else {
            self.look()
        }
    }
}
