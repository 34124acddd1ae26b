//! What can be handed over, and what it can be attached by.

use std::os::fd::OwnedFd;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::channel::{mpmc, spsc};
use crate::error::OpenError;
use crate::layout::Kind;
use crate::segment::address::Address;

/// An end of a ring, whose ring can be handed over.
pub trait End: sealed::End {}

/// Options by which one attaches to a ring that was handed over.
pub trait Attach: sealed::Options {
    /// The sending end that they make.
    type Producer;
    /// The receiving end that they make.
    type Consumer;

    #[doc(hidden)]
    fn attach_producer(&self, address: Address) -> Result<Self::Producer, OpenError>;

    #[doc(hidden)]
    fn attach_consumer(&self, address: Address) -> Result<Self::Consumer, OpenError>;
}

pub(super) mod sealed {
    use super::{Kind, OpenError, OwnedFd};

    pub trait End {
        const KIND: Kind;

        /// A new descriptor of the ring, which shares no lease with this end.
        fn descriptor_to_give(&self) -> Result<OwnedFd, OpenError>;
    }

    pub trait Options {}
}

impl End for spsc::Producer {}

impl sealed::End for spsc::Producer {
    const KIND: Kind = Kind::Spsc;

    fn descriptor_to_give(&self) -> Result<OwnedFd, OpenError> {
        self.descriptor()
    }
}

impl End for spsc::Consumer {}

impl sealed::End for spsc::Consumer {
    const KIND: Kind = Kind::Spsc;

    fn descriptor_to_give(&self) -> Result<OwnedFd, OpenError> {
        self.descriptor()
    }
}

impl<T> End for spsc::TypedProducer<T> where T: FromBytes + IntoBytes + Immutable + KnownLayout {}

impl<T> sealed::End for spsc::TypedProducer<T>
where
    T: FromBytes + IntoBytes + Immutable + KnownLayout,
{
    const KIND: Kind = Kind::Spsc;

    fn descriptor_to_give(&self) -> Result<OwnedFd, OpenError> {
        self.as_bytes().descriptor()
    }
}

impl<T> End for spsc::TypedConsumer<T> where T: FromBytes + IntoBytes + Immutable + KnownLayout {}

impl<T> sealed::End for spsc::TypedConsumer<T>
where
    T: FromBytes + IntoBytes + Immutable + KnownLayout,
{
    const KIND: Kind = Kind::Spsc;

    fn descriptor_to_give(&self) -> Result<OwnedFd, OpenError> {
        self.as_bytes().descriptor()
    }
}

impl End for mpmc::Producer {}

impl sealed::End for mpmc::Producer {
    const KIND: Kind = Kind::Mpmc;

    fn descriptor_to_give(&self) -> Result<OwnedFd, OpenError> {
        self.descriptor()
    }
}

impl End for mpmc::Consumer {}

impl sealed::End for mpmc::Consumer {
    const KIND: Kind = Kind::Mpmc;

    fn descriptor_to_give(&self) -> Result<OwnedFd, OpenError> {
        self.descriptor()
    }
}

impl sealed::Options for spsc::Options {}

impl Attach for spsc::Options {
    type Producer = spsc::Producer;
    type Consumer = spsc::Consumer;

    fn attach_producer(&self, address: Address) -> Result<spsc::Producer, OpenError> {
        self.producer(address)
    }

    fn attach_consumer(&self, address: Address) -> Result<spsc::Consumer, OpenError> {
        self.consumer(address)
    }
}

impl<T> sealed::Options for spsc::TypedOptions<T> {}

impl<T> Attach for spsc::TypedOptions<T>
where
    T: FromBytes + IntoBytes + Immutable + KnownLayout,
{
    type Producer = spsc::TypedProducer<T>;
    type Consumer = spsc::TypedConsumer<T>;

    fn attach_producer(&self, address: Address) -> Result<spsc::TypedProducer<T>, OpenError> {
        self.producer(address)
    }

    fn attach_consumer(&self, address: Address) -> Result<spsc::TypedConsumer<T>, OpenError> {
        self.consumer(address)
    }
}

impl sealed::Options for mpmc::Options {}

impl Attach for mpmc::Options {
    type Producer = mpmc::Producer;
    type Consumer = mpmc::Consumer;

    fn attach_producer(&self, address: Address) -> Result<mpmc::Producer, OpenError> {
        self.producer(address)
    }

    fn attach_consumer(&self, address: Address) -> Result<mpmc::Consumer, OpenError> {
        self.consumer(address)
    }
}
