//! Children that cost next to nothing: forked, not started anew.
#![allow(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{ForkResult, Pid, fork};

use crate::common::fork::end;

/// Forks a child that plays and ends; with status 1 if it panicked. Only for roles: they have one thread.
pub fn child(play: impl FnOnce()) -> Pid {
    // SAFETY: this process has one thread that uses anything which a fork could leave locked.
    match unsafe { fork() }.expect("fork") {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            end(catch_unwind(AssertUnwindSafe(|| {
                set_pdeathsig(Signal::SIGKILL).expect("no child outlives its parent");
                play();
            })));
        }
    }
}
