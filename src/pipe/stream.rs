//! A descriptor that carries a stream, and how to read and write it without waiting longer than told.
//!
//! Descriptors are inherited and shared: standard input has one open file description in every process of a pipeline. So
//! `O_NONBLOCK`, which belongs to the description, is never changed, and a call that may not wait says so itself:
//!
//! | stream | a call without end | a call with a limit |
//! |---|---|---|
//! | socket | `MSG_NOSIGNAL` | and `MSG_DONTWAIT` |
//! | pipe | `RWF_NOSIGNAL` | and `RWF_NOWAIT` |
//! | pipe, where the kernel has no `RWF_NOSIGNAL` | SIGPIPE blocked around the write | the same |
//! | pipe or FIFO without `RWF_NOWAIT` | as above | `poll` first, and then at most `PIPE_BUF` bytes, which fit |
//! | FIFO opened by us | its own description has `O_NONBLOCK` | the same |
//!
//! The last row but one holds for one writer: what another writes between the two calls can make the second one wait.
//! Everybody who gets `EAGAIN` polls for as long as the limit allows. Signals only make calls begin again.

use core::time::Duration;
use std::io::{IoSlice, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{
    MsgFlags, Shutdown, SockType, UnixAddr, getsockname, getsockopt, recv, sendmsg, shutdown, sockopt,
};
use nix::sys::stat::{SFlag, fstat};
use nix::sys::time::TimeSpec;
use nix::sys::uio::writev;
use nix::unistd;

use super::call;
use super::limit::Limit;
use crate::error::OpenError;
use crate::layout::Role;

/// Bytes that a pipe with room at all takes at once.
const PIPE_BUF: usize = libc::PIPE_BUF;

/// Bytes that a pipe should hold, unless told otherwise.
const ROOM: usize = 256 << 10;

/// Why nothing was read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// The limit has come.
    TimeUp,
    /// Nobody reads there any more.
    Gone,
    /// The system refused.
    Failed(Errno),
}

/// How a descriptor is read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Socket,
    /// `patient`: its description is not known to have `O_NONBLOCK` for ever.
    Pipe {
        patient: bool,
    },
}

/// A descriptor of a pipe, FIFO or socket.
#[derive(Debug)]
pub(crate) struct Stream {
    fd: OwnedFd,
    kind: Kind,
    /// Does the kernel know `RWF_NOWAIT` here? It does until it says otherwise.
    nowait: bool,
    /// Does the kernel know `RWF_NOSIGNAL`?
    nosignal: bool,
}

impl Stream {
    /// A FIFO that was opened with `O_NONBLOCK` by nobody but this process.
    pub(super) fn own(fd: OwnedFd) -> Stream {
        Stream::new(fd, Kind::Pipe { patient: false })
    }

    /// A descriptor from elsewhere, to be used as `role`. `place`: what it is called in messages.
    pub(super) fn adopt(fd: OwnedFd, role: Role, place: &str) -> Result<Stream, OpenError> {
        let kind = kind_of(&fd, place)?;
        let flags = fcntl(&fd, FcntlArg::F_GETFL).map_err(|errno| system("fcntl", place, errno))?;
        match (role, OFlag::from_bits_truncate(flags) & OFlag::O_ACCMODE) {
            (Role::Producer, OFlag::O_RDONLY) => {
                Err(not_a_pipe(place, "a pipe's reading end", "its writing end"))
            }
            (Role::Consumer, OFlag::O_WRONLY) => {
                Err(not_a_pipe(place, "a pipe's writing end", "its reading end"))
            }
            _ => Ok(Stream::new(fd, kind)),
        }
    }

    /// A socket from elsewhere.
    pub(crate) fn adopt_socket(fd: OwnedFd, place: &str) -> Result<Stream, OpenError> {
        check_is_socket(&fd, place)?;
        Ok(Stream::new(fd, Kind::Socket))
    }

    fn new(fd: OwnedFd, kind: Kind) -> Stream {
        Stream { fd, kind, nowait: true, nosignal: true }
    }

    /// Reads what is there; waits for something until the limit. 0: nobody writes there any more, or, in a FIFO, yet.
    pub(crate) fn read(&mut self, into: &mut [u8], limit: Limit) -> Result<usize, Halt> {
        loop {
            match self.try_read(into, matches!(limit, Limit::Never)) {
                Ok(count) => return Ok(count),
                Err(Errno::ECONNRESET) => return Ok(0),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => self.wait(PollFlags::POLLIN, limit)?,
                Err(errno) => return Err(Halt::Failed(errno)),
            }
        }
    }

    /// Writes the beginning of `parts`, with one system call that takes anything; waits for that until the limit.
    pub(crate) fn write(&mut self, parts: &[IoSlice<'_>], limit: Limit) -> Result<usize, Halt> {
        loop {
            match self.try_write(parts, matches!(limit, Limit::Never)) {
                Ok(count) => return Ok(count),
                Err(Errno::EPIPE | Errno::ECONNRESET) => return Err(Halt::Gone),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => self.wait(PollFlags::POLLOUT, limit)?,
                Err(errno) => return Err(Halt::Failed(errno)),
            }
        }
    }

    /// `may_wait`: the call may take as long as it likes.
    fn try_read(&mut self, into: &mut [u8], may_wait: bool) -> Result<usize, Errno> {
        match self.kind {
            Kind::Socket => recv(self.fd.as_raw_fd(), into, wait_flag(may_wait)),
            Kind::Pipe { patient } if may_wait || !patient => unistd::read(&self.fd, into),
            Kind::Pipe { .. } => self.read_now(into),
        }
    }

    fn read_now(&mut self, into: &mut [u8]) -> Result<usize, Errno> {
        if self.nowait {
            match call::read(self.fd.as_fd(), into, call::NOWAIT) {
                Err(errno) if is_unknown(errno) => self.nowait = false,
                result => return result,
            }
        }
        if !self.is_ready(PollFlags::POLLIN)? {
            return Err(Errno::EAGAIN);
        }
        unistd::read(&self.fd, into)
    }

    fn try_write(&mut self, parts: &[IoSlice<'_>], may_wait: bool) -> Result<usize, Errno> {
        match self.kind {
            Kind::Socket => {
                let flags = MsgFlags::MSG_NOSIGNAL | wait_flag(may_wait);
                sendmsg::<()>(self.fd.as_raw_fd(), parts, &[], flags, None)
            }
            Kind::Pipe { patient } if may_wait || !patient => self.write_pipe(parts, 0),
            Kind::Pipe { .. } => self.write_now(parts),
        }
    }

    fn write_now(&mut self, parts: &[IoSlice<'_>]) -> Result<usize, Errno> {
        if self.nowait {
            match self.write_pipe(parts, call::NOWAIT) {
                Err(errno) if is_unknown(errno) => (self.nowait, self.nosignal) = (false, true),
                result => return result,
            }
        }
        if !self.is_ready(PollFlags::POLLOUT)? {
            return Err(Errno::EAGAIN);
        }
        let mut little = [0; PIPE_BUF];
        let mut room = &mut little[..];
        for part in parts {
            // What does not fit is written by a later call.
            let _ = room.write(part);
        }
        let count = PIPE_BUF - room.len();
        self.write_pipe(&[IoSlice::new(&little[..count])], 0)
    }

    /// Writes to a pipe without raising SIGPIPE.
    fn write_pipe(&mut self, parts: &[IoSlice<'_>], flags: libc::c_int) -> Result<usize, Errno> {
        let fd = self.fd.as_fd();
        if self.nosignal {
            match call::write(fd, parts, flags | call::NOSIGNAL) {
                Err(errno) if is_unknown(errno) => self.nosignal = false,
                result => return result,
            }
        }
        call::without_sigpipe(|| match flags {
            0 => writev(fd, parts),
            flags => call::write(fd, parts, flags),
        })
    }

    /// Waits until something can be read or written, or the other side is gone.
    pub(super) fn wait(&self, events: PollFlags, limit: Limit) -> Result<(), Halt> {
        while !limit.is_over() {
            if !self.poll(events, limit.left()).map_err(Halt::Failed)?.is_empty() {
                return Ok(());
            }
        }
        Err(Halt::TimeUp)
    }

    fn is_ready(&self, events: PollFlags) -> Result<bool, Errno> {
        Ok(!self.poll(events, Some(Duration::ZERO))?.is_empty())
    }

    /// Has somebody had the writing end of this FIFO, and has nobody now?
    pub(super) fn is_hung_up(&self) -> bool {
        let events = self.poll(PollFlags::POLLIN, Some(Duration::ZERO));
        events.is_ok_and(|events| events.contains(PollFlags::POLLHUP))
    }

    /// What happens within this time; nothing when a signal comes first.
    fn poll(&self, events: PollFlags, time: Option<Duration>) -> Result<PollFlags, Errno> {
        let mut fds = [PollFd::new(self.fd.as_fd(), events)];
        match ppoll(&mut fds, time.map(TimeSpec::from), None) {
            Ok(_) => Ok(fds[0].revents().unwrap_or(PollFlags::empty())),
            Err(Errno::EINTR) => Ok(PollFlags::empty()),
            Err(errno) => Err(errno),
        }
    }

    /// Asks for a pipe that holds so many bytes, or at least [`ROOM`]. The kernel may decline: [`Stream::pipe_size`] tells
    /// what there is.
    pub(super) fn set_pipe_size(&self, asked: Option<usize>) {
        let bytes = match (asked, self.pipe_size()) {
            (Some(asked), _) => asked.try_into().unwrap_or(libc::c_int::MAX),
            (None, Some(held)) if held < ROOM => ROOM as libc::c_int,
            _ => return,
        };
        let _ = fcntl(&self.fd, FcntlArg::F_SETPIPE_SZ(bytes));
    }

    /// Bytes that the pipe holds; `None` for a socket.
    pub(super) fn pipe_size(&self) -> Option<usize> {
        fcntl(&self.fd, FcntlArg::F_GETPIPE_SZ).ok().map(|bytes| bytes as usize)
    }

    /// Ends one direction of a socket.
    pub(crate) fn shut(&self, how: Shutdown) {
        if self.kind == Kind::Socket {
            // It fails when the other side is gone, and nothing is left to be told.
            let _ = shutdown(self.fd.as_raw_fd(), how);
        }
    }
}

impl From<Stream> for OwnedFd {
    fn from(stream: Stream) -> OwnedFd {
        stream.fd
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn wait_flag(may_wait: bool) -> MsgFlags {
    if may_wait { MsgFlags::empty() } else { MsgFlags::MSG_DONTWAIT }
}

/// Does the error say that a flag, or the system call itself, is not to be had, or forbidden by a filter?
fn is_unknown(errno: Errno) -> bool {
    matches!(errno, Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EINVAL | Errno::EPERM)
}

fn kind_of(fd: &impl AsFd, place: &str) -> Result<Kind, OpenError> {
    let stat = fstat(fd).map_err(|errno| system("fstat", place, errno))?;
    match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFIFO => Ok(Kind::Pipe { patient: true }),
        SFlag::S_IFSOCK if is_unix_stream(fd) => Ok(Kind::Socket),
        SFlag::S_IFSOCK => Err(not_a_pipe(place, "another kind of socket", "a Unix stream socket")),
        other => Err(not_a_pipe(place, name_of(other), "a pipe, a FIFO or a Unix stream socket")),
    }
}

fn system(call: &'static str, place: &str, errno: Errno) -> OpenError {
    OpenError::System { call, place: place.to_owned(), source: errno.into() }
}

pub(crate) fn not_a_pipe(place: &str, found: &'static str, expected: &'static str) -> OpenError {
    OpenError::NotAPipe { place: place.to_owned(), found, expected }
}

fn is_unix_stream(fd: &impl AsFd) -> bool {
    getsockopt(fd, sockopt::SockType) == Ok(SockType::Stream)
        && getsockname::<UnixAddr>(fd.as_fd().as_raw_fd()).is_ok()
}

/// Is this a Unix stream socket?
pub(crate) fn check_is_socket(fd: &impl AsFd, place: &str) -> Result<(), OpenError> {
    match kind_of(fd, place)? {
        Kind::Socket => Ok(()),
        Kind::Pipe { .. } => Err(not_a_pipe(place, "a pipe or FIFO", "a Unix stream socket")),
    }
}

/// What has this type.
pub(super) fn name_of(kind: SFlag) -> &'static str {
    match kind {
        SFlag::S_IFREG => "a regular file",
        SFlag::S_IFDIR => "a directory",
        SFlag::S_IFLNK => "a symbolic link",
        SFlag::S_IFCHR => "a terminal or device",
        SFlag::S_IFBLK => "a block device",
        SFlag::S_IFSOCK => "a socket",
        SFlag::S_IFIFO => "a FIFO",
        _ => "something else",
    }
}
