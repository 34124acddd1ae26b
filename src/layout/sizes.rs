//! The sizes of a ring, whichever kind it is.

use core::ops::Range;

use super::header::Kind;
use super::spsc::Site;
use super::{Role, duplex, mpmc, participant, spsc};

/// The sizes of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sizes {
    Spsc(spsc::Sizes),
    Mpmc(mpmc::Sizes),
    Duplex(duplex::Sizes),
}

impl Sizes {
    pub(crate) fn kind(self) -> Kind {
        match self {
            Sizes::Spsc(_) => Kind::Spsc,
            Sizes::Mpmc(_) => Kind::Mpmc,
            Sizes::Duplex(_) => Kind::Duplex,
        }
    }

    /// Bytes of the whole segment.
    pub(crate) fn total(self) -> u64 {
        match self {
            Sizes::Spsc(sizes) => sizes.total(),
            Sizes::Mpmc(sizes) => sizes.total(),
            Sizes::Duplex(sizes) => sizes.total(),
        }
    }

    /// Bytes of the largest message.
    pub(crate) fn largest(self) -> u64 {
        match self {
            Sizes::Spsc(sizes) => sizes.largest(),
            Sizes::Mpmc(sizes) => sizes.largest(),
            Sizes::Duplex(sizes) => sizes.ring.largest(),
        }
    }

    /// Alignment of payloads.
    pub(crate) fn align(self) -> u64 {
        match self {
            Sizes::Spsc(sizes) => sizes.align,
            Sizes::Mpmc(_) => 8,
            Sizes::Duplex(sizes) => sizes.ring.align,
        }
    }

    /// Is the ring to survive a loss of power?
    pub(crate) fn is_durable(self) -> bool {
        matches!(self, Sizes::Spsc(spsc::Sizes { durable: true, .. }))
    }

    /// How many participants of each role the ring takes.
    pub(crate) fn places(self) -> u32 {
        match self {
            Sizes::Spsc(_) => spsc::PLACES,
            Sizes::Mpmc(sizes) => sizes.places,
            Sizes::Duplex(_) => duplex::PLACES,
        }
    }

    /// The record rings in the segment, in the order of their producers and of their consumers.
    pub(crate) fn rings(self) -> impl Iterator<Item = Site> + Clone {
        let [first, second] = match self {
            Sizes::Spsc(sizes) => [Some(sizes.site()), None],
            Sizes::Mpmc(_) => [None, None],
            Sizes::Duplex(sizes) => sizes.sites().map(Some),
        };
        first.into_iter().chain(second)
    }

    /// Does each participant wait at a bell of its own?
    pub(crate) fn waits_alone(self) -> bool {
        !matches!(self, Sizes::Mpmc(mpmc::Sizes { places: 2.., .. }))
    }

    /// The participants with `role`.
    pub(crate) fn ids(self, role: Role) -> Range<u32> {
        participant::ids(self.places(), role)
    }

    /// Every participant, the producers first.
    pub(crate) fn all_ids(self) -> Range<u32> {
        0..2 * self.places()
    }
}
