//! The control lines of an `mpmc` ring, and where its parts lie.
//!
//! ```text
//! control lines       tail hint | head hint | data bell | space bell, each on a line of its own
//! descriptors         page aligned, `16 + inline` bytes each: slot word, length and tag, inline payload
//! blocks              page aligned, `slot_size` bytes each
//! ```
//!
//! | line | written by | read by | when |
//! |---|---|---|---|
//! | tail | producers | producers that meet a claimed slot, those who attach | now and then |
//! | head | consumers | consumers that meet a taken slot, those who attach | now and then |
//! | data bell | all | all | when a consumer sleeps; the turn, when a large message is blocked |
//! | space bell | all | all | when a producer sleeps |

use super::bell::BellLine;
use super::{Line, pages, participant};
use crate::sync::{AtomicU32, AtomicU64};

/// The most participants of each role: together their ids fit the owner field of a slot word, which begins at 1.
pub(crate) const PLACES_MAX: u32 = 511;
/// The most slots of one message: what the span field of a slot word holds.
pub(crate) const SPAN_MAX: u64 = (1 << 12) - 1;
/// Bytes of a descriptor before its inline payload: the slot word, and length and tag.
pub(crate) const DESCRIPTOR_HEAD: u64 = 16;

const SLOTS_MIN: u64 = 2;
/// A position has room for a whole lap number, as in a slot word, beside a slot's index.
const SLOTS_MAX: u64 = 1 << 25;
const SLOT_SIZE_MAX: u64 = 1 << 30;
const INLINE_MAX: u64 = 4080;
const TOTAL_MAX: u64 = 1 << 46;

/// The ring's control lines.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Control {
    /// A position that some claim has reached.
    pub(crate) tail: Line<AtomicU64>,
    /// A position that some consumer has reached.
    pub(crate) head: Line<AtomicU64>,
    pub(crate) data: Line<DataLine>,
    pub(crate) space_bell: Line<BellLine>,
}

/// What a producer reads for each message, and is seldom written.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct DataLine {
    pub(crate) bell: BellLine,
    /// Which producer asks the others to wait: see `ring::slots::turn`.
    pub(crate) turn: AtomicU64,
    /// How many places of producers, and of consumers, were ever taken: nobody is to be looked for behind them.
    pub(crate) places_used: [AtomicU32; 2],
}

#[cfg(not(loom))]
mod proofs {
    use super::*;
    use static_assertions::const_assert;

    static_assertions::assert_eq_size!(Control, [u8; 4 * 128]);
    const_assert!(core::mem::offset_of!(Control, head) == 128);
    const_assert!(core::mem::offset_of!(Control, data) == 256);
    const_assert!(core::mem::offset_of!(Control, space_bell) == 384);
    const_assert!(core::mem::offset_of!(DataLine, bell) == 0);
    const_assert!(core::mem::offset_of!(DataLine, turn) == 8);
    const_assert!(core::mem::offset_of!(DataLine, places_used) == 16);
    const_assert!(2 * PLACES_MAX < 1 << 10);
    const_assert!(SLOTS_MAX <= 1 << (64 - 39));
}

/// Sizes of a ring, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// How many slots, a power of two.
    pub(crate) slots: u64,
    /// Bytes of a slot's block, a multiple of eight; zero: every message lies in a descriptor.
    pub(crate) slot_size: u64,
    /// Bytes of a message that a descriptor holds, a multiple of eight.
    pub(crate) inline: u64,
    /// How many participants of each role the ring takes.
    pub(crate) places: u32,
}

impl Sizes {
    /// Checks the sizes; the error says which of them is not possible, and the rule.
    pub(crate) fn new(
        slots: u64,
        slot_size: u64,
        inline: u64,
        places: u32,
    ) -> Result<Sizes, (&'static str, u64, &'static str)> {
        if !slots.is_power_of_two() || !(SLOTS_MIN..=SLOTS_MAX).contains(&slots) {
            return Err(("slots", slots, "a power of two from 2 to 33554432"));
        }
        if !slot_size.is_multiple_of(8) || slot_size > SLOT_SIZE_MAX {
            return Err(("slot size", slot_size, "a multiple of 8, up to 1 GiB"));
        }
        if !inline.is_multiple_of(8) || inline > INLINE_MAX || (inline == 0 && slot_size == 0) {
            return Err((
                "inline size",
                inline,
                "a multiple of 8, up to 4080, and not 0 if the slot size is",
            ));
        }
        if !(1..=PLACES_MAX).contains(&places) {
            return Err(("participants", places.into(), "from 1 to 511 of each role"));
        }
        let sizes = Sizes { slots, slot_size, inline, places };
        // Neither product overflows: the factors have at most 25 + 30 bits.
        if sizes.total() > TOTAL_MAX {
            return Err(("slots × slot size", slots * slot_size, "at most 64 TiB altogether"));
        }
        Ok(sizes)
    }

    /// Where the control lines begin.
    pub(crate) fn control_at(self) -> u64 {
        participant::table_end(self.places)
    }

    /// Where the descriptors begin.
    pub(crate) fn descriptors_at(self) -> u64 {
        pages(self.control_at() + size_of::<Control>() as u64)
    }

    /// Bytes of a descriptor.
    pub(crate) fn stride(self) -> u64 {
        DESCRIPTOR_HEAD + self.inline
    }

    /// Where the blocks begin.
    pub(crate) fn blocks_at(self) -> u64 {
        pages(self.descriptors_at() + self.slots * self.stride())
    }

    /// Bytes of the whole segment.
    pub(crate) fn total(self) -> u64 {
        self.blocks_at() + pages(self.slots * self.slot_size)
    }

    /// The most slots of one message. Half of them: wherever the ring stands, that many in a row become free
    /// once the messages before are released.
    pub(crate) fn span_max(self) -> u64 {
        (self.slots / 2).min(SPAN_MAX)
    }

    /// Bytes of the largest message.
    pub(crate) fn largest(self) -> u64 {
        self.inline.max(self.slot_size * self.span_max()).min(u64::from(u32::MAX))
    }

    /// How many slots a message of `len` bytes takes, which is at most [`Sizes::largest`].
    #[inline]
    pub(crate) fn span(self, len: u64) -> u64 {
        if len <= self.inline { 1 } else { len.div_ceil(self.slot_size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_overlap() {
        let sizes = Sizes::new(1024, 256, 48, 64).expect("sizes");
        assert!(sizes.control_at() + 512 <= sizes.descriptors_at());
        assert_eq!(sizes.descriptors_at() + 1024 * 64, sizes.blocks_at());
        assert_eq!(sizes.blocks_at() + 1024 * 256, sizes.total());
        assert_eq!(sizes.control_at() % 128, 0);
    }

    #[test]
    fn the_largest_message_takes_half_the_slots() {
        let sizes = Sizes::new(16, 64, 48, 1).expect("sizes");
        assert_eq!((sizes.largest(), sizes.span(sizes.largest())), (512, 8));
        assert_eq!((sizes.span(0), sizes.span(48), sizes.span(49), sizes.span(65)), (1, 1, 1, 2));
        let inline_only = Sizes::new(16, 0, 48, 1).expect("sizes");
        assert_eq!(inline_only.largest(), 48);
        let many = Sizes::new(1 << 14, 64, 48, 1).expect("sizes");
        assert_eq!(many.span(many.largest()), SPAN_MAX);
    }

    #[test]
    fn impossible_sizes_are_named() {
        let option =
            |result: Result<Sizes, (&'static str, u64, &'static str)>| result.expect_err("impossible").0;
        assert_eq!(option(Sizes::new(3, 64, 48, 1)), "slots");
        assert_eq!(option(Sizes::new(4, 63, 48, 1)), "slot size");
        assert_eq!(option(Sizes::new(4, 0, 0, 1)), "inline size");
        assert_eq!(option(Sizes::new(4, 64, 48, 512)), "participants");
        assert_eq!(option(Sizes::new(1 << 25, 1 << 30, 48, 1)), "slots × slot size");
    }
}
