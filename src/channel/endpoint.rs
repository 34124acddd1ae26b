//! What every end of a ring has: a segment, its own line in the participant table, and the knowledge of how to
//! wait.

use core::cell::Cell;
use core::time::Duration;
use std::os::fd::OwnedFd;

use super::{Backing, Geometry, Peer};
use crate::error::{Corrupt, OpenError};
use crate::layout::bell::BellLine;
use crate::layout::header::Header;
use crate::layout::participant::{Participant, line_at};
use crate::layout::{Role, Shared};
use crate::segment::Segment;
use crate::segment::place::Name;
use crate::segment::process::{Home, start_time};
use crate::sync::{Fence, register};
use crate::wait::{Patience, Wait, bell, now};

/// One end of a ring.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) segment: Segment,
    pub(crate) line: Shared<Participant>,
    pub(crate) role: Role,
    pub(crate) backing: Backing,
    pub(crate) patience: Patience,
    home: Home,
    pub(crate) waits: Cell<u64>,
    pub(crate) sleeps: Cell<u64>,
    pub(crate) wakes: Cell<u64>,
    /// When to look next whether a peer lives, on behalf of calls that do not wait for as long.
    look_at: Cell<Duration>,
    /// When to look next whether the ring has kept its name.
    name_at: Cell<Duration>,
}

impl Endpoint {
    pub(crate) fn new(segment: Segment, role: Role, backing: Backing, patience: Patience) -> Endpoint {
        Endpoint {
            line: segment.mapping.part(line_at(segment.id)),
            home: segment.home(),
            segment,
            role,
            backing,
            patience,
            waits: Cell::new(0),
            sleeps: Cell::new(0),
            wakes: Cell::new(0),
            look_at: Cell::new(Duration::ZERO),
            name_at: Cell::new(Duration::ZERO),
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
        self.line.attach(std::process::id(), start_time());
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

    /// Rings `bell` for the peer.
    #[inline(always)]
    pub(crate) fn ring(&self, bell: &BellLine) {
        if !crate::BARE && bell::ring(bell) {
            self.note_wake();
        }
    }

    /// Notes that a sleeper was woken.
    pub(crate) fn note_wake(&self) {
        self.wakes.set(self.wakes.get() + 1);
    }

    /// Is it time to look whether a peer lives? Then the next time is a liveness interval away.
    pub(crate) fn is_due(&self) -> bool {
        self.once_an_interval(&self.look_at)
    }

    pub(crate) fn once_an_interval(&self, next: &Cell<Duration>) -> bool {
        let time = now();
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
    pub(crate) fn waits_in_vain(&self, peer: Peer) -> bool {
        self.once_an_interval(&self.name_at)
            && match self.segment.name() {
                Name::Kept => false,
                Name::Gone => peer == Peer::Absent,
                Name::Another => true,
            }
    }

    /// How to wait, for at most `timeout`.
    pub(crate) fn patience(&self, timeout: Option<Duration>) -> Patience {
        let deadline = timeout.map(|timeout| now().saturating_add(timeout));
        Patience { deadline, ..self.patience }
    }

    pub(crate) fn set_wait(&mut self, wait: Wait) {
        self.patience.how = wait;
    }

    /// Notes that a call waits.
    pub(crate) fn note_wait(&self) {
        self.waits.set(self.waits.get() + 1);
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
