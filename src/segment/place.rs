//! A name in a directory: opening what is there without trusting it, and linking or unlinking exactly one
//! file.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, openat};
use nix::libc;
use nix::sys::stat::{FileStat, Mode, fstatat};
use nix::unistd::{LinkatFlags, UnlinkatFlags, geteuid, linkat, unlinkat};

use super::address::{Address, SHM_DIRECTORY, SHM_PREFIX};
use crate::error::OpenError;

/// Whose files are trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Owner {
    /// Only this process's own effective user.
    #[default]
    Me,
    /// Only this user.
    Uid(u32),
    /// Anyone: whoever may write to the directory can put a ring of their own under the name.
    Anyone,
}

impl Owner {
    /// The user that is trusted; `None`: anyone.
    pub(crate) fn expected(self) -> Option<u32> {
        match self {
            Owner::Me => Some(geteuid().as_raw()),
            Owner::Uid(uid) => Some(uid),
            Owner::Anyone => None,
        }
    }
}

/// Where the name of a segment leads, as far as can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// To the segment. A file that was renamed has kept its name, too: nothing else has the old one.
    Kept,
    /// Nowhere: it was removed, so nobody can join any more.
    Gone,
    /// To another file, which whoever opens the name now gets.
    Another,
}

/// A name in a directory that stays the same directory, whatever happens to its path.
#[derive(Debug)]
pub(crate) struct Place {
    directory: File,
    path: PathBuf,
    name: OsString,
    /// For messages.
    text: String,
}

impl Place {
    /// The place that a named address means; `None` for a descriptor.
    pub(crate) fn of(address: &Address) -> Result<Option<Place>, OpenError> {
        let (path, name) = match address {
            Address::Shm(name) => (PathBuf::from(SHM_DIRECTORY), format!("{SHM_PREFIX}{name}").into()),
            Address::File(path) => {
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                let name = path.file_name().expect("addresses are checked").to_owned();
                (parent.unwrap_or(Path::new(".")).to_owned(), name)
            }
            Address::Fd(_) => return Ok(None),
        };
        let text = address.to_string();
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory = openat(AT_FDCWD, &path, flags, Mode::empty()).map_err(|errno| OpenError::System {
            call: "open the directory",
            place: format!("{} of {text}", path.display()),
            source: errno.into(),
        })?;
        Ok(Some(Place { directory: directory.into(), path, name, text }))
    }

    /// The place of a file that was handed over as a descriptor; `None` when it has no name, or none that
    /// leads back to it from here.
    pub(crate) fn named(file: &File, text: &str) -> Result<Option<Place>, OpenError> {
        let Ok(path) = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())) else {
            return Ok(None);
        };
        let address = Address::File(path);
        let Ok(Some(place)) = address.check().map_err(drop).and_then(|()| Place::of(&address).map_err(drop))
        else {
            return Ok(None);
        };
        let place = Place { text: text.to_owned(), ..place };
        let mine = file.metadata().map_err(|source| place.system("fstat", source))?;
        let leads_back = fs::symlink_metadata(place.path.join(&place.name))
            .is_ok_and(|there| (there.dev(), there.ino()) == (mine.dev(), mine.ino()));
        Ok(leads_back.then_some(place))
    }

    /// The address, for messages.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The directory's path, for messages and `statvfs`.
    pub(crate) fn directory(&self) -> &Path {
        &self.path
    }

    /// Opens what has the name now; `None` when nothing has. Follows no symbolic link and waits for no FIFO.
    pub(crate) fn open(&self, write: bool) -> Result<Option<File>, OpenError> {
        let access = if write { OFlag::O_RDWR } else { OFlag::O_RDONLY };
        let flags = access | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        match openat(&self.directory, self.name.as_os_str(), flags, Mode::empty()) {
            Ok(file) => Ok(Some(file.into())),
            Err(Errno::ENOENT) => Ok(None),
            Err(Errno::ELOOP) => Err(self.not_a_file("a symbolic link")),
            Err(Errno::EISDIR) => Err(self.not_a_file("a directory")),
            Err(Errno::ENXIO) => Err(self.not_a_file("a socket or device")),
            Err(errno) => Err(self.system("open", errno.into())),
        }
    }

    /// Has anything the name now, whatever it is?
    pub(crate) fn is_taken(&self) -> Result<bool, OpenError> {
        match fstatat(&self.directory, self.name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(errno) => Err(self.system("stat", errno.into())),
        }
    }

    /// Is it a regular file at all?
    pub(crate) fn check_is_file(&self, file: &File) -> Result<fs::Metadata, OpenError> {
        let metadata = file.metadata().map_err(|source| self.system("fstat", source))?;
        if metadata.is_file() { Ok(metadata) } else { Err(self.not_a_file("a FIFO or a device")) }
    }

    /// Is this a file that we expected: regular, of the right user, open to nobody unexpected?
    pub(crate) fn check(&self, file: &File, owner: Owner, mode: u32) -> Result<(), OpenError> {
        let metadata = self.check_is_file(file)?;
        if let Some(expected) = owner.expected().filter(|uid| *uid != metadata.uid()) {
            return Err(OpenError::ForeignOwner {
                place: self.text.clone(),
                found: metadata.uid(),
                expected,
            });
        }
        let found = metadata.mode() & 0o7777;
        if found & !mode != 0 {
            return Err(OpenError::Mode { place: self.text.clone(), found, expected: mode });
        }
        Ok(())
    }

    /// A new file in this directory without a name, mode 0600. On file systems without `O_TMPFILE` it has a
    /// temporary name until [`Place::link`].
    pub(crate) fn unnamed(&self) -> Result<Unnamed, OpenError> {
        let access = OFlag::O_RDWR | OFlag::O_CLOEXEC;
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        match openat(&self.directory, ".", access | OFlag::O_TMPFILE, mode) {
            Ok(file) => return self.opened(file.into(), None),
            Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::EINVAL) => {}
            Err(errno) => return Err(self.system("create a file for", errno.into())),
        }
        let name = OsString::from(format!(".{SHM_PREFIX}{:016x}", super::random() as u64));
        let flags = access | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
        let file = openat(&self.directory, name.as_os_str(), flags, mode)
            .map_err(|errno| self.system("create a file for", errno.into()))?;
        let directory = self.directory.try_clone().map_err(|source| self.system("dup for", source))?;
        self.opened(file.into(), Some(Temporary { directory, name }))
    }

    /// Gives a new file the mode that the umask may have taken from it: it will be opened anew.
    fn opened(&self, file: File, temporary: Option<Temporary>) -> Result<Unnamed, OpenError> {
        file.set_permissions(fs::Permissions::from_mode(0o600))
            .map_err(|source| self.system("fchmod", source))?;
        Ok(Unnamed { file, temporary })
    }

    /// Gives `new` this name, replacing nothing. `false`: somebody else was first.
    pub(crate) fn link(&self, new: &Unnamed, mode: u32) -> Result<bool, OpenError> {
        new.file
            .set_permissions(fs::Permissions::from_mode(mode))
            .map_err(|source| self.system("fchmod", source))?;
        let result = match &new.temporary {
            Some(temporary) => linkat(
                &temporary.directory,
                temporary.name.as_os_str(),
                &self.directory,
                self.name.as_os_str(),
                LinkatFlags::empty(),
            ),
            None => self.link_unnamed(&new.file),
        };
        match result {
            Ok(()) => Ok(true),
            Err(Errno::EEXIST) => Ok(false),
            Err(errno) => Err(self.system("link", errno.into())),
        }
    }

    fn link_unnamed(&self, file: &File) -> nix::Result<()> {
        let descriptor = format!("/proc/self/fd/{}", file.as_raw_fd());
        let flags = LinkatFlags::AT_SYMLINK_FOLLOW;
        let name = self.name.as_os_str();
        match linkat(AT_FDCWD, descriptor.as_str(), &self.directory, name, flags) {
            // Without /proc the kernel may still link a descriptor to a process with the right to.
            Err(Errno::ENOENT) => linkat(file, "", &self.directory, name, LinkatFlags::AT_EMPTY_PATH),
            result => result,
        }
    }

    /// Writes the directory to the disk, and with it the name.
    pub(crate) fn sync(&self) -> Result<(), OpenError> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory = openat(&self.directory, ".", flags, Mode::empty())
            .map_err(|errno| self.system("open the directory of", errno.into()))?;
        File::from(directory).sync_all().map_err(|source| self.system("fsync the directory of", source))
    }

    /// Where the name leads by now, seen by one who has the `file` that it was given to.
    pub(crate) fn leads_to(&self, file: &File) -> Name {
        let Ok(mine) = file.metadata() else {
            return Name::Kept;
        };
        match fstatat(&self.directory, self.name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(there) if (there.st_dev, there.st_ino) != (mine.dev(), mine.ino()) => Name::Another,
            Err(Errno::ENOENT) if mine.nlink() == 0 => Name::Gone,
            _ => Name::Kept,
        }
    }

    /// Removes the name if it still leads to `file`; a file that somebody else put there is left alone.
    pub(crate) fn unlink(&self, file: &File) -> Result<(), OpenError> {
        let mine = file.metadata().map_err(|source| self.system("fstat", source))?;
        let there: FileStat =
            match fstatat(&self.directory, self.name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
                Ok(there) => there,
                Err(Errno::ENOENT) => return Ok(()),
                Err(errno) => return Err(self.system("stat", errno.into())),
            };
        if (there.st_dev, there.st_ino) != (mine.dev(), mine.ino()) {
            return Ok(());
        }
        match unlinkat(&self.directory, self.name.as_os_str(), UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(self.system("unlink", errno.into())),
        }
    }

    fn not_a_file(&self, found: &'static str) -> OpenError {
        OpenError::NotAFile { place: self.text.clone(), found }
    }

    pub(crate) fn system(&self, call: &'static str, source: io::Error) -> OpenError {
        OpenError::System { call, place: self.text.clone(), source }
    }
}

/// A file that has no name yet.
#[derive(Debug)]
pub(crate) struct Unnamed {
    pub(crate) file: File,
    temporary: Option<Temporary>,
}

/// The temporary name of a file on a file system without `O_TMPFILE`; removed on drop.
#[derive(Debug)]
struct Temporary {
    directory: File,
    name: OsString,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Nothing else has this random name, and a failure leaves only a hidden file of ours.
        let name: &OsStr = &self.name;
        let _ = unlinkat(self.directory.as_fd(), name, UnlinkatFlags::NoRemoveDir);
    }
}

/// The kind of file behind a descriptor of this process; nothing is opened.
pub(crate) fn metadata_of(descriptor: RawFd) -> Result<fs::Metadata, OpenError> {
    let text = format!("fd:{descriptor}");
    match fs::metadata(format!("/proc/self/fd/{descriptor}")) {
        Ok(metadata) if metadata.is_file() => Ok(metadata),
        Ok(_) => Err(OpenError::NotAFile { place: text, found: "a directory, pipe, socket or device" }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let why = match fs::exists("/proc/self/fd") {
                Ok(true) => "it is not open in this process",
                _ => "/proc, through which descriptors are opened anew, is not mounted",
            };
            Err(OpenError::NoDescriptor { place: text, why })
        }
        Err(source) => Err(OpenError::System { call: "stat", place: text, source }),
    }
}

/// A file descriptor's file, opened anew: a description of its own, which shares no lock.
pub(crate) fn reopen(descriptor: &impl AsRawFd, place: &str) -> Result<File, OpenError> {
    let path = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
    fs::OpenOptions::new().read(true).write(true).open(path).map_err(|source| OpenError::System {
        call: "open anew (through /proc/self/fd)",
        place: place.to_owned(),
        source,
    })
}

const _: () = assert!(libc::O_TMPFILE & libc::O_DIRECTORY != 0, "old kernels answer EISDIR to O_TMPFILE");
