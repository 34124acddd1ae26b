//! Forked children.
#![allow(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use nix::libc;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

/// Runs `check` in a forked child, which must end well. Only for roles: they have one thread that does anything.
#[track_caller]
pub fn in_child(check: impl FnOnce()) {
    // SAFETY: no other thread of this process has anything locked that the child uses.
    match unsafe { fork() }.expect("fork") {
        ForkResult::Child => end(catch_unwind(AssertUnwindSafe(check))),
        ForkResult::Parent { child } => {
            assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)), "the child's checks");
        }
    }
}

/// Ends a forked child at once: with status 1 if what it played has panicked. An ordinary exit takes a lock of
/// the standard library, which a thread may have held for ever that was just ending when the parent forked.
pub fn end(played: thread::Result<()>) -> ! {
    // SAFETY: ends this process; what is to be done at an ordinary exit is the parent's.
    unsafe { libc::_exit(i32::from(played.is_err())) }
}
