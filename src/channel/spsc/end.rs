//! What both ends of an `spsc` ring have: an endpoint, the control lines, and the one peer's line.

use core::iter;
use core::mem::offset_of;
use core::ops::{Deref, DerefMut};
use core::time::Duration;

use super::durability::Durability;
use crate::channel::endpoint::Endpoint;
use crate::channel::peer::{self, Peer};
use crate::channel::window::window_of;
use crate::channel::{Backing, Geometry};
use crate::error::{Corrupt, OpenError};
use crate::layout::bell::BellLine;
use crate::layout::participant::{Counters, Participant, Said, line_at};
use crate::layout::spsc::{Control, Site, Sizes};
use crate::layout::{Role, Shared};
use crate::ring::record::{self, Window};
use crate::segment::Segment;
use crate::wait::{Patience, bell};

/// One end of an `spsc` ring: one that has its segment to itself, or one of the two of a `duplex`.
#[derive(Debug)]
pub(in crate::channel) struct End {
    endpoint: Endpoint,
    pub(super) control: Shared<Control>,
    peer_line: Shared<Participant>,
    /// The peer's number.
    peer: u32,
    site: Site,
    pub(super) durability: Durability,
}

impl End {
    pub(in crate::channel) fn new(
        segment: Segment,
        role: Role,
        backing: Backing,
        patience: Patience,
        durability: Durability,
    ) -> Result<End, OpenError> {
        let sizes = segment.header.sizes;
        // The participants of each role are numbered as the rings are.
        let ring = segment.id - sizes.ids(role).start;
        let Some(site) = sizes.rings().nth(ring as usize) else {
            unreachable!("a request for a record ring opens no other")
        };
        let bell_at = match role {
            Role::Producer => offset_of!(Control, space_bell),
            Role::Consumer => offset_of!(Control, data_bell),
        };
        let endpoint = Endpoint::new(segment, role, backing, patience, site.control_at + bell_at as u64);
        let mapping = &endpoint.segment.mapping;
        let peer = sizes.ids(endpoint.peer_role()).start + ring;
        let end = End {
            control: mapping.part(site.control_at),
            peer_line: mapping.part(line_at(peer)),
            peer,
            site,
            durability,
            endpoint,
        };
        end.take_place()?;
        Ok(end)
    }

    /// Where there are no leases, takes this participant's place by its line; nothing of the ring is touched
    /// before.
    fn take_place(&self) -> Result<(), OpenError> {
        if !self.segment.has_leases() && !self.line.claim() {
            let place = self.segment.text.clone();
            return Err(OpenError::AlreadyAttached { place, role: self.role, pid: self.line.pid() });
        }
        Ok(())
    }

    /// The ring could not be attached to: gives the place back.
    pub(super) fn refuse(&self, corrupt: Corrupt) -> OpenError {
        if !self.segment.has_leases() {
            self.line.close();
        }
        self.endpoint.refuse(corrupt)
    }

    /// Says that this participant is here.
    pub(super) fn say_hello(&self) {
        self.endpoint.say_hello([&self.control.data_bell, &self.control.space_bell]);
    }

    /// Says goodbye, and wakes the peer to hear it.
    pub(super) fn say_goodbye(&self, bell: &BellLine, drained: impl FnOnce() -> bool) {
        self.endpoint.say_goodbye(|| self.ring(bell), || drained() && self.is_drained_beside());
    }

    /// Is there nothing in the segment's other ring, if it has one?
    fn is_drained_beside(&self) -> bool {
        let mapping = &self.segment.mapping;
        let mut others = self.header().sizes.rings().filter(|site| *site != self.site);
        others.all(|site| record::is_drained(&window_of(mapping, site), &mapping.part(site.control_at)))
    }

    /// Rings `bell` for the peer.
    #[inline(always)]
    pub(super) fn ring(&self, bell: &BellLine) {
        if !crate::BARE && bell::may_be_heard(bell) {
            self.wake(bell);
        }
    }

    #[cold]
    #[inline(never)]
    fn wake(&self, bell: &BellLine) {
        let rung = bell::ring(bell);
        if rung.found_somebody() {
            self.answer(bell, rung, self.peers());
        }
    }

    /// The peer's number and line.
    fn peers(&self) -> impl Iterator<Item = (u32, Shared<Participant>)> {
        iter::once((self.peer, self.peer_line.clone()))
    }

    /// How to wait for the peer, for at most `timeout`. Notes that a call waits.
    pub(super) fn begin_wait(&self, timeout: Option<Duration>) -> Patience {
        self.endpoint.begin_wait(timeout, iter::once(self.peer_line.clone()))
    }

    /// Does the peer run on another processor?
    pub(super) fn is_beside(&self) -> bool {
        self.endpoint.is_beside(iter::once(self.peer_line.clone()))
    }

    pub(super) fn sizes(&self) -> Sizes {
        self.site.sizes
    }

    /// The ring's bytes.
    pub(super) fn window(&self) -> Window {
        window_of(&self.segment.mapping, self.site)
    }

    /// Has the peer said goodbye? Makes no system call.
    pub(super) fn peer_said_goodbye(&self) -> bool {
        self.peer_line.said() == Said::Closed
    }

    /// What is known of the peer. One system call, or two.
    pub(super) fn peer(&self) -> Peer {
        peer::state(&self.peer_line, || self.segment.lives_id(self.peer))
    }

    pub(super) fn counters(&self, (messages, bytes): (u64, u64)) -> Counters {
        let (waits, sleeps, wakes) = (self.waits.get(), self.sleeps.get(), self.wakes.get());
        Counters { messages, bytes, waits, sleeps, wakes, ..Counters::default() }
    }

    pub(super) fn geometry(&self) -> Geometry {
        self.endpoint.geometry(bell::fence_of(&self.control.data_bell))
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
