//! A place for a ring, to which either end can be attached again and again.

use std::cell::RefCell;
use std::fmt;
use std::os::fd::{AsRawFd, OwnedFd};

use ringway::spsc::{Consumer, Options, Producer};
use ringway::{Address, OpenError};
use tempfile::TempDir;

use crate::common::host::Host;
use crate::common::names::Name;

/// A ring's place and the options it is attached with.
pub struct Bed {
    options: Options,
    place: Place,
}

enum Place {
    Shm(Name),
    File(TempDir),
    /// The ends that `pair` made, until they are asked for; later ones come through the descriptor.
    Pair(Box<RefCell<(Option<Producer>, Option<Consumer>)>>, OwnedFd),
    /// A memfd whose first ends are gone: everybody comes through the descriptor.
    Fd(OwnedFd),
    Hosted(Host),
    HostedWithoutLeases(Host),
}

impl Bed {
    fn all(options: &Options) -> Vec<Bed> {
        let (tx, rx) = options.pair().expect("a pair");
        let descriptor = tx.descriptor().expect("a descriptor");
        let handed = options.pair().and_then(|(tx, _rx)| tx.descriptor()).expect("a pair's descriptor");
        let places = [
            Place::Shm(Name::new("bed")),
            Place::File(tempfile::tempdir().expect("a directory")),
            Place::Pair(Box::new(RefCell::new((Some(tx), Some(rx)))), descriptor),
            Place::Fd(handed),
            Place::Hosted(Host::new(options, true)),
            Place::HostedWithoutLeases(Host::new(options, false)),
        ];
        places.into_iter().map(|place| Bed { options: options.clone(), place }).collect()
    }

    fn address(&self) -> Address {
        match &self.place {
            Place::Shm(name) => Address::Shm(name.to_string()),
            Place::File(directory) => Address::File(directory.path().join("ring")),
            Place::Pair(_, descriptor) | Place::Fd(descriptor) => Address::Fd(descriptor.as_raw_fd()),
            Place::Hosted(_) | Place::HostedWithoutLeases(_) => unreachable!("hosted memory has no address"),
        }
    }

    pub fn try_producer(&self) -> Result<Producer, OpenError> {
        match &self.place {
            Place::Hosted(host) | Place::HostedWithoutLeases(host) => return host.producer(&self.options),
            Place::Pair(ends, _) => {
                if let Some(producer) = ends.borrow_mut().0.take() {
                    return Ok(producer);
                }
            }
            _ => {}
        }
        self.options.producer(self.address())
    }

    pub fn try_consumer(&self) -> Result<Consumer, OpenError> {
        match &self.place {
            Place::Hosted(host) | Place::HostedWithoutLeases(host) => return host.consumer(&self.options),
            Place::Pair(ends, _) => {
                if let Some(consumer) = ends.borrow_mut().1.take() {
                    return Ok(consumer);
                }
            }
            _ => {}
        }
        self.options.consumer(self.address())
    }

    pub fn producer(&self) -> Producer {
        self.try_producer().expect("a producer")
    }

    pub fn consumer(&self) -> Consumer {
        self.try_consumer().expect("a consumer")
    }

    pub fn ends(&self) -> (Producer, Consumer) {
        (self.producer(), self.consumer())
    }

    pub fn has_leases(&self) -> bool {
        !matches!(self.place, Place::HostedWithoutLeases(_))
    }

    /// Does a ring here lose its name when everybody leaves it drained?
    pub fn is_named(&self) -> bool {
        matches!(self.place, Place::Shm(_) | Place::File(_))
    }

    /// The word that the geometry has for this place.
    pub fn backing(&self) -> &'static str {
        match self.place {
            Place::Shm(_) => "shm",
            Place::File(_) => "file",
            Place::Pair(..) | Place::Fd(_) => "fd",
            Place::Hosted(_) | Place::HostedWithoutLeases(_) => "hosted",
        }
    }
}

impl fmt::Display for Bed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.place {
            Place::Shm(_) => "shared memory",
            Place::File(_) => "a file",
            Place::Pair(..) => "a pair",
            Place::Fd(_) => "a descriptor",
            Place::Hosted(_) => "hosted memory",
            Place::HostedWithoutLeases(_) => "hosted memory without leases",
        })
    }
}

/// Runs `check` on a new ring over every backing.
pub fn on_every_backing(options: &Options, check: impl Fn(&Bed)) {
    for bed in Bed::all(options) {
        // Shown if the check fails.
        println!("on {bed}");
        check(&bed);
    }
}
