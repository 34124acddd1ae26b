//! A place for a ring, to which participants come and go.

use std::fmt;
use std::os::fd::{AsRawFd, OwnedFd};

use ringway::mpmc::{Consumer, Options, Producer};
use ringway::{Address, OpenError};
use tempfile::TempDir;

use crate::common::names::Name;

/// A ring's place and the options it is attached with.
pub struct Bed {
    options: Options,
    place: Place,
}

enum Place {
    Shm(Name),
    File(TempDir),
    /// A memfd whose first ends are gone: everybody comes through the descriptor.
    Memfd(OwnedFd),
}

impl Bed {
    fn all(options: &Options) -> [Bed; 3] {
        let memfd = options.pair().and_then(|(tx, _rx)| tx.descriptor()).expect("a pair's descriptor");
        let places = [
            Place::Shm(Name::new("queue")),
            Place::File(tempfile::tempdir().expect("a directory")),
            Place::Memfd(memfd),
        ];
        places.map(|place| Bed { options: options.clone(), place })
    }

    pub fn address(&self) -> Address {
        match &self.place {
            Place::Shm(name) => Address::Shm(name.to_string()),
            Place::File(directory) => Address::File(directory.path().join("ring")),
            Place::Memfd(descriptor) => Address::Fd(descriptor.as_raw_fd()),
        }
    }

    pub fn try_producer(&self) -> Result<Producer, OpenError> {
        self.options.producer(self.address())
    }

    pub fn try_consumer(&self) -> Result<Consumer, OpenError> {
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

    /// Was nobody here before the test?
    pub fn is_fresh(&self) -> bool {
        !matches!(self.place, Place::Memfd(_))
    }

    /// The word that the geometry has for this place.
    pub fn backing(&self) -> &'static str {
        match self.place {
            Place::Shm(_) => "shm",
            Place::File(_) => "file",
            Place::Memfd(_) => "fd",
        }
    }
}

impl fmt::Display for Bed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.place {
            Place::Shm(_) => "shared memory",
            Place::File(_) => "a file",
            Place::Memfd(_) => "a memfd",
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
