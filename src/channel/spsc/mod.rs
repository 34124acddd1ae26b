//! One producer, one consumer: messages of any length, in order, borrowed in place.
//!
//! ```
//! # let name = format!("doc-spsc-{}", std::process::id());
//! let mut tx = ringway::spsc::producer(&name)?;
//! let mut rx = ringway::spsc::consumer(&name)?;
//! tx.send(b"hello")?;
//! let message = rx.recv()?;
//! assert_eq!(&message[..], b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Either side may start first: whoever does creates the ring, the other opens it, and both learn its sizes
//! from it. A ring takes one producer and one consumer at a time; when one of them has died or said goodbye,
//! another may take its place and goes on where it stopped.

mod batch;
mod claim;
mod consumer;
mod drain;
pub(super) mod durability;
pub(super) mod end;
mod message;
mod options;
mod producer;
mod typed;

pub use super::{Peer, Tune};
pub use batch::Batch;
pub use claim::Claim;
pub use consumer::Consumer;
pub use drain::Drain;
pub use durability::Recovery;
pub use message::Message;
pub use options::Options;
pub use producer::{Producer, Room};
pub use typed::{TypedClaim, TypedConsumer, TypedMessage, TypedOptions, TypedProducer};

use crate::error::OpenError;
use crate::segment::address::Address;

/// Attaches as the producer of the ring at `address`, which is created if there is none.
///
/// # Errors
/// See [`Options::producer`].
pub fn producer<A>(address: A) -> Result<Producer, OpenError>
where
    A: TryInto<Address>,
    OpenError: From<A::Error>,
{
    options().producer(address)
}

/// Attaches as the consumer of the ring at `address`, which is created if there is none.
///
/// # Errors
/// See [`Options::consumer`].
pub fn consumer<A>(address: A) -> Result<Consumer, OpenError>
where
    A: TryInto<Address>,
    OpenError: From<A::Error>,
{
    options().consumer(address)
}

/// Both ends of a new ring in a sealed memfd: nothing on disk, nothing to clean up. One end can be handed to
/// a child process by [`Producer::descriptor`] or [`Consumer::descriptor`].
///
/// # Errors
/// See [`Options::pair`].
pub fn pair() -> Result<(Producer, Consumer), OpenError> {
    options().pair()
}

/// How rings are made and waited on, to be changed before attaching.
pub fn options() -> Options {
    Options::new()
}
