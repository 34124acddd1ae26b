//! A command that the kernel kills when its worker dies.
//!
//! The worker's lease ends with the worker, and its job goes to another: a command that ran on would do that job
//! beside its successor. Only the command itself is killed, not what it has started, and not what gains privileges when
//! it starts, as `sudo` does. The lease ends a moment before the command, so its last moment may be its successor's first.
#![allow(unsafe_code)]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{getpid, getppid};

/// Lets `command` die with this process, and start with the signal mask `signals`. It has to be started by a thread
/// that lives as long as the process: for the kernel that thread is the parent.
pub fn dies_with_worker(command: &mut Command, signals: SigSet) {
    let worker = getpid();
    let prepare = move || -> io::Result<()> {
        set_pdeathsig(Signal::SIGKILL)?;
        if getppid() != worker {
            // It died before it was asked for.
            return Err(Errno::ESRCH.into());
        }
        signals.thread_set_mask()?;
        Ok(())
    };
    // SAFETY: between fork and exec `prepare` makes three system calls on copies of its own; it touches no heap, no
    // lock and no thread-local but errno.
    unsafe { command.pre_exec(prepare) };
}
