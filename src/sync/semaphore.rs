//! The semaphore of a participant, shared between processes: a POSIX semaphore, laid out as glibc's `sem_t` on 64-bit
//! machines, so that a peer in C may `sem_post` it.
//!
//! ```text
//! 0      value (low 32 bits)      what has been posted and not taken; the futex
//!        waiters (high 32 bits)   how many sleep
//! 8      0x80                     not private to a process
//! 12     zero, to 32 bytes
//! ```
//!
//! The C library's own functions end the process (`abort`) when they find in that memory what no semaphore is, and any peer
//! can write it. Those here sleep, wake or count wrongly then, and no more; sleeps are bounded, and whoever wakes looks again.
//! (Algorithm: glibc, `nptl/sem_waitcommon.c`; simpler here, since one participant alone sleeps on each.)
//!
//! | edge | release | acquire | carries |
//! |---|---|---|---|
//! | post | whoever posts | the participant, when it takes what was posted | what it is woken for |
#![allow(unsafe_code)]

use core::time::Duration;

use nix::libc;

use super::{AtomicU64, Ordering, Woken, timespec, woken};

/// The part of the first word that is the value.
const VALUE: u64 = u32::MAX as u64;
/// One who sleeps.
const WAITER: u64 = 1 << 32;
/// What the C library marks semaphores with that processes share.
const SHARED: u64 = 0x80;
/// How often to try to take one while others post.
const ATTEMPTS: u32 = 16;

/// A semaphore in shared memory.
#[derive(Debug, Default)]
#[repr(C)]
pub(crate) struct Semaphore {
    value_and_waiters: AtomicU64,
    shared: AtomicU64,
    reserved: [AtomicU64; 2],
}

impl Semaphore {
    /// Makes it new: whatever was posted is gone.
    pub(crate) fn init(&self) {
        self.value_and_waiters.store(0, Ordering::Relaxed);
        self.shared.store(SHARED, Ordering::Relaxed);
    }

    /// Wakes the one who sleeps, or the next one to sleep. `true`: it woke one. Else whoever is to be woken is about to sleep,
    /// or died.
    pub(crate) fn post(&self) -> bool {
        let before = self.value_and_waiters.fetch_add(1, Ordering::Release); // edge: post (release)
        // SAFETY: FUTEX_WAKE takes the word's address as a key and does not access the memory.
        before >= WAITER && unsafe { libc::syscall(libc::SYS_futex, self.value(), libc::FUTEX_WAKE, 1) } > 0
    }

    /// Sleeps until a post, a signal, or `deadline` (time since boot on `CLOCK_MONOTONIC`).
    pub(crate) fn sleep(&self, deadline: Duration) -> Woken {
        if self.take() {
            return Woken::LookAgain;
        }
        self.value_and_waiters.fetch_add(WAITER, Ordering::Relaxed);
        let result = self.sleep_while_zero(deadline);
        self.value_and_waiters.fetch_sub(WAITER, Ordering::Relaxed);
        if self.take() { Woken::LookAgain } else { woken(result) }
    }

    fn sleep_while_zero(&self, deadline: Duration) -> libc::c_long {
        let until = timespec(deadline);
        // SAFETY: the word and `until` outlive the call, and FUTEX_WAIT_BITSET only reads them.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                self.value(),
                libc::FUTEX_WAIT_BITSET,
                0,
                &raw const until,
                core::ptr::null::<u32>(),
                libc::FUTEX_BITSET_MATCH_ANY,
            )
        }
    }

    /// Takes one of what was posted, if there is any.
    fn take(&self) -> bool {
        let mut word = self.value_and_waiters.load(Ordering::Relaxed);
        for _ in 0..ATTEMPTS {
            if word & VALUE == 0 {
                return false;
            }
            let (less, own) = (word - 1, &self.value_and_waiters);
            // edge: post (acquire)
            match own.compare_exchange(word, less, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// The half of the first word that is the futex.
    fn value(&self) -> *const u32 {
        let half = usize::from(cfg!(target_endian = "big"));
        self.value_and_waiters.as_ptr().cast::<u32>().wrapping_add(half)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOREVER: Duration = Duration::from_secs(u64::MAX / 4);

    fn new() -> Semaphore {
        let semaphore = Semaphore::default();
        semaphore.init();
        semaphore
    }

    #[test]
    fn each_post_ends_one_sleep() {
        let semaphore = new();
        semaphore.post();
        semaphore.post();
        assert_eq!(semaphore.sleep(FOREVER), Woken::LookAgain);
        assert_eq!(semaphore.sleep(FOREVER), Woken::LookAgain);
        assert_eq!(semaphore.sleep(Duration::ZERO), Woken::TimedOut);
    }

    #[test]
    fn a_post_wakes_one_who_sleeps() {
        let semaphore = new();
        std::thread::scope(|threads| {
            let sleeper = threads.spawn(|| semaphore.sleep(FOREVER));
            while semaphore.value_and_waiters.load(Ordering::Relaxed) < WAITER {
                std::thread::yield_now();
            }
            semaphore.post();
            assert_eq!(sleeper.join().expect("no panic"), Woken::LookAgain);
        });
        assert_eq!(semaphore.value_and_waiters.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn whatever_a_peer_writes_into_it_sleeps_end() {
        for word in [u64::MAX, 1, WAITER, VALUE, 1 << 63] {
            let semaphore = new();
            semaphore.value_and_waiters.store(word, Ordering::Relaxed);
            semaphore.shared.store(word, Ordering::Relaxed);
            semaphore.post();
            semaphore.sleep(Duration::ZERO);
        }
    }

    /// The C library takes it for one of its own, and the other way round.
    #[cfg(all(target_env = "gnu", target_pointer_width = "64"))]
    #[test]
    fn a_peer_in_c_may_use_it() {
        let semaphore = new();
        let theirs = core::ptr::from_ref(&semaphore).cast_mut().cast::<libc::sem_t>();
        // SAFETY: the memory is laid out as theirs is.
        assert_eq!(unsafe { libc::sem_post(theirs) }, 0);
        assert_eq!(semaphore.sleep(FOREVER), Woken::LookAgain);
        semaphore.post();
        // SAFETY: as above.
        assert_eq!(unsafe { libc::sem_trywait(theirs) }, 0);
        // SAFETY: as above.
        assert_eq!(unsafe { libc::sem_trywait(theirs) }, -1);
        std::thread::scope(|threads| {
            let sleeper = threads.spawn(|| semaphore.sleep(FOREVER));
            while semaphore.value_and_waiters.load(Ordering::Relaxed) < WAITER {
                std::thread::yield_now();
            }
            // SAFETY: as above.
            assert_eq!(unsafe { libc::sem_post(theirs) }, 0);
            assert_eq!(sleeper.join().expect("no panic"), Woken::LookAgain);
        });
        let fresh = Semaphore::default();
        let theirs = core::ptr::from_ref(&fresh).cast_mut().cast::<libc::sem_t>();
        // SAFETY: as above.
        assert_eq!(unsafe { libc::sem_init(theirs, 1, 0) }, 0);
        assert_eq!(fresh.shared.load(Ordering::Relaxed) & VALUE, SHARED, "as `init` makes it");
    }
}
