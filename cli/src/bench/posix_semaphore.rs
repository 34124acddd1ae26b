//! POSIX semaphores without a name, in memory that processes share. One that is there costs no system call, nor does a
//! post while nobody sleeps.
#![allow(unsafe_code)]

use std::sync::atomic::AtomicU64;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::libc;

use super::bytes::relax;
use super::counted_ring::{Counts, Semaphore};
use super::memory::Memory;
use super::slots::Slots;

/// A semaphore in shared memory.
#[derive(Clone, Copy, Debug)]
pub struct PosixSemaphore<'a> {
    /// Where it lies: a line of its own, of 128 bytes.
    line: &'a AtomicU64,
    /// How often to look before sleeping.
    looks: u32,
}

/// The semaphores of a direction, forth (0) or back (1), whose users look so often before they sleep.
pub fn counts(memory: &Memory, direction: usize, looks: u32) -> Counts<PosixSemaphore<'_>> {
    let at = |index| PosixSemaphore { line: memory.line(direction, index), looks };
    Counts { messages: at(0), room: at(1) }
}

/// Makes both directions those of empty rings for messages of `size` bytes. To be done before both sides start.
pub fn reset(memory: &Memory, size: usize) -> Result<()> {
    let room = Slots::new(memory.data(0), size).count() as u32;
    for direction in [0, 1] {
        let counts = counts(memory, direction, 0);
        counts.messages.set(0)?;
        counts.room.set(room)?;
    }
    Ok(())
}

impl PosixSemaphore<'_> {
    /// The semaphore, as the system knows it.
    #[inline(always)]
    fn raw(&self) -> *mut libc::sem_t {
        const { assert!(size_of::<libc::sem_t>() <= 128 && align_of::<libc::sem_t>() <= align_of::<AtomicU64>()) };
        self.line.as_ptr().cast()
    }

    /// Makes it count `value`; nobody may use it meanwhile.
    fn set(&self, value: u32) -> Result<()> {
        // SAFETY: the line is shared memory that holds nothing but this semaphore, which nobody waits for.
        Errno::result(unsafe { libc::sem_init(self.raw(), 1, value) }).context("cannot make a semaphore")?;
        Ok(())
    }

    /// Takes one, if there is one.
    #[inline(always)]
    fn try_down(&self) -> bool {
        // SAFETY: `set` has made the semaphore.
        unsafe { libc::sem_trywait(self.raw()) == 0 }
    }
}

impl Semaphore for PosixSemaphore<'_> {
    #[inline(always)]
    fn down(&self) -> Result<()> {
        for _ in 0..self.looks {
            if self.try_down() {
                return Ok(());
            }
            relax();
        }
        // SAFETY: as in `try_down`.
        while unsafe { libc::sem_wait(self.raw()) } != 0 {
            match Errno::last() {
                Errno::EINTR => {}
                error => bail!("cannot wait for a semaphore: {error}"),
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn up(&self) -> Result<()> {
        // SAFETY: as in `try_down`.
        Errno::result(unsafe { libc::sem_post(self.raw()) }).context("cannot post a semaphore")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::counted_ring::tests::play;
    use crate::bench::ends;
    use std::os::fd::IntoRawFd;

    #[test]
    fn a_ring_carries_messages_over_many_laps() {
        let ring_bytes = 64 << 10;
        let file = ends::posix_memory(&format!("bench-{}-posix", std::process::id()), ring_bytes).unwrap();
        let memory = Memory::map(file.into_raw_fd(), ring_bytes).unwrap();
        for (direction, size, looks) in [(0, 8, 0), (1, 1016, 50), (1, 32 << 10, 0), (0, 120, 50)] {
            reset(&memory, size).unwrap();
            play(memory.data(direction), size, counts(&memory, direction, looks));
        }
    }
}
