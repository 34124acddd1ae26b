//! Handing over by a socket: whom to trust, and how long to wait.

use core::time::Duration;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::socket::{getsockopt, sockopt};
use nix::sys::time::TimeSpec;

use super::call::{self, Received};
use super::ends::End;
use super::greeting::{self, Greeting, check_magic};
use super::handed::Handed;
use crate::error::{HandoverError, OpenError};
use crate::layout::Role;
use crate::pipe::limit::Limit;
use crate::pipe::stream::{check_is_socket, not_a_pipe};
use crate::segment::{Owner, memfd};

/// What the socket is called in messages.
const SOCKET: &str = "the socket";

/// How rings are handed over by a socket: `ringway::handover::options()`.
#[derive(Clone, Debug)]
#[must_use = "options do nothing until `give` or `take` is called"]
pub struct Options {
    owner: Owner,
    timeout: Duration,
}

impl Options {
    pub(super) fn new() -> Options {
        Options { owner: Owner::Me, timeout: Duration::from_secs(5) }
    }

    /// To whose processes to give, and from whose to take; the caller's own, unless told otherwise.
    pub fn owner(mut self, owner: Owner) -> Self {
        self.owner = owner;
        self
    }

    /// How long a call may take; 5 seconds unless told otherwise.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Gives the ring of `end` to the process at the other side of `socket`, to take part in as `role`. Blocks only while the
    /// socket is full; whether the ring was taken is not told, but by the ring: see `peer`.
    ///
    /// # Errors
    /// [`HandoverError::Open`] when the socket is no connected Unix stream socket, or the ring is not in a memfd;
    /// [`HandoverError::Stranger`], [`HandoverError::TimedOut`], [`HandoverError::Closed`].
    pub fn give<E: End>(&self, socket: impl AsFd, end: &E, role: Role) -> Result<(), HandoverError> {
        let socket = socket.as_fd();
        self.check_peer(socket)?;
        let descriptor = end.descriptor_to_give()?;
        memfd::check(&descriptor, "the ring")?;
        let bytes = Greeting { kind: E::KIND, role }.bytes();
        let limit = Limit::after(self.timeout);
        let mut sent = 0;
        while sent < bytes.len() {
            let beside = (sent == 0).then_some(descriptor.as_fd());
            match call::send(socket, &bytes[sent..], beside) {
                Ok(count) => sent += count,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => self.wait(socket, PollFlags::POLLOUT, limit, sent)?,
                Err(Errno::EPIPE | Errno::ECONNRESET) => return Err(closed(sent)),
                Err(errno) => return Err(system("sendmsg", errno).into()),
            }
        }
        Ok(())
    }

    /// Takes the next ring that is given at the other side of `socket`; blocks until it has come.
    ///
    /// # Errors
    /// [`HandoverError`] lists them: one for each thing that can be wrong with what came. [`HandoverError::Open`] when it is no
    /// sealed memfd with a ring.
    pub fn take(&self, socket: impl AsFd) -> Result<Handed, HandoverError> {
        let socket = socket.as_fd();
        self.check_peer(socket)?;
        let (mut bytes, mut descriptors) = ([0; greeting::LEN], Vec::new());
        let limit = Limit::after(self.timeout);
        let mut count = 0;
        while count < bytes.len() {
            let received = self.receive(socket, &mut bytes[count..], limit, count)?;
            descriptors.extend(received.descriptors);
            if received.truncated {
                return Err(HandoverError::Truncated { found: descriptors.len() });
            }
            if descriptors.len() > 1 {
                return Err(HandoverError::Descriptors { found: descriptors.len() });
            }
            if received.len == 0 {
                return Err(closed(count));
            }
            count += received.len;
            check_magic(&bytes[..count])?;
        }
        let greeting = Greeting::read(&bytes)?;
        Ok(Handed::new(only_one(descriptors)?, greeting)?)
    }

    fn receive(
        &self,
        socket: BorrowedFd<'_>,
        into: &mut [u8],
        limit: Limit,
        count: usize,
    ) -> Result<Received, HandoverError> {
        loop {
            match call::receive(socket, into) {
                Ok(received) => return Ok(received),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => self.wait(socket, PollFlags::POLLIN, limit, count)?,
                Err(Errno::ECONNRESET) => return Err(closed(count)),
                Err(errno) => return Err(system("recvmsg", errno).into()),
            }
        }
    }

    /// Is it a connected Unix stream socket, and is a process of the expected user at its other side?
    fn check_peer(&self, socket: BorrowedFd<'_>) -> Result<(), HandoverError> {
        check_is_socket(&socket, SOCKET)?;
        let peer =
            getsockopt(&socket, sockopt::PeerCredentials).map_err(|errno| system("getsockopt", errno))?;
        let found = peer.uid();
        if found == u32::MAX {
            return Err(not_a_pipe(SOCKET, "not connected", "a connected Unix stream socket").into());
        }
        match self.owner.expected() {
            Some(expected) if expected != found => Err(HandoverError::Stranger { found, expected }),
            _ => Ok(()),
        }
    }

    /// Waits until something can be read or written, or the other side is gone.
    fn wait(
        &self,
        socket: BorrowedFd<'_>,
        events: PollFlags,
        limit: Limit,
        count: usize,
    ) -> Result<(), HandoverError> {
        while !limit.is_over() {
            match ppoll(&mut [PollFd::new(socket, events)], limit.left().map(TimeSpec::from), None) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(errno) => return Err(system("poll", errno).into()),
            }
        }
        Err(HandoverError::TimedOut { found: count, expected: greeting::LEN, limit: self.timeout })
    }
}

fn only_one(mut descriptors: Vec<OwnedFd>) -> Result<OwnedFd, HandoverError> {
    let found = descriptors.len();
    match descriptors.pop() {
        Some(descriptor) if found == 1 => Ok(descriptor),
        _ => Err(HandoverError::Descriptors { found }),
    }
}

fn closed(found: usize) -> HandoverError {
    HandoverError::Closed { found, expected: greeting::LEN }
}

fn system(call: &'static str, errno: Errno) -> OpenError {
    OpenError::System { call, place: SOCKET.to_owned(), source: errno.into() }
}
