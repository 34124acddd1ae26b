//! A place for a ring of either kind, to which participants come and go.

use std::fmt;
use std::os::fd::{AsRawFd, OwnedFd};

use ringway::{Counters, Source};
use tempfile::TempDir;

use crate::common::names::Name;
use crate::kinds::{KINDS, Plan, Rx, Tx};
use crate::no_wake_up_is_lost;

/// A ring's place, and how it is made and waited on.
pub struct Bed {
    pub plan: Plan,
    place: Place,
}

enum Place {
    Shm(Name),
    File(TempDir),
    /// A memfd whose first ends are gone: everybody comes through the descriptor.
    Memfd(OwnedFd),
}

impl Bed {
    pub fn address(&self) -> String {
        match &self.place {
            Place::Shm(name) => name.to_string(),
            Place::File(directory) => format!("file:{}", directory.path().join("ring").display()),
            Place::Memfd(descriptor) => format!("fd:{}", descriptor.as_raw_fd()),
        }
    }

    pub fn producer(&self) -> Tx {
        self.plan.producer(&self.address()).expect("a producer")
    }

    pub fn consumer(&self) -> Rx {
        self.plan.consumer(&self.address()).expect("a consumer")
    }

    pub fn ends(&self) -> (Tx, Rx) {
        (self.producer(), self.consumer())
    }
}

impl fmt::Display for Bed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.place {
            Place::Shm(_) => "shared memory",
            Place::File(_) => "a file",
            Place::Memfd(_) => "a memfd",
        };
        write!(f, "{} in {place}", self.plan.kind.as_str())
    }
}

/// Runs `check` on a new ring of each kind at each kind of place, each made as `shape` has it.
pub fn everywhere(shape: impl Fn(Plan) -> Plan, check: impl Fn(&Bed)) {
    for kind in KINDS {
        let plan = shape(Plan::new(kind));
        let memfd = plan.pair().and_then(|(tx, _rx)| tx.descriptor()).expect("a pair's descriptor");
        let directory = tempfile::tempdir().expect("a directory");
        for place in [Place::Shm(Name::new("waking")), Place::File(directory), Place::Memfd(memfd)] {
            let bed = Bed { plan, place };
            // Shown if the check fails.
            println!("on {bed}");
            no_wake_up_is_lost(|| check(&bed));
        }
    }
}

/// What a producer has done.
pub fn counters(tx: &Tx) -> Counters {
    match tx {
        Tx::Spsc(tx) => tx.counters(),
        Tx::Mpmc(tx) => tx.counters(),
    }
}

/// What is waited for when a consumer waits.
pub fn source(rx: &mut Rx) -> &mut dyn Source {
    match rx {
        Rx::Spsc(rx) => rx,
        Rx::Mpmc(rx) => rx,
    }
}
