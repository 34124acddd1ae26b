//! One side: the verbs of its two ends, under one name.

use core::time::Duration;
use std::os::fd::OwnedFd;

use super::link::{Link, Receiving, Rings, Sending, Streams};
use super::{Peer, Side};
use crate::channel::{Geometry, spsc};
use crate::error::{OpenError, RecvError, SendError};
use crate::pipe;
use crate::segment;
use crate::wait::Wait;

/// Room for a message of a `L::Producer`.
type ClaimOf<'a, L> = <<L as Link>::Producer as Sending>::Claim<'a>;
/// Messages of a `L::Producer` that go together.
type BatchOf<'a, L> = <<L as Link>::Producer as Sending>::Batch<'a>;
/// A message of a `L::Consumer`.
type MessageOf<'a, L> = <<L as Link>::Consumer as Receiving>::Message<'a>;
/// Whatever is there for a `L::Consumer`.
type DrainOf<'a, L> = <<L as Link>::Consumer as Receiving>::Drain<'a>;

/// One side of a duplex: sends to the other side, and receives what that sends. Dropping it says goodbye in both directions:
/// the other side receives what was sent, then [`RecvError::Closed`].
///
/// The guards are those of the link: [`spsc::Claim`](crate::spsc::Claim), [`spsc::Message`](crate::spsc::Message) and so on
/// for [`Rings`], those of [`pipe`](crate::pipe) for [`Streams`].
#[derive(Debug)]
pub struct Endpoint<L: Link = Rings> {
    pub(super) link: L,
    /// The number of the last request.
    pub(super) number: u64,
    /// Replies that came too late.
    pub(super) late: u64,
}

impl<L: Link> Endpoint<L> {
    pub(super) fn new(link: L) -> Endpoint<L> {
        Endpoint { link, number: segment::random() as u64, late: 0 }
    }

    /// Sends a copy of `message`; blocks while there is no room.
    ///
    /// # Errors
    /// [`SendError::TooLarge`]; while there is no room, [`SendError::Closed`] or [`SendError::PeerDead`] when the other side
    /// has left or died; else as [`spsc::Producer::send`](crate::spsc::Producer::send) or
    /// [`pipe::Producer::send`](crate::pipe::Producer::send). Nothing was sent then.
    #[inline]
    pub fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.send_tagged(0, message)
    }

    /// Sends a copy of `message` with `tag`, a number that the other side sees beside it; blocks while there is no room.
    ///
    /// # Errors
    /// As [`Endpoint::send`].
    #[inline]
    pub fn send_tagged(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError> {
        self.link.ends().0.send_tagged(tag, message)
    }

    /// Sends a copy of `message` if there is room now. Never blocks.
    ///
    /// # Errors
    /// [`SendError::Full`]; else as [`Endpoint::send`].
    #[inline]
    pub fn try_send(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.try_send_tagged(0, message)
    }

    /// Sends a copy of `message` with `tag` if there is room now. Never blocks.
    ///
    /// # Errors
    /// As [`Endpoint::try_send`].
    #[inline]
    pub fn try_send_tagged(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError> {
        self.link.ends().0.try_send_tagged(tag, message)
    }

    /// Sends a copy of `message`; blocks while there is no room, for at most `timeout`.
    ///
    /// # Errors
    /// [`SendError::TimedOut`]; else as [`Endpoint::send`].
    pub fn send_timeout(&mut self, message: &[u8], timeout: Duration) -> Result<(), SendError> {
        self.link.ends().0.send_timeout(message, timeout)
    }

    /// Claims room for a message of `len` bytes, to be filled in place; blocks while there is none. The claim holds whatever
    /// bytes were there before.
    ///
    /// # Errors
    /// As [`Endpoint::send`].
    #[inline]
    pub fn claim(&mut self, len: usize) -> Result<ClaimOf<'_, L>, SendError> {
        self.link.ends().0.claim(len)
    }

    /// Claims room for a message of `len` bytes if there is some now. Never blocks.
    ///
    /// # Errors
    /// As [`Endpoint::try_send`].
    #[inline]
    pub fn try_claim(&mut self, len: usize) -> Result<ClaimOf<'_, L>, SendError> {
        self.link.ends().0.try_claim(len)
    }

    /// Claims room for a message of `len` bytes; blocks while there is none, for at most `timeout`.
    ///
    /// # Errors
    /// As [`Endpoint::send_timeout`].
    pub fn claim_timeout(&mut self, len: usize, timeout: Duration) -> Result<ClaimOf<'_, L>, SendError> {
        self.link.ends().0.claim_timeout(len, timeout)
    }

    /// Opens a batch: messages that go together when it is committed.
    ///
    /// # Errors
    /// [`SendError::Forked`] in a forked child.
    #[inline]
    pub fn batch(&mut self) -> Result<BatchOf<'_, L>, SendError> {
        self.link.ends().0.batch()
    }

    /// Receives the next message, borrowed in place; blocks while there is none.
    ///
    /// # Errors
    /// Once everything that was sent has been received: [`RecvError::Closed`] when the other side has said goodbye,
    /// [`RecvError::PeerDead`] when it died; else as [`spsc::Consumer::recv`](crate::spsc::Consumer::recv) or
    /// [`pipe::Consumer::recv`](crate::pipe::Consumer::recv).
    #[inline]
    pub fn recv(&mut self) -> Result<MessageOf<'_, L>, RecvError> {
        self.link.ends().1.recv()
    }

    /// Receives the next message if there is one now. Never blocks.
    ///
    /// # Errors
    /// [`RecvError::Empty`]; else as [`Endpoint::recv`].
    #[inline]
    pub fn try_recv(&mut self) -> Result<MessageOf<'_, L>, RecvError> {
        self.link.ends().1.try_recv()
    }

    /// Receives the next message; blocks while there is none, for at most `timeout`.
    ///
    /// # Errors
    /// [`RecvError::TimedOut`]; else as [`Endpoint::recv`].
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<MessageOf<'_, L>, RecvError> {
        self.link.ends().1.recv_timeout(timeout)
    }

    /// Takes whatever is there, message by message. Never blocks.
    ///
    /// # Errors
    /// [`RecvError::Forked`] in a forked child.
    #[inline]
    pub fn drain(&mut self) -> Result<DrainOf<'_, L>, RecvError> {
        self.link.ends().1.drain()
    }

    /// Bytes of the largest message that this side sends.
    pub fn largest(&self) -> usize {
        self.link.producer().largest()
    }

    /// Both ends, with every verb that they have: for example to wait for both, or to fill one while a message of the other is
    /// in hand.
    pub fn ends(&mut self) -> (&mut L::Producer, &mut L::Consumer) {
        self.link.ends()
    }

    /// Takes the side apart into its two ends, which may go on in two threads, or be waited for by a descriptor or in a task.
    /// Each says goodbye for its direction when it is dropped.
    pub fn split(self) -> (L::Producer, L::Consumer) {
        self.link.into_ends()
    }

    /// Says goodbye; the same as dropping the endpoint.
    pub fn close(self) {}
}

impl Endpoint<Rings> {
    pub(super) fn of_rings((producer, consumer): (spsc::Producer, spsc::Consumer), side: Side) -> Endpoint {
        Endpoint::new(Rings { producer, consumer, side })
    }

    /// Which side this is.
    pub fn side(&self) -> Side {
        self.link.side
    }

    /// What is known of the other side. Makes system calls. Of a side whose ends live apart one that is there counts, and a
    /// death more than a goodbye.
    pub fn peer(&self) -> Peer {
        let both = [self.link.consumer.peer(), self.link.producer.peer()];
        let order = [Peer::Attached, Peer::Unknown, Peer::Dead, Peer::Closed];
        order.into_iter().find(|peer| both.contains(peer)).unwrap_or(Peer::Absent)
    }

    /// What the duplex is made of. Reads /proc to say what pages it is on.
    pub fn geometry(&self) -> Geometry {
        self.link.producer.geometry()
    }

    /// Does the duplex's name still lead to it? Always `true` for one without a name. Makes two system calls.
    pub fn is_linked(&self) -> bool {
        self.link.producer.is_linked()
    }

    /// A new descriptor of the segment (close-on-exec), to hand to another process, which attaches to `fd:N`. It shares no
    /// lease with this endpoint.
    ///
    /// # Errors
    /// What [`OpenError`] lists.
    pub fn descriptor(&self) -> Result<OwnedFd, OpenError> {
        self.link.producer.descriptor()
    }

    /// Changes how blocking calls wait.
    pub fn set_wait(&mut self, wait: Wait) {
        self.link.producer.set_wait(wait);
        self.link.consumer.set_wait(wait);
    }
}

/// One side over two streams, such as those that [`pipe::Options::duplex`](crate::pipe::Options::duplex) or
/// [`pipe::duplex_pair`](crate::pipe::duplex_pair) make of a socket, or a child's standard input and output.
impl From<(pipe::Producer, pipe::Consumer)> for Endpoint<Streams> {
    fn from((producer, consumer): (pipe::Producer, pipe::Consumer)) -> Endpoint<Streams> {
        Endpoint::new(Streams { producer, consumer })
    }
}
