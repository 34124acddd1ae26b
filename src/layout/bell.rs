//! A bell's line: what a waiting side sleeps on. See `wait::bell`.

use crate::sync::{AtomicU32, Futex};

/// A bell.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct BellLine {
    /// The sequence of rings, and the bit that says that somebody sleeps.
    pub(crate) word: Futex,
    /// Not zero once a participant joined that cannot use `membarrier`.
    pub(crate) symmetric: AtomicU32,
}

#[cfg(not(loom))]
static_assertions::const_assert!(core::mem::offset_of!(BellLine, symmetric) == 4);
