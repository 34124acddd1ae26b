//! One way to be connected, wherever the other side is: the best transport is chosen, and said why.
//!
//! ```
//! # use std::thread;
//! # let name = format!("doc-{}", std::process::id());
//! # let there = name.clone();
//! # let other = thread::spawn(move || -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! #     let name = there;
//! let mut tx = ringway::connect::producer(&name)?; // one process: "camera", say
//! tx.send(b"hello")?;
//! #     Ok(())
//! # });
//! let mut rx = ringway::connect::consumer(&name)?; // another
//! assert_eq!(rx.transport().to_string(), "a ring in memory that was handed over");
//! assert_eq!(&rx.recv()?[..], b"hello");
//! # other.join().expect("no panic").map_err(|error| error.to_string())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | address | what carries the messages | waits for the other side |
//! |---|---|---|
//! | `camera`, `auto:camera`, `auto:/path` | the best that both sides can use | to be connected |
//! | `unix:/path` | a Unix stream socket | to be connected |
//! | `shm:camera`, `file:/path`, `fd:N` | the [ring](crate::spsc) of that name | no |
//! | `fifo:/path` | a [FIFO](crate::pipe) | no |
//! | `stdio:` | standard output or input, if that is a pipe or socket | no |
//!
//! **How the best is chosen.** The two sides meet at a Unix socket: at `auto:/path` at that path, else at an abstract address made
//! of the user's number and the name, which is in no file system and leaves nothing behind. The producer makes a ring in a sealed
//! memfd and hands it over ([`handover`](crate::handover)), and each side tells the other whether it can use it. When either
//! cannot (no memory, no descriptors, a sandbox, an option), the messages go over the socket itself. So both always agree, and
//! neither needs `/dev/shm`, be it missing, full, or read-only. [`Producer::transport`] and [`Consumer::transport`] tell
//! what was chosen and what stood in the way of memory. Every connection chooses anew.
//!
//! **Who meets.** One producer and one consumer. The consumer listens, and stops when it has met its producer; a second consumer
//! at the same address meanwhile is told so ([`ConnectError::Taken`]). A producer waits until somebody listens; of several, each meets
//! another consumer. Both check the other's user ([`Options::owner`]) by what the kernel vouches for. Abstract addresses belong to a
//! network namespace: where the two sides are in different ones, meet at a path.
//!
//! **What a connection is not**: a ring with a name, which outlives its users, and whose next consumer goes on where a killed one
//! was. When a consumer is told of a death ([`RecvError::PeerDead`](crate::RecvError::PeerDead)), it
//! connects again, and so does a producer that is told of one or that nobody reads any more
//! ([`SendError::PeerDead`](crate::SendError::PeerDead) by a ring, [`SendError::Closed`](crate::SendError::Closed) by a socket, which does not tell a death from a
//! goodbye).
//!
//! **A full socket** takes the beginning of a message: what a `try_` or `_timeout` call could not write is owed, and written by the next call or by
//! [`Producer::flush`].

mod address;
mod consumer;
mod meet;
mod options;
mod producer;
mod talk;
mod transport;

pub use address::At;
pub use consumer::{Consumer, Drain, Message};
pub use options::{Options, Using};
pub use producer::{Batch, Claim, Producer};
pub use transport::{Carrier, Transport, Why};

use crate::error::{ConnectError, OpenError};

/// A producer at `address`, connected by the best transport that both sides can use. Blocks until a consumer is there, if the
/// address is one of those at which two meet.
///
/// # Errors
/// See [`Options::producer`].
pub fn producer<A>(address: A) -> Result<Producer, ConnectError>
where
    A: TryInto<At>,
    OpenError: From<A::Error>,
{
    options().producer(address)
}

/// A consumer at `address`, connected by the best transport that both sides can use. Blocks until a producer is there, if the
/// address is one of those at which two meet.
///
/// # Errors
/// See [`Options::consumer`].
pub fn consumer<A>(address: A) -> Result<Consumer, ConnectError>
where
    A: TryInto<At>,
    OpenError: From<A::Error>,
{
    options().consumer(address)
}

/// How connections are made, to be changed before making one.
pub fn options() -> Options {
    Options::new()
}
