//! What every end of an `mpmc` ring has: an endpoint, the control lines, and a view of all participants.

use core::cell::Cell;
use core::mem::offset_of;
use core::ops::{Deref, DerefMut};
use core::time::Duration;

use crate::channel::endpoint::Endpoint;
use crate::channel::peer::Peer;
use crate::channel::window::table_of;
use crate::channel::{Backing, Geometry};
use crate::error::OpenError;
use crate::layout::bell::BellLine;
use crate::layout::mpmc::{Control, Sizes};
use crate::layout::participant::{Counters, Participant, Said, line_at};
use crate::layout::{self, Role, Shared};
use crate::ring::slots::{Core, Leases};
use crate::segment::Segment;
use crate::sync::{AtomicU32, Ordering};
use crate::wait::{Patience, bell, now};

/// How many times as often the sleeper that watches the others looks whether somebody died.
const WATCH: u32 = 16;
/// For how many suspects the watching sleeper asks at a time, and every other.
const ROLL_CALL: usize = 16;
const ROLL_CALL_WATCHED: usize = 2;
/// Calls that find nothing between two looks at the clock.
const MISSES: u32 = 64;

/// One end of an `mpmc` ring.
#[derive(Debug)]
pub(super) struct End {
    endpoint: Endpoint,
    pub(super) control: Shared<Control>,
    sizes: Sizes,
    /// Calls in a row that found nothing.
    misses: Cell<u32>,
    /// How far the roll call is.
    called: Cell<usize>,
}

impl End {
    pub(super) fn new(segment: Segment, role: Role, backing: Backing, patience: Patience) -> End {
        let layout::Sizes::Mpmc(sizes) = segment.header.sizes else {
            unreachable!("a request for an mpmc ring opens no other")
        };
        let bell_at = match role {
            Role::Producer => offset_of!(Control, space_bell),
            Role::Consumer => offset_of!(Control, data),
        };
        let bell_at = sizes.control_at() + bell_at as u64;
        let endpoint = Endpoint::new(segment, role, backing, patience, bell_at);
        let control: Shared<Control> = endpoint.segment.mapping.part(sizes.control_at());
        let end = End { endpoint, control, sizes, misses: Cell::new(0), called: Cell::new(0) };
        // Before anything is taken: whoever dies from now on is looked for.
        let place = end.segment.id - end.header().sizes.ids(role).start;
        end.places_used(role).fetch_max(place + 1, Ordering::Relaxed);
        end.endpoint.say_hello([&end.control.data.bell, &end.control.space_bell]);
        end
    }

    /// Joins the same ring as one more participant.
    pub(super) fn join_again(&self, role: Role) -> Result<End, OpenError> {
        Ok(End::new(self.segment.join_again(role)?, role, self.backing, self.patience))
    }

    /// The slots, seen as this participant.
    pub(super) fn core(&self) -> Core {
        let table = table_of(&self.segment.mapping, self.sizes);
        Core::new(table, self.control.clone(), self.line.clone(), self.sizes, self.segment.id)
    }

    /// The ring could not be attached to: takes leave.
    pub(super) fn refuse(&self, corrupt: crate::Corrupt) -> OpenError {
        // What it may have taken over by then is for others to take over.
        self.line.leave_messages();
        self.endpoint.say_goodbye(|| {}, || false);
        self.endpoint.refuse(corrupt)
    }

    /// Says goodbye, and wakes everybody to hear it.
    pub(super) fn say_goodbye(&self, drained: impl FnOnce() -> bool) {
        let tell = || {
            self.ring_consumers();
            self.ring_producers();
        };
        self.endpoint.say_goodbye(tell, drained);
        // Who looked meanwhile has seen that the lease was held, and sleeps again.
        tell();
    }

    pub(super) fn sizes(&self) -> Sizes {
        self.sizes
    }

    fn line_of(&self, id: u32) -> Shared<Participant> {
        self.segment.mapping.part(line_at(id))
    }

    /// The lines of all others with `role` that were ever there.
    fn lines(&self, role: Role) -> impl Iterator<Item = (u32, Shared<Participant>)> + '_ {
        let used = self.places_used(role).load(Ordering::Relaxed) as usize;
        let ids = self.header().sizes.ids(role).take(used);
        ids.filter(|id| *id != self.segment.id).map(|id| (id, self.line_of(id)))
    }

    fn places_used(&self, role: Role) -> &AtomicU32 {
        match role {
            Role::Producer => &self.control.data.places_used[0],
            Role::Consumer => &self.control.data.places_used[1],
        }
    }

    /// Has every participant of the other side that was ever here said goodbye, at least one? Makes no system call
    /// while one of them has not.
    pub(super) fn peers_said_goodbye(&self) -> bool {
        let mut closed = false;
        for (_, line) in self.lines(self.peer_role()) {
            match line.said() {
                Said::Closed => closed = true,
                Said::Nothing => {}
                Said::Attached | Said::Buried => return false,
            }
        }
        // One may have come while the lines were read, to one that was read already, before the last one left.
        closed && self.peer() == Peer::Closed
    }

    /// What is known of the other side, taken together: whether anybody lives there, else how they went.
    pub(super) fn peer(&self) -> Peer {
        let mut seen = self.peer_once();
        // Who came while the lines were read is there now.
        if seen != Peer::Attached {
            seen = self.peer_once();
        }
        seen
    }

    fn peer_once(&self) -> Peer {
        match self.segment.lives(self.peer_role()) {
            Some(Ok(true)) => return Peer::Attached,
            Some(Ok(false)) => {}
            None | Some(Err(_)) => return Peer::Unknown,
        }
        let mut peer = Peer::Absent;
        for (_, line) in self.lines(self.peer_role()) {
            match line.said() {
                Said::Attached | Said::Buried => return Peer::Dead,
                Said::Closed => peer = Peer::Closed,
                Said::Nothing => {}
            }
        }
        peer
    }

    /// Who may have left something that this end may repair. What dead consumers had in hand is left to consumers.
    fn suspects(&self) -> Vec<u32> {
        let consumers = (self.role == Role::Consumer).then(|| self.lines(Role::Consumer));
        let lines = self.lines(Role::Producer).chain(consumers.into_iter().flatten());
        lines.filter(|(_, line)| line.may_have_left()).map(|(id, _)| id).collect()
    }

    /// Which of the suspects are dead. Asks for a few of them at a time, going round: the kernel takes longer for
    /// each, the more there are.
    pub(super) fn died(&self) -> Vec<u32> {
        let suspects = self.suspects();
        let most = if self.is_watched() { ROLL_CALL_WATCHED } else { ROLL_CALL };
        let from = self.called.get();
        self.called.set(from.wrapping_add(most));
        let called =
            (0..most.min(suspects.len())).map(|nth| suspects[from.wrapping_add(nth) % suspects.len()]);
        called.filter(|id| self.is_dead(id + 1)).collect()
    }

    /// Everybody who is dead and may have left something; newcomers ask.
    pub(super) fn all_died(&self) -> Vec<u32> {
        self.suspects().into_iter().filter(|id| self.is_dead(id + 1)).collect()
    }

    /// Forgets the deaths of earlier participants with this role: another has come.
    pub(super) fn forgive(&self) {
        self.lines(self.role).for_each(|(_, line)| line.forgive());
    }

    /// Does another of this role, which sleeps, watch?
    fn is_watched(&self) -> bool {
        self.lines(self.role).any(|(id, line)| id < self.segment.id && line.is_asleep())
    }

    /// Is `owner`, who stands in a slot's word, dead? 0 is nobody.
    pub(super) fn is_dead(&self, owner: u32) -> bool {
        owner != 0 && matches!(self.segment.lives_id(owner - 1), Some(Ok(false)))
    }

    /// The role and process of `owner`, who stands in a slot's word; the process by its own account.
    pub(super) fn who(&self, owner: u32) -> (Role, u32) {
        let id = owner - 1;
        let producers = self.header().sizes.ids(Role::Producer);
        let role = if producers.contains(&id) { Role::Producer } else { Role::Consumer };
        (role, self.line_of(id).pid())
    }

    /// How long to sleep before looking again whether somebody died. One sleeper of each role, that with the lowest
    /// id, looks often while it matters: it waits for a `holder`, or another consumer may have a message in hand, or
    /// take one while this one sleeps. (The kernel wakes the longest sleeper first, so it is seldom that one that a
    /// message wakes.)
    pub(super) fn check_again(&self, holder: u32, interval: Duration) -> Duration {
        let may_take = |line: &Participant| self.role == Role::Consumer && line.may_have_left();
        let matters = || holder != 0 || self.lines(self.role).any(|(_, line)| may_take(&line));
        if !self.is_watched() && matters() { interval / WATCH } else { interval }
    }

    /// Notes a sleep, for inspection and for other sleepers.
    pub(super) fn note_sleep(&self) {
        self.line.set_asleep(true);
        self.endpoint.note_sleep();
    }

    /// A call found nothing and is not to wait: is it time to look whether somebody died?
    pub(super) fn missed(&self) -> bool {
        if self.takes_suspicion() {
            return true;
        }
        let misses = self.misses.get().wrapping_add(1);
        self.misses.set(misses);
        if !misses.is_multiple_of(MISSES) {
            return false;
        }
        self.is_due(now())
    }

    /// Wakes one of the consumers that wait for each of `count` messages.
    #[inline(always)]
    pub(super) fn ring_some(&self, count: u32) {
        if !crate::BARE && bell::may_be_heard(&self.control.data.bell) {
            self.wake_some(count);
        }
    }

    #[cold]
    #[inline(never)]
    fn wake_some(&self, count: u32) {
        let bell = &self.control.data.bell;
        let rung = bell::ring_some(bell, count);
        if rung.found_somebody() {
            self.answer(bell, rung, self.lines(Role::Consumer));
        }
    }

    /// Wakes all consumers that wait.
    #[inline(always)]
    pub(super) fn ring_consumers(&self) {
        self.ring(&self.control.data.bell, Role::Consumer);
    }

    /// Wakes all producers that wait.
    #[inline(always)]
    pub(super) fn ring_producers(&self) {
        self.ring(&self.control.space_bell, Role::Producer);
    }

    /// Rings `bell` for those with `role`.
    #[inline(always)]
    fn ring(&self, bell: &BellLine, role: Role) {
        if !crate::BARE && bell::may_be_heard(bell) {
            self.wake(bell, role);
        }
    }

    #[cold]
    #[inline(never)]
    fn wake(&self, bell: &BellLine, role: Role) {
        let rung = bell::ring(bell);
        if rung.found_somebody() {
            self.answer(bell, rung, self.lines(role));
        }
    }

    /// How to wait for the other side, for at most `timeout`. Notes that a call waits.
    pub(super) fn begin_wait(&self, timeout: Option<Duration>) -> Patience {
        self.endpoint.begin_wait(timeout, self.lines(self.peer_role()).map(|(_, line)| line))
    }

    /// Does anybody of the other side run on another processor?
    pub(super) fn is_beside(&self) -> bool {
        self.endpoint.is_beside(self.lines(self.peer_role()).map(|(_, line)| line))
    }

    pub(super) fn counters(&self, (messages, bytes): (u64, u64), repairs: (u64, u64, u64)) -> Counters {
        let (waits, sleeps, wakes) = (self.waits.get(), self.sleeps.get(), self.wakes.get());
        let (tombstones, redelivered, dropped) = repairs;
        Counters { messages, bytes, waits, sleeps, wakes, tombstones, redelivered, dropped }
    }

    pub(super) fn geometry(&self) -> Geometry {
        self.endpoint.geometry(bell::fence_of(&self.control.data.bell))
    }
}

impl Leases for End {
    fn try_take(&self, id: u32) -> bool {
        self.segment.try_take(id)
    }

    fn give_back(&self, id: u32, repaired: bool) {
        if repaired {
            self.line_of(id).bury();
        }
        self.segment.give_back(id);
    }
}

impl Deref for End {
    type Target = Endpoint;

    #[inline(always)]
    fn deref(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl DerefMut for End {
    fn deref_mut(&mut self) -> &mut Endpoint {
        &mut self.endpoint
    }
}
