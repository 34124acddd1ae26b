//! Many producers, many consumers: each message goes to exactly one consumer, and none is lost when a participant
//! dies.
//!
//! ```
//! # let name = format!("doc-mpmc-{}", std::process::id());
//! let mut tx = ringway::mpmc::producer(&name)?;
//! let mut one = ringway::mpmc::consumer(&name)?;
//! let mut other = one.try_clone()?;
//! tx.send(b"first")?;
//! tx.send(b"second")?;
//! let first = one.recv()?;
//! assert_eq!(&first[..], b"first");
//! assert_eq!(&other.recv()?[..], b"second");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is promised
//!
//! - What a producer has committed is received by a consumer, whoever dies. A consumer that is killed with a message
//!   in hand is the one exception to "once": another consumer receives the message again, marked
//!   [`redelivered`](Message::redelivered), with the [`sequence`](Message::sequence) it had; with
//!   [`at_most_once`](Options::at_most_once) it is dropped and counted instead.
//! - Each consumer receives the messages of one producer in the order in which they were sent, but for redelivered
//!   ones.
//! - A participant that is merely stopped is never robbed. Who waits for what it holds waits on; when a time limit
//!   ends that wait, the error says for whom ([`SendError::Stalled`](crate::SendError), [`RecvError::Stalled`](crate::RecvError)).
//! - The largest message takes half the slots, so that it fits however the ring stands, once those before it are
//!   received. Producers that keep a nearly full ring full with small messages can keep a large one waiting.
//!
//! Every handle is a participant of its own, in one process or in hundreds; each can be moved to another thread, and
//! [`try_clone`](Producer::try_clone) makes another.

mod batch;
mod claim;
mod consumer;
mod drain;
mod end;
mod message;
mod options;
mod producer;
mod room;

pub use super::{Peer, Tune};
pub use batch::Batch;
pub use claim::Claim;
pub use consumer::Consumer;
pub use drain::Drain;
pub use message::Message;
pub use options::Options;
pub use producer::Producer;
pub use room::Room;

use crate::error::OpenError;
use crate::segment::address::Address;

/// Attaches as a producer of the ring at `address`, which is created if there is none.
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

/// Attaches as a consumer of the ring at `address`, which is created if there is none.
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

/// A producer and a consumer of a new ring in a sealed memfd: nothing on disk, nothing to clean up.
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
