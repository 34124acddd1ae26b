//! Why a ring does not change hands.

use std::time::Duration;

use super::{Corrupt, OpenError};
use crate::layout::Role;
/// Why a ring was not handed over, or not taken. No descriptor that came is left open; what was read of the socket is gone, so
/// close it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandoverError {
    /// The ring, the descriptor that came, or the socket is not what it must be.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The process at the other side of the socket is another user's.
    #[error(
        "the other side of the socket is of uid {found}, expected uid {expected}; if that user is trusted, say so with owner(Owner::Uid({found}))"
    )]
    Stranger {
        /// Its user, by the kernel's account (`SO_PEERCRED`).
        found: u32,
        /// The user expected.
        expected: u32,
    },
    /// The other side did not do its part in time.
    #[error(
        "timed out: {found} of the {expected} bytes of a greeting have passed within {limit:?}; start the other side, or allow more time with timeout(…)"
    )]
    TimedOut {
        /// Bytes that have passed.
        found: usize,
        /// Bytes of a greeting.
        expected: usize,
        /// The time there was.
        limit: Duration,
    },
    /// The other side is gone.
    #[error(
        "closed: the other side is gone after {found} of the {expected} bytes of a greeting; start it anew, and connect again"
    )]
    Closed {
        /// Bytes that have passed.
        found: usize,
        /// Bytes of a greeting.
        expected: usize,
    },
    /// What came is no greeting.
    #[error(
        "what came is no ring: it begins with {found:?}, expected {expected:?}; the other side must call the counterpart in ringway (`give` for `take`; in `untrusted` the other role), and nothing may be read or written before on this socket by one side alone"
    )]
    Foreign {
        /// How it begins.
        found: String,
        /// How a greeting begins.
        expected: String,
    },
    /// The greeting is of another version of ringway.
    #[error(
        "the greeting has version {found}, this ringway reads version {expected}; use the same version on both sides"
    )]
    Version {
        /// Its version.
        found: u32,
        /// The version of this crate.
        expected: u32,
    },
    /// A field of the greeting is not what this protocol writes.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// Too many descriptors came, or none.
    #[error(
        "{found} descriptors came with the greeting, expected exactly 1; all were closed: the other side must be ringway's, which sends one for each call"
    )]
    Descriptors {
        /// How many came.
        found: usize,
    },
    /// The kernel could not deliver all that came beside the greeting.
    #[error(
        "the control message was truncated: {found} descriptors came, more could not be opened; raise the limit on open files (ulimit -n) or close some, and connect again"
    )]
    Truncated {
        /// How many came; they were closed.
        found: usize,
    },
    /// Untrusted rings: both sides want to be the same.
    #[error(
        "both sides want to be the {role}; call `producer` on one side and `consumer` on the other, in the same order if the socket carries several rings"
    )]
    SameRole {
        /// What both want to be.
        role: Role,
    },
    /// Untrusted rings: the ring is larger than this side takes.
    #[error(
        "the producer's ring has {found} bytes, this consumer takes at most {allowed}; allow more with most(…), or make the ring smaller"
    )]
    TooLarge {
        /// Bytes of the ring.
        found: u64,
        /// Bytes that are taken.
        allowed: u64,
    },
    /// Untrusted rings: the half that came has not exactly the seals that it must have, so the other side could take its memory from
    /// under this one, or others could write to it.
    #[error(
        "the other side's half has the seals {found}, expected exactly {expected}; nothing of it was used"
    )]
    Seals {
        /// Its seals.
        found: String,
        /// The seals expected.
        expected: String,
    },
    /// Untrusted rings: the half that came has another length than its ring.
    #[error("the other side's half is {found} bytes long, expected {expected}; nothing of it was used")]
    Length {
        /// Its length.
        found: u64,
        /// The length that goes with the ring's size.
        expected: u64,
    },
    /// Untrusted rings: the half that came is of huge pages, which can run out later.
    #[error("the other side's half is of huge pages, expected ordinary ones; nothing of it was used")]
    HugePages,
    /// Untrusted rings: the descriptor that came cannot be written by, so this side cannot have its memory set aside.
    #[error(
        "the other side's half came by a descriptor that was not opened to read and write, so its memory cannot be reserved; nothing of it was used"
    )]
    ReadOnly,
    /// The parent process has handed nothing over by this name.
    #[error(
        "the environment has no {variable}; the parent must call ringway::handover::to_child with the same name, and the program must be started by that command"
    )]
    NotHanded {
        /// The variable that would tell.
        variable: String,
    },
    /// What the environment says of a ring is not what this crate writes there, or no longer true.
    #[error("{variable} is {found:?}, but {why}")]
    Stale {
        /// The variable.
        variable: String,
        /// What it says.
        found: String,
        /// What is wrong with it, and what to do.
        why: &'static str,
    },
    /// A name for a ring that no environment variable can have.
    #[error("a child's ring cannot be called {name:?}; use letters, digits and '_'")]
    Name {
        /// The name given.
        name: String,
    },
}
