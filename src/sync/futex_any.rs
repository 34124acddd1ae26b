//! A sleep on several futex words at once: `futex_waitv`, Linux 5.16.
#![allow(unsafe_code)]

use core::time::Duration;

use nix::errno::Errno;
use nix::libc;

use super::Futex;

/// The word has 32 bits, and any process may wake its sleepers (`FUTEX2_SIZE_U32`, no `FUTEX2_PRIVATE`).
const SHARED_U32: u32 = 2;

/// A word to sleep on, and what it is to be meanwhile: the kernel's `struct futex_waitv`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Awaited {
    expected: u64,
    address: u64,
    flags: u32,
    reserved: u32,
}

/// The kernel's `struct __kernel_timespec`.
#[repr(C)]
struct Until {
    seconds: i64,
    nanoseconds: i64,
}

impl Awaited {
    pub(crate) fn new(word: &Futex, expected: u32) -> Awaited {
        Awaited {
            expected: expected.into(),
            address: word.address().addr() as u64,
            flags: SHARED_U32,
            reserved: 0,
        }
    }
}

/// Sleeps while each of at most 128 words is what is expected of it, until a wake-up of one, a signal, or `deadline`
/// (time since boot on `CLOCK_MONOTONIC`). A word whose memory is gone ends the sleep at once. `false`: there is no such
/// system call here, or not for this process.
pub(crate) fn sleep_on_any(words: &[Awaited], deadline: Duration) -> bool {
    let until = Until {
        seconds: i64::try_from(deadline.as_secs()).unwrap_or(i64::MAX),
        nanoseconds: deadline.subsec_nanos().into(),
    };
    // SAFETY: `words` and `until` outlive the call, which only reads them; the kernel checks the words' addresses.
    let result = unsafe {
        libc::syscall(
            libc::SYS_futex_waitv,
            words.as_ptr(),
            words.len(),
            0,
            &raw const until,
            libc::CLOCK_MONOTONIC,
        )
    };
    let looks_again = [Errno::EAGAIN, Errno::EINTR, Errno::ETIMEDOUT, Errno::EFAULT];
    result != -1 || looks_again.contains(&Errno::last())
}
