//! The control lines of an `spsc` ring, and where its parts lie.
//!
//! | line | written by | read by | when |
//! |---|---|---|---|
//! | producer | producer | next producer, inspection | lazily: an eighth of the ring, before a wait, at the end |
//! | head | consumer | producer | lazily, an eighth of the ring at a time |
//! | consumer | consumer | producer when it is blocked, next consumer | per message |
//! | data bell | both | both | when the consumer sleeps |
//! | space bell | both | both | when the producer sleeps |

use super::bell::BellLine;
use super::participant;
use super::{Line, PAGE, pages};
use crate::frame::{self, HEADER};
use crate::sync::{AtomicU32, AtomicU64};

/// How many participants of each role a ring takes.
pub(crate) const PLACES: u32 = 1;
/// The smallest ring, in bytes.
pub(crate) const SIZE_MIN: u64 = 64;
/// The largest ring, in bytes: a record's length has 32 bits, and a record is at most half the ring.
pub(crate) const SIZE_MAX: u64 = 1 << 33;

/// The producer's own line.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct ProducerLine {
    /// A position at which a record began or will begin; at most an eighth of the ring or one record behind
    /// the next record's.
    pub(crate) tail: AtomicU64,
    /// Durable rings: a position of the consumer's that is on the disk. What it has released since then may still be
    /// needed after a loss of power, so nothing is written there.
    pub(crate) synced: AtomicU64,
    /// Durable rings: the number of the last message that was committed, counted from 1.
    pub(crate) sent: AtomicU32,
    /// Durable rings: how many messages recoveries have dropped since the ring was created.
    pub(crate) dropped: AtomicU32,
    /// Durable rings: the highest number that a record was sealed with, committed or not.
    pub(crate) number: AtomicU32,
    /// Durable rings: not 0 since the system failed to write the ring to the disk.
    pub(crate) failed: AtomicU32,
}

/// The consumer's own line.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct ConsumerLine {
    /// The first position that is not released.
    pub(crate) position: AtomicU64,
    /// The end of the last message that was handed to the user.
    pub(crate) taken: AtomicU64,
    /// Durable rings: up to which message the last two releases went. The one with this `position` is what was released.
    pub(crate) released: [Released; 2],
}

/// A release.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Released {
    /// The position that it is about to store, or has stored.
    pub(crate) position: AtomicU64,
    /// The number of the last message before that; stored first.
    pub(crate) number: AtomicU32,
}

/// The ring's control lines.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Control {
    pub(crate) producer: Line<ProducerLine>,
    pub(crate) head: Line<AtomicU64>,
    pub(crate) consumer: Line<ConsumerLine>,
    pub(crate) data_bell: Line<BellLine>,
    pub(crate) space_bell: Line<BellLine>,
}

/// Where the control lines begin.
const CONTROL_AT: u64 = participant::table_end(PLACES);
/// Where the data begins.
pub(crate) const DATA_AT: u64 = 2 * PAGE;

#[cfg(not(loom))]
mod proofs {
    use super::*;
    use static_assertions::const_assert;

    static_assertions::assert_eq_size!(Control, [u8; 5 * 128]);
    const_assert!(core::mem::offset_of!(Control, head) == 128);
    const_assert!(core::mem::offset_of!(Control, consumer) == 256);
    const_assert!(core::mem::offset_of!(Control, data_bell) == 384);
    const_assert!(core::mem::offset_of!(Control, space_bell) == 512);
    const_assert!(core::mem::offset_of!(ProducerLine, synced) == 8);
    const_assert!(core::mem::offset_of!(ProducerLine, sent) == 16);
    const_assert!(core::mem::offset_of!(ProducerLine, dropped) == 20);
    const_assert!(core::mem::offset_of!(ProducerLine, number) == 24);
    const_assert!(core::mem::offset_of!(ConsumerLine, taken) == 8);
    const_assert!(core::mem::offset_of!(ConsumerLine, released) == 16);
    const_assert!(CONTROL_AT.is_multiple_of(128));
    const_assert!(CONTROL_AT + 5 * 128 <= DATA_AT);
}

/// A ring in its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    pub(crate) sizes: Sizes,
    /// Where its control lines begin.
    pub(crate) control_at: u64,
    /// Where its first record's header lies.
    pub(crate) records_at: u64,
}

/// Sizes of a ring, checked: both are powers of two, and at least two aligned records fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// Bytes of the ring, a power of two.
    pub(crate) size: u64,
    /// Alignment of payloads, a power of two from 8 to a page.
    pub(crate) align: u64,
    /// Are records sealed, so that what a loss of power leaves of them can be told?
    pub(crate) durable: bool,
}

impl Sizes {
    /// Checks a size and an alignment; the error says which of the two is not possible, and the rule.
    pub(crate) fn new(size: u64, align: u64) -> Result<Sizes, (&'static str, u64, &'static str)> {
        if !align.is_power_of_two() || !(HEADER..=PAGE).contains(&align) {
            return Err(("payload alignment", align, "a power of two from 8 to 4096"));
        }
        if !size.is_power_of_two() || !(SIZE_MIN..=SIZE_MAX).contains(&size) || size < 4 * align {
            return Err((
                "ring size",
                size,
                "a power of two from 64 bytes to 8 GiB, at least four times the alignment",
            ));
        }
        Ok(Sizes { size, align, durable: false })
    }

    /// The sizes of a ring of at least `size` bytes. The error names what was asked for.
    pub(crate) fn asked(size: usize, align: usize) -> Result<Sizes, (&'static str, u64, &'static str)> {
        let rounded = size.checked_next_power_of_two().map_or(u64::MAX, |size| size as u64);
        let rounded = if size == 0 { 0 } else { rounded };
        Sizes::new(rounded, align as u64).map_err(|(option, value, rule)| {
            (option, if option == "ring size" { size as u64 } else { value }, rule)
        })
    }

    /// Bytes that a message of `len` bytes takes.
    #[inline(always)]
    pub(crate) fn footprint(self, len: u64) -> u64 {
        if self.durable {
            frame::sealed_footprint(len, self.align)
        } else {
            frame::footprint(len, self.align)
        }
    }

    /// A ring of these sizes that has a segment to itself.
    pub(crate) fn site(self) -> Site {
        Site { sizes: self, control_at: CONTROL_AT, records_at: DATA_AT + self.align - HEADER }
    }

    /// Bytes of the whole segment.
    pub(crate) fn total(self) -> u64 {
        DATA_AT + pages(self.align - HEADER + self.size)
    }

    /// The largest message: its record is half the ring, so it fits eventually, wherever the ring stands. (It
    /// needs at most a padding record shorter than itself, itself, and the next record's header.)
    pub(crate) fn largest(self) -> u64 {
        let seal = if self.durable { HEADER } else { 0 };
        (self.size / 2 - HEADER - seal).min(u64::from(u32::MAX) - seal)
    }

    /// Bytes that records can take at once: all but what the header that follows the last record needs.
    pub(crate) fn capacity(self) -> u64 {
        self.size - self.align
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_aligned() {
        for align in [8, 16, 64, 4096] {
            let sizes = Sizes { size: 1 << 16, align, durable: false };
            let records_at = sizes.site().records_at;
            assert_eq!((records_at + HEADER) % align, 0);
            assert!(records_at + sizes.size <= sizes.total());
        }
    }

    #[test]
    fn a_plain_ring_costs_two_pages_beside_its_data() {
        assert_eq!(Sizes { size: 1 << 20, align: 8, durable: true }.total(), (1 << 20) + 8192);
    }
}
