//! The halves of a ring between two processes that do not trust one another: each side writes its own half, and reads the
//! other's.
//!
//! ```text
//! the producer's half                          the consumer's half
//! 0      control lines, position is the tail   0      control lines, position is the head
//! 4096   data
//! ```
//!
//! | line | written by its owner | read by the other side |
//! |---|---|---|
//! | position | per message | when what it knows of it is used up |
//! | flags | before a sleep, and at the end | after each message |
//! | bell | to wake the other side | before a sleep |

use super::{Line, PAGE};
use crate::frame::HEADER;
use crate::sync::{AtomicU32, AtomicU64, Futex};

/// The smallest ring, in bytes.
pub(crate) const SIZE_MIN: u64 = 64;
/// The largest ring, in bytes: a record may fill it, and its length has 32 bits.
pub(crate) const SIZE_MAX: u64 = 1 << 32;
/// Bytes of the control lines, and so of the consumer's half.
pub(crate) const CONTROL_LEN: u64 = PAGE;
/// Where the data begins in the producer's half.
pub(crate) const DATA_AT: u64 = CONTROL_LEN;

/// What a side says of itself.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Flags {
    /// At which word of the other side's bell it sleeps, or is about to; see `wait::across`.
    pub(crate) asleep: AtomicU32,
    /// Not 0 once it has said goodbye.
    pub(crate) closed: AtomicU32,
}

/// The control lines of a half.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Control {
    /// How far its owner has come.
    pub(crate) position: Line<AtomicU64>,
    pub(crate) flags: Line<Flags>,
    /// What the other side sleeps on.
    pub(crate) bell: Line<Futex>,
}

/// Bytes of the producer's half of a ring of `size` bytes.
pub(crate) fn producer_len(size: u64) -> u64 {
    DATA_AT + size
}

/// Bytes of the largest message in a ring of `size` bytes.
pub(crate) fn largest(size: u64) -> u64 {
    size - HEADER
}

#[cfg(not(loom))]
mod offsets {
    use core::mem::offset_of;

    use static_assertions::{const_assert, const_assert_eq};

    use super::{CONTROL_LEN, Control, Flags};

    const_assert_eq!(offset_of!(Control, position), 0);
    const_assert_eq!(offset_of!(Control, flags), 128);
    const_assert_eq!(offset_of!(Flags, asleep), 0);
    const_assert_eq!(offset_of!(Flags, closed), 4);
    const_assert_eq!(offset_of!(Control, bell), 256);
    const_assert!(size_of::<Control>() as u64 <= CONTROL_LEN);
}
