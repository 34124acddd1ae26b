//! What both ends have: a segment, two participants' lines, and the knowledge of how to wait.

use core::cell::Cell;
use core::time::Duration;
use std::os::fd::OwnedFd;

use crate::channel::peer::{self, Peer};
use crate::channel::window::window_of;
use crate::channel::{Backing, Geometry};
use crate::error::{Corrupt, OpenError};
use crate::layout::header::Header;
use crate::layout::participant::{Counters, Participant, Said};
use crate::layout::spsc::{BellLine, CONTROL_AT, Control};
use crate::layout::{Role, Shared};
use crate::ring::record::Window;
use crate::segment::process::{Home, start_time};
use crate::segment::{Segment, participant_at};
use crate::sync::register;
use crate::wait::{Patience, Wait, bell, now};

/// One end of a ring.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) segment: Segment,
    pub(crate) control: Shared<Control>,
    pub(crate) line: Shared<Participant>,
    peer_line: Shared<Participant>,
    backing: Backing,
    role: Role,
    peer_role: Role,
    pub(crate) patience: Patience,
    home: Home,
    pub(crate) waits: Cell<u64>,
    pub(crate) sleeps: Cell<u64>,
    pub(crate) wakes: Cell<u64>,
}

impl Endpoint {
    pub(crate) fn new(segment: Segment, role: Role, backing: Backing, patience: Patience) -> Endpoint {
        let peer_role = match role {
            Role::Producer => Role::Consumer,
            Role::Consumer => Role::Producer,
        };
        let mapping = &segment.mapping;
        Endpoint {
            control: mapping.part(CONTROL_AT),
            line: mapping.part(participant_at(role)),
            peer_line: mapping.part(participant_at(peer_role)),
            home: segment.home(),
            segment,
            backing,
            role,
            peer_role,
            patience,
            waits: Cell::new(0),
            sleeps: Cell::new(0),
            wakes: Cell::new(0),
        }
    }

    pub(crate) fn header(&self) -> &Header {
        &self.segment.header
    }

    /// The ring's bytes.
    pub(crate) fn window(&self) -> Window {
        window_of(&self.segment.mapping, self.header().sizes)
    }

    /// Where there are no leases, takes this participant's place by its line; nothing of the ring is touched
    /// before.
    pub(crate) fn take_place(&self) -> Result<(), OpenError> {
        if self.segment.lives(self.role).is_none() && !self.line.claim() {
            let place = self.segment.text.clone();
            return Err(OpenError::AlreadyAttached { place, role: self.role, pid: self.line.pid() });
        }
        Ok(())
    }

    /// The ring could not be attached to: gives the place back.
    pub(crate) fn refuse(&self, corrupt: Corrupt) -> OpenError {
        if self.segment.lives(self.role).is_none() {
            self.line.close();
        }
        OpenError::Corrupt { place: self.segment.text.clone(), corrupt }
    }

    /// Says that this participant is here.
    pub(crate) fn say_hello(&self) {
        if !register() {
            bell::make_symmetric(&self.control.data_bell);
            bell::make_symmetric(&self.control.space_bell);
        }
        self.line.attach(std::process::id(), start_time());
    }

    /// Says goodbye, and wakes the peer to hear it.
    pub(crate) fn say_goodbye(&self, bell: &BellLine, drained: impl FnOnce() -> bool) {
        self.write_down_waits();
        let goodbye = || {
            self.line.close();
            bell::ring(bell);
        };
        self.segment.leave(goodbye, drained);
    }

    /// Is this the process in which the handle was made?
    #[inline(always)]
    pub(crate) fn is_home(&self) -> bool {
        crate::BARE || self.home.is_here()
    }

    /// Has the peer said goodbye? Makes no system call.
    pub(crate) fn peer_said_goodbye(&self) -> bool {
        self.peer_line.said() == Said::Closed
    }

    /// What is known of the peer. One system call, or two.
    pub(crate) fn peer(&self) -> Peer {
        peer::state(&self.peer_line, || self.segment.lives(self.peer_role))
    }

    /// Rings `bell` for the peer.
    #[inline(always)]
    pub(crate) fn ring(&self, bell: &BellLine) {
        if !crate::BARE && bell::ring(bell) {
            self.wakes.set(self.wakes.get() + 1);
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

    /// Notes a sleep, and writes down how it was waited.
    pub(crate) fn note_sleep(&self) {
        self.sleeps.set(self.sleeps.get() + 1);
        self.write_down_waits();
    }

    fn write_down_waits(&self) {
        self.line.store_waits(self.waits.get(), self.sleeps.get(), self.wakes.get());
    }

    pub(crate) fn counters(&self, (messages, bytes): (u64, u64)) -> Counters {
        let (waits, sleeps, wakes) = (self.waits.get(), self.sleeps.get(), self.wakes.get());
        Counters { messages, bytes, waits, sleeps, wakes }
    }

    pub(crate) fn geometry(&self) -> Geometry {
        let fence = bell::fence_of(&self.control.data_bell);
        Geometry::new(self.header(), self.backing, fence, self.segment.mapping.huge_bytes())
    }

    pub(crate) fn descriptor(&self) -> Result<OwnedFd, OpenError> {
        self.segment.descriptor()
    }
}
