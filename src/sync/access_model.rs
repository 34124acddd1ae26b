//! A check that two accesses never race, for memory that is not atomic.

use loom::cell::UnsafeCell;

/// Stands for memory that is read and written without atomics. Loom reports an exclusive access and any other
/// one of which neither happens before the other.
#[derive(Debug, Default)]
pub(crate) struct Access(UnsafeCell<()>);

// SAFETY: there is nothing in the cell, and loom runs one thread at a time.
#[allow(unsafe_code)]
unsafe impl Sync for Access {}

impl Access {
    /// An access that may go on beside others of its kind.
    pub(crate) fn shared(&self) {
        self.0.with(|_| ());
    }

    /// An access that must have the memory to itself.
    pub(crate) fn exclusive(&self) {
        self.0.with_mut(|_| ());
    }
}
