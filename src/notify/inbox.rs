//! Where signals are received: blocked, and read from a signalfd.
//!
//! A blocked signal stays pending with the process, or with the thread if it was sent to that, until a thread takes it;
//! a read from a signalfd takes it from the process and from the thread that reads. So an inbox stays with the thread
//! whose mask it changed, which is also the one whose mask it changes back.
#![allow(unsafe_code)]

use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::time::Duration;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{SigSet, SigmaskHow};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use nix::sys::time::TimeSpec;

use super::Signal;

/// The code of a signal that was queued with a value.
const SI_QUEUE: i32 = -1;

/// That a signal came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notice {
    /// Which signal.
    pub signal: Signal,
    /// The token of the ring that it tells of. `None`: somebody else sent it, or the token was lost (`SIGUSR1`,
    /// `SIGUSR2` with too many signals pending); look at every ring that it may tell of.
    pub token: Option<u32>,
    /// The process that sent it, by its own account; 0 if it is in a PID namespace that this process cannot see.
    pub pid: u32,
}

impl Notice {
    fn of(read: &siginfo) -> Notice {
        Notice {
            signal: Signal::of_an_inbox(read.ssi_signo.cast_signed()),
            token: (read.ssi_code == SI_QUEUE).then_some(read.ssi_int.cast_unsigned()),
            pid: read.ssi_pid,
        }
    }
}

/// Signals that are blocked in this thread and wait here to be read. Dropping it takes away what has come and was not
/// read, and unblocks those signals that it had to block; one that comes after that kills the process, unless it is
/// handled. So take the asking back first.
///
/// Made before the first thread is spawned, it keeps the signals from all of them.
///
/// ```
/// # use std::time::Duration;
/// use ringway::notify::{Inbox, Signal};
///
/// let inbox = Inbox::new(&[Signal::realtime(1)?])?;
/// // … ask to be told, and then:
/// if let Some(notice) = inbox.wait(Some(Duration::from_millis(10)))? {
///     let rings = notice.token.map_or(0..=u32::MAX, |ring| ring..=ring);
///     // … drain those of them that there are.
/// }
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropped, it receives nothing"]
pub struct Inbox {
    file: SignalFd,
    /// Those of the signals that were not blocked before.
    added: SigSet,
    /// The mask is this thread's.
    here: PhantomData<*const ()>,
}

impl Inbox {
    /// Blocks `signals` in the calling thread, and in those that it spawns from now on. Fails when there is no descriptor
    /// left.
    pub fn new(signals: &[Signal]) -> io::Result<Inbox> {
        let numbers = || signals.iter().map(|signal| signal.number());
        let set = set_of(numbers());
        let file = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        let before = set.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let added = set_of(numbers().filter(|number| !has(&before, *number)));
        Ok(Inbox { file, added, here: PhantomData })
    }

    /// Waits until a signal comes, for at most `timeout`. `None`: none came. Other signals, which are handled meanwhile,
    /// do not end the wait.
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<Option<Notice>> {
        // A time that cannot be told will not come.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            if let Some(notice) = self.try_next()? {
                return Ok(Some(notice));
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(None);
            }
            let mut readable = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
            match ppoll(&mut readable, left.map(TimeSpec::from_duration), None) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// The next signal that has come, if there is one. Real-time signals come in the order of their numbers, and those of
    /// one number as they were sent. Does not block.
    pub fn try_next(&self) -> io::Result<Option<Notice>> {
        Ok(self.file.read_signal()?.as_ref().map(Notice::of))
    }
}

/// Readable when a signal has come.
impl AsFd for Inbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        while let Ok(Some(_)) = self.try_next() {}
        // The set is one that the kernel has taken before.
        let _ = self.added.thread_unblock();
    }
}

/// A set of these signals, real-time ones among them.
fn set_of(numbers: impl Iterator<Item = i32>) -> SigSet {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset writes the whole of the set that it is given.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: it was written just now.
    let mut set: libc::sigset_t = unsafe { set.assume_init() };
    for number in numbers {
        // SAFETY: the set is initialized, and sigaddset refuses a number that is none.
        unsafe { libc::sigaddset(&mut set, number) };
    }
    // SAFETY: the set was made by sigemptyset and sigaddset.
    unsafe { SigSet::from_sigset_t_unchecked(set) }
}

fn has(set: &SigSet, number: i32) -> bool {
    // SAFETY: the set is initialized, and sigismember only reads it.
    unsafe { libc::sigismember(set.as_ref(), number) == 1 }
}
