//! Where a side runs: on which core, and how it is scheduled there.
//!
//! Sides that share a core are scheduled as a batch (`SCHED_BATCH`): whoever is woken waits until its waker has gone
//! to sleep. Of ordinary processes the woken one often takes the core at once; its answer then finds a waker that
//! lost the core on its way to sleep, and wakes nobody.
#![allow(unsafe_code)]

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

/// Runs this process on `core`, if it is to be pinned, which it `shares` with the other side or has to itself.
pub fn take(core: Option<usize>, shares: bool) -> Result<()> {
    core.map_or(Ok(()), pin)?;
    schedule(if shares { libc::SCHED_BATCH } else { libc::SCHED_OTHER })
        .context("cannot change how this process is scheduled")
}

/// Pins this process to a core.
fn pin(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core).with_context(|| format!("no core {core}"))?;
    sched_setaffinity(Pid::from_raw(0), &set).with_context(|| format!("cannot pin to core {core}"))
}

/// Sets how this process is scheduled.
fn schedule(policy: libc::c_int) -> Result<(), Errno> {
    let param = libc::sched_param { sched_priority: 0 };
    // SAFETY: `param` outlives the call, which only reads it.
    let result = unsafe { libc::sched_setscheduler(0, policy, &raw const param) };
    Errno::result(result).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_taken_and_left() {
        // SAFETY: takes no pointers.
        let policy = || unsafe { libc::sched_getscheduler(0) };
        take(None, true).unwrap();
        assert_eq!(policy(), libc::SCHED_BATCH);
        take(None, false).unwrap();
        assert_eq!(policy(), libc::SCHED_OTHER);
    }
}
