//! Rings of either kind, for bodies that are the same for both.

use std::time::Duration;

use ringway::task::Async;
use ringway::{RecvError, SendError, mpmc, spsc};

use crate::hand::Watched;
use crate::runtimes::Runtime;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Spsc,
    Mpmc,
}

pub const KINDS: [Kind; 2] = [Kind::Spsc, Kind::Mpmc];

/// Longer than any test waits: nobody finds by looking again what no wake-up has told of.
pub const FOR_EVER: Duration = Duration::from_secs(24 * 3600);

/// How often to look for what nobody can tell of.
pub const OFTEN: Duration = Duration::from_millis(5);

/// Messages of 8 bytes that fit into a ring.
pub const ROOM: u64 = 16;

/// A ring to be made: small, so that it is full and empty again and again.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub kind: Kind,
    pub liveness: Duration,
}

impl Plan {
    pub fn new(kind: Kind, liveness: Duration) -> Plan {
        Plan { kind, liveness }
    }

    pub fn spsc(self) -> spsc::Options {
        spsc::options().size(16 * ROOM as usize).liveness(self.liveness)
    }

    pub fn mpmc(self) -> mpmc::Options {
        mpmc::options().slots(ROOM as usize).slot_size(64).participants(8).liveness(self.liveness)
    }

    pub fn pair(self) -> (Tx, Rx) {
        match self.kind {
            Kind::Spsc => self.spsc().pair().map(|(tx, rx)| (Tx::Spsc(tx), Rx::Spsc(rx))),
            Kind::Mpmc => self.mpmc().pair().map(|(tx, rx)| (Tx::Mpmc(tx), Rx::Mpmc(rx))),
        }
        .expect("a pair")
    }

    pub fn producer(self, name: &str) -> Tx {
        match self.kind {
            Kind::Spsc => Tx::Spsc(self.spsc().producer(name).expect("a producer")),
            Kind::Mpmc => Tx::Mpmc(self.mpmc().producer(name).expect("a producer")),
        }
    }

    pub fn consumer(self, name: &str) -> Rx {
        match self.kind {
            Kind::Spsc => Rx::Spsc(self.spsc().consumer(name).expect("a consumer")),
            Kind::Mpmc => Rx::Mpmc(self.mpmc().consumer(name).expect("a consumer")),
        }
    }
}

/// A producer.
#[derive(Debug)]
pub enum Tx {
    Spsc(spsc::Producer),
    Mpmc(mpmc::Producer),
}

impl Tx {
    pub fn send(&mut self, number: u64) -> Result<(), SendError> {
        match self {
            Tx::Spsc(tx) => tx.send(&number.to_ne_bytes()),
            Tx::Mpmc(tx) => tx.send(&number.to_ne_bytes()),
        }
    }

    pub fn try_send(&mut self, number: u64) -> Result<(), SendError> {
        match self {
            Tx::Spsc(tx) => tx.try_send(&number.to_ne_bytes()),
            Tx::Mpmc(tx) => tx.try_send(&number.to_ne_bytes()),
        }
    }

    /// Sends numbers from 0 on until there is no room; how many.
    pub fn fill(&mut self) -> u64 {
        (0..).find(|number| self.try_send(*number).is_err()).expect("a ring gets full")
    }

    /// The same end, for tasks of `runtime`, in which this is called.
    pub fn on(self, runtime: Runtime) -> Sender {
        match self {
            Tx::Spsc(tx) => Sender::Spsc(runtime.watch(tx.pollable().expect("a descriptor"))),
            Tx::Mpmc(tx) => Sender::Mpmc(runtime.watch(tx.pollable().expect("a descriptor"))),
        }
    }
}

/// A producer for tasks.
#[derive(Debug)]
pub enum Sender {
    Spsc(Async<spsc::Producer>),
    Mpmc(Async<mpmc::Producer>),
}

impl Sender {
    pub async fn send(&mut self, number: u64) -> Result<(), SendError> {
        match self {
            Sender::Spsc(tx) => tx.send(&number.to_ne_bytes()).await,
            Sender::Mpmc(tx) => tx.send(&number.to_ne_bytes()).await,
        }
    }

    /// Sends by a claim that is filled in place; `keep`: else it is dropped.
    pub async fn claim(&mut self, number: u64, keep: bool) -> Result<(), SendError> {
        match self {
            Sender::Spsc(tx) => {
                let mut claim = tx.claim(8).await?;
                claim.copy_from_slice(&number.to_ne_bytes());
                if keep { claim.commit() } else { Ok(()) }
            }
            Sender::Mpmc(tx) => {
                let mut claim = tx.claim(8).await?;
                claim.copy_from_slice(&number.to_ne_bytes());
                if keep { claim.commit() } else { Ok(()) }
            }
        }
    }
}

/// A consumer.
#[derive(Debug)]
pub enum Rx {
    Spsc(spsc::Consumer),
    Mpmc(mpmc::Consumer),
}

impl Rx {
    pub fn recv(&mut self) -> Result<u64, RecvError> {
        match self {
            Rx::Spsc(rx) => rx.recv().map(|message| number_in(&message)),
            Rx::Mpmc(rx) => rx.recv().map(|message| number_in(&message)),
        }
    }

    /// The same end, for tasks of `runtime`, in which this is called.
    pub fn on(self, runtime: Runtime) -> Receiver {
        match self {
            Rx::Spsc(rx) => Receiver::Spsc(runtime.watch(rx.pollable().expect("a descriptor"))),
            Rx::Mpmc(rx) => Receiver::Mpmc(runtime.watch(rx.pollable().expect("a descriptor"))),
        }
    }

    /// The same end, polled by hand, and its descriptor.
    pub fn by_hand(self) -> (Receiver, Watched) {
        match self {
            Rx::Spsc(rx) => {
                let rx = rx.pollable().expect("a descriptor");
                let watched = Watched::of(&rx);
                (Receiver::Spsc(Async::new(rx, watched.clone())), watched)
            }
            Rx::Mpmc(rx) => {
                let rx = rx.pollable().expect("a descriptor");
                let watched = Watched::of(&rx);
                (Receiver::Mpmc(Async::new(rx, watched.clone())), watched)
            }
        }
    }
}

/// A consumer for tasks.
#[derive(Debug)]
pub enum Receiver {
    Spsc(Async<spsc::Consumer>),
    Mpmc(Async<mpmc::Consumer>),
}

impl Receiver {
    pub async fn recv(&mut self) -> Result<u64, RecvError> {
        match self {
            Receiver::Spsc(rx) => rx.recv().await.map(|message| number_in(&message)),
            Receiver::Mpmc(rx) => rx.recv().await.map(|message| number_in(&message)),
        }
    }
}

pub fn number_in(message: &[u8]) -> u64 {
    u64::from_ne_bytes(message.try_into().expect("8 bytes"))
}
