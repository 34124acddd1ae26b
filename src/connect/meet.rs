//! Where two meet: the consumer listens at a Unix socket, the producer calls.

use core::time::Duration;
use std::fs::{self, File, Metadata, Permissions, TryLockError};
use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{
    AddressFamily, Backlog, Shutdown, SockFlag, SockType, UnixAddr, bind, connect, getsockopt, listen,
    shutdown, socket, sockopt,
};
use nix::sys::stat::{Mode, fchmod};
use nix::sys::time::TimeSpec;
use nix::unistd::geteuid;

use crate::error::{ConnectError, OpenError};
use crate::pipe::limit::Limit;
use crate::segment::Owner;
use crate::sync::nap;

/// Between the first two looks whether somebody listens, and whether a directory is free; twice as long each time.
const GLANCE: Duration = Duration::from_millis(1);
/// The longest time between two looks.
const LONGEST_GLANCE: Duration = Duration::from_millis(50);
/// How long others may keep the lock of a directory, or a name at which nobody listens.
const PATIENCE: Duration = Duration::from_secs(5);
/// Looks at a path that does not let this user in: it may be a moment old, and be given more bits.
const LOOKS: u32 = 20;

/// Where to meet.
#[derive(Clone, Debug)]
pub(super) enum Point {
    /// An abstract address, which belongs to a user.
    Name(String),
    Path(PathBuf),
}

/// Where to meet whom.
#[derive(Clone, Debug)]
pub(super) struct Meeting<'a> {
    pub(super) point: Point,
    /// What it is called in messages.
    pub(super) place: &'a str,
    pub(super) owner: Owner,
    /// Permission bits of the path.
    pub(super) mode: u32,
}

impl Meeting<'_> {
    /// Calls until somebody listens.
    pub(super) fn call(&self, limit: Limit) -> Result<OwnedFd, ConnectError> {
        let listener = self.owner.expected().unwrap_or_else(|| geteuid().as_raw());
        let address = self.address(listener)?;
        let mut glance = GLANCE;
        let mut looks = 0;
        loop {
            let caller = self.socket()?;
            match connect(caller.as_raw_fd(), &address) {
                Ok(()) => return self.check_peer(&caller).map(|()| caller),
                // Nobody listens yet, or not any more, or there is a queue.
                Err(Errno::ENOENT | Errno::ECONNREFUSED | Errno::EAGAIN | Errno::EINTR) => {}
                Err(Errno::EACCES) if looks < LOOKS => looks += 1,
                Err(errno) => return Err(self.system("connect", errno)),
            }
            if limit.is_over() {
                return Err(self.nobody());
            }
            nap(limit.left().map_or(glance, |left| left.min(glance)));
            glance = (2 * glance).min(LONGEST_GLANCE);
        }
    }

    /// Listens, until dropped.
    pub(super) fn listen(&self, limit: Limit) -> Result<Listener<'_>, ConnectError> {
        let address = self.address(geteuid().as_raw())?;
        let listener = self.socket()?;
        let bound = match &self.point {
            Point::Name(_) => {
                self.bind_name(&listener, &address, limit)?;
                self.start(&listener)?;
                None
            }
            Point::Path(path) => Some(self.bind_path(&listener, &address, path, limit)?),
        };
        Ok(Listener { meeting: self, socket: listener.into(), bound })
    }

    fn start(&self, listener: &OwnedFd) -> Result<(), ConnectError> {
        listen(listener, Backlog::MAXALLOWABLE).map_err(|errno| self.system("listen", errno))
    }

    /// Gives the socket its name. One that nobody listens at any more is still there for as long as a child, on its way to another
    /// program, has the descriptor.
    fn bind_name(&self, listener: &OwnedFd, address: &UnixAddr, limit: Limit) -> Result<(), ConnectError> {
        let limit = limit.but_after(PATIENCE);
        loop {
            match bind(listener.as_raw_fd(), address) {
                Ok(()) => return Ok(()),
                Err(Errno::EADDRINUSE) if self.is_deserted(address)? && !limit.is_over() => nap(GLANCE),
                Err(errno) => return Err(self.not_bound(errno)),
            }
        }
    }

    /// Does nobody listen at this address?
    fn is_deserted(&self, address: &UnixAddr) -> Result<bool, ConnectError> {
        Ok(connect(self.socket()?.as_raw_fd(), address) == Err(Errno::ECONNREFUSED))
    }

    /// Gives the socket its path, in the place of one at which nobody listens any more, and listens. Of several that do so at the
    /// same time each waits for the others.
    fn bind_path(
        &self,
        listener: &OwnedFd,
        address: &UnixAddr,
        path: &Path,
        limit: Limit,
    ) -> Result<Bound, ConnectError> {
        let _alone = self.lock_directory(path, limit)?;
        self.clear(address, path)?;
        let mode = Mode::from_bits_truncate(self.mode);
        // Whatever the umask leaves of it, it is never more than asked for.
        fchmod(listener, mode).map_err(|errno| self.system("fchmod", errno))?;
        bind(listener.as_raw_fd(), address).map_err(|errno| self.not_bound(errno))?;
        let bound = self.widen(path)?;
        self.start(listener)?;
        Ok(bound)
    }

    /// Gives the path that was just bound the bits that the umask took away: through a descriptor, since in a directory of
    /// others the path may lead elsewhere by now.
    fn widen(&self, path: &Path) -> Result<Bound, ConnectError> {
        let (found, metadata) = self.find(path)?;
        self.give_mode(&found, &metadata)?;
        Ok(Bound { path: path.to_owned(), inode: (metadata.dev(), metadata.ino()) })
    }

    /// The socket of this user's that has this path now.
    fn find(&self, path: &Path) -> Result<(File, Metadata), ConnectError> {
        let flags = libc::O_PATH | libc::O_NOFOLLOW;
        let found = File::options().read(true).custom_flags(flags).open(path);
        let found = found.map_err(|error| self.failed("open", error))?;
        let metadata = found.metadata().map_err(|error| self.failed("fstat", error))?;
        if !metadata.file_type().is_socket() || metadata.uid() != geteuid().as_raw() {
            return Err(ConnectError::NotASocket { place: self.place.to_owned() });
        }
        Ok((found, metadata))
    }

    /// Gives what was found its mode, whatever has its path by now.
    fn give_mode(&self, found: &File, metadata: &Metadata) -> Result<(), ConnectError> {
        if metadata.mode() & 0o777 == self.mode {
            return Ok(());
        }
        let found = format!("/proc/self/fd/{}", found.as_raw_fd());
        fs::set_permissions(found, Permissions::from_mode(self.mode))
            .map_err(|error| self.failed("chmod", error))
    }

    /// Removes a socket of this user's at which nobody listens; nothing else.
    fn clear(&self, address: &UnixAddr, path: &Path) -> Result<(), ConnectError> {
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(self.failed("lstat", error)),
        };
        if !metadata.file_type().is_socket() {
            return Err(ConnectError::NotASocket { place: self.place.to_owned() });
        }
        match connect(self.socket()?.as_raw_fd(), address) {
            Err(Errno::ECONNREFUSED) => {}
            Ok(()) | Err(Errno::EAGAIN) => return Err(self.taken()),
            Err(errno) => return Err(self.system("connect", errno)),
        }
        let (found, expected) = (metadata.uid(), geteuid().as_raw());
        if found != expected {
            return Err(ConnectError::Stranger { place: self.place.to_owned(), found, expected });
        }
        fs::remove_file(path).map_err(|error| self.failed("unlink", error))
    }

    fn lock_directory(&self, path: &Path, limit: Limit) -> Result<Locked, ConnectError> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let directory = File::open(parent.unwrap_or(Path::new(".")))
            .map_err(|error| self.failed("open of the directory", error))?;
        let limit = limit.but_after(PATIENCE);
        loop {
            match directory.try_lock() {
                Ok(()) => return Ok(Locked(directory)),
                Err(TryLockError::WouldBlock) if limit.is_over() => {
                    return Err(self.system("flock of the directory", Errno::EWOULDBLOCK));
                }
                Err(TryLockError::WouldBlock) => nap(GLANCE),
                Err(TryLockError::Error(error)) => return Err(self.failed("flock of the directory", error)),
            }
        }
    }

    fn address(&self, listener: u32) -> Result<UnixAddr, ConnectError> {
        let address = match &self.point {
            Point::Name(name) => UnixAddr::new_abstract(format!("ringway/{listener}/{name}").as_bytes()),
            Point::Path(path) => UnixAddr::new(path),
        };
        address.map_err(|errno| self.system("the address of a socket", errno))
    }

    fn socket(&self) -> Result<OwnedFd, ConnectError> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        socket(AddressFamily::Unix, SockType::Stream, flags, None)
            .map_err(|errno| self.system("socket", errno))
    }

    /// Is it the expected user who listens, or has called?
    fn check_peer(&self, socket: &OwnedFd) -> Result<(), ConnectError> {
        let peer =
            getsockopt(socket, sockopt::PeerCredentials).map_err(|errno| self.system("getsockopt", errno))?;
        match self.owner.expected() {
            Some(expected) if expected != peer.uid() => {
                Err(ConnectError::Stranger { place: self.place.to_owned(), found: peer.uid(), expected })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn nobody(&self) -> ConnectError {
        ConnectError::Nobody { place: self.place.to_owned() }
    }

    fn taken(&self) -> ConnectError {
        ConnectError::Taken { place: self.place.to_owned() }
    }

    fn not_bound(&self, errno: Errno) -> ConnectError {
        match errno {
            Errno::EADDRINUSE => self.taken(),
            errno => self.system("bind", errno),
        }
    }

    fn system(&self, call: &'static str, errno: Errno) -> ConnectError {
        self.failed(call, errno.into())
    }

    fn failed(&self, call: &'static str, source: std::io::Error) -> ConnectError {
        OpenError::System { call, place: self.place.to_owned(), source }.into()
    }
}

/// A directory's lock, held until dropped: also by a child that has the descriptor.
struct Locked(File);

impl Drop for Locked {
    fn drop(&mut self) {
        // It cannot fail for a lock that is held, and closing the descriptor is the same where nobody else has it.
        let _ = self.0.unlock();
    }
}

/// A path that was given to a socket.
#[derive(Debug)]
struct Bound {
    path: PathBuf,
    /// Device and inode.
    inode: (u64, u64),
}

/// A consumer that listens. Dropping it removes its path.
#[derive(Debug)]
pub(super) struct Listener<'a> {
    meeting: &'a Meeting<'a>,
    socket: UnixListener,
    bound: Option<Bound>,
}

impl Listener<'_> {
    /// The next caller of the expected user; `None` when the limit came first. Others are turned away.
    pub(super) fn accept(&self, limit: Limit) -> Result<Option<OwnedFd>, ConnectError> {
        loop {
            match self.socket.accept() {
                Ok((caller, _)) => {
                    let caller = OwnedFd::from(caller);
                    match self.meeting.check_peer(&caller) {
                        Ok(()) => return Ok(Some(caller)),
                        Err(ConnectError::Stranger { .. }) if limit.is_over() => return Ok(None),
                        Err(ConnectError::Stranger { .. }) => {}
                        Err(error) => return Err(error),
                    }
                }
                Err(error) => match error.kind() {
                    ErrorKind::ConnectionAborted if !limit.is_over() => {}
                    ErrorKind::WouldBlock | ErrorKind::ConnectionAborted if limit.is_over() => {
                        return Ok(None);
                    }
                    ErrorKind::WouldBlock => self.wait(limit)?,
                    _ => return Err(self.meeting.failed("accept", error)),
                },
            }
        }
    }

    fn wait(&self, limit: Limit) -> Result<(), ConnectError> {
        let mut awaited = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        match ppoll(&mut awaited, limit.left().map(TimeSpec::from), None) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(self.meeting.system("poll", errno)),
        }
    }
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        // Also where a child has the descriptor, nobody is to call any more. It cannot fail for a socket that listens.
        let _ = shutdown(self.socket.as_raw_fd(), Shutdown::Both);
        let Some(bound) = &self.bound else { return };
        // As long as this one listens nobody takes its path, but whoever removes files by hand.
        let is_ours = fs::symlink_metadata(&bound.path)
            .is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == bound.inode);
        if is_ours {
            // It is gone, or stays where the next consumer finds that nobody listens.
            let _ = fs::remove_file(&bound.path);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode_of(path: &Path) -> u32 {
        fs::symlink_metadata(path).expect("it is there").mode() & 0o777
    }

    fn bare(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("one's own");
    }

    /// A directory with a socket `meet`, which the umask left 0600, and somebody's file `secret` of that mode.
    fn directory() -> (tempfile::TempDir, UnixListener) {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = UnixListener::bind(directory.path().join("meet")).expect("a socket");
        fs::write(directory.path().join("secret"), "").expect("a file");
        for name in ["meet", "secret"] {
            bare(&directory.path().join(name), 0o600);
        }
        (directory, socket)
    }

    fn meeting(path: &Path) -> Meeting<'static> {
        Meeting { point: Point::Path(path.to_owned()), place: "meet", owner: Owner::Me, mode: 0o666 }
    }

    #[test]
    fn a_link_in_the_place_of_the_path_that_was_bound_is_not_followed() {
        let (directory, _socket) = directory();
        let [path, secret] = ["meet", "secret"].map(|name| directory.path().join(name));
        for target in [&secret, &directory.path().join("moved")] {
            // Also one to the very socket.
            fs::rename(&path, directory.path().join("moved")).expect("a name");
            symlink(target, &path).expect("a link");
            let refused = meeting(&path).widen(&path).map(drop);
            assert!(matches!(refused, Err(ConnectError::NotASocket { .. })), "{refused:?}");
            assert_eq!((mode_of(target), mode_of(&directory.path().join("moved"))), (0o600, 0o600));
            fs::rename(directory.path().join("moved"), &path).expect("a name");
        }
        meeting(&path).widen(&path).expect("a socket");
        assert_eq!(mode_of(&path), 0o666);
    }

    #[test]
    fn the_socket_that_was_found_gets_the_mode_though_its_path_is_a_link_by_then() {
        let (directory, _socket) = directory();
        let [path, secret, moved] = ["meet", "secret", "moved"].map(|name| directory.path().join(name));
        let (found, metadata) = meeting(&path).find(&path).expect("a socket");
        fs::rename(&path, &moved).expect("a name");
        symlink(&secret, &path).expect("a link");
        meeting(&path).give_mode(&found, &metadata).expect("its mode");
        assert_eq!((mode_of(&moved), mode_of(&secret)), (0o666, 0o600));
    }
}
