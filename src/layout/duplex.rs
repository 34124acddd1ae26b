//! Where the parts of a `duplex` segment lie: two `spsc` rings, one for each direction.
//!
//! ```text
//! participant table   producer of ring 0 | producer of ring 1 | consumer of ring 0 | consumer of ring 1
//! control lines       of ring 0 | of ring 1
//! records             of ring 0, page aligned | of ring 1, page aligned
//! ```
//!
//! The first side sends through ring 0 and receives from ring 1, the second side the other way round. Each of the four ends
//! has a line and a lease of its own, so that what holds for the ends of an `spsc` ring holds here.

use core::fmt;

use super::spsc::{self, Control, Site};
use super::{PAGE, pages, participant};
use crate::frame::HEADER;

/// How many participants of each role there are: one for each ring.
pub(crate) const PLACES: u32 = 2;

/// Where the control lines of the rings begin.
const CONTROL_AT: [u64; 2] = [participant::table_end(PLACES), participant::table_end(PLACES) + CONTROL];
/// Bytes of a ring's control lines.
const CONTROL: u64 = size_of::<Control>() as u64;
/// Where the first ring's records begin.
const DATA_AT: u64 = 2 * PAGE;

#[cfg(not(loom))]
mod proofs {
    use super::*;
    use static_assertions::const_assert;

    const_assert!(CONTROL_AT[0].is_multiple_of(128));
    const_assert!(CONTROL_AT[1].is_multiple_of(128));
    const_assert!(CONTROL_AT[1] + CONTROL <= DATA_AT);
}

/// One of the two sides of a duplex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The side that whoever comes first takes, unless told otherwise.
    First,
    /// The other one.
    Second,
}

impl Side {
    /// Both, in the order in which they are taken.
    pub(crate) const BOTH: [Side; 2] = [Side::First, Side::Second];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Side::First => "first",
            Side::Second => "second",
        }
    }

    /// The side at the other end.
    pub fn other(self) -> Side {
        match self {
            Side::First => Side::Second,
            Side::Second => Side::First,
        }
    }

    /// The participants that are this side's producer and consumer.
    pub(crate) fn ids(self) -> (u32, u32) {
        match self {
            Side::First => (0, 3),
            Side::Second => (1, 2),
        }
    }

    /// The side of participant `id`.
    pub(crate) fn of(id: u32) -> Side {
        if id == 0 || id == 3 { Side::First } else { Side::Second }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Sizes of a duplex, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Those of each ring.
    pub(crate) ring: spsc::Sizes,
}

impl Sizes {
    /// The two rings.
    pub(crate) fn sites(self) -> [Site; 2] {
        let sizes = self.ring;
        let first = DATA_AT + sizes.align - HEADER;
        let second = first + pages(sizes.align - HEADER + sizes.size);
        [
            Site { sizes, control_at: CONTROL_AT[0], records_at: first },
            Site { sizes, control_at: CONTROL_AT[1], records_at: second },
        ]
    }

    /// Bytes of the whole segment.
    pub(crate) fn total(self) -> u64 {
        DATA_AT + 2 * pages(self.ring.align - HEADER + self.ring.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rings_lie_side_by_side() {
        for (size, align) in [(64, 8), (4096, 64), (1 << 20, 8), (1 << 16, 4096)] {
            let sizes = Sizes { ring: spsc::Sizes::new(size, align).expect("sizes") };
            let [first, second] = sizes.sites();
            assert!(first.records_at >= DATA_AT && first.records_at + size <= second.records_at);
            assert!(second.records_at + size <= sizes.total());
            for site in [first, second] {
                assert_eq!((site.records_at + HEADER) % align, 0);
                assert!(site.control_at + CONTROL <= DATA_AT);
            }
        }
    }

    #[test]
    fn what_one_side_sends_the_other_receives() {
        for side in Side::BOTH {
            let (producer, consumer) = side.ids();
            assert_eq!(producer + PLACES, side.other().ids().1);
            assert_eq!((Side::of(producer), Side::of(consumer)), (side, side));
        }
    }
}
