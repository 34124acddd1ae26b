//! A child that its parent steps: to a system call, to an instruction, to its end.
//!
//! Everything that a child does before the operation runs freely, up to a stop that it makes itself; so does what
//! follows it. An operation's point `k.m` lies `k` system calls and then `m` instructions after its beginning.

use std::ffi::c_void;

use anyhow::{Context, Result, bail};
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::account::{Account, Phase};
use crate::fork::fork;
use crate::injection::Call;

/// The instruction that enters the kernel, and the one that stops a traced process.
const SYSCALL: [u8; 2] = [0x0f, 0x05];
const BREAK: u8 = 0xcc;

/// Where a child is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// After an instruction, or at a break point.
    Trap,
    /// At the entry or the exit of a system call.
    Syscall,
    /// At the end of the operation, where it stops itself.
    End,
    /// Nowhere: it died.
    Dead(WaitStatus),
}

/// A child that is traced.
#[derive(Debug)]
pub struct Tracee {
    pid: Pid,
    alive: bool,
    traced: bool,
}

/// For the child: stops. `me` is its own process, asked for before anything could fail: an error taken for a process
/// id would address others.
pub fn stop_self(me: Pid) {
    assert!(me.as_raw() > 1, "no process of one's own");
    let _ = kill(me, Signal::SIGSTOP);
}

impl Tracee {
    /// Forks a child that runs `body`, which stops itself when it is ready; to be found at that stop.
    pub fn start(account: &Account, body: impl FnOnce() -> i32) -> Result<Tracee> {
        let pid = fork(|| match ptrace::traceme() {
            Ok(()) => body(),
            Err(_) => crate::fork::PANICKED,
        })?;
        let mut tracee = Tracee { pid, alive: true, traced: true };
        match waitpid(pid, None)? {
            WaitStatus::Stopped(_, Signal::SIGSTOP) if account.phase() == Phase::Ready => {}
            status => {
                tracee.note(status);
                bail!("the child did not get ready: {status:?}; {}", account.text());
            }
        }
        ptrace::setoptions(pid, Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_EXITKILL)?;
        Ok(tracee)
    }

    /// The child's process id.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    fn wait(&mut self) -> Result<Stop> {
        Ok(match waitpid(self.pid, None)? {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => Stop::Trap,
            WaitStatus::Stopped(_, Signal::SIGSTOP) => Stop::End,
            WaitStatus::PtraceSyscall(_) => Stop::Syscall,
            status => {
                self.note(status);
                Stop::Dead(status)
            }
        })
    }

    fn note(&mut self, status: WaitStatus) {
        self.alive = !matches!(status, WaitStatus::Exited(..) | WaitStatus::Signaled(..));
        self.traced &= self.alive;
    }

    /// Executes one instruction.
    pub fn step(&mut self) -> Result<Stop> {
        ptrace::step(self.pid, None)?;
        self.wait()
    }

    /// Goes on to the next entry or exit of a system call.
    pub fn run_to_syscall(&mut self) -> Result<Stop> {
        ptrace::syscall(self.pid, None)?;
        self.wait()
    }

    /// Goes on to the end of the operation, or a break point.
    pub fn run(&mut self) -> Result<Stop> {
        ptrace::cont(self.pid, None)?;
        self.wait()
    }

    /// Steps to where the operation begins.
    pub fn step_to_beginning(&mut self, account: &Account) -> Result<()> {
        for _ in 0..10_000 {
            match self.step()? {
                Stop::Trap if account.phase() >= Phase::Begun => return Ok(()),
                Stop::Trap => {}
                stop => bail!("before the operation began: {stop:?}"),
            }
        }
        bail!("the operation does not begin")
    }

    /// Where it is, and whether it is about to make a system call.
    pub fn place(&self) -> Result<(u64, bool)> {
        let at = ptrace::getregs(self.pid)?.rip;
        let word = ptrace::read(self.pid, at as *mut c_void).context("read an instruction")?;
        Ok((at, word.to_ne_bytes()[..2] == SYSCALL))
    }

    /// Goes on to the instruction at `at`, which it has not been at yet.
    pub fn run_to(&mut self, at: u64) -> Result<Stop> {
        let address = at as *mut c_void;
        let word = ptrace::read(self.pid, address)?;
        let mut bytes = word.to_ne_bytes();
        bytes[0] = BREAK;
        ptrace::write(self.pid, address, libc::c_long::from_ne_bytes(bytes))?;
        let stop = self.run()?;
        if !matches!(stop, Stop::Dead(_)) {
            ptrace::write(self.pid, address, word)?;
        }
        if stop == Stop::Trap {
            let mut registers = ptrace::getregs(self.pid)?;
            registers.rip = at;
            ptrace::setregs(self.pid, registers)?;
        }
        Ok(stop)
    }

    /// The system call that it is about to make.
    pub fn call(&self) -> Result<Call> {
        let registers = ptrace::getregs(self.pid)?;
        let pointed = ptrace::read(self.pid, registers.rdx as *mut c_void).ok();
        Ok(Call {
            number: registers.orig_rax as i64,
            arguments: [registers.rdi, registers.rsi, registers.rdx, registers.r10],
            pointed: pointed.map(|word| word as i16),
        })
    }

    /// Makes that system call fail with `errno`; stops after it.
    pub fn fail_syscall(&mut self, errno: i32) -> Result<Stop> {
        let mut registers = ptrace::getregs(self.pid)?;
        registers.orig_rax = u64::MAX;
        ptrace::setregs(self.pid, registers)?;
        let stop = self.run_to_syscall()?;
        if stop == Stop::Syscall {
            let mut registers = ptrace::getregs(self.pid)?;
            registers.rax = i64::from(-errno) as u64;
            ptrace::setregs(self.pid, registers)?;
        }
        Ok(stop)
    }

    /// Lets it go on, traced no more.
    pub fn release(&mut self) -> Result<()> {
        if self.traced {
            ptrace::detach(self.pid, None)?;
        }
        self.traced = false;
        Ok(())
    }

    /// Waits for it to end by itself.
    pub fn join(mut self) -> Result<WaitStatus> {
        let status = waitpid(self.pid, None)?;
        self.note(status);
        Ok(status)
    }

    /// Kills it.
    pub fn kill(self) {
        drop(self);
    }
}

impl Drop for Tracee {
    fn drop(&mut self) {
        if self.alive {
            end(self.pid);
        }
    }
}

/// Kills a child, if it lives, and waits until it is gone.
pub fn end(pid: Pid) {
    if pid.as_raw() <= 1 || kill(pid, Signal::SIGKILL).is_err() {
        return;
    }
    while let Ok(WaitStatus::Stopped(..) | WaitStatus::PtraceEvent(..) | WaitStatus::PtraceSyscall(_)) =
        waitpid(pid, None)
    {}
}
