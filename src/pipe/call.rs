//! The system calls that nix does not wrap: reads and writes with flags, and looking for a pending SIGPIPE.
//!
//! A write to a pipe without a reader raises SIGPIPE, which ends a process that has not asked otherwise. A library must
//! neither let that happen nor change what the process does about the signal. `RWF_NOSIGNAL` asks the kernel for the
//! error alone (Linux 6.18). On older ones the signal, which is sent to the writing thread, is blocked in that thread
//! around the write, and taken away again if the write raised it: so does libpq, and so may every library, since
//! neither other threads nor the disposition are touched. Where SIGPIPE was pending already it stays.
#![allow(unsafe_code)]

use core::mem::MaybeUninit;
use core::ptr;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};

/// Fail with `EAGAIN` instead of waiting, whatever the description's `O_NONBLOCK` says. Newer kernels know it for
/// anonymous pipes, not for FIFOs.
pub(super) const NOWAIT: libc::c_int = libc::RWF_NOWAIT;
/// Raise no SIGPIPE. The C libraries do not name it yet.
pub(super) const NOSIGNAL: libc::c_int = 0x100;

/// The offset that means: where the stream is.
const HERE: libc::off_t = -1;

/// Reads what is there to `into`, as much of it as fits.
pub(super) fn read(fd: BorrowedFd<'_>, into: &mut [u8], flags: libc::c_int) -> Result<usize, Errno> {
    let part = IoSliceMut::new(into);
    // SAFETY: an `IoSliceMut` is an `iovec` whose bytes may be written to, and one is passed.
    let count = unsafe { libc::preadv2(fd.as_raw_fd(), (&raw const part).cast(), 1, HERE, flags) };
    Errno::result(count).map(|count| count as usize)
}

/// Writes the beginning of `parts`, as much of it as is taken.
pub(super) fn write(fd: BorrowedFd<'_>, parts: &[IoSlice<'_>], flags: libc::c_int) -> Result<usize, Errno> {
    let count = parts.len() as libc::c_int;
    // SAFETY: an `IoSlice` is an `iovec` whose bytes may be read, and as many are passed as there are.
    let count = unsafe { libc::pwritev2(fd.as_raw_fd(), parts.as_ptr().cast(), count, HERE, flags) };
    Errno::result(count).map(|count| count as usize)
}

/// Runs `write`, and takes away the SIGPIPE that it raises.
pub(super) fn without_sigpipe(write: impl FnOnce() -> Result<usize, Errno>) -> Result<usize, Errno> {
    let mut sigpipe = SigSet::empty();
    sigpipe.add(Signal::SIGPIPE);
    let was_pending = is_pending(Signal::SIGPIPE);
    let before = sigpipe.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let result = write();
    if result == Err(Errno::EPIPE) && !was_pending {
        take(&sigpipe);
    }
    // Setting a mask that was in force cannot fail.
    let _ = before.thread_set_mask();
    result
}

/// Is the signal pending for this thread or its process?
fn is_pending(signal: Signal) -> bool {
    let mut pending = MaybeUninit::uninit();
    // SAFETY: the kernel writes one signal set to where the pointer leads.
    if unsafe { libc::sigpending(pending.as_mut_ptr()) } != 0 {
        return false;
    }
    // SAFETY: the call that fills the set has succeeded.
    let pending = unsafe { pending.assume_init() };
    // SAFETY: the set was filled by the kernel.
    unsafe { SigSet::from_sigset_t_unchecked(pending) }.contains(signal)
}

/// Takes one of these blocked signals away, if one is pending.
fn take(signals: &SigSet) {
    let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    loop {
        // SAFETY: the set and the time are ours, and nothing is asked to be written.
        let taken = unsafe { libc::sigtimedwait(signals.as_ref(), ptr::null_mut(), &at_once) };
        if taken >= 0 || Errno::last() != Errno::EINTR {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use nix::sys::signal::{SigHandler, signal};

    use super::*;

    /// Other tests of this binary write to no pipe without a reader but through this module.
    #[test]
    fn a_write_that_nobody_reads_raises_no_signal() {
        let sigpipe = Signal::SIGPIPE;
        // SAFETY: the default disposition runs no code of this program.
        let before = unsafe { signal(sigpipe, SigHandler::SigDfl) }.expect("a disposition");
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mask = SigSet::thread_get_mask().expect("a mask");
        let parts = [IoSlice::new(b"nobody reads this")];
        let result = without_sigpipe(|| write(writer.as_fd(), &parts, 0));
        assert_eq!(result, Err(Errno::EPIPE), "and the process lives");
        assert!(!is_pending(sigpipe));
        assert_eq!(SigSet::thread_get_mask(), Ok(mask));
        let mut blocked = SigSet::empty();
        blocked.add(sigpipe);
        blocked.thread_block().expect("a mask");
        nix::sys::signal::raise(sigpipe).expect("a signal");
        assert_eq!(without_sigpipe(|| write(writer.as_fd(), &parts, 0)), Err(Errno::EPIPE));
        assert!(is_pending(sigpipe), "what was pending before stays");
        take(&blocked);
        blocked.thread_unblock().expect("a mask");
        // SAFETY: the disposition is the one that was there before.
        unsafe { signal(sigpipe, before) }.expect("a disposition");
    }
}
