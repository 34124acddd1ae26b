//! A ring between two processes that do not trust one another: one producer, one consumer, over a connected Unix socket.
//!
//! ```
//! use ringway::untrusted;
//!
//! let (mine, theirs) = std::os::unix::net::UnixStream::pair()?;
//! // The other process; here a thread.
//! let other = std::thread::spawn(move || {
//!     let mut rx = untrusted::consumer(&theirs).expect("a consumer");
//!     rx.recv().map(|message| message.to_vec())
//! });
//! let mut tx = untrusted::producer(&mine)?;
//! tx.send(b"hello")?;
//! assert_eq!(other.join().expect("no panic")?, b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! In the rings of [`spsc`](crate::spsc) and [`mpmc`](crate::mpmc) a member can send what it likes, and can spoil the ring
//! and its payloads for the others. Here each side writes memory of its own only, its *half*, which the other maps to be
//! read:
//!
//! - **Each half is a memfd that its maker mapped and then sealed** against shrinking, growing, further seals, and every
//!   write but by that mapping. Each side checks what comes: exactly those seals, the length, ordinary pages, all of which
//!   it reserves itself. So no SIGBUS comes of the other side, and nothing that it writes changes what this side wrote.
//! - **Messages are copied out, once**, and released before they are looked at; no reference into shared memory is given
//!   out. What was checked does not change afterwards.
//! - **Whatever the other side writes** is a message, or [`Corrupt`](crate::Corrupt): for this end alone, and for ever. No
//!   call panics, reads beyond the ring, or runs on: each looks at one record. A message's length is bounded by the ring,
//!   and the ring by [`Options::most`].
//! - **Waits are bounded** by the liveness interval, whether the other side wakes this one or not, and end at their
//!   deadlines. It can make them as dear as [`Wait::Spin`](crate::Wait), by waking this side all the time.
//! - **The socket is the proof of life**: when nobody at the other side has it any more, that side is gone;
//!   [`RecvError::PeerDead`](crate::RecvError::PeerDead) is told from [`RecvError::Closed`](crate::RecvError::Closed). A
//!   forked child that keeps the socket keeps its parent's end alive. Who is there is asked of the kernel, and by default
//!   must be of the same user.
//!
//! Both sides call at about the same time, one [`producer`], the other [`consumer`]; each gives its half and takes the
//! other's. A socket may carry several rings, made in the same order on both sides.
//!
//! What a message means is for the receiver to check: it comes from whoever is there.

mod consumer;
mod end;
mod greeting;
mod message;
mod options;
mod producer;

pub use consumer::Consumer;
pub use message::Message;
pub use options::Options;
pub use producer::Producer;

use std::os::fd::AsFd;

use crate::error::HandoverError;

/// Makes a ring with the process at the other side of `socket`, to send to it.
///
/// # Errors
/// See [`Options::producer`].
pub fn producer(socket: impl AsFd) -> Result<Producer, HandoverError> {
    options().producer(socket)
}

/// Makes a ring with the process at the other side of `socket`, to receive from it.
///
/// # Errors
/// See [`Options::consumer`].
pub fn consumer(socket: impl AsFd) -> Result<Consumer, HandoverError> {
    options().consumer(socket)
}

/// How ends are made, to be changed before making one.
pub fn options() -> Options {
    Options::new()
}
