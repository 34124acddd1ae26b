//! Who is to be told by a signal: a process that provably holds a participant's lease, and wants to be told.
//!
//! A participant's line names a process and a descriptor, and the line may be old, or lie. What proves them right is
//! what the kernel shows of that descriptor in `/proc/PID/fdinfo/FD`: the locks that are held through it. A participant
//! that is ready for a signal locks one more byte than its lease's (`lease::listen`), through the same description: there is
//! one for each signal and token. The proof is of both bytes:
//!
//! - *Nobody is told for a dead one.* The lease alone would not do. Its next holder takes it before writing a line of its
//!   own, and in a container that was started again it has the dead one's process id, descriptor and lease all alike;
//!   one who repairs takes it, too. Neither locks this byte before it is ready.
//! - *Nobody is told what it is not ready for.* The byte stands for the signal and the token. So it does not matter whose
//!   word the caller has found in the line, a dead one's or a liar's: a process that is ready for one signal may die of
//!   another.
//!
//! The process that was looked at is the one that is told, since both go through one open directory, `/proc/PID`.
//! It stands for a process and not for a number: the files in it are that process's, and `pidfd_send_signal` takes it as
//! it takes a pidfd. The number is looked up once, in the first step, and it does not matter whose it is by then:
//!
//! | what happens | before opening the directory | before reading the locks | before the signal |
//! |---|---|---|---|
//! | it dies (its leader at least) | no directory; or a zombie, which has no descriptors | no such file | ESRCH; a zombie takes the signal and nothing happens |
//! | its number comes again | the other one's directory: no lock, nobody is told | the directory stays the dead one's | the same |
//! | it closes the lease, or execs (the descriptor is close-on-exec) | no lock | no lock | it is told, late: see `notify` |
//!
//! - *Threads.* If the number is a thread's, the locks are those of its process, which is what is signalled. A process whose
//!   first thread has ended while others live shows no descriptors: it is not told.
//! - *Duplicates of the descriptor* share its description and so its locks. Whichever is named, its process holds the lease.
//! - *Ranges.* The kernel merges locks of neighbouring bytes, so a lock that covers the byte counts.
//! - *Other PID namespaces.* The number is one of those that this `/proc` shows. In another namespace it is some other
//!   process's here, or nobody's: no lock. Where the `/proc` is another namespace's, the kernel refuses to signal out of
//!   one's own namespace and what is below it (EINVAL).
//! - *Other users.* Only processes of this one's effective user are told. The system would refuse most others (EACCES, or
//!   ENOENT under `hidepid`; EPERM). A process with privileges could read their descriptors, but reading may wait for what
//!   is behind one: that of an epoll instance waits for whoever fills its owner's memory. One's own user could stop this
//!   process in simpler ways.
//! - *Which file.* The kernel names it by device and inode number, and its device is not always that of `stat` (btrfs,
//!   overlayfs). So both sides are compared in the kernel's terms: with what it shows of this process's own lease. Files in
//!   two subvolumes of one btrfs may have equal numbers there; one of them would have to be locked at the very byte.
//!
//! Nothing here waits for the receiver: it may be stopped, or block the signal for ever.
#![allow(unsafe_code)]

use core::mem::offset_of;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::libc;
use nix::sys::stat::Mode;
use nix::unistd::{geteuid, getuid};

use super::lease::listeners_bytes;
use crate::layout::call::SignalCall;
use crate::notify::Signal;

/// Bytes that are read of what the kernel shows of a descriptor: some fifty locks. What is behind is not believed.
const SHOWN: usize = 4096;

/// Which file a lock is on, as the kernel names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LockedFile {
    device: (u32, u32),
    inode: u64,
}

impl LockedFile {
    /// The file on which `lease` holds a lock. `None`: it holds none, or /proc does not say. Fails as [`holder`] does.
    pub(crate) fn of(lease: &File) -> io::Result<Option<LockedFile>> {
        // Not `self`: it shows nothing once the first thread has ended.
        let info = there(File::open(format!("/proc/thread-self/fdinfo/{}", lease.as_raw_fd())))?;
        let mut shown = [0; SHOWN];
        let shown = info.and_then(|info| read_text(info, &mut shown)).unwrap_or_default();
        Ok(locks(shown).next().map(|lock| lock.file))
    }
}

/// A lock that a description holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lock {
    file: LockedFile,
    first: i64,
    last: i64,
}

impl Lock {
    /// Reads a line such as `lock: 1: OFDLCK ADVISORY  WRITE -1 00:1b:705763 4096 4096`; only locks of the kind that
    /// leases are.
    fn parse(line: &str) -> Option<Lock> {
        let mut words = line.strip_prefix("lock:")?.split_ascii_whitespace().skip(1);
        if !["OFDLCK", "ADVISORY", "WRITE"].into_iter().all(|word| words.next() == Some(word)) {
            return None;
        }
        let _no_owner = words.next()?;
        let mut file = words.next()?.split(':');
        let mut device = || u32::from_str_radix(file.next()?, 16).ok();
        let device = (device()?, device()?);
        let inode = file.next()?.parse().ok()?;
        let first = words.next()?.parse().ok()?;
        let last = match words.next()? {
            "EOF" => i64::MAX,
            number => number.parse().ok()?,
        };
        Some(Lock { file: LockedFile { device, inode }, first, last })
    }

    fn covers(self, byte: i64) -> bool {
        (self.first..=self.last).contains(&byte)
    }
}

/// The locks in what the kernel shows of a descriptor; a line without its end does not count.
fn locks(shown: &str) -> impl Iterator<Item = Lock> {
    shown.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).filter_map(Lock::parse)
}

fn read_text(mut file: File, shown: &mut [u8; SHOWN]) -> Option<&str> {
    let len = file.read(shown).ok()?;
    str::from_utf8(&shown[..len]).ok()
}

/// What became of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It is pending with the holder.
    Yes,
    /// The holder's user has as many signals pending as it may have (`RLIMIT_SIGPENDING`): try again later.
    Later,
    /// The holder is gone, or cannot be signalled from here.
    No,
}

/// A process that held a participant's lease and was ready for a signal, a moment ago.
#[derive(Debug)]
pub(crate) struct Holder {
    /// Its directory in /proc.
    process: File,
}

/// The process `pid`, if it holds the lease of participant `id` of the segment `on` through the descriptor that `call` names,
/// is ready for `call`, and is of this process's user. Fails when this process has no descriptors or memory left to find
/// out.
pub(crate) fn holder(on: LockedFile, id: u32, pid: u32, call: SignalCall) -> io::Result<Option<Holder>> {
    let Some(process) = there(File::open(format!("/proc/{pid}")))? else { return Ok(None) };
    if !is_my_users(&process) {
        return Ok(None);
    }
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let info = openat(&process, format!("fdinfo/{}", call.descriptor).as_str(), flags, Mode::empty());
    let Some(info) = there(info.map_err(io::Error::from))? else { return Ok(None) };
    let mut shown = [0; SHOWN];
    let shown = read_text(info.into(), &mut shown).unwrap_or_default();
    let locked = |byte| locks(shown).any(|lock| lock.file == on && lock.covers(byte));
    let proved = listeners_bytes(id, call).into_iter().all(locked);
    Ok(proved.then_some(Holder { process }))
}

/// What was opened, or `None` if it is not there for this process. Want of descriptors or memory says nothing of that.
fn there<T>(opened: io::Result<T>) -> io::Result<Option<T>> {
    match opened {
        Ok(opened) => Ok(Some(opened)),
        Err(error) => match error.raw_os_error() {
            Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM) => Err(error),
            _ => Ok(None),
        },
    }
}

/// Is the process with this directory one of this process's effective user? The directory belongs to that of the process,
/// even where the files in it do not.
fn is_my_users(process: &File) -> bool {
    process.metadata().is_ok_and(|metadata| metadata.uid() == geteuid().as_raw())
}

impl Holder {
    /// Sends `signal` with `token` as its value. Does not wait.
    pub(crate) fn tell(&self, signal: Signal, token: u32) -> Told {
        let queued = Queued::new(signal, token);
        // SAFETY: the kernel reads a siginfo's bytes, which `queued` has, and no other memory.
        let result = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.process.as_raw_fd(),
                signal.number(),
                &raw const queued,
                0,
            )
        };
        match (result == -1).then(Errno::last) {
            None => Told::Yes,
            Some(Errno::EAGAIN) => Told::Later,
            Some(_) => Told::No,
        }
    }
}

/// The code of a signal that is queued with a value.
const SI_QUEUE: i32 = -1;
/// The words of a siginfo in front of its fields that depend on the code: those are aligned as a pointer.
const FIELDS: usize = if cfg!(target_pointer_width = "64") { 4 } else { 3 };

/// A `siginfo_t` of a queued signal, as words.
#[repr(C, align(8))]
struct Queued([u32; size_of::<libc::siginfo_t>() / 4]);

const _: () = assert!(size_of::<Queued>() == size_of::<libc::siginfo_t>());
const _: () =
    assert!(offset_of!(libc::siginfo_t, si_errno) == 4 && offset_of!(libc::siginfo_t, si_code) == 8);

impl Queued {
    fn new(signal: Signal, token: u32) -> Queued {
        let mut words = [0; _];
        words[0] = signal.number().cast_unsigned();
        words[2] = SI_QUEUE.cast_unsigned();
        words[FIELDS] = std::process::id();
        words[FIELDS + 1] = getuid().as_raw();
        words[FIELDS + 2] = token;
        Queued(words)
    }
}

#[cfg(all(test, not(loom)))]
#[path = "../../tests/common/mod.rs"]
mod common;

#[cfg(all(test, not(loom)))]
mod tests;
