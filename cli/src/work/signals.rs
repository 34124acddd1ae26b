//! SIGINT and SIGTERM are held back and read, between jobs and while a command runs: a worker that is asked to end
//! finishes what it has in hand, says goodbye, and then dies of the signal.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;

/// The signals that ask a worker to end.
const ASKING: [Signal; 2] = [Signal::SIGINT, Signal::SIGTERM];

/// The longest time between two looks at a command, should its signal be lost.
const PATIENCE: Duration = Duration::from_secs(1);

/// The signals of a worker, which are held back and read.
#[derive(Debug)]
pub struct Signals {
    file: SignalFd,
    /// What is held back now.
    held: SigSet,
    /// What was held back before.
    before: SigSet,
    /// The first that asked this worker to end.
    asked: Option<Signal>,
}

impl Signals {
    /// Holds back the signals that ask to end, and those that tell of a command's end. To be called before there is a
    /// second thread.
    pub fn hold_back() -> io::Result<Self> {
        let ignored = ignored();
        let mut held = SigSet::from_iter(ASKING.into_iter().filter(|asking| !is_in(ignored, *asking)));
        held.add(Signal::SIGCHLD);
        let before = SigSet::thread_get_mask()?;
        held.thread_block()?;
        let file = SignalFd::with_flags(&held, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Self { file, held, before, asked: None })
    }

    /// The mask for commands: what was held back when this program started.
    pub fn mask_before(&self) -> SigSet {
        self.before
    }

    /// The signal that has asked this worker to end, if one has.
    pub fn asked(&mut self) -> Option<Signal> {
        while let Some(signal) = self.next() {
            self.asked.get_or_insert(signal);
        }
        self.asked
    }

    /// Waits for the end of `child`. The first request to end is noted; those that follow are passed on.
    pub fn await_end(&mut self, child: &mut Child) -> io::Result<ExitStatus> {
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            let timeout = PollTimeout::try_from(PATIENCE).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)], timeout) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            while let Some(signal) = self.next() {
                if self.asked.is_none() {
                    self.asked = Some(signal);
                } else {
                    // It was not waited for yet, so its id is its own.
                    let _ = kill(Pid::from_raw(child.id().cast_signed()), signal);
                }
            }
        }
    }

    /// The next signal that asks to end, if one is there.
    fn next(&mut self) -> Option<Signal> {
        while let Ok(Some(read)) = self.file.read_signal() {
            let signal = ASKING.into_iter().find(|asking| *asking as u32 == read.ssi_signo);
            if signal.is_some() {
                return signal;
            }
        }
        None
    }

    /// Does `what` while nothing is held back: a request to end is obeyed at once.
    pub fn let_through<T>(&self, what: impl FnOnce() -> T) -> io::Result<T> {
        self.before.thread_set_mask()?;
        let done = what();
        self.held.thread_block()?;
        Ok(done)
    }

    /// Ends this process as the signal would have that asked it to, so that whoever started it sees why. Returns if
    /// none did.
    pub fn obey(&mut self) {
        if let Some(signal) = self.asked() {
            // Should either fail, the exit code has to do.
            let _ = self.before.thread_set_mask();
            let _ = raise(signal);
        }
    }
}

/// The signals that this process was started to ignore, as a shell starts its background jobs; a bit each.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    field.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0)
}

fn is_in(bits: u64, signal: Signal) -> bool {
    bits >> (signal as u32 - 1) & 1 != 0
}
