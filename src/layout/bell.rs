//! A bell's line: what a waiting side sleeps on. See `wait::bell`.

use crate::sync::Futex;

/// A bell.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct BellLine {
    /// The sequence of rings, and two bits: somebody sleeps, and everybody fences.
    pub(crate) word: Futex,
}
