//! Forked children, which talk with whoever forked them. Only for roles: a child goes on with the one thread that
//! forked it, and no other may have had a lock at that moment.
#![allow(unsafe_code)]

use std::fmt::Display;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, sigaction};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, Uid, fork, getpid, setresuid};

use crate::common::PATIENCE;
use crate::common::fork::end;
use crate::mounts::keep_mounts_private;

/// Lines between a process and its child, in both directions.
pub struct Line(BufReader<UnixStream>);

impl Line {
    pub fn say(&mut self, word: impl Display) {
        writeln!(self.0.get_mut(), "{word}").expect("the other side listens");
    }

    /// The next line; empty when the other side is gone.
    #[track_caller]
    pub fn hear(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("the other side says something");
        line.trim_end().to_owned()
    }

    /// The next line must be this one.
    #[track_caller]
    pub fn expect(&mut self, word: &str) {
        assert_eq!(self.hear(), word);
    }
}

/// A forked child; killed on drop, and when its parent dies.
pub struct Child {
    pid: Pid,
    pub line: Line,
    ended: Option<WaitStatus>,
}

impl Child {
    /// Runs `body` in a child.
    pub fn start(body: impl FnOnce(&mut Line)) -> Child {
        let (mine, childs) = UnixStream::pair().expect("sockets");
        mine.set_read_timeout(Some(PATIENCE)).expect("a socket");
        // SAFETY: this is a role, where no other thread uses anything that a fork could leave locked.
        match unsafe { fork() }.expect("fork") {
            ForkResult::Parent { child } => {
                Child { pid: child, line: Line(BufReader::new(mine)), ended: None }
            }
            ForkResult::Child => {
                drop(mine);
                die_with_the_parent();
                let mut line = Line(BufReader::new(childs));
                end(catch_unwind(AssertUnwindSafe(|| body(&mut line))));
            }
        }
    }

    /// Runs `body` as the first process of a PID namespace of its own, with mounts of its own.
    pub fn start_in_pid_namespace(body: impl FnOnce(&mut Line)) -> Child {
        Child::start(|line| {
            unshare(CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS).expect("root may");
            keep_mounts_private();
            let first = Child::start(|_| {
                assert_eq!(getpid().as_raw(), 1);
                body(line);
            });
            first.finish();
        })
    }

    pub fn pid(&self) -> Pid {
        self.pid
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid, signal).expect("the child is there");
    }

    /// Has it ended?
    pub fn has_ended(&mut self) -> bool {
        if self.ended.is_none() {
            let status = waitpid(self.pid, Some(WaitPidFlag::WNOHANG)).expect("a child");
            self.ended = (status != WaitStatus::StillAlive).then_some(status);
        }
        self.ended.is_some()
    }

    fn wait(&mut self) -> WaitStatus {
        while self.ended.is_none() {
            match waitpid(self.pid, None) {
                Err(Errno::EINTR) => {}
                status => self.ended = Some(status.expect("a child")),
            }
        }
        self.ended.expect("just waited for")
    }

    /// Kills the child with SIGKILL and waits until it is gone.
    pub fn kill(mut self) {
        self.signal(Signal::SIGKILL);
        assert_eq!(self.wait(), WaitStatus::Signaled(self.pid, Signal::SIGKILL, false));
    }

    /// Waits until the child ends; it must have ended well.
    #[track_caller]
    pub fn finish(mut self) {
        assert_eq!(self.wait(), WaitStatus::Exited(self.pid, 0), "the child's checks");
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.has_ended() {
            self.signal(Signal::SIGKILL);
            self.wait();
        }
    }
}

fn die_with_the_parent() {
    set_pdeathsig(Signal::SIGKILL).expect("a signal");
}

/// Becomes another user for good.
pub fn become_user(uid: u32) {
    let uid = Uid::from_raw(uid);
    setresuid(uid, uid, uid).expect("root may");
    // Another user's process no longer dies with a parent chosen before.
    die_with_the_parent();
}

/// Handles `signal` by `handler`, without restarting the system call that it interrupts.
pub fn interrupt_on(signal: Signal, handler: extern "C" fn(i32)) {
    let action = SigAction::new(SigHandler::Handler(handler), SaFlags::empty(), SigSet::empty());
    // SAFETY: every handler given here only counts in an atomic.
    unsafe { sigaction(signal, &action) }.expect("a handler");
}
