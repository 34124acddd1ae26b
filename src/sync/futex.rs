//! The futex word: a 32-bit atomic on which threads of any process can sleep.
//!
//! Shared futexes throughout (no `FUTEX_PRIVATE_FLAG`): a private one would never wake another process.
#![allow(unsafe_code)]

use core::time::Duration;

use nix::libc;

use super::{AtomicU32, Ordering, Woken, timespec, woken};

/// A 32-bit word in shared memory that threads of any process can sleep on.
#[derive(Debug, Default)]
#[repr(transparent)]
pub(crate) struct Futex(AtomicU32);

impl Futex {
    #[inline(always)]
    pub(crate) fn load(&self, order: Ordering) -> u32 {
        self.0.load(order)
    }

    pub(crate) fn store(&self, value: u32, order: Ordering) {
        self.0.store(value, order);
    }

    pub(crate) fn fetch_or(&self, bits: u32, order: Ordering) -> u32 {
        self.0.fetch_or(bits, order)
    }

    pub(crate) fn fetch_and(&self, bits: u32, order: Ordering) -> u32 {
        self.0.fetch_and(bits, order)
    }

    pub(crate) fn compare_exchange(
        &self,
        current: u32,
        new: u32,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u32, u32> {
        self.0.compare_exchange(current, new, success, failure)
    }

    /// Where the word is, for the kernel.
    pub(crate) fn address(&self) -> *const u32 {
        self.0.as_ptr()
    }

    /// Sleeps while the word is `expected`, until a wake-up, a signal, or `deadline` (time since boot on
    /// `CLOCK_MONOTONIC`).
    pub(crate) fn sleep(&self, expected: u32, deadline: Duration) -> Woken {
        let until = timespec(deadline);
        // SAFETY: the word and `until` outlive the call, and FUTEX_WAIT_BITSET only reads them.
        let result = unsafe {
            libc::syscall(
                libc::SYS_futex,
                self.0.as_ptr(),
                libc::FUTEX_WAIT_BITSET,
                expected,
                &raw const until,
                core::ptr::null::<u32>(),
                libc::FUTEX_BITSET_MATCH_ANY,
            )
        };
        woken(result)
    }

    /// Wakes up to `count` sleepers; how many it woke.
    pub(crate) fn wake(&self, count: u32) -> u32 {
        // SAFETY: FUTEX_WAKE takes the word's address as a key and does not access the memory.
        let woken = unsafe { libc::syscall(libc::SYS_futex, self.0.as_ptr(), libc::FUTEX_WAKE, count) };
        woken.max(0) as u32
    }
}
