//! Messages of one type, read and written in place.
//!
//! Both sides name a type for which every bit pattern is a value (`zerocopy`) and whose structure
//! ([`Shape`]) is the one that the ring's header carries, so a peer's bytes can be wrong but never undefined.

use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::time::Duration;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::consumer::{Next, Taken};
use super::{Claim, Consumer, Message, Options, Peer, Producer, Room};
use crate::channel::endpoint::Endpoint;
use crate::channel::verbs::Receives;
use crate::channel::waiter::{MakesRoom, Waiter, Waits};
use crate::channel::{Pollable, Signalled};
use crate::error::{Corrupt, OpenError, RecvError, SendError};
use crate::notify::Signal;
use crate::segment::address::Address;

/// Options of a ring whose messages have type `T`.
#[derive(Debug)]
#[must_use = "options do nothing until `producer`, `consumer` or `pair` is called"]
pub struct TypedOptions<T> {
    pub(super) options: Options,
    pub(super) message: PhantomData<fn(T) -> T>,
}

impl<T> TypedOptions<T>
where
    T: FromBytes + IntoBytes + Immutable + KnownLayout,
{
    /// Attaches as the producer: see [`Options::producer`].
    ///
    /// # Errors
    /// [`OpenError::Type`] when the ring carries another type; else as [`Options::producer`].
    pub fn producer<A>(&self, address: A) -> Result<TypedProducer<T>, OpenError>
    where
        A: TryInto<Address>,
        OpenError: From<A::Error>,
    {
        self.options.producer(address).map(TypedProducer::new)
    }

    /// Attaches as the consumer: see [`Options::consumer`].
    ///
    /// # Errors
    /// [`OpenError::Type`] when the ring carries another type; else as [`Options::consumer`].
    pub fn consumer<A>(&self, address: A) -> Result<TypedConsumer<T>, OpenError>
    where
        A: TryInto<Address>,
        OpenError: From<A::Error>,
    {
        self.options.consumer(address).map(TypedConsumer::new)
    }

    /// Both ends in a sealed memfd: see [`Options::pair`].
    ///
    /// # Errors
    /// As [`Options::pair`].
    pub fn pair(&self) -> Result<(TypedProducer<T>, TypedConsumer<T>), OpenError> {
        let (producer, consumer) = self.options.pair()?;
        Ok((TypedProducer::new(producer), TypedConsumer::new(consumer)))
    }

    /// The producer of a new ring that is yet to be handed over: see [`Options::lone_producer`].
    ///
    /// # Errors
    /// As [`Options::pair`].
    pub fn lone_producer(&self) -> Result<TypedProducer<T>, OpenError> {
        self.options.lone_producer().map(TypedProducer::new)
    }

    /// The consumer of a new ring that is yet to be handed over: see [`Options::lone_consumer`].
    ///
    /// # Errors
    /// As [`Options::pair`].
    pub fn lone_consumer(&self) -> Result<TypedConsumer<T>, OpenError> {
        self.options.lone_consumer().map(TypedConsumer::new)
    }
}

/// The sending end of a ring whose messages have type `T`. Dropping it says goodbye.
#[derive(Debug)]
pub struct TypedProducer<T> {
    bytes: Producer,
    message: PhantomData<fn(T)>,
}

impl<T> TypedProducer<T>
where
    T: FromBytes + IntoBytes + Immutable + KnownLayout,
{
    fn new(bytes: Producer) -> Self {
        TypedProducer { bytes, message: PhantomData }
    }

    /// Sends a copy of `message`; blocks while the ring is full.
    ///
    /// # Errors
    /// As [`Producer::send`].
    #[inline(always)]
    pub fn send(&mut self, message: &T) -> Result<(), SendError> {
        self.bytes.send(message.as_bytes())
    }

    /// Sends a copy of `message` if there is room now.
    ///
    /// # Errors
    /// As [`Producer::try_send`].
    #[inline(always)]
    pub fn try_send(&mut self, message: &T) -> Result<(), SendError> {
        self.bytes.try_send(message.as_bytes())
    }

    /// Sends a copy of `message`; blocks while the ring is full, for at most `timeout`.
    ///
    /// # Errors
    /// As [`Producer::send_timeout`].
    pub fn send_timeout(&mut self, message: &T, timeout: Duration) -> Result<(), SendError> {
        self.bytes.send_timeout(message.as_bytes(), timeout)
    }

    /// Claims room for one message, to be filled in place; blocks while the ring is full.
    ///
    /// # Errors
    /// As [`Producer::claim`].
    #[inline]
    pub fn claim(&mut self) -> Result<TypedClaim<'_, T>, SendError> {
        self.bytes.claim(size_of::<T>()).map(TypedClaim::new)
    }

    /// Claims room for one message if there is some now.
    ///
    /// # Errors
    /// As [`Producer::try_claim`].
    #[inline]
    pub fn try_claim(&mut self) -> Result<TypedClaim<'_, T>, SendError> {
        self.bytes.try_claim(size_of::<T>()).map(TypedClaim::new)
    }

    /// What is known of the consumer. Makes a system call.
    pub fn peer(&self) -> Peer {
        self.bytes.peer()
    }

    /// The same producer with a descriptor, to be waited for by `epoll` or `poll`.
    ///
    /// # Errors
    /// [`OpenError::System`] when no descriptor is to be had. The handle is closed then.
    pub fn pollable(self) -> Result<Pollable<TypedProducer<T>>, OpenError> {
        Pollable::new(self, |producer| &producer.bytes.end)
    }

    /// The same handle, for which the process is sent `signal` with `token` when there is something to do. Be ready for the
    /// signal before: see [`notify`](crate::notify).
    ///
    /// # Errors
    /// [`OpenError::System`] in hosted memory without leases, or when the system refuses. The handle is closed then.
    pub fn signalled(self, signal: Signal, token: u32) -> Result<Signalled<TypedProducer<T>>, OpenError> {
        Signalled::new(self, |producer| &producer.bytes.end, signal, token)
    }

    /// Room for a message, to be waited for together with other things.
    pub fn room(&mut self) -> Room<'_> {
        self.bytes.room(size_of::<T>())
    }

    /// The producer of bytes underneath, to ask it.
    pub fn as_bytes(&self) -> &Producer {
        &self.bytes
    }

    /// The producer of bytes underneath, for everything else. Bytes sent through it that have not the length of a
    /// `T` are an error to the consumer.
    pub fn as_bytes_mut(&mut self) -> &mut Producer {
        &mut self.bytes
    }

    /// Says goodbye; the same as dropping the producer.
    pub fn close(self) {}
}

/// Room for one message of type `T`. Dropping it aborts: nothing is sent.
#[derive(Debug)]
#[must_use = "a claim that is not committed sends nothing"]
pub struct TypedClaim<'a, T> {
    bytes: Claim<'a>,
    message: PhantomData<T>,
}

impl<'a, T> TypedClaim<'a, T> {
    #[inline]
    pub(crate) fn new(bytes: Claim<'a>) -> Self {
        TypedClaim { bytes, message: PhantomData }
    }

    /// Gives the message a tag.
    #[inline]
    pub fn set_tag(&mut self, tag: u16) {
        self.bytes.set_tag(tag);
    }

    /// Sends the message. Never blocks.
    ///
    /// # Errors
    /// As [`Claim::commit`].
    #[inline]
    pub fn commit(self) -> Result<(), SendError> {
        self.bytes.commit()
    }
}

/// Why a cast of a claim or of a checked message cannot fail.
const CHECKED: &str = "length and alignment were checked when the ring was opened and the record taken";

impl<T: FromBytes + Immutable + KnownLayout> Deref for TypedClaim<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        T::ref_from_bytes(&self.bytes).map_err(drop).expect(CHECKED)
    }
}

impl<T: FromBytes + IntoBytes + Immutable + KnownLayout> DerefMut for TypedClaim<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        T::mut_from_bytes(&mut self.bytes).map_err(drop).expect(CHECKED)
    }
}

/// The receiving end of a ring whose messages have type `T`. Dropping it says goodbye.
#[derive(Debug)]
pub struct TypedConsumer<T> {
    bytes: Consumer,
    message: PhantomData<fn() -> T>,
}

impl<T> TypedConsumer<T>
where
    T: FromBytes + Immutable + KnownLayout,
{
    fn new(bytes: Consumer) -> Self {
        TypedConsumer { bytes, message: PhantomData }
    }

    /// Receives the next message, borrowed in place; blocks while the ring is empty.
    ///
    /// # Errors
    /// As [`Consumer::recv`]; [`RecvError::Corrupt`] for a message that has not the length of a `T`.
    #[inline(always)]
    pub fn recv(&mut self) -> Result<TypedMessage<'_, T>, RecvError> {
        self.bytes.recv().and_then(TypedMessage::new)
    }

    /// Receives the next message if there is one now.
    ///
    /// # Errors
    /// As [`Consumer::try_recv`] and [`TypedConsumer::recv`].
    #[inline(always)]
    pub fn try_recv(&mut self) -> Result<TypedMessage<'_, T>, RecvError> {
        self.bytes.try_recv().and_then(TypedMessage::new)
    }

    /// Receives the next message; blocks while the ring is empty, for at most `timeout`.
    ///
    /// # Errors
    /// As [`Consumer::recv_timeout`] and [`TypedConsumer::recv`].
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<TypedMessage<'_, T>, RecvError> {
        self.bytes.recv_timeout(timeout).and_then(TypedMessage::new)
    }

    /// What is known of the producer. Makes a system call.
    pub fn peer(&self) -> Peer {
        self.bytes.peer()
    }

    /// The same consumer with a descriptor, to be waited for by `epoll` or `poll`.
    ///
    /// # Errors
    /// [`OpenError::System`] when no descriptor is to be had. The handle is closed then.
    pub fn pollable(self) -> Result<Pollable<TypedConsumer<T>>, OpenError> {
        Pollable::new(self, |consumer| &consumer.bytes.end)
    }

    /// The same handle, for which the process is sent `signal` with `token` when there is something to do. Be ready for the
    /// signal before: see [`notify`](crate::notify).
    ///
    /// # Errors
    /// [`OpenError::System`] in hosted memory without leases, or when the system refuses. The handle is closed then.
    pub fn signalled(self, signal: Signal, token: u32) -> Result<Signalled<TypedConsumer<T>>, OpenError> {
        Signalled::new(self, |consumer| &consumer.bytes.end, signal, token)
    }

    /// The consumer of bytes underneath, to ask it.
    pub fn as_bytes(&self) -> &Consumer {
        &self.bytes
    }

    /// The consumer of bytes underneath, for everything else.
    pub fn as_bytes_mut(&mut self) -> &mut Consumer {
        &mut self.bytes
    }

    /// Says goodbye; the same as dropping the consumer.
    pub fn close(self) {}
}

impl<T: FromBytes + Immutable + KnownLayout> Receives for TypedConsumer<T> {
    type Taken = Taken;
    type Message<'a>
        = TypedMessage<'a, T>
    where
        T: 'a;

    fn take(&mut self) -> Result<Taken, RecvError> {
        Receives::take(&mut self.bytes)
    }

    fn message_of(&mut self, taken: Taken) -> Result<TypedMessage<'_, T>, RecvError> {
        Receives::message_of(&mut self.bytes, taken).and_then(TypedMessage::new)
    }
}

impl<T> MakesRoom for TypedProducer<T> {
    fn room_for(&mut self, len: usize) -> impl Waiter {
        self.bytes.room(len)
    }
}

impl<T> Waits for TypedConsumer<T> {
    type Wanted<'a>
        = Next<'a>
    where
        T: 'a;

    fn wanted(&mut self) -> Next<'_> {
        self.bytes.wanted()
    }

    fn endpoint(&self) -> &Endpoint {
        self.bytes.endpoint()
    }

    fn is_beside(&self) -> bool {
        Waits::is_beside(&self.bytes)
    }
}

/// A message of type `T`, borrowed in place. Dropping it releases its room to the producer.
#[derive(Debug)]
#[must_use = "a message that is dropped at once is released unread"]
pub struct TypedMessage<'a, T> {
    bytes: Message<'a>,
    message: PhantomData<&'a T>,
}

impl<'a, T: FromBytes + Immutable + KnownLayout> TypedMessage<'a, T> {
    #[inline(always)]
    fn new(bytes: Message<'a>) -> Result<Self, RecvError> {
        if T::ref_from_bytes(&bytes).is_err() {
            let (found, allowed) = (bytes.len() as u64, size_of::<T>() as u64);
            return Err(RecvError::Corrupt(Corrupt { what: "length of a typed message", found, allowed }));
        }
        Ok(TypedMessage { bytes, message: PhantomData })
    }

    /// The number that the producer gave the message; 0 if it gave none.
    #[inline]
    pub fn tag(&self) -> u16 {
        self.bytes.tag()
    }

    /// See [`Message::sequence`].
    #[inline]
    pub fn sequence(&self) -> u64 {
        self.bytes.sequence()
    }

    /// See [`Message::redelivered`].
    #[inline]
    pub fn redelivered(&self) -> bool {
        self.bytes.redelivered()
    }
}

impl<T: FromBytes + Immutable + KnownLayout> Deref for TypedMessage<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        T::ref_from_bytes(&self.bytes).map_err(drop).expect(CHECKED)
    }
}
