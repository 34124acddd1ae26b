//! Two sides, each of which sends to the other: the verbs of [`spsc`](crate::spsc) in both directions, requests and replies.
//!
//! ```
//! let (mut here, mut there) = ringway::duplex::pair()?;
//! here.send(b"hello")?;
//! assert_eq!(&there.recv()?[..], b"hello");
//! there.send(b"hello yourself")?;
//! assert_eq!(&here.recv()?[..], b"hello yourself");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | link | an endpoint by |
//! |---|---|
//! | two rings in one segment, by a name or a file | [`endpoint`]: either side may come first |
//! | the same, without a name | [`pair`], [`Options::lone`] |
//! | a Unix stream socket | [`over`] |
//! | any two streams | [`Endpoint::from`] a producer and a consumer of [`pipe`] |
//!
//! **Two sides, and no third.** Whoever attaches by a name takes the first side, or the second one if somebody has that
//! ([`Options::side`] asks for one of them), and gets both directions at once. A third gets
//! [`OpenError::NoSide`]. When a side has died (its leases prove it) or said goodbye, whoever comes next
//! takes its place and goes on where it stopped: receives what was sent to it and not released, and sends behind what it
//! had sent.
//!
//! # Requests and replies
//!
//! ```
//! # use std::time::Duration;
//! let (mut client, mut server) = ringway::duplex::pair()?;
//! let serving = std::thread::spawn(move || {
//!     while let Ok(request) = server.next_request(None) {
//!         let reply = request.to_ascii_uppercase();
//!         request.reply(&reply)?;
//!     }
//!     Ok::<(), ringway::SendError>(())
//! });
//! let reply = client.request(b"hello", Duration::from_secs(5))?;
//! assert_eq!(&reply[..], b"HELLO");
//! drop(reply);
//! drop(client);
//! serving.join().unwrap()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A request and its reply carry a number in front of their payload, so both sides speak in requests and replies: a message
//! of [`Endpoint::send`] between them is an error for whoever meets it. One request is under way at a time, and one side
//! asks while the other serves; they may take turns. A reply that comes after its request was given up is dropped and counted, never
//! taken for the answer to the next one. A request that was sent is served at least once if servers die and are replaced,
//! at most once if none dies.

mod endpoint;
mod link;
mod options;
mod talk;

pub use crate::channel::{Peer, Tune};
pub use crate::layout::Side;
pub use endpoint::Endpoint;
pub use link::{Link, Rings, Streams};
pub use options::Options;
pub use talk::{Reply, Request};

use std::os::fd::OwnedFd;

use crate::error::OpenError;
use crate::pipe;
use crate::segment::address::Address;

/// Attaches as one side of the duplex at `address`, which is created if there is none.
///
/// # Errors
/// See [`Options::endpoint`].
pub fn endpoint<A>(address: A) -> Result<Endpoint, OpenError>
where
    A: TryInto<Address>,
    OpenError: From<A::Error>,
{
    options().endpoint(address)
}

/// Both sides of a new duplex in a sealed memfd.
///
/// # Errors
/// See [`Options::pair`].
pub fn pair() -> Result<(Endpoint, Endpoint), OpenError> {
    options().pair()
}

/// One side over a connected Unix stream socket; the other side is whoever does the same at its other end. For the options of a
/// stream, make an endpoint [from](Endpoint::from) what [`pipe::Options::duplex`] makes.
///
/// # Errors
/// [`OpenError::NotAPipe`] for any other descriptor.
pub fn over(socket: impl Into<OwnedFd>) -> Result<Endpoint<Streams>, OpenError> {
    pipe::options().duplex(socket).map(Endpoint::from)
}

/// How a duplex in shared memory is made and waited on, to be changed before attaching.
pub fn options() -> Options {
    Options::new()
}
