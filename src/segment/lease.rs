//! Leases: exclusive locks on bytes far behind the end of the segment, the only proof of life and death.
//!
//! They are open-file-description (OFD) locks: the kernel drops one when the last descriptor of that
//! description is closed, so at the latest when the process dies, whatever way it dies. A byte that is not
//! locked has no living participant, in whichever PID namespace it lived; a process that is merely stopped
//! keeps its lock. Every participant holds its locks through a description of its own: a `dup` or a forked
//! child would share them (see `process`). `F_SETLK` would not do: an unrelated `close` in the same process
//! drops its locks.

use std::fs::File;
use std::io;
use std::mem;
use std::ops::{Deref, Range};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::lease_table::LEASES;
use super::process::Home;
use crate::error::OpenError;
use crate::layout::call::SignalCall;
use crate::sync::nap;

/// The byte of the membership lock, which makes "open and join" and "leave and unlink" exclusive. No segment
/// is that long.
const MEMBERSHIP: i64 = 1 << 48;
/// The byte of participant 0's lease; participant *k*'s is *k* further on.
const LEASE_BASE: i64 = MEMBERSHIP + 1;

/// The first of the bytes by which participants say that they are ready to be told by a signal: one for each participant,
/// signal and token.
const LISTENING_BASE: i64 = 1 << 60;

/// How long to wait for the membership lock, which is held for microseconds unless its holder was stopped.
pub(crate) const MEMBERSHIP_PATIENCE: Duration = Duration::from_secs(5);

/// The description that holds a participant's lease. Dropping it gives the lease back; in a forked child it is
/// the parent's and stays untouched.
#[derive(Debug)]
pub(crate) struct Lease {
    file: Option<File>,
    home: Home,
}

impl Lease {
    /// Opens a description to hold a lease, and enters it into this process's table.
    pub(crate) fn open(
        home: Home,
        open: impl FnOnce() -> Result<File, OpenError>,
    ) -> Result<Lease, OpenError> {
        LEASES.insert_with(open).map(|file| Lease { file: Some(file), home })
    }
}

impl Deref for Lease {
    type Target = File;

    fn deref(&self) -> &File {
        self.file.as_ref().expect("a lease has its file until it is dropped")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        match self.file.take() {
            Some(file) if self.home.is_here() => LEASES.close(file),
            // In a child the number may be another file's by now.
            inherited => mem::forget(inherited),
        }
    }
}

fn bytes(kind: libc::c_int, start: i64, len: i64) -> libc::flock {
    libc::flock { l_type: kind as i16, l_whence: libc::SEEK_SET as i16, l_start: start, l_len: len, l_pid: 0 }
}

fn byte(kind: libc::c_int, start: i64) -> libc::flock {
    bytes(kind, start, 1)
}

fn try_lock(file: &File, start: i64) -> io::Result<bool> {
    loop {
        return match fcntl(file, FcntlArg::F_OFD_SETLK(&byte(libc::F_WRLCK, start))) {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
            Err(Errno::EINTR) => continue,
            Err(errno) => Err(errno.into()),
        };
    }
}

fn unlock(file: &File, start: i64) {
    // Unlocking a byte of an open description cannot fail, and closing it would do the same.
    let _ = fcntl(file, FcntlArg::F_OFD_SETLK(&byte(libc::F_UNLCK, start)));
}

/// Takes the lease of participant `id` for this description. `false`: somebody else lives there.
pub(crate) fn take(file: &File, id: u32) -> io::Result<bool> {
    try_lock(file, LEASE_BASE + i64::from(id))
}

/// Gives the lease of participant `id` back.
pub(crate) fn give_back(file: &File, id: u32) {
    unlock(file, LEASE_BASE + i64::from(id));
}

/// Says through the description of its lease that participant `id` is ready for `call`. `false`: another description says
/// so.
pub(crate) fn listen(file: &File, id: u32, call: SignalCall) -> io::Result<bool> {
    try_lock(file, listening(id, call.signal, call.token))
}

/// Takes that back. A signal may still be on its way.
pub(crate) fn listen_no_more(file: &File, id: u32, call: SignalCall) {
    unlock(file, listening(id, call.signal, call.token));
}

/// The bytes that participant `id` locks while it is ready for `call`: that which says so, and its lease's.
pub(crate) fn listeners_bytes(id: u32, call: SignalCall) -> [i64; 2] {
    [listening(id, call.signal, call.token), LEASE_BASE + i64::from(id)]
}

/// The byte by which participant `id` says that it is ready for a signal, a number of 7 bits, with a token.
fn listening(id: u32, signal: u32, token: u32) -> i64 {
    LISTENING_BASE + (i64::from(id) << 39 | i64::from(signal) << 32 | i64::from(token))
}

/// Runs `look` while this description of participant `id` holds some lock, even if it has given its lease back.
pub(crate) fn with_some_lock<T>(file: &File, id: u32, look: impl FnOnce() -> T) -> T {
    // Nobody listens for a signal of this number. Where the lock is refused, there is nothing to see.
    let byte = listening(id, 0, 0);
    let _ = try_lock(file, byte);
    let seen = look();
    unlock(file, byte);
    seen
}

/// Does some other description hold the lease of participant `id`? Takes nothing.
pub(crate) fn is_held(file: &File, id: u32) -> io::Result<bool> {
    held_among(file, id..id + 1).map(|holder| holder.is_some())
}

/// One of the participants `ids` whose lease some other description holds. Takes nothing.
pub(crate) fn held_among(file: &File, ids: Range<u32>) -> io::Result<Option<u32>> {
    let mut lock = bytes(libc::F_WRLCK, LEASE_BASE + i64::from(ids.start), ids.len() as i64);
    fcntl(file, FcntlArg::F_OFD_GETLK(&mut lock))?;
    let held = lock.l_type != libc::F_UNLCK as i16;
    // Whoever locks may lock more than one byte; only those asked for are of interest.
    Ok(held.then(|| ((lock.l_start - LEASE_BASE).max(0) as u32).max(ids.start)))
}

/// The membership lock, held until dropped.
pub(crate) struct Membership<'a>(&'a File);

impl<'a> Membership<'a> {
    /// Waits for the lock; `None` when its holder kept it for longer than [`MEMBERSHIP_PATIENCE`].
    pub(crate) fn lock(file: &'a File) -> io::Result<Option<Self>> {
        let started = Instant::now();
        let mut pause = Duration::from_micros(10);
        while !try_lock(file, MEMBERSHIP)? {
            if started.elapsed() > MEMBERSHIP_PATIENCE {
                return Ok(None);
            }
            nap(pause);
            pause = (pause * 2).min(Duration::from_millis(5));
        }
        Ok(Some(Membership(file)))
    }
}

impl Drop for Membership<'_> {
    fn drop(&mut self) {
        unlock(self.0, MEMBERSHIP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn twice() -> (File, File) {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let other = file.reopen().expect("a second description");
        (file.into_file(), other)
    }

    #[test]
    fn a_lease_is_exclusive_and_ends_with_its_description() {
        let (mine, other) = twice();
        assert!(take(&mine, 3).expect("lock"));
        assert!(take(&mine, 3).expect("one's own lease is no obstacle"));
        assert!(is_held(&other, 3).expect("query"));
        assert!(!is_held(&mine, 3).expect("one's own lock is not another's"));
        assert!(!is_held(&other, 4).expect("query"));
        assert!(!take(&other, 3).expect("taken"));
        drop(mine);
        assert!(!is_held(&other, 3).expect("query"));
        assert!(take(&other, 3).expect("free again"));
    }

    #[test]
    fn one_of_several_holders_is_found() {
        let (mine, other) = twice();
        assert_eq!(held_among(&other, 0..1000).expect("query"), None);
        assert!(take(&mine, 7).expect("lock"));
        assert_eq!(held_among(&other, 0..1000).expect("query"), Some(7));
        assert_eq!(held_among(&other, 0..7).expect("query"), None);
        assert_eq!(held_among(&mine, 0..1000).expect("one's own is not another's"), None);
    }

    #[test]
    fn membership_is_exclusive() {
        let (mine, other) = twice();
        let held = Membership::lock(&mine).expect("lock").expect("free");
        assert!(!try_lock(&other, MEMBERSHIP).expect("query"));
        drop(held);
        assert!(try_lock(&other, MEMBERSHIP).expect("query"));
    }
}
