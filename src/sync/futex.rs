//! The futex word: a 32-bit atomic on which threads of any process can sleep.
//!
//! Shared futexes throughout (no `FUTEX_PRIVATE_FLAG`): a private one would never wake another process.
#![allow(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;

use nix::libc;

use super::{Woken, timespec, woken};

/// A word to sleep on, among others: the kernel's `struct futex_waitv`.
#[repr(C)]
struct Waiter {
    expected: u64,
    address: u64,
    flags: u32,
    reserved: u32,
}

impl Waiter {
    fn new(futex: &Futex, expected: u32) -> Waiter {
        /// A word of 32 bits, shared between processes.
        const FUTEX2_SIZE_U32: u32 = 2;
        let address = futex.0.as_ptr().expose_provenance() as u64;
        Waiter { expected: expected.into(), address, flags: FUTEX2_SIZE_U32, reserved: 0 }
    }
}

/// A 32-bit word in shared memory that threads of any process can sleep on.
#[derive(Debug, Default)]
#[repr(transparent)]
pub(crate) struct Futex(AtomicU32);

impl Futex {
    #[inline(always)]
    pub(crate) fn load(&self, order: Ordering) -> u32 {
        self.0.load(order)
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

    /// Sleeps while each word is what is expected of it, until a wake-up of one of them, a signal, or `deadline`. (Linux
    /// 5.16, and up to 128 words; where that is not to be had it looks once a millisecond.)
    pub(crate) fn sleep_on_any(words: &[(&Futex, u32)], deadline: Duration) -> Woken {
        let until = timespec(deadline);
        let waiters: Vec<Waiter> =
            words.iter().map(|(futex, expected)| Waiter::new(futex, *expected)).collect();
        // SAFETY: `waiters` and `until` outlive the call, which only reads them, and so do the words.
        let result = unsafe {
            libc::syscall(
                libc::SYS_futex_waitv,
                waiters.as_ptr(),
                waiters.len(),
                0,
                &raw const until,
                libc::CLOCK_MONOTONIC,
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
