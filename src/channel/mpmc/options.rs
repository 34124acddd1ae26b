//! How a ring is made, found and waited on.

use core::time::Duration;

use super::end::End;
use super::{Consumer, Producer};
use crate::channel::common::{Common, common_options};
use crate::channel::settle::settle;
use crate::channel::{Backing, Tune};
use crate::error::OpenError;
use crate::layout::mpmc::Sizes;
use crate::layout::{self, Role};
use crate::segment::address::Address;
use crate::segment::{self, Entrant, Request, Segment};

/// How rings are made, found and waited on: `ringway::mpmc::options()`.
///
/// Slots, participants, `at_most_once`, mode and `persist` matter to whoever creates the ring; whoever opens one
/// takes it as it is.
#[derive(Clone, Debug)]
#[must_use = "options do nothing until `producer`, `consumer` or `pair` is called"]
pub struct Options {
    slots: usize,
    slot_size: usize,
    inline: usize,
    participants: usize,
    at_most_once: bool,
    tune: Tune,
    common: Common,
}

impl Options {
    pub(super) fn new() -> Options {
        Options {
            slots: 1024,
            slot_size: 256,
            inline: 48,
            participants: 64,
            at_most_once: false,
            tune: Tune::Balanced,
            common: Common::new(),
        }
    }

    /// How many slots, rounded up to a power of two; 1024 unless told otherwise. A message takes one, or as many as
    /// its length needs. The largest message takes half of them (at most 4095).
    pub fn slots(mut self, slots: usize) -> Self {
        self.slots = slots;
        self
    }

    /// Bytes of a slot, a multiple of 8; 256 unless told otherwise. With 0 every message is as small as
    /// [`inline`](Options::inline) says.
    pub fn slot_size(mut self, bytes: usize) -> Self {
        self.slot_size = bytes;
        self
    }

    /// Up to how many bytes, a multiple of 8, a message lies beside its slot's word; 48 unless told otherwise, so that
    /// such a message travels in one cache line. A queue of numbers is fastest with 8.
    pub fn inline(mut self, bytes: usize) -> Self {
        self.inline = bytes;
        self
    }

    /// How many participants of each role the ring takes, up to 511; 64 unless told otherwise.
    pub fn participants(mut self, participants: usize) -> Self {
        self.participants = participants;
        self
    }

    /// Drop the message that a consumer had in hand when it died, instead of delivering it again.
    pub fn at_most_once(mut self, at_most_once: bool) -> Self {
        self.at_most_once = at_most_once;
        self
    }

    common_options!();

    /// Take messages from before the machine was started as they are, although nothing can tell whether they are whole.
    /// Otherwise such a ring is refused ([`OpenError::EarlierBoot`]) unless it is empty.
    pub fn earlier_boot(mut self, accept: bool) -> Self {
        self.common.earlier_boot = accept;
        self
    }

    /// How often a blocked call looks whether somebody died, and the longest that a peer which died between a store
    /// and a wake-up can delay it; 50 ms unless told otherwise. One of those who wait for messages, and one of those who
    /// wait for room, looks 16 times as often while somebody else holds a claim or a message, or may take one.
    pub fn liveness(mut self, interval: Duration) -> Self {
        self.common.liveness = interval;
        self
    }

    /// How consumers poll a stream.
    pub fn tune(mut self, tune: Tune) -> Self {
        self.tune = tune;
        self
    }

    /// Attaches as a producer of the ring at `address`. Does not wait for a consumer.
    ///
    /// # Errors
    /// [`OpenError::NoPlace`] when as many producers live as the ring takes; else what [`OpenError`] lists. After any
    /// error nothing is left behind.
    pub fn producer<A>(&self, address: A) -> Result<Producer, OpenError>
    where
        A: TryInto<Address>,
        OpenError: From<A::Error>,
    {
        Producer::attach(self.join(address.try_into()?, Role::Producer)?)
    }

    /// Attaches as a consumer of the ring at `address`. Does not wait for a producer. What dead consumers had in hand
    /// is this one's from then on.
    ///
    /// # Errors
    /// [`OpenError::NoPlace`] when as many consumers live as the ring takes; else what [`OpenError`] lists. After any
    /// error nothing is left behind.
    pub fn consumer<A>(&self, address: A) -> Result<Consumer, OpenError>
    where
        A: TryInto<Address>,
        OpenError: From<A::Error>,
    {
        Consumer::attach(self.join(address.try_into()?, Role::Consumer)?, self.tune)
    }

    /// A producer and a consumer of a new ring in a sealed memfd. More attach by
    /// [`try_clone`](Producer::try_clone), or in other processes by [`descriptor`](Producer::descriptor).
    ///
    /// # Errors
    /// What [`OpenError`] lists: no memory, no descriptors, no /proc to open the memfd anew through.
    pub fn pair(&self) -> Result<(Producer, Consumer), OpenError> {
        let request = self.request()?;
        let file = segment::create_memfd(&request)?;
        let segment = segment::join_memfd(&file, &request, Entrant::Role(Role::Producer))?;
        let producer = Producer::attach(self.end(segment, Role::Producer, Backing::Fd))?;
        let consumer = Consumer::attach(producer.end.join_again(Role::Consumer)?, self.tune)?;
        Ok((producer, consumer))
    }

    /// A producer of a new ring in a sealed memfd that is yet to be [handed over](crate::handover): until somebody takes
    /// it consumers are absent, not gone.
    ///
    /// # Errors
    /// As [`Options::pair`].
    pub fn lone_producer(&self) -> Result<Producer, OpenError> {
        Producer::attach(self.lone(Role::Producer)?)
    }

    /// A consumer of a new ring in a sealed memfd that is yet to be [handed over](crate::handover): until somebody takes
    /// it producers are absent, not gone.
    ///
    /// # Errors
    /// As [`Options::pair`].
    pub fn lone_consumer(&self) -> Result<Consumer, OpenError> {
        Consumer::attach(self.lone(Role::Consumer)?, self.tune)
    }

    fn lone(&self, role: Role) -> Result<End, OpenError> {
        let request = self.request()?;
        let segment = segment::join_memfd(&segment::create_memfd(&request)?, &request, Entrant::Role(role))?;
        Ok(self.end(segment, role, Backing::Fd))
    }

    /// Creates the ring at `address` and attaches nobody. It stays until it was used and drained, or removed.
    ///
    /// # Errors
    /// [`OpenError::Exists`] when there is one; else what [`OpenError`] lists.
    pub fn create_ring<A>(&self, address: A) -> Result<(), OpenError>
    where
        A: TryInto<Address>,
        OpenError: From<A::Error>,
    {
        segment::create_only(&address.try_into()?, &self.request()?)
    }

    fn join(&self, address: Address, role: Role) -> Result<End, OpenError> {
        let accepted = self.common.earlier_boot;
        let segment = segment::join(&address, &self.request()?, Entrant::Role(role), &|vacant| {
            settle(vacant, accepted)
        })?;
        Ok(self.end(segment, role, Backing::of(&address)))
    }

    fn end(&self, segment: Segment, role: Role, backing: Backing) -> End {
        End::new(segment, role, backing, self.common.patience())
    }

    fn request(&self) -> Result<Request, OpenError> {
        let slots = self.slots.checked_next_power_of_two().map_or(u64::MAX, |slots| slots as u64);
        let slots = if self.slots == 0 { 0 } else { slots };
        let places = u32::try_from(self.participants).unwrap_or(u32::MAX);
        let sizes = Sizes::new(slots, self.slot_size as u64, self.inline as u64, places).map_err(
            |(option, value, rule)| {
                let asked = match option {
                    "slots" => self.slots as u64,
                    "participants" => self.participants as u64,
                    _ => value,
                };
                OpenError::Option { option, asked, rule }
            },
        )?;
        self.common.request(layout::Sizes::Mpmc(sizes), self.at_most_once, None, 1)
    }
}
