//! FIFOs: a name in a directory at which a producer and a consumer meet.
//!
//! Whoever comes first makes the FIFO, whole: under a hidden name, with the mode that was asked for, and then linked under
//! its own, replacing nothing. The consumer opens it, takes the file's lock, since a stream has one consumer, sees that the
//! name still leads there, and says by a lock on a byte that it is here. The producer opens it for writing once it sees
//! that, takes the producer's byte, and **removes the name**, before it writes its first byte. From then on neither needs
//! the name, and either may leave at once: what was written waits for the consumer.
//!
//! So a FIFO carries one stream: a successor of a producer that was killed in the middle of a frame can never come to write
//! into the rest of that frame, and meets the consumer in a FIFO of its own.
//!
//! | killed | left behind |
//! |---|---|
//! | while it waits for the other | the FIFO, which whoever comes next uses |
//! | in the middle of making it | a hidden name that nobody opens |
//! | after the two have met | nothing |
//!
//! Nothing is opened that is not a FIFO of the expected owner, open to nobody unexpected; symbolic links are not followed.

use core::time::Duration;
use std::collections::hash_map::RandomState;
use std::ffi::OsString;
use std::fs::{self, File, Permissions, TryLockError};
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, FcntlArg, OFlag, fcntl, openat};
use nix::libc;
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, fstatat};
use nix::unistd::{LinkatFlags, UnlinkatFlags, geteuid, linkat, mkfifoat, unlinkat};

use super::stream::name_of;
use crate::error::{AddressError, OpenError};
use crate::layout::Role;
use crate::segment::Owner;
use crate::sync::nap;

/// How often to start over when a FIFO disappears between looking and opening. Each round means that others met.
const ROUNDS: u32 = 1000;

/// How often, a millisecond apart, one looks for a free lock: that of a consumer that has left is kept by a child that was
/// just forked, until it execs.
const LOOKS: u32 = 100;

/// The byte that a FIFO's one producer locks.
const PRODUCER: i64 = 0;
/// The byte by which a consumer says that it is here.
const CONSUMER: i64 = 1;

/// Which FIFOs to make and to open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) mode: u32,
    pub(super) owner: Owner,
    pub(super) create: bool,
}

/// A place where a producer and a consumer meet.
#[derive(Debug)]
pub(super) struct Meeting {
    directory: OwnedFd,
    name: OsString,
    /// For messages.
    text: String,
    rules: Rules,
    /// The FIFO that was made here last, kept so that no other file is given its inode.
    made: Option<OwnedFd>,
}

impl Meeting {
    /// The place at `path`, where a FIFO is made if there is nothing.
    pub(super) fn at(path: &Path, rules: Rules) -> Result<Meeting, OpenError> {
        let bytes = path.as_os_str().as_encoded_bytes();
        let name = path.file_name().filter(|_| !bytes.ends_with(b"/") && !bytes.contains(&0));
        let name = name.ok_or_else(|| AddressError::Path { path: path.to_owned() })?.to_owned();
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let text = path.display().to_string();
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory = openat(AT_FDCWD, parent, flags, Mode::empty()).map_err(|errno| {
            OpenError::System { call: "open the directory of", place: text.clone(), source: errno.into() }
        })?;
        let mut meeting = Meeting { directory, name, text, rules, made: None };
        meeting.look()?;
        Ok(meeting)
    }

    /// Sees to it that there is a FIFO, and that it is one to be used.
    fn look(&mut self) -> Result<(), OpenError> {
        for _ in 0..ROUNDS {
            match self.open(OFlag::O_PATH) {
                Ok(found) => return self.check(&found),
                Err(Errno::ENOENT) if self.rules.create => self.make()?,
                Err(Errno::ENOENT) => return Err(OpenError::NotFound { place: self.text.clone() }),
                Err(errno) => return Err(self.system("open", errno)),
            }
        }
        Err(self.system("open", Errno::ENOENT))
    }

    /// Opens the FIFO as its consumer.
    pub(super) fn open_to_read(&mut self) -> Result<OwnedFd, OpenError> {
        let mut looks = 0;
        for _ in 0..ROUNDS {
            self.look()?;
            let found = match self.open(OFlag::O_RDONLY) {
                Ok(found) => found,
                Err(Errno::ENOENT) => continue,
                Err(errno) => return Err(self.system("open", errno)),
            };
            self.check(&found)?;
            let found = File::from(found);
            match found.try_lock() {
                // No producer comes before it sees the byte, so whoever removes the name from now on has met this one.
                Ok(()) if self.leads_to(&found) => {
                    self.take_byte(&found, CONSUMER, libc::F_RDLCK)?;
                    return Ok(found.into());
                }
                Ok(()) => {}
                // One who has met its producer keeps its lock, but the name is gone.
                Err(TryLockError::WouldBlock) if !self.leads_to(&found) => {}
                Err(TryLockError::WouldBlock) if looks < LOOKS => {
                    looks += 1;
                    nap(Duration::from_millis(1));
                }
                Err(TryLockError::WouldBlock) => {
                    let (place, role) = (self.text.clone(), Role::Consumer);
                    return Err(OpenError::AlreadyAttached { place, role, pid: 0 });
                }
                Err(TryLockError::Error(source)) => return Err(self.failed("flock", source)),
            }
        }
        Err(self.system("open", Errno::ENOENT))
    }

    /// Opens the FIFO as its producer, if a consumer is ready, and removes its name. `None`: none is, or another producer
    /// was first.
    pub(super) fn open_to_write(&mut self) -> Result<Option<OwnedFd>, OpenError> {
        // A consumer that is not ready would take one who opens and leaves for one who has died.
        match self.open(OFlag::O_RDONLY) {
            Ok(seen) => {
                self.check(&seen)?;
                if !self.is_taken(&seen, CONSUMER)? {
                    return Ok(None);
                }
            }
            Err(Errno::ENOENT) if self.rules.create => return self.make().map(|()| None),
            Err(Errno::ENOENT) => return Ok(None),
            Err(errno) => return Err(self.system("open", errno)),
        }
        let found = match self.open(OFlag::O_WRONLY) {
            Ok(found) => found,
            Err(Errno::ENXIO | Errno::ENOENT) => return Ok(None),
            Err(errno) => return Err(self.system("open", errno)),
        };
        self.check(&found)?;
        let is_ready = self.take_byte(&found, PRODUCER, libc::F_WRLCK)? && self.is_taken(&found, CONSUMER)?;
        if !is_ready || !self.leads_to(&found) {
            return Ok(None);
        }
        match unlinkat(&self.directory, self.name.as_os_str(), UnlinkatFlags::NoRemoveDir) {
            Ok(()) => Ok(Some(found)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(self.system("unlink", errno)),
        }
    }

    /// Locks a byte of the FIFO. `false`: another has it.
    fn take_byte(&self, fifo: impl AsFd, byte: i64, kind: libc::c_int) -> Result<bool, OpenError> {
        match fcntl(fifo.as_fd(), FcntlArg::F_OFD_SETLK(&lock(byte, kind))) {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
            Err(errno) => Err(self.system("lock", errno)),
        }
    }

    /// Has somebody else locked this byte?
    fn is_taken(&self, fifo: impl AsFd, byte: i64) -> Result<bool, OpenError> {
        let mut found = lock(byte, libc::F_WRLCK);
        fcntl(fifo.as_fd(), FcntlArg::F_OFD_GETLK(&mut found)).map_err(|errno| self.system("lock", errno))?;
        Ok(libc::c_int::from(found.l_type) != libc::F_UNLCK)
    }

    /// Opens what has the name now; waits for nobody.
    fn open(&self, access: OFlag) -> Result<OwnedFd, Errno> {
        let flags = OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        openat(&self.directory, self.name.as_os_str(), access | flags, Mode::empty())
    }

    /// Is this a FIFO of the right user, open to nobody unexpected?
    fn check(&self, found: &OwnedFd) -> Result<(), OpenError> {
        let stat = fstat(found).map_err(|errno| self.system("fstat", errno))?;
        let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
        if kind != SFlag::S_IFIFO {
            let (place, found) = (self.text.clone(), name_of(kind));
            return Err(OpenError::NotAPipe { place, found, expected: "a FIFO" });
        }
        let expected = match self.rules.owner {
            Owner::Me => Some(geteuid().as_raw()),
            Owner::Uid(uid) => Some(uid),
            Owner::Anyone => None,
        };
        if let Some(expected) = expected.filter(|uid| *uid != stat.st_uid) {
            return Err(OpenError::ForeignOwner { place: self.text.clone(), found: stat.st_uid, expected });
        }
        let (found, expected) = (stat.st_mode & 0o7777, self.rules.mode);
        if found & !expected != 0 {
            return Err(OpenError::Mode { place: self.text.clone(), found, expected });
        }
        Ok(())
    }

    /// Makes a FIFO and gives it the name, unless another was first.
    fn make(&mut self) -> Result<(), OpenError> {
        let hidden = OsString::from(format!(".ringway.{:016x}", RandomState::new().build_hasher().finish()));
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        mkfifoat(&self.directory, hidden.as_os_str(), mode).map_err(|errno| self.system("mkfifo", errno))?;
        let linked = self.finish(&hidden);
        // Only a name that nobody else knows goes.
        let _ = unlinkat(&self.directory, hidden.as_os_str(), UnlinkatFlags::NoRemoveDir);
        linked
    }

    /// Gives the FIFO the mode that the umask may have taken from it, and its own name.
    fn finish(&mut self, hidden: &OsString) -> Result<(), OpenError> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fifo = openat(&self.directory, hidden.as_os_str(), flags, Mode::empty())
            .map_err(|errno| self.system("open", errno))?;
        let made = fstat(&fifo).map_err(|errno| self.system("fstat", errno))?;
        if made.st_mode & 0o7777 != self.rules.mode {
            let path = format!("/proc/self/fd/{}", fifo.as_raw_fd());
            fs::set_permissions(path, Permissions::from_mode(self.rules.mode))
                .map_err(|source| self.failed("chmod", source))?;
        }
        let (from, to) = (hidden.as_os_str(), self.name.as_os_str());
        match linkat(&self.directory, from, &self.directory, to, LinkatFlags::empty()) {
            Ok(()) => {
                self.made = Some(fifo);
                Ok(())
            }
            Err(Errno::EEXIST) => Ok(()),
            Err(errno) => Err(self.system("link", errno)),
        }
    }

    /// Does the name lead to this FIFO?
    pub(super) fn leads_to(&self, fifo: impl AsFd) -> bool {
        let identity = |stat: FileStat| (stat.st_dev, stat.st_ino);
        let there = fstatat(&self.directory, self.name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW);
        fstat(fifo).is_ok_and(|fifo| there.map(identity) == Ok(identity(fifo)))
    }

    /// Nobody came: removes the FIFO that was made here, if the name still leads to it.
    pub(super) fn give_up(&self) {
        if self.made.as_ref().is_some_and(|made| self.leads_to(made)) {
            // Whoever removed it meanwhile has done the same.
            let _ = unlinkat(&self.directory, self.name.as_os_str(), UnlinkatFlags::NoRemoveDir);
        }
    }

    fn system(&self, call: &'static str, errno: Errno) -> OpenError {
        self.failed(call, errno.into())
    }

    fn failed(&self, call: &'static str, source: io::Error) -> OpenError {
        OpenError::System { call, place: self.text.clone(), source }
    }
}

fn lock(byte: i64, kind: libc::c_int) -> libc::flock {
    libc::flock { l_type: kind as i16, l_whence: libc::SEEK_SET as i16, l_start: byte, l_len: 1, l_pid: 0 }
}
