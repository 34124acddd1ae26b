//! A ring that was handed over, and is not attached to yet.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::ends::Attach;
use super::greeting::Greeting;
use crate::error::OpenError;
use crate::layout::{Kind, Role};
use crate::segment::address::Address;
use crate::segment::{memfd, read_header};

/// A ring that was handed over: its descriptor, checked. Dropping it closes the descriptor; what was attached by it stays.
#[derive(Debug)]
#[must_use = "a ring that was handed over is closed unless it is attached to"]
pub struct Handed {
    file: File,
    greeting: Greeting,
    instance: u128,
}

impl Handed {
    /// What came must be a sealed memfd with a ring of the kind that was announced.
    pub(super) fn new(descriptor: OwnedFd, greeting: Greeting) -> Result<Handed, OpenError> {
        let text = format!("fd:{}", descriptor.as_raw_fd());
        memfd::check(&descriptor, &text)?;
        let file = File::from(descriptor);
        let header = read_header(&file, &text)?;
        let (found, expected) = (header.sizes.kind(), greeting.kind);
        if found != expected {
            let found = found.as_str().to_owned();
            return Err(OpenError::Kind { place: text, found, expected: expected.as_str() });
        }
        Ok(Handed { file, greeting, instance: header.instance })
    }

    /// The ring's random number.
    pub(super) fn instance(&self) -> u128 {
        self.instance
    }

    /// Which kind of ring it is.
    pub fn kind(&self) -> Kind {
        self.greeting.kind
    }

    /// What its taker is to be, as the giver has said.
    pub fn role(&self) -> Role {
        self.greeting.role
    }

    /// Its address, `fd:N`, as long as this lives.
    pub fn address(&self) -> Address {
        Address::Fd(self.file.as_raw_fd())
    }

    /// Attaches as the producer, in the way that these options of `spsc` or `mpmc` say.
    ///
    /// # Errors
    /// [`OpenError::Role`] when it was given for a consumer; else as the options' own `producer`.
    pub fn producer<O: Attach>(&self, options: &O) -> Result<O::Producer, OpenError> {
        self.check(Role::Producer)?;
        options.attach_producer(self.address())
    }

    /// Attaches as the consumer, in the way that these options of `spsc` or `mpmc` say.
    ///
    /// # Errors
    /// [`OpenError::Role`] when it was given for a producer; else as the options' own `consumer`.
    pub fn consumer<O: Attach>(&self, options: &O) -> Result<O::Consumer, OpenError> {
        self.check(Role::Consumer)?;
        options.attach_consumer(self.address())
    }

    fn check(&self, expected: Role) -> Result<(), OpenError> {
        let found = self.role();
        if found == expected {
            return Ok(());
        }
        Err(OpenError::Role { place: self.address().to_string(), found, expected })
    }
}

impl AsFd for Handed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl From<Handed> for OwnedFd {
    fn from(handed: Handed) -> OwnedFd {
        handed.file.into()
    }
}
