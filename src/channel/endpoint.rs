//! What every end of a ring has: a segment, its own line in the participant table, and the knowledge of how to
//! wait.

use core::cell::Cell;
use core::time::Duration;
use std::os::fd::OwnedFd;

use nix::sched::sched_getcpu;

use super::{Backing, Geometry, Peer};
use crate::error::{Corrupt, OpenError};
use crate::layout::bell::BellLine;
use crate::layout::call::{Call, SignalCall};
use crate::layout::header::Header;
use crate::layout::participant::{Entry, Participant, line_at};
use crate::layout::{Role, Shared, Wake};
use crate::notify::Signal;
use crate::segment::Segment;
use crate::segment::holder::Told;
use crate::segment::place::Name;
use crate::segment::process::{Home, start_time};
use crate::sync::{Fence, register};
use crate::wait::bell::{self, Rung, Sleeper, WokenBy};
use crate::wait::{Budget, Patience, Wait, now};

/// One end of a ring.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) segment: Segment,
    pub(crate) line: Shared<Participant>,
    /// The bell that this participant waits at.
    bell: Shared<BellLine>,
    pub(crate) role: Role,
    pub(crate) backing: Backing,
    pub(crate) patience: Patience,
    /// How long to spin before a sleep.
    budget: Budget,
    /// The last wait found the peer on this participant's own processor.
    is_crowded: Cell<bool>,
    home: Home,
    pub(crate) waits: Cell<u64>,
    pub(crate) sleeps: Cell<u64>,
    pub(crate) wakes: Cell<u64>,
    /// When to look next whether a peer lives, on behalf of calls that do not wait for as long.
    look_at: Cell<Duration>,
    /// When to look next whether the ring has kept its name.
    name_at: Cell<Duration>,
    /// A wait has found a reason why nothing will come, which the next call that does not wait is to look for, too.
    suspects: Cell<bool>,
}

impl Endpoint {
    /// The end that `role` has of `segment`; it waits at the bell that lies at `bell_at`.
    pub(crate) fn new(
        segment: Segment,
        role: Role,
        backing: Backing,
        patience: Patience,
        bell_at: u64,
    ) -> Endpoint {
        Endpoint {
            bell: segment.mapping.part(bell_at),
            line: segment.mapping.part(line_at(segment.id)),
            home: segment.home(),
            segment,
            role,
            backing,
            patience,
            budget: Budget::new(patience.spin),
            is_crowded: Cell::new(false),
            waits: Cell::new(0),
            sleeps: Cell::new(0),
            wakes: Cell::new(0),
            look_at: Cell::new(Duration::ZERO),
            name_at: Cell::new(Duration::ZERO),
            suspects: Cell::new(false),
        }
    }

    pub(crate) fn header(&self) -> &Header {
        &self.segment.header
    }

    /// The role of the other side.
    pub(crate) fn peer_role(&self) -> Role {
        match self.role {
            Role::Producer => Role::Consumer,
            Role::Consumer => Role::Producer,
        }
    }

    /// The ring could not be attached to.
    pub(crate) fn refuse(&self, corrupt: Corrupt) -> OpenError {
        OpenError::Corrupt { place: self.segment.text.clone(), corrupt }
    }

    /// Says that this participant is here, one that rings and hears `bells`.
    pub(crate) fn say_hello(&self, bells: [&BellLine; 2]) {
        if !register() {
            bells.into_iter().for_each(bell::make_symmetric);
        }
        self.line.attach(std::process::id(), start_time(), processor());
    }

    /// Says goodbye, and then `tell`s the peers.
    pub(crate) fn say_goodbye(&self, tell: impl FnOnce(), drained: impl FnOnce() -> bool) {
        self.write_down_waits();
        let goodbye = || {
            self.line.close();
            tell();
        };
        self.segment.leave(goodbye, drained);
    }

    /// Is this the process in which the handle was made?
    #[inline(always)]
    pub(crate) fn is_home(&self) -> bool {
        crate::BARE || self.home.is_here()
    }

    /// Notes that somebody was woken, and calls those of `all` with the role that rang for who want to be called.
    pub(crate) fn answer(
        &self,
        bell: &BellLine,
        rung: Rung,
        all: impl Iterator<Item = (u32, Shared<Participant>)>,
    ) {
        self.wakes.set(self.wakes.get() + 1);
        self.say_processor();
        if rung.calls > 0 {
            bell::call(bell, rung.calls, all, |id, line, call| self.signal(bell, id, line, call));
        }
    }

    /// Wakes another who waits at this participant's bell, in its place.
    pub(crate) fn wake_another(&self) {
        if !bell::may_be_heard(&self.bell) {
            return;
        }
        let rung = bell::ring_some(&self.bell, 1);
        if rung.found_somebody() {
            let others = self.header().sizes.ids(self.role).filter(|id| *id != self.segment.id);
            let line_of = |id| (id, self.segment.mapping.part(line_at(id)));
            self.answer(&self.bell, rung, others.map(line_of));
        }
    }

    /// Sends the participant `id` the signal for which `call` asks, which was taken from its line; `false`: it cannot be told,
    /// or not now.
    fn signal(&self, bell: &BellLine, id: u32, line: &Entry, call: SignalCall) -> bool {
        let Ok(signal) = Signal::try_from(call.signal as i32) else { return false };
        // Read after the call was taken, the process is at least as new as that.
        let told = match self.segment.holder(id, line.pid(), call) {
            Ok(Some(holder)) => holder.tell(signal, call.token),
            Ok(None) => Told::No,
            Err(_lacks_descriptors) => Told::Later,
        };
        if told == Told::Later {
            // Whoever rings next tries again.
            line.put_back(Call::Signal(call));
            bell::want_call(bell);
        }
        told == Told::Yes
    }

    /// Says which processor this participant runs on, for others to know whether it is of use to spin for it.
    fn say_processor(&self) {
        if let Some(processor) = processor() {
            self.line.seen_on(processor);
        }
    }

    /// Where this participant waits.
    pub(crate) fn seat(&self) -> Seat {
        let header = self.header();
        let (wake, alone) = (header.wake, header.sizes.waits_alone());
        Seat { bell: self.bell.clone(), line: self.line.clone(), wake, alone }
    }

    /// Is it time to look whether a peer lives? Then the next time is a liveness interval away.
    pub(crate) fn is_due(&self, time: Duration) -> bool {
        self.once_an_interval(&self.look_at, time)
    }

    /// When it is time to look whether a peer lives.
    pub(crate) fn due_at(&self) -> Duration {
        self.look_at.get()
    }

    /// When it is time to look again; at the latest in `interval` from `time` on.
    pub(crate) fn due_within(&self, interval: Duration, time: Duration) -> Duration {
        let due = self.look_at.get().min(time.saturating_add(interval));
        self.look_at.set(due);
        due
    }

    /// Notes that it was looked at `time` whether a peer lives.
    pub(crate) fn note_look(&self, time: Duration) {
        self.look_at.set(time.saturating_add(self.patience.interval));
    }

    /// Has the next call that does not wait look for a reason why nothing will come; for a name that is gone, too.
    pub(crate) fn suspect(&self) {
        self.suspects.set(true);
        self.name_at.set(Duration::ZERO);
    }

    /// Is this call to look for such a reason? The next one is not, then.
    pub(crate) fn takes_suspicion(&self) -> bool {
        self.suspects.take()
    }

    pub(crate) fn once_an_interval(&self, next: &Cell<Duration>, time: Duration) -> bool {
        let due = time >= next.get();
        if due {
            next.set(time.saturating_add(self.patience.interval));
        }
        due
    }

    /// Does the ring's name still lead to it? Always, if it has none.
    pub(crate) fn is_linked(&self) -> bool {
        self.segment.name() == Name::Kept
    }

    /// Is it in vain to wait, now that the `peer` is known: does whoever opens the name get another ring, or can
    /// nobody come where nobody is? Looks once an interval.
    pub(crate) fn waits_in_vain(&self, peer: Peer, time: Duration) -> bool {
        self.once_an_interval(&self.name_at, time)
            && match self.segment.name() {
                Name::Kept => false,
                Name::Gone => peer == Peer::Absent,
                Name::Another => true,
            }
    }

    /// How to wait, for at most `timeout`, for one of those with the lines `others`. Notes that a call waits.
    pub(crate) fn begin_wait(
        &self,
        timeout: Option<Duration>,
        others: impl Iterator<Item = Shared<Participant>>,
    ) -> Patience {
        self.waits.set(self.waits.get() + 1);
        self.is_crowded.set(!self.is_beside(others) && self.patience.how == Wait::Adaptive);
        let spin = match self.patience.how {
            Wait::Adaptive if self.is_crowded.get() => Duration::ZERO,
            Wait::Adaptive => self.budget.next(),
            Wait::Spin | Wait::Park => self.patience.spin,
        };
        let began = now();
        let deadline = timeout.map(|timeout| began.saturating_add(timeout));
        Patience { began, spin, deadline, ..self.patience }
    }

    /// Does one of the `others` run on another processor than this participant, as far as they have said where they run? Says where
    /// this one does.
    pub(crate) fn is_beside(&self, mut others: impl Iterator<Item = Shared<Participant>>) -> bool {
        self.say_processor();
        let here = self.line.processor();
        others.any(|line| line.processor().is_none_or(|there| Some(there) != here))
    }

    /// Is it of use to look for a moment before a wait begins?
    pub(crate) fn may_look_around(&self) -> bool {
        self.patience.how != Wait::Park && !self.is_crowded.get()
    }

    /// Notes how a wait went.
    pub(crate) fn end_wait(&self, patience: &Patience) {
        if patience.how == Wait::Adaptive && !patience.spin.is_zero() {
            self.budget.note(now().saturating_sub(patience.began));
        }
    }

    pub(crate) fn set_wait(&mut self, wait: Wait) {
        self.patience.how = wait;
    }

    /// Notes a sleep, and writes down how it was waited.
    pub(crate) fn note_sleep(&self) {
        self.sleeps.set(self.sleeps.get() + 1);
        self.write_down_waits();
    }

    fn write_down_waits(&self) {
        self.line.store_waits(self.waits.get(), self.sleeps.get(), self.wakes.get());
    }

    pub(crate) fn geometry(&self, fence: Fence) -> Geometry {
        Geometry::new(self.header(), self.backing, fence, self.segment.mapping.huge_bytes())
    }

    pub(crate) fn descriptor(&self) -> Result<OwnedFd, OpenError> {
        self.segment.descriptor()
    }
}

/// Where a participant waits. It must not outlive the endpoint that it is of.
#[derive(Clone, Debug)]
pub struct Seat {
    pub(crate) bell: Shared<BellLine>,
    pub(crate) line: Shared<Participant>,
    wake: Wake,
    /// Nobody else waits at this bell.
    pub(crate) alone: bool,
}

impl Seat {
    /// One who sleeps here in a blocking call.
    pub(crate) fn sleeper(&self) -> Sleeper<'_> {
        let by = match self.wake {
            Wake::Futex => WokenBy::Word,
            Wake::Semaphore => WokenBy::Semaphore(&self.line),
        };
        Sleeper { bell: &self.bell, by, alone: self.alone }
    }

    /// One who sleeps here on the bell's word, whatever the ring's wake kind is.
    pub(crate) fn on_word(&self) -> Sleeper<'_> {
        Sleeper { bell: &self.bell, by: WokenBy::Word, alone: self.alone }
    }
}

/// The processor that this thread runs on; `None`: the system does not say.
fn processor() -> Option<u32> {
    sched_getcpu().ok().and_then(|processor| u32::try_from(processor).ok())
}
