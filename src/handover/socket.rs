//! A socket by which something is handed over: who is at its other side, and greetings with descriptors, within a time.

use core::time::Duration;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{getsockopt, sockopt};
use nix::sys::time::TimeSpec;

use super::call::{self, Received};
use crate::error::{HandoverError, OpenError};
use crate::pipe::limit::Limit;
use crate::pipe::stream::{check_is_socket, not_a_pipe};
use crate::segment::Owner;

/// What the socket is called in messages.
const SOCKET: &str = "the socket";

/// A connected Unix stream socket with a process of the expected user at its other side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Socket<'a> {
    fd: BorrowedFd<'a>,
    timeout: Duration,
    limit: Limit,
    /// Bytes of a greeting.
    expected: usize,
}

impl<'a> Socket<'a> {
    /// The socket `fd`, on which a greeting of `expected` bytes passes in each direction that is used, all of it within
    /// `timeout` from now.
    pub(crate) fn of(
        fd: BorrowedFd<'a>,
        owner: Owner,
        timeout: Duration,
        expected: usize,
    ) -> Result<Socket<'a>, HandoverError> {
        check_is_socket(&fd, SOCKET)?;
        let peer = getsockopt(&fd, sockopt::PeerCredentials).map_err(|errno| system("getsockopt", errno))?;
        let found = peer.uid();
        if found == u32::MAX {
            return Err(not_a_pipe(SOCKET, "not connected", "a connected Unix stream socket").into());
        }
        match owner.expected() {
            Some(expected) if expected != found => Err(HandoverError::Stranger { found, expected }),
            _ => Ok(Socket { fd, timeout, limit: Limit::after(timeout), expected }),
        }
    }

    /// Sends `bytes`, and the descriptor with the first of them.
    pub(crate) fn send(&self, bytes: &[u8], descriptor: BorrowedFd<'_>) -> Result<(), HandoverError> {
        let mut sent = 0;
        while sent < bytes.len() {
            let beside = (sent == 0).then_some(descriptor);
            match call::send(self.fd, &bytes[sent..], beside) {
                Ok(count) => sent += count,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => self.wait(PollFlags::POLLOUT, sent)?,
                Err(Errno::EPIPE | Errno::ECONNRESET) => return Err(self.closed(sent)),
                Err(errno) => return Err(system("sendmsg", errno).into()),
            }
        }
        Ok(())
    }

    /// Receives a greeting into `bytes`, and the descriptors beside it: at most one. What has come of it must begin like
    /// `magic`.
    pub(crate) fn receive(&self, bytes: &mut [u8], magic: &[u8]) -> Result<Beside, HandoverError> {
        let mut descriptors = Vec::new();
        let mut count = 0;
        while count < bytes.len() {
            let received = self.receive_some(&mut bytes[count..], count)?;
            descriptors.extend(received.descriptors);
            if received.truncated {
                return Err(HandoverError::Truncated { found: descriptors.len() });
            }
            if descriptors.len() > 1 {
                return Err(HandoverError::Descriptors { found: descriptors.len() });
            }
            if received.len == 0 {
                return Err(self.closed(count));
            }
            count += received.len;
            check_magic(&bytes[..count], magic)?;
        }
        Ok(Beside(descriptors))
    }

    fn receive_some(&self, into: &mut [u8], count: usize) -> Result<Received, HandoverError> {
        loop {
            match call::receive(self.fd, into) {
                Ok(received) => return Ok(received),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => self.wait(PollFlags::POLLIN, count)?,
                Err(Errno::ECONNRESET) => return Err(self.closed(count)),
                Err(errno) => return Err(system("recvmsg", errno).into()),
            }
        }
    }

    /// Waits until something can be read or written, or the other side is gone.
    fn wait(&self, events: PollFlags, count: usize) -> Result<(), HandoverError> {
        while !self.limit.is_over() {
            match ppoll(&mut [PollFd::new(self.fd, events)], self.limit.left().map(TimeSpec::from), None) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(errno) => return Err(system("poll", errno).into()),
            }
        }
        Err(HandoverError::TimedOut { found: count, expected: self.expected, limit: self.timeout })
    }

    fn closed(&self, found: usize) -> HandoverError {
        HandoverError::Closed { found, expected: self.expected }
    }
}

/// The descriptors beside a greeting.
#[derive(Debug)]
pub(crate) struct Beside(Vec<OwnedFd>);

impl Beside {
    pub(crate) fn only_one(mut self) -> Result<OwnedFd, HandoverError> {
        let found = self.0.len();
        match self.0.pop() {
            Some(descriptor) if found == 1 => Ok(descriptor),
            _ => Err(HandoverError::Descriptors { found }),
        }
    }
}

/// Is this how a greeting begins, as far as it goes?
pub(crate) fn check_magic(beginning: &[u8], magic: &[u8]) -> Result<(), HandoverError> {
    let known = beginning.len().min(magic.len());
    if beginning[..known] == magic[..known] {
        return Ok(());
    }
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    Err(HandoverError::Foreign { found: text(&beginning[..known]), expected: text(magic) })
}

/// Has everybody at the other side let go of it? What was sent and not read does not count.
pub(crate) fn is_hung_up(socket: impl AsFd) -> bool {
    let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
    let mut fds = [PollFd::new(socket.as_fd(), PollFlags::empty())];
    let ready = ppoll(&mut fds, Some(TimeSpec::from(Duration::ZERO)), None);
    ready.is_ok() && fds[0].revents().is_some_and(|events| events.intersects(gone))
}

/// A descriptor of the same socket, of this process's own.
pub(crate) fn copy_of(socket: BorrowedFd<'_>) -> Result<OwnedFd, HandoverError> {
    let copy = socket.try_clone_to_owned();
    copy.map_err(|source| OpenError::System { call: "dup", place: SOCKET.to_owned(), source }.into())
}

fn system(call: &'static str, errno: Errno) -> OpenError {
    OpenError::System { call, place: SOCKET.to_owned(), source: errno.into() }
}
