//! Handing over by a socket: whom to trust, and how long to wait.

use core::time::Duration;
use std::os::fd::AsFd;

use super::ends::End;
use super::greeting::{self, Greeting};
use super::handed::Handed;
use super::socket::Socket;
use crate::error::HandoverError;
use crate::layout::Role;
use crate::segment::{Owner, memfd};

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
        let socket = Socket::of(socket.as_fd(), self.owner, self.timeout, greeting::LEN)?;
        let descriptor = end.descriptor_to_give()?;
        memfd::check(&descriptor, "the ring")?;
        socket.send(&Greeting { kind: E::KIND, role }.bytes(), descriptor.as_fd())
    }

    /// Takes the next ring that is given at the other side of `socket`; blocks until it has come.
    ///
    /// # Errors
    /// [`HandoverError`] lists them: one for each thing that can be wrong with what came. [`HandoverError::Open`] when it is no
    /// sealed memfd with a ring.
    pub fn take(&self, socket: impl AsFd) -> Result<Handed, HandoverError> {
        let socket = Socket::of(socket.as_fd(), self.owner, self.timeout, greeting::LEN)?;
        let mut bytes = [0; greeting::LEN];
        let beside = socket.receive(&mut bytes, &greeting::MAGIC)?;
        let greeting = Greeting::read(&bytes)?;
        Ok(Handed::new(beside.only_one()?, greeting)?)
    }
}
