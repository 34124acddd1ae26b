//! What a ring is made of, for people and programs that ask.

use crate::layout::header::Header;
use crate::layout::{Kind, Sizes, Wake};
use crate::segment::address::Address;
use crate::sync::Fence;

/// What kind of memory a ring lives in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backing {
    /// POSIX shared memory.
    Shm,
    /// A file.
    File,
    /// A descriptor: a memfd, or any other that was handed over.
    Fd,
    /// Memory of the caller's.
    Hosted,
}

impl Backing {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Backing::Shm => "shm",
            Backing::File => "file",
            Backing::Fd => "fd",
            Backing::Hosted => "hosted",
        }
    }

    pub(crate) fn of(address: &Address) -> Backing {
        match address {
            Address::Shm(_) => Backing::Shm,
            Address::File(_) => Backing::File,
            Address::Fd(_) => Backing::Fd,
        }
    }
}

/// What a ring is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Geometry {
    /// Which ring it is.
    pub kind: Kind,
    /// What kind of memory it lives in.
    pub backing: Backing,
    /// Bytes of the ring: records, or descriptors and blocks; `duplex`: of each of its two rings.
    pub size: u64,
    /// What can be in the ring at once. `spsc`: bytes of records (8 bytes and the message each, padded to the
    /// alignment); `mpmc`: bytes of messages that fill their slots; `duplex`: as `spsc`, in each direction.
    pub capacity: u64,
    /// `mpmc`: how many slots; 0 for the others.
    pub slots: u64,
    /// `mpmc`: bytes of a slot's block; 0 for the others.
    pub slot_size: u64,
    /// `mpmc`: bytes up to which a message lies beside its slot's word; 0 for the others.
    pub inline: u64,
    /// How many participants of each role the ring takes.
    pub places: u32,
    /// `mpmc`: is a message that a dead consumer had in hand dropped, instead of delivered again?
    pub at_most_once: bool,
    /// `spsc`: is it to survive a loss of power? Then each record carries a checksum.
    pub durable: bool,
    /// Bytes of the largest message.
    pub largest: u64,
    /// Alignment of payloads, in bytes.
    pub payload_align: u64,
    /// Bytes of the whole segment.
    pub total: u64,
    /// A random number given at creation.
    pub instance: u128,
    /// Does the name outlive the last participant?
    pub persist: bool,
    /// What those who sleep in a blocking call are woken by.
    pub wake: Wake,
    /// Which fences sleepers and wakers use.
    pub fence: Fence,
    /// Bytes of this process's mapping that are on huge pages; 0 where nothing is mapped.
    pub huge_bytes: u64,
    /// The structure of typed messages; `None`: untyped bytes.
    pub type_description: Option<String>,
}

impl Geometry {
    pub(crate) fn new(header: &Header, backing: Backing, fence: Fence, huge_bytes: u64) -> Geometry {
        let (size, capacity, [slots, slot_size, inline]) = match header.sizes {
            Sizes::Spsc(sizes) => (sizes.size, sizes.capacity(), [0; 3]),
            Sizes::Duplex(sizes) => (sizes.ring.size, sizes.ring.capacity(), [0; 3]),
            Sizes::Mpmc(sizes) => (
                sizes.slots * (sizes.stride() + sizes.slot_size),
                sizes.slots * sizes.slot_size.max(sizes.inline),
                [sizes.slots, sizes.slot_size, sizes.inline],
            ),
        };
        Geometry {
            kind: header.sizes.kind(),
            backing,
            size,
            capacity,
            slots,
            slot_size,
            inline,
            places: header.sizes.places(),
            at_most_once: header.at_most_once,
            durable: header.sizes.is_durable(),
            largest: header.sizes.largest(),
            payload_align: header.sizes.align(),
            total: header.sizes.total(),
            instance: header.instance,
            persist: header.persist,
            wake: header.wake,
            fence,
            huge_bytes,
            type_description: header.description.clone(),
        }
    }
}
