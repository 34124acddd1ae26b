//! Why a request gets no reply, or there is none.

use super::{RecvError, SendError};
/// Why a request got no reply. `sent`: the request was sent, so it may be served, once or, if a server dies meanwhile, more
/// often; otherwise it was not, and never will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// No reply came before the time was up, or not even room for the request. A reply that comes later is dropped.
    #[error("timed out: no reply came{}; allow more time, or see whether the other side serves", unless_sent(*sent))]
    TimedOut {
        /// Was the request sent?
        sent: bool,
    },
    /// The other side has said goodbye, and what it had sent before holds no reply.
    #[error("closed: the other side has detached before it replied{}; ask again once another serves", unless_sent(*sent))]
    Closed {
        /// Was the request sent?
        sent: bool,
    },
    /// The other side died, and what it had sent before holds no reply.
    #[error("peer dead: the other side died before it replied{}; ask again once another serves", unless_sent(*sent))]
    PeerDead {
        /// Was the request sent?
        sent: bool,
    },
    /// A request came while a reply was waited for; it was dropped, and its sender gets no reply.
    #[error("crossed: the other side asks, too{}; at a time one side asks and the other serves", unless_sent(*sent))]
    Crossed {
        /// Was the request sent?
        sent: bool,
    },
    /// A message came that is neither a request nor a reply; it was dropped.
    #[error(
        "a message of {len} bytes came that is neither a request nor a reply; send nothing but those on both sides"
    )]
    Foreign {
        /// Bytes of the message.
        len: usize,
    },
    /// The request can never be sent.
    #[error(
        "the request is {len} bytes long, the largest that is taken is {largest}; make the rings larger (for a socket: set `largest` on both sides), or ask in pieces"
    )]
    TooLarge {
        /// Bytes of the request.
        len: usize,
        /// Bytes that fit.
        largest: usize,
    },
    /// The request was not sent, for another reason.
    #[error(transparent)]
    Send(SendError),
    /// The request was sent, and no reply can be received, for another reason.
    #[error(transparent)]
    Recv(RecvError),
}

/// What became of a request, in a message.
fn unless_sent(sent: bool) -> &'static str {
    if sent { "" } else { ", and the request was not sent" }
}

/// Why there is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// No request came: the time was up ([`RecvError::TimedOut`]), the other side has said goodbye ([`RecvError::Closed`]) or
    /// died ([`RecvError::PeerDead`]), or whatever else ends a receiving call.
    #[error(transparent)]
    Recv(#[from] RecvError),
    /// A message came that is neither a request nor a reply; it was dropped.
    #[error(
        "a message of {len} bytes came that is neither a request nor a reply; send nothing but those on both sides"
    )]
    Foreign {
        /// Bytes of the message.
        len: usize,
    },
}
