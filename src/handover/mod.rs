//! Rings without a name, handed to another process: over a Unix socket, or to a child. Nothing is on disk.
//!
//! ```
//! use ringway::{Role, handover, spsc};
//!
//! let (mine, theirs) = std::os::unix::net::UnixStream::pair()?;
//! // one process
//! let mut tx = spsc::options().lone_producer()?;
//! handover::give(&mine, &tx, Role::Consumer)?;
//! // another
//! let mut rx = handover::take(&theirs)?.consumer(&spsc::options())?;
//!
//! tx.send(b"hello")?;
//! assert_eq!(&rx.recv()?[..], b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! To a child, which finds its ring by a name that both know:
//!
//! ```no_run
//! # use ringway::{Role, handover, spsc};
//! # use std::process::Command;
//! // the parent
//! let mut tx = spsc::options().lone_producer()?;
//! let mut command = Command::new("the-child");
//! handover::to_child(&mut command, "frames", &tx, Role::Consumer)?;
//! command.spawn()?;
//! // the child
//! let mut rx = handover::from_parent("frames")?.consumer(&spsc::options())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **What is accepted.** From a socket: a greeting of 24 bytes that says which kind of ring it is and what the taker is to be,
//! with exactly one descriptor beside it, from a process of the expected user ([`Options::owner`]: the caller's own, unless
//! told otherwise). In either case only a memfd that is sealed against shrinking, growing and further seals, so that no peer
//! can take the memory from under a reader. Anything else is a [`HandoverError`] of its own, and every descriptor that came
//! is closed. Not a byte is read beyond the greeting, so a socket may carry several rings, and whatever else both sides agree
//! upon; after an error it is of no more use.
//!
//! **Whom the kernel vouches for** (`SO_PEERCRED`) is whoever called `connect` or `listen`, or made the pair of sockets:
//! not one to whom the socket was passed on since.
//!
//! **A child** has the descriptor from its start, at the number that the parent chose, and through every program that it
//! becomes, until it calls [`from_parent`]: from then on the descriptor is its own, and goes to no child of its own. No other
//! process that the parent starts meanwhile has it, on whichever thread.
//!
//! **A sandbox** may come down before the ring is taken, but not before it is attached to: a descriptor is opened anew through
//! /proc then, which a child that may open nothing cannot ([`OpenError::System`](crate::OpenError::System)). Attach first; what is
//! attached needs nothing more to be opened.

mod call;
mod child;
mod ends;
mod greeting;
mod handed;
mod options;
pub(crate) mod socket;

pub use child::{from_parent, to_child};
pub use ends::{Attach, End};
pub use handed::Handed;
pub use options::Options;

use std::os::fd::AsFd;

use crate::error::HandoverError;
use crate::layout::Role;

/// Gives the ring of `end` to the process at the other side of `socket`, to take part in as `role`. Does not wait until it was
/// taken.
///
/// # Errors
/// See [`Options::give`].
pub fn give(socket: impl AsFd, end: &impl End, role: Role) -> Result<(), HandoverError> {
    options().give(socket, end, role)
}

/// Takes the next ring that is given at the other side of `socket`.
///
/// # Errors
/// See [`Options::take`].
pub fn take(socket: impl AsFd) -> Result<Handed, HandoverError> {
    options().take(socket)
}

/// How rings are handed over.
pub fn options() -> Options {
    Options::new()
}
