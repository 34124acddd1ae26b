//! What is wrong with an address.

use std::path::PathBuf;

/// An address that names no ring.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// A shared-memory name that is empty.
    #[error("an empty name; give a name such as \"camera\", or file:/path, or fd:N")]
    Empty,
    /// A shared-memory name that is too long for the file system.
    #[error("the name is {len} bytes long, at most {max} fit; shorten it")]
    TooLong {
        /// Bytes of the name given.
        len: usize,
        /// Bytes that fit.
        max: usize,
    },
    /// A shared-memory name with a character that is not allowed.
    #[error(
        "the name {name:?} has the character {found:?}; allowed are letters, digits, '.', '_' and '-' (for a path, write file:{name})"
    )]
    Character {
        /// The name given.
        name: String,
        /// Its first character that is not allowed.
        found: char,
    },
    /// A scheme that does not exist.
    #[error("unknown scheme {scheme:?}; known are shm:NAME, file:/path and fd:N")]
    Scheme {
        /// The scheme given.
        scheme: String,
    },
    /// A scheme that names no transport.
    #[error(
        "unknown scheme {scheme:?}; known are auto:NAME, auto:/path, unix:/path, shm:NAME, file:/path, fd:N, fifo:/path and stdio:"
    )]
    NoTransport {
        /// The scheme given.
        scheme: String,
    },
    /// A file path that cannot name a file.
    #[error("the path {path:?} does not name a file; write file:/directory/name")]
    Path {
        /// The path given.
        path: PathBuf,
    },
    /// A descriptor that is not a number.
    #[error("{found:?} is not a file descriptor; write fd:N with a number")]
    Descriptor {
        /// What was given.
        found: String,
    },
}
