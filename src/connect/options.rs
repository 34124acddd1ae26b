//! How connections are made.

use core::time::Duration;
use std::os::fd::OwnedFd;

use super::address::At;
use super::meet::{Meeting, Point};
use super::talk::{Agreed, Failure, Talk};
use super::transport::{Carrier, Transport};
use super::{Consumer, Producer};
use crate::channel::spsc;
use crate::error::{ConnectError, OpenError};
use crate::layout::Role;
use crate::pipe;
use crate::pipe::limit::Limit;
use crate::pipe::stream::Stream;
use crate::segment::Owner;
use crate::sync::nap;
use crate::wait::Wait;

/// How long the other side may be silent when two agree on a transport.
const TALK: Duration = Duration::from_secs(5);

/// How long a producer waits before it calls again after a talk that led to nothing.
const PAUSE: Duration = Duration::from_millis(10);

/// What may carry the messages where two meet to choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Using {
    /// Memory if both sides can share it, else the socket.
    #[default]
    Best,
    /// Only memory: else [`ConnectError::NoMemory`].
    Memory,
    /// Only the socket.
    Socket,
}

/// How connections are made: `ringway::connect::options()`.
#[derive(Clone, Debug)]
#[must_use = "options do nothing until a connection is made"]
pub struct Options {
    using: Using,
    timeout: Option<Duration>,
    owner: Owner,
    mode: u32,
    ring: spsc::Options,
    stream: pipe::Options,
}

impl Options {
    pub(super) fn new() -> Options {
        Options {
            using: Using::Best,
            timeout: None,
            owner: Owner::Me,
            mode: 0o600,
            ring: spsc::options(),
            stream: pipe::options(),
        }
    }

    /// What may carry the messages where two meet to choose; the best unless told otherwise.
    pub fn using(mut self, using: Using) -> Self {
        self.using = using;
        self
    }

    /// How long to wait for the other side where two meet; for ever unless told otherwise.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Bytes that a ring holds, of whichever side makes it, as [`spsc::Options::size`](crate::spsc::Options::size) has it.
    pub fn size(mut self, bytes: usize) -> Self {
        self.ring = self.ring.size(bytes);
        self
    }

    /// Bytes of the largest message where there is no ring, as [`pipe::Options::largest`](crate::pipe::Options::largest) has it.
    /// In a ring it is half the ring.
    pub fn largest(mut self, bytes: usize) -> Self {
        self.stream = self.stream.largest(bytes);
        self
    }

    /// How long dropping a producer waits for room for its goodbye where there is no ring, as
    /// [`pipe::Options::linger`](crate::pipe::Options::linger) has it.
    pub fn linger(mut self, time: Duration) -> Self {
        self.stream = self.stream.linger(time);
        self
    }

    /// How blocking calls wait, if it is by a ring. At a pipe or socket they sleep at once.
    pub fn wait(mut self, wait: Wait) -> Self {
        self.ring = self.ring.wait(wait);
        self
    }

    /// How often a blocked call looks whether the peer lives; 50 ms unless told otherwise.
    pub fn liveness(mut self, interval: Duration) -> Self {
        self.ring = self.ring.liveness(interval);
        self.stream = self.stream.liveness(interval);
        self
    }

    /// Whose processes to be connected with, and whose rings and FIFOs to open; the caller's own unless told otherwise. The
    /// abstract address of a name is that of the consumer's user: a producer that expects [`Owner::Uid`] calls there.
    pub fn owner(mut self, owner: Owner) -> Self {
        self.owner = owner;
        self.ring = self.ring.owner(owner);
        self.stream = self.stream.owner(owner);
        self
    }

    /// Permission bits of a ring's file, a FIFO or a socket's path, whatever the umask; 0600 unless told otherwise. Who may write
    /// may connect.
    pub fn mode(mut self, bits: u32) -> Self {
        self.mode = bits;
        self.ring = self.ring.mode(bits);
        self.stream = self.stream.mode(bits);
        self
    }

    /// A producer at `address`. Where two meet it blocks until a consumer is there; elsewhere it does not.
    ///
    /// # Errors
    /// [`ConnectError`] lists them. A consumer that dies while the two agree on a transport is no error: the next one is waited for.
    pub fn producer<A>(&self, address: A) -> Result<Producer, ConnectError>
    where
        A: TryInto<At>,
        OpenError: From<A::Error>,
    {
        self.producer_at(address.try_into().map_err(OpenError::from)?)
    }

    fn producer_at(&self, at: At) -> Result<Producer, ConnectError> {
        self.check(&at)?;
        let text = at.to_string();
        match at {
            At::Name(name) => self.meet_consumer(Point::Name(name), &text, self.using),
            At::Path(path) => self.meet_consumer(Point::Path(path), &text, self.using),
            At::Unix(path) => self.meet_consumer(Point::Path(path), &text, Using::Socket),
            At::Ring(address) => Ok(self.ring.producer(&address)?.into()),
            At::Fifo(path) => {
                Ok(Producer::stream(self.stream.producer(path)?, Transport::named(Carrier::Fifo)))
            }
            At::Stdio => Ok(Producer::stream(self.stream.stdout()?, Transport::named(Carrier::Stdio))),
        }
    }

    /// A consumer at `address`. Where two meet it blocks until a producer is there; elsewhere it does not.
    ///
    /// # Errors
    /// [`ConnectError`] lists them. A producer that dies while the two agree on a transport is no error: the next one is waited for.
    pub fn consumer<A>(&self, address: A) -> Result<Consumer, ConnectError>
    where
        A: TryInto<At>,
        OpenError: From<A::Error>,
    {
        self.consumer_at(address.try_into().map_err(OpenError::from)?)
    }

    fn consumer_at(&self, at: At) -> Result<Consumer, ConnectError> {
        self.check(&at)?;
        let text = at.to_string();
        match at {
            At::Name(name) => self.meet_producer(Point::Name(name), &text, self.using),
            At::Path(path) => self.meet_producer(Point::Path(path), &text, self.using),
            At::Unix(path) => self.meet_producer(Point::Path(path), &text, Using::Socket),
            At::Ring(address) => Ok(self.ring.consumer(&address)?.into()),
            At::Fifo(path) => {
                Ok(Consumer::stream(self.stream.consumer(path)?, Transport::named(Carrier::Fifo)))
            }
            At::Stdio => Ok(Consumer::stream(self.stream.stdin()?, Transport::named(Carrier::Stdio))),
        }
    }

    fn check(&self, at: &At) -> Result<(), ConnectError> {
        at.check().map_err(OpenError::Address)?;
        if self.mode & !0o777 != 0 || self.mode & 0o600 != 0o600 {
            let rule = "permission bits that let the owner read and write, such as 0600 or 0660";
            return Err(OpenError::Option { option: "mode", asked: self.mode.into(), rule }.into());
        }
        Ok(())
    }

    fn meet_consumer(&self, point: Point, place: &str, using: Using) -> Result<Producer, ConnectError> {
        let limit = Limit::within(self.timeout);
        let meeting = Meeting { point, place, owner: self.owner, mode: self.mode };
        loop {
            let socket = meeting.call(limit)?;
            let talk = self.talk(socket, place, Role::Producer, using, limit)?;
            match talk.produce(&self.ring) {
                Ok(Agreed::Ring(tx)) => return Ok(Producer::ring(tx, Transport::memory())),
                Ok(Agreed::Socket(stream, transport)) => {
                    let tx = self.stream.producer_on(stream)?;
                    return Ok(Producer::stream(tx, named_or(transport, using)));
                }
                Err(Failure::Left) if limit.is_over() => return Err(meeting.nobody()),
                // Turned away, perhaps: not at once again.
                Err(Failure::Left) => nap(limit.left().map_or(PAUSE, |left| left.min(PAUSE))),
                Err(Failure::Error(error)) => return Err(error),
            }
        }
    }

    fn meet_producer(&self, point: Point, place: &str, using: Using) -> Result<Consumer, ConnectError> {
        let limit = Limit::within(self.timeout);
        let meeting = Meeting { point, place, owner: self.owner, mode: self.mode };
        let listener = meeting.listen(limit)?;
        while let Some(socket) = listener.accept(limit)? {
            let talk = self.talk(socket, place, Role::Consumer, using, limit)?;
            match talk.consume(&self.ring) {
                Ok(Agreed::Ring(rx)) => return Ok(Consumer::ring(rx, Transport::memory())),
                Ok(Agreed::Socket(stream, transport)) => {
                    let rx = self.stream.consumer_on(stream)?;
                    return Ok(Consumer::stream(rx, named_or(transport, using)));
                }
                Err(Failure::Left) => {}
                Err(Failure::Error(error)) => return Err(error),
            }
        }
        Err(meeting.nobody())
    }

    fn talk<'a>(
        &self,
        socket: OwnedFd,
        place: &'a str,
        role: Role,
        using: Using,
        limit: Limit,
    ) -> Result<Talk<'a>, ConnectError> {
        let stream = Stream::adopt_socket(socket, place)?;
        Ok(Talk { stream, place, role, using, owner: self.owner, limit: limit.but_after(TALK) })
    }
}

/// Who asked for the socket is not told why it is not memory.
fn named_or(transport: Transport, using: Using) -> Transport {
    if using == Using::Socket { Transport::named(Carrier::Socket) } else { transport }
}
