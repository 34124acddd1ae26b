//! The futex word: a 32-bit atomic on which threads of any process can sleep.
//!
//! Shared futexes throughout (no `FUTEX_PRIVATE_FLAG`): a private one would never wake another process.
#![allow(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use std::thread;

use nix::errno::Errno;
use nix::libc;

/// How long to sleep between two looks where there are no futexes.
const NAP: Duration = Duration::from_millis(1);

/// A 32-bit word in shared memory that threads of any process can sleep on.
#[derive(Debug, Default)]
#[repr(transparent)]
pub(crate) struct Futex(AtomicU32);

/// Why a sleep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// A wake-up, a changed word, or a signal: look again.
    LookAgain,
    /// The deadline passed.
    TimedOut,
}

impl Futex {
    #[inline(always)]
    pub(crate) fn load(&self, order: Ordering) -> u32 {
        self.0.load(order)
    }

    pub(crate) fn fetch_or(&self, bits: u32, order: Ordering) -> u32 {
        self.0.fetch_or(bits, order)
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
        let until = libc::timespec {
            tv_sec: libc::time_t::try_from(deadline.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: libc::c_long::from(deadline.subsec_nanos()),
        };
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
        match (result == -1).then(Errno::last) {
            Some(Errno::ETIMEDOUT) => return Woken::TimedOut,
            None | Some(Errno::EAGAIN | Errno::EINTR) => {}
            // A filter allows no futexes: look now and then, at little cost.
            Some(_) => thread::sleep(NAP),
        }
        Woken::LookAgain
    }

    /// Wakes up to `count` sleepers; how many it woke.
    pub(crate) fn wake(&self, count: u32) -> u32 {
        // SAFETY: FUTEX_WAKE takes the word's address as a key and does not access the memory.
        let woken = unsafe { libc::syscall(libc::SYS_futex, self.0.as_ptr(), libc::FUTEX_WAKE, count) };
        woken.max(0) as u32
    }
}
