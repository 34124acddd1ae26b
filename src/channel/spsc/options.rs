//! How a ring is made, found and waited on.

use core::cell::Cell;
use core::ptr::NonNull;
use core::time::Duration;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::durability::{Durability, Recovery};
use super::end::End;
use super::{Consumer, Producer, TypedOptions};
use crate::channel::common::{Common, common_options};
use crate::channel::settle;
use crate::channel::{Backing, Tune};
use crate::error::OpenError;
use crate::layout::spsc::Sizes;
use crate::layout::{self, Role};
use crate::segment::address::Address;
use crate::segment::mapping::Mapping;
use crate::segment::{self, Entrant, Request, Segment};
use crate::shape::{self, Shape};

/// How rings are made, found and waited on: `ringway::spsc::options()`.
///
/// Sizes, alignment, mode and `persist` matter to whoever creates the ring; whoever opens one takes it as it
/// is.
#[derive(Clone, Debug)]
#[must_use = "options do nothing until `producer`, `consumer` or `pair` is called"]
pub struct Options {
    size: usize,
    payload_align: usize,
    common: Common,
    tune: Tune,
    durable: bool,
    sync_every: u64,
    description: Option<String>,
    type_align: usize,
}

impl Options {
    pub(super) fn new() -> Options {
        Options {
            size: 1 << 20,
            payload_align: 8,
            common: Common::new(),
            tune: Tune::Balanced,
            durable: false,
            sync_every: 0,
            description: None,
            type_align: 1,
        }
    }

    /// Bytes of the ring, rounded up to a power of two; 1 MiB unless told otherwise. The segment takes 8 KiB
    /// more (12 KiB with a payload alignment above 8). The largest message is half of it, less 8 bytes.
    pub fn size(mut self, bytes: usize) -> Self {
        self.size = bytes;
        self
    }

    /// Alignment of payloads in bytes, a power of two from 8 (the default) to 4096. Every record is padded to
    /// it.
    pub fn payload_align(mut self, bytes: usize) -> Self {
        self.payload_align = bytes;
        self
    }

    /// Create the ring durable: it survives a loss of power. For rings in files (`file:/path`) only.
    ///
    /// Every record carries a checksum and takes 8 bytes more. What was sent before the last [`Producer::sync`] that
    /// succeeded, and not released, is there again after a loss of power, marked as redelivered; of what was sent later,
    /// the beginning, up to the first message that is not whole; [`Recovery`](super::Recovery) tells how many are lost.
    /// A durable ring is synced at least once a lap, by sending calls that need room, `try_` calls among them.
    ///
    /// Whoever asks for a durable ring and finds one that is not gets [`OpenError::NotDurable`].
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// Durable rings: write the ring to the disk after so many messages, and when this end is dropped: as a producer
    /// those that were sent, as a consumer those that were released. 0, the default: only when told to by `sync`.
    pub fn sync_every(mut self, messages: u64) -> Self {
        self.sync_every = messages;
        self
    }

    common_options!();

    /// Take messages from before the machine was started as they are, although nothing can tell whether they are whole.
    /// Otherwise such a ring is refused ([`OpenError::EarlierBoot`]) unless it is empty or durable.
    pub fn earlier_boot(mut self, accept: bool) -> Self {
        self.common.earlier_boot = accept;
        self
    }

    /// How often a blocked call looks whether its peer still lives, and the longest that a peer which died
    /// between a store and a wake-up can delay it; 50 ms unless told otherwise.
    pub fn liveness(mut self, interval: Duration) -> Self {
        self.common.liveness = interval;
        self
    }

    /// How the consumer polls a stream.
    pub fn tune(mut self, tune: Tune) -> Self {
        self.tune = tune;
        self
    }

    /// Messages of type `T`, read and written in place. Both sides must name types of the same structure.
    pub fn typed<T>(mut self) -> TypedOptions<T>
    where
        T: Shape + FromBytes + IntoBytes + Immutable + KnownLayout,
    {
        self.payload_align = self.payload_align.max(align_of::<T>());
        self.type_align = align_of::<T>();
        self.description = Some(shape::describe::<T>());
        TypedOptions { options: self, message: PhantomData }
    }

    /// Attaches as the producer of the ring at `address`. Does not wait for a consumer.
    ///
    /// # Errors
    /// [`OpenError::AlreadyAttached`] when the ring has a live producer; else what [`OpenError`] lists. After
    /// any error nothing is left behind.
    pub fn producer<A>(&self, address: A) -> Result<Producer, OpenError>
    where
        A: TryInto<Address>,
        OpenError: From<A::Error>,
    {
        Producer::attach(self.join(address.try_into()?, Role::Producer)?)
    }

    /// Attaches as the consumer of the ring at `address`. Does not wait for a producer.
    ///
    /// # Errors
    /// [`OpenError::AlreadyAttached`] when the ring has a live consumer; else what [`OpenError`] lists. After
    /// any error nothing is left behind.
    pub fn consumer<A>(&self, address: A) -> Result<Consumer, OpenError>
    where
        A: TryInto<Address>,
        OpenError: From<A::Error>,
    {
        Consumer::attach(self.join(address.try_into()?, Role::Consumer)?, self.tune)
    }

    /// Both ends of a new ring in a sealed memfd.
    ///
    /// # Errors
    /// What [`OpenError`] lists: no memory, no descriptors, no /proc to open the memfd anew through.
    pub fn pair(&self) -> Result<(Producer, Consumer), OpenError> {
        self.check_can_be_durable(false, "memfd")?;
        let request = self.request()?;
        let file = segment::create_memfd(&request)?;
        let join = |role| {
            let segment = segment::join_memfd(&file, &request, Entrant::Role(role))?;
            self.end(segment, role, Backing::Fd, Durability::default())
        };
        let producer = Producer::attach(join(Role::Producer)?)?;
        Ok((producer, Consumer::attach(join(Role::Consumer)?, self.tune)?))
    }

    /// The producer of a new ring in a sealed memfd whose other end is yet to be [handed over](crate::handover): until
    /// somebody takes it the consumer is absent, not gone.
    ///
    /// # Errors
    /// As [`Options::pair`].
    pub fn lone_producer(&self) -> Result<Producer, OpenError> {
        Producer::attach(self.lone(Role::Producer)?)
    }

    /// The consumer of a new ring in a sealed memfd whose other end is yet to be [handed over](crate::handover): until
    /// somebody takes it the producer is absent, not gone.
    ///
    /// # Errors
    /// As [`Options::pair`].
    pub fn lone_consumer(&self) -> Result<Consumer, OpenError> {
        Consumer::attach(self.lone(Role::Consumer)?, self.tune)
    }

    fn lone(&self, role: Role) -> Result<End, OpenError> {
        self.check_can_be_durable(false, "memfd")?;
        let request = self.request()?;
        let segment = segment::join_memfd(&segment::create_memfd(&request)?, &request, Entrant::Role(role))?;
        self.end(segment, role, Backing::Fd, Durability::default())
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
        let address = address.try_into()?;
        self.check_can_be_durable(Backing::of(&address) != Backing::Shm, &address)?;
        segment::create_only(&address, &self.request()?)
    }

    /// Attaches as the producer of a ring in memory that the caller has; with `create_new`, formats it first.
    ///
    /// `leases`: a descriptor of any file that both sides can open for writing (the one behind the memory will
    /// do), whose locks prove who lives: one file for each ring. Without it no death is noticed: a peer that died without saying
    /// goodbye is [`Peer::Unknown`](super::Peer), and its place stays taken until the memory is formatted anew.
    ///
    /// # Errors
    /// [`OpenError::Memory`] when the memory is too small (see [`Options::hosted_len`]) or not aligned to 128
    /// bytes and the payload alignment; else as [`Options::producer`].
    ///
    /// # Safety
    /// The `len` bytes at `memory` must stay readable and writable until the producer is dropped, and be used
    /// for nothing but rings.
    #[allow(unsafe_code)]
    pub unsafe fn producer_in(
        &self,
        memory: NonNull<u8>,
        len: usize,
        leases: Option<OwnedFd>,
    ) -> Result<Producer, OpenError> {
        // SAFETY: the caller promises what `hosted` asks for.
        let mapping = unsafe { Mapping::hosted(memory, len as u64) };
        Producer::attach(self.join_hosted(mapping, leases, Role::Producer)?)
    }

    /// Attaches as the consumer of a ring in memory that the caller has: see [`Options::producer_in`].
    ///
    /// # Errors
    /// As [`Options::producer_in`].
    ///
    /// # Safety
    /// The `len` bytes at `memory` must stay readable and writable until the consumer is dropped, and be used
    /// for nothing but rings.
    #[allow(unsafe_code)]
    pub unsafe fn consumer_in(
        &self,
        memory: NonNull<u8>,
        len: usize,
        leases: Option<OwnedFd>,
    ) -> Result<Consumer, OpenError> {
        // SAFETY: the caller promises what `hosted` asks for.
        let mapping = unsafe { Mapping::hosted(memory, len as u64) };
        Consumer::attach(self.join_hosted(mapping, leases, Role::Consumer)?, self.tune)
    }

    /// Bytes of memory that a hosted ring with these options takes.
    ///
    /// # Errors
    /// [`OpenError::Option`] for a size or alignment that no ring can have.
    pub fn hosted_len(&self) -> Result<usize, OpenError> {
        self.request().map(|request| request.plan.sizes.total() as usize)
    }

    fn join(&self, address: Address, role: Role) -> Result<End, OpenError> {
        let backing = Backing::of(&address);
        self.check_can_be_durable(backing != Backing::Shm, &address)?;
        let (recovered, accepted) = (Cell::new(None), self.common.earlier_boot);
        let segment =
            segment::join(&address, &self.request()?, Entrant::Role(role), &|vacant| match vacant.sizes() {
                layout::Sizes::Spsc(sizes) if sizes.durable => {
                    recovered.set(settle::recover(vacant, sizes)?);
                    Ok(())
                }
                _ => settle::settle(vacant, accepted),
            })?;
        let recovery = recovered.get().map(Recovery::from);
        self.end(segment, role, backing, Durability::new(self.sync_every, recovery))
    }

    fn end(
        &self,
        segment: Segment,
        role: Role,
        backing: Backing,
        durability: Durability,
    ) -> Result<End, OpenError> {
        End::new(segment, role, backing, self.common.patience(), durability)
    }

    /// Only what is on a disk can be durable.
    fn check_can_be_durable(&self, on_disk: bool, place: &(impl ToString + ?Sized)) -> Result<(), OpenError> {
        if self.durable && !on_disk {
            return Err(OpenError::NotDurable { place: place.to_string() });
        }
        Ok(())
    }

    fn join_hosted(&self, mapping: Mapping, leases: Option<OwnedFd>, role: Role) -> Result<End, OpenError> {
        self.check_can_be_durable(false, "hosted memory")?;
        let request = self.request()?;
        let segment = segment::join_hosted(mapping, leases, &request, role)?;
        self.end(segment, role, Backing::Hosted, Durability::default())
    }

    fn request(&self) -> Result<Request, OpenError> {
        let sizes = Sizes::asked(self.size, self.payload_align)
            .map_err(|(option, asked, rule)| OpenError::Option { option, asked, rule })?;
        let sizes = layout::Sizes::Spsc(Sizes { durable: self.durable, ..sizes });
        self.common.request(sizes, false, self.description.as_deref(), self.type_align)
    }
}
