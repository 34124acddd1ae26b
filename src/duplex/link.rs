//! What an endpoint is made of: a way there and a way back, through rings or through streams.

use core::ops::{Deref, DerefMut};
use core::time::Duration;

use super::Side;
use super::talk::HEAD;
use crate::channel::spsc;
use crate::channel::verbs::Receives;
use crate::error::{RecvError, SendError};
use crate::pipe;
use crate::pipe::limit::Limit;

/// A way there and a way back. Implemented for [`Rings`] and [`Streams`], and for nothing else.
pub trait Link: sealed::Link {
    /// What sends.
    type Producer: Sending;
    /// What receives.
    type Consumer: Receiving;

    #[doc(hidden)]
    fn ends(&mut self) -> (&mut Self::Producer, &mut Self::Consumer);

    #[doc(hidden)]
    fn producer(&self) -> &Self::Producer;

    #[doc(hidden)]
    fn into_ends(self) -> (Self::Producer, Self::Consumer);
}

mod sealed {
    pub trait Link {}
}

/// Two rings in one segment: see [`endpoint`](super::endpoint) and [`pair`](super::pair).
#[derive(Debug)]
pub struct Rings {
    pub(super) producer: spsc::Producer,
    pub(super) consumer: spsc::Consumer,
    pub(super) side: Side,
}

/// A stream in each direction, such as those of a Unix stream socket: see [`over`](super::over).
#[derive(Debug)]
pub struct Streams {
    pub(super) producer: pipe::Producer,
    pub(super) consumer: pipe::Consumer,
}

impl sealed::Link for Rings {}

impl Link for Rings {
    type Producer = spsc::Producer;
    type Consumer = spsc::Consumer;

    #[inline]
    fn ends(&mut self) -> (&mut spsc::Producer, &mut spsc::Consumer) {
        (&mut self.producer, &mut self.consumer)
    }

    fn producer(&self) -> &spsc::Producer {
        &self.producer
    }

    fn into_ends(self) -> (spsc::Producer, spsc::Consumer) {
        (self.producer, self.consumer)
    }
}

impl sealed::Link for Streams {}

impl Link for Streams {
    type Producer = pipe::Producer;
    type Consumer = pipe::Consumer;

    #[inline]
    fn ends(&mut self) -> (&mut pipe::Producer, &mut pipe::Consumer) {
        (&mut self.producer, &mut self.consumer)
    }

    fn producer(&self) -> &pipe::Producer {
        &self.producer
    }

    fn into_ends(self) -> (pipe::Producer, pipe::Consumer) {
        (self.producer, self.consumer)
    }
}

/// Room for a message.
pub trait Filling: DerefMut<Target = [u8]> {
    /// Gives the message a tag.
    fn set_tag(&mut self, tag: u16);
    /// Sends the message.
    fn commit(self) -> Result<(), SendError>;
}

/// A message.
pub trait Received: Deref<Target = [u8]> {
    /// The number that its sender gave it.
    fn tag(&self) -> u16;
    /// Was it in the hands of one who died?
    fn redelivered(&self) -> bool;
}

/// The sending verbs.
pub trait Sending {
    /// Room for a message.
    type Claim<'a>: Filling
    where
        Self: 'a;
    /// Messages that go together.
    type Batch<'a>
    where
        Self: 'a;

    fn send_tagged(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError>;
    fn try_send_tagged(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError>;
    fn send_timeout(&mut self, message: &[u8], timeout: Duration) -> Result<(), SendError>;
    fn claim(&mut self, len: usize) -> Result<Self::Claim<'_>, SendError>;
    fn try_claim(&mut self, len: usize) -> Result<Self::Claim<'_>, SendError>;
    fn claim_timeout(&mut self, len: usize, timeout: Duration) -> Result<Self::Claim<'_>, SendError>;
    fn batch(&mut self) -> Result<Self::Batch<'_>, SendError>;
    /// Writes what was accepted and is not on its way yet, if there can be any.
    fn flush(&mut self, timeout: Option<Duration>) -> Result<(), SendError>;
    fn largest(&self) -> usize;

    /// Bytes of the largest message that goes behind a head.
    fn largest_behind(&self) -> usize {
        self.largest().saturating_sub(HEAD)
    }

    /// Sends `message` behind `head`; waits for room, for at most `timeout` if there is one.
    fn send_behind(
        &mut self,
        head: [u8; HEAD],
        tag: u16,
        message: &[u8],
        timeout: Option<Duration>,
    ) -> Result<(), SendError> {
        let (len, largest) = (message.len(), self.largest_behind());
        if len > largest {
            return Err(SendError::TooLarge { len, largest });
        }
        let mut claim = match timeout {
            Some(timeout) => self.claim_timeout(HEAD + len, timeout)?,
            None => self.claim(HEAD + len)?,
        };
        claim[..HEAD].copy_from_slice(&head);
        claim[HEAD..].copy_from_slice(message);
        claim.set_tag(tag);
        claim.commit()
    }
}

/// The receiving verbs, cut in two so that a message can be looked at before it is handed out.
pub trait Receiving {
    /// A message that is taken.
    type Taken;
    /// Its guard.
    type Message<'a>: Received
    where
        Self: 'a;
    /// Whatever is there.
    type Drain<'a>
    where
        Self: 'a;

    fn recv(&mut self) -> Result<Self::Message<'_>, RecvError>;
    fn try_recv(&mut self) -> Result<Self::Message<'_>, RecvError>;
    fn recv_timeout(&mut self, timeout: Duration) -> Result<Self::Message<'_>, RecvError>;
    fn drain(&mut self) -> Result<Self::Drain<'_>, RecvError>;

    /// Takes the next message; waits for it until the limit.
    fn take_within(&mut self, limit: Limit) -> Result<Self::Taken, RecvError>;
    /// The bytes of a message that was just taken.
    fn bytes_of(&self, taken: &Self::Taken) -> &[u8];
    /// The guard of a message that was just taken.
    fn message_of(&mut self, taken: Self::Taken) -> Self::Message<'_>;
}

impl Filling for spsc::Claim<'_> {
    fn set_tag(&mut self, tag: u16) {
        self.set_tag(tag);
    }

    fn commit(self) -> Result<(), SendError> {
        self.commit()
    }
}

impl Filling for pipe::Claim<'_> {
    fn set_tag(&mut self, tag: u16) {
        self.set_tag(tag);
    }

    fn commit(self) -> Result<(), SendError> {
        self.commit()
    }
}

impl Received for spsc::Message<'_> {
    fn tag(&self) -> u16 {
        self.tag()
    }

    fn redelivered(&self) -> bool {
        self.redelivered()
    }
}

impl Received for pipe::Message<'_> {
    fn tag(&self) -> u16 {
        self.tag()
    }

    fn redelivered(&self) -> bool {
        self.redelivered()
    }
}

impl Sending for spsc::Producer {
    type Claim<'a> = spsc::Claim<'a>;
    type Batch<'a> = spsc::Batch<'a>;

    #[inline]
    fn send_tagged(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError> {
        self.send_tagged(tag, message)
    }

    #[inline]
    fn try_send_tagged(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError> {
        self.try_send_tagged(tag, message)
    }

    fn send_timeout(&mut self, message: &[u8], timeout: Duration) -> Result<(), SendError> {
        self.send_timeout(message, timeout)
    }

    #[inline]
    fn claim(&mut self, len: usize) -> Result<spsc::Claim<'_>, SendError> {
        self.claim(len)
    }

    #[inline]
    fn try_claim(&mut self, len: usize) -> Result<spsc::Claim<'_>, SendError> {
        self.try_claim(len)
    }

    fn claim_timeout(&mut self, len: usize, timeout: Duration) -> Result<spsc::Claim<'_>, SendError> {
        self.claim_timeout(len, timeout)
    }

    #[inline]
    fn batch(&mut self) -> Result<spsc::Batch<'_>, SendError> {
        self.batch()
    }

    fn flush(&mut self, _timeout: Option<Duration>) -> Result<(), SendError> {
        Ok(())
    }

    fn largest(&self) -> usize {
        self.largest()
    }
}

impl Sending for pipe::Producer {
    type Claim<'a> = pipe::Claim<'a>;
    type Batch<'a> = pipe::Batch<'a>;

    fn send_tagged(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError> {
        self.send_tagged(tag, message)
    }

    fn try_send_tagged(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError> {
        self.try_send_tagged(tag, message)
    }

    fn send_timeout(&mut self, message: &[u8], timeout: Duration) -> Result<(), SendError> {
        self.send_timeout(message, timeout)
    }

    fn claim(&mut self, len: usize) -> Result<pipe::Claim<'_>, SendError> {
        self.claim(len)
    }

    fn try_claim(&mut self, len: usize) -> Result<pipe::Claim<'_>, SendError> {
        self.try_claim(len)
    }

    fn claim_timeout(&mut self, len: usize, timeout: Duration) -> Result<pipe::Claim<'_>, SendError> {
        self.claim_timeout(len, timeout)
    }

    fn batch(&mut self) -> Result<pipe::Batch<'_>, SendError> {
        self.batch()
    }

    fn flush(&mut self, timeout: Option<Duration>) -> Result<(), SendError> {
        self.flush(timeout)
    }

    fn largest(&self) -> usize {
        self.largest()
    }
}

impl Receiving for spsc::Consumer {
    type Taken = <spsc::Consumer as Receives>::Taken;
    type Message<'a> = spsc::Message<'a>;
    type Drain<'a> = spsc::Drain<'a>;

    #[inline]
    fn recv(&mut self) -> Result<spsc::Message<'_>, RecvError> {
        self.recv()
    }

    #[inline]
    fn try_recv(&mut self) -> Result<spsc::Message<'_>, RecvError> {
        self.try_recv()
    }

    fn recv_timeout(&mut self, timeout: Duration) -> Result<spsc::Message<'_>, RecvError> {
        self.recv_timeout(timeout)
    }

    #[inline]
    fn drain(&mut self) -> Result<spsc::Drain<'_>, RecvError> {
        self.drain()
    }

    fn take_within(&mut self, limit: Limit) -> Result<Self::Taken, RecvError> {
        match limit {
            Limit::Now => Receives::take(self),
            limit => self.take_within(limit.left()),
        }
    }

    fn bytes_of(&self, taken: &Self::Taken) -> &[u8] {
        self.bytes_of(taken)
    }

    fn message_of(&mut self, taken: Self::Taken) -> spsc::Message<'_> {
        self.guard(taken)
    }
}

impl Receiving for pipe::Consumer {
    type Taken = pipe::Found;
    type Message<'a> = pipe::Message<'a>;
    type Drain<'a> = pipe::Drain<'a>;

    fn recv(&mut self) -> Result<pipe::Message<'_>, RecvError> {
        self.recv()
    }

    fn try_recv(&mut self) -> Result<pipe::Message<'_>, RecvError> {
        self.try_recv()
    }

    fn recv_timeout(&mut self, timeout: Duration) -> Result<pipe::Message<'_>, RecvError> {
        self.recv_timeout(timeout)
    }

    fn drain(&mut self) -> Result<pipe::Drain<'_>, RecvError> {
        self.drain()
    }

    fn take_within(&mut self, limit: Limit) -> Result<Self::Taken, RecvError> {
        self.take_within(limit)
    }

    fn bytes_of(&self, taken: &Self::Taken) -> &[u8] {
        self.bytes_of(taken)
    }

    fn message_of(&mut self, taken: Self::Taken) -> pipe::Message<'_> {
        self.message(taken)
    }
}
