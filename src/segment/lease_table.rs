//! The descriptors that hold this process's leases, for the fork handlers to find.
//!
//! A lock guards the table, held across `open`, `close` and `fork` itself, so that a child never
//! finds the table half written. In the child only async-signal-safe work is allowed: emptying the table
//! neither allocates nor frees.
//!
//! | edge | release | acquire | carries |
//! |---|---|---|---|
//! | table | `unlock` | `lock` | the descriptors |
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use crate::sync::{LocalU32, Ordering, nap};

/// The table of this process.
pub(crate) static LEASES: Table =
    Table { locked: LocalU32::new(0), descriptors: UnsafeCell::new(Vec::new()) };

/// How long to wait for the holder of the lock, which needs it for the time of an `open` or a `fork`.
const PAUSE: Duration = Duration::from_micros(20);

/// Descriptors under a lock.
pub(crate) struct Table {
    locked: LocalU32,
    descriptors: UnsafeCell<Vec<RawFd>>,
}

// SAFETY: the descriptors are reached only between `lock` and `unlock`.
unsafe impl Sync for Table {}

impl Table {
    pub(crate) fn lock(&self) {
        // edge: table (acquire)
        while self.locked.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
            // Not a yield: a real-time thread would never let the holder run.
            nap(PAUSE);
        }
    }

    pub(crate) fn unlock(&self) {
        self.locked.store(0, Ordering::Release); // edge: table (release)
    }

    /// Opens a file and enters it, so that no fork comes between the two.
    pub(crate) fn insert_with<E>(&self, open: impl FnOnce() -> Result<File, E>) -> Result<File, E> {
        self.lock();
        let file = open();
        // SAFETY: the lock is held, so this is the only reference.
        let descriptors = unsafe { &mut *self.descriptors.get() };
        descriptors.extend(file.as_ref().map(File::as_raw_fd));
        self.unlock();
        file
    }

    /// Strikes a file out and closes it, so that no fork comes between the two.
    pub(crate) fn close(&self, file: File) {
        self.lock();
        // SAFETY: the lock is held, so this is the only reference.
        let descriptors = unsafe { &mut *self.descriptors.get() };
        descriptors.retain(|other| *other != file.as_raw_fd());
        drop(file);
        self.unlock();
    }

    /// Empties the table, giving every descriptor to `act`. The caller holds the lock.
    pub(crate) fn take_all(&self, act: impl FnMut(RawFd)) {
        // SAFETY: the caller holds the lock: in a forked child, the parent's thread that forked.
        let descriptors = unsafe { &mut *self.descriptors.get() };
        descriptors.drain(..).for_each(act);
    }
}
