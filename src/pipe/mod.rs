//! Pipes, FIFOs and Unix stream sockets, where shared memory is not to be had: the verbs of [`spsc`](crate::spsc).
//!
//! ```
//! let (mut tx, mut rx) = ringway::pipe::pair()?;
//! tx.send(b"hello")?;
//! let message = rx.recv()?;
//! assert_eq!(&message[..], b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | stream | ends |
//! |---|---|
//! | a pipe to a child, or any descriptor | [`Options::producer_on`], [`Options::consumer_on`] |
//! | standard input and output | [`stdin`], [`stdout`] |
//! | a FIFO, at which unrelated processes meet | [`producer`], [`consumer`]: either may start first |
//! | a Unix stream socket, in both directions | [`Options::duplex`], [`duplex_pair`] |
//!
//! **What is accepted is sent in order and whole, or not at all.** A call that returns `Ok` has handed its message to the
//! kernel, or at least its beginning: when a `try_` or `_timeout` call has written a part of a message and may not wait any
//! longer, the producer keeps the rest ([`Producer::owed`]), and the next call writes it first; [`Producer::flush`] does
//! nothing else. An error says that the message was not accepted. A receiving call whose time is up in the middle of a
//! message loses nothing: the next one goes on.
//!
//! **Who is there.** A consumer tells a producer that left ([`RecvError::Closed`](crate::RecvError::Closed): its goodbye
//! came) from one that died ([`RecvError::PeerDead`](crate::RecvError::PeerDead): the stream ended without one; a message
//! that was cut off is not delivered). A producer only learns that nobody reads any more
//! ([`SendError::Closed`](crate::SendError::Closed)), at once and not only when the pipe is full; what was sent and not
//! received is lost. No SIGPIPE is ever raised, whatever the process does about that signal.
//!
//! **One producer and one consumer** use a stream at a time. FIFOs see to it themselves. Of a pipe or socket that several
//! processes have, each may use it after the last one has said goodbye; whoever writes behind one that was killed in the
//! middle of a message spoils the stream, so give each its own. A forked child that keeps a descriptor keeps the stream
//! open, though its parent died.
//!
//! Bytes that are no stream are [`Corrupt`](crate::Corrupt), and no length that a peer sends makes a consumer allocate
//! memory: its buffer grows as bytes arrive, up to the largest message that the options allow.

mod batch;
mod call;
mod claim;
mod consumer;
mod drain;
mod fifo;
mod inbox;
mod layout;
pub(crate) mod limit;
mod message;
mod options;
mod outbox;
mod producer;
pub(crate) mod stream;

pub use batch::Batch;
pub use claim::Claim;
pub use consumer::Consumer;
pub use drain::Drain;
pub(crate) use inbox::Found;
pub use message::Message;
pub use options::Options;
pub use producer::Producer;

use std::path::Path;

use crate::error::OpenError;

/// The producer of the FIFO at `path`, which is made if there is none.
///
/// # Errors
/// See [`Options::producer`].
pub fn producer(path: impl AsRef<Path>) -> Result<Producer, OpenError> {
    options().producer(path)
}

/// The consumer of the FIFO at `path`, which is made if there is none.
///
/// # Errors
/// See [`Options::consumer`].
pub fn consumer(path: impl AsRef<Path>) -> Result<Consumer, OpenError> {
    options().consumer(path)
}

/// The producer of standard output; nothing else may write there.
///
/// # Errors
/// See [`Options::stdout`].
pub fn stdout() -> Result<Producer, OpenError> {
    options().stdout()
}

/// The consumer of standard input; nothing else may read there.
///
/// # Errors
/// See [`Options::stdin`].
pub fn stdin() -> Result<Consumer, OpenError> {
    options().stdin()
}

/// Both ends of a new pipe.
///
/// # Errors
/// See [`Options::pair`].
pub fn pair() -> Result<(Producer, Consumer), OpenError> {
    options().pair()
}

/// Both sides of a new pair of connected sockets, each with a producer and a consumer: what one side's producer sends the
/// other side's consumer receives.
///
/// # Errors
/// See [`Options::duplex_pair`].
pub fn duplex_pair() -> Result<[(Producer, Consumer); 2], OpenError> {
    options().duplex_pair()
}

/// How streams are made and used, to be changed before opening one.
pub fn options() -> Options {
    Options::new()
}
