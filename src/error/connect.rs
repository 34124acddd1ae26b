//! Why two do not meet.

use super::{HandoverError, OpenError};
/// Why there is no connection. Nothing is left behind, and the next attempt starts afresh.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address is none, or what it names cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The time was up before anybody came to the other side.
    #[error(
        "nobody came to {place} in time; start the other side as the same user, with the same address, or allow more time with timeout(…)"
    )]
    Nobody {
        /// Where it was waited.
        place: String,
    },
    /// A consumer waits there already.
    #[error("a consumer waits at {place} already; end that process, or use another address")]
    Taken {
        /// Where it waits.
        place: String,
    },
    /// The path is something that no socket is to replace.
    #[error("{place} exists and is no socket; it was left alone: choose another path or remove it yourself")]
    NotASocket {
        /// Which path.
        place: String,
    },
    /// Another user's process listens there, or its socket has the path.
    #[error(
        "{place} is uid {found}'s, expected uid {expected}; if that user is trusted, say so with owner(Owner::Uid({found}))"
    )]
    Stranger {
        /// Where.
        place: String,
        /// The user there.
        found: u32,
        /// The user expected.
        expected: u32,
    },
    /// What is at the other side does not greet as this protocol does.
    #[error(
        "at {place} somebody says {found:?}, expected {expected:?}: it is no connection of ringway's; use another address"
    )]
    Foreign {
        /// Where.
        place: String,
        /// What it said, escaped.
        found: String,
        /// How a greeting begins.
        expected: String,
    },
    /// The other side is another version of ringway.
    #[error(
        "at {place} version {found} of a connection is spoken, this ringway speaks {expected}; use the same version on both sides"
    )]
    Version {
        /// Where.
        place: String,
        /// Its version.
        found: u32,
        /// The version of this crate.
        expected: u32,
    },
    /// The ring was not handed over.
    #[error("no ring came through {place}: {error}")]
    Handover {
        /// Where.
        place: String,
        /// Why not.
        error: HandoverError,
    },
    /// Memory cannot be shared, and one side uses nothing else.
    #[error(
        "nothing carries messages at {place}, since memory cannot be shared and one side uses nothing else; here: {}; at the other side: {}; allow the socket with using(Using::Best)",
        or_nothing(here),
        or_nothing(there)
    )]
    NoMemory {
        /// Where.
        place: String,
        /// What stands in the way at this side.
        here: Option<String>,
        /// What stands in the way at the other side, by its own account.
        there: Option<String>,
    },
}

fn or_nothing(why: &Option<String>) -> &str {
    why.as_deref().unwrap_or("nothing is in the way")
}
