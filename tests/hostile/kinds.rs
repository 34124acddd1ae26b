//! Both kinds of ring behind one face, for what must hold of either.

use std::os::fd::OwnedFd;
use std::time::Duration;

use ringway::{Geometry, OpenError, Owner, Peer, RecvError, SendError, Wait, Wake, mpmc, spsc};

/// A kind of ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Spsc,
    Mpmc,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Spsc => "spsc",
            Kind::Mpmc => "mpmc",
        }
    }
}

pub const KINDS: [Kind; 2] = [Kind::Spsc, Kind::Mpmc];

/// The kind that a role was told.
pub fn kind_of(text: &str) -> Kind {
    KINDS.into_iter().find(|kind| kind.as_str() == text).expect("a kind")
}

/// How a ring is to be made and waited on.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub kind: Kind,
    /// Bytes of the ring; `mpmc`: in blocks of 64 bytes.
    pub size: usize,
    pub wait: Wait,
    pub wake: Wake,
    pub spin: Duration,
    pub liveness: Duration,
    pub mode: u32,
    pub owner: Owner,
    pub persist: bool,
    pub create: bool,
    pub create_new: bool,
    pub prefault: bool,
}

impl Plan {
    /// A small ring, otherwise as options are unless told otherwise.
    pub fn new(kind: Kind) -> Plan {
        Plan {
            kind,
            size: 4096,
            wait: Wait::Adaptive,
            wake: Wake::Futex,
            spin: Duration::from_micros(25),
            liveness: Duration::from_millis(50),
            mode: 0o600,
            owner: Owner::Me,
            persist: false,
            create: true,
            create_new: false,
            prefault: true,
        }
    }

    fn spsc(&self) -> spsc::Options {
        let options = spsc::options().size(self.size).wait(self.wait).liveness(self.liveness);
        let options = options.wake(self.wake).spin(self.spin);
        let options = options.mode(self.mode).owner(self.owner).persist(self.persist);
        options.create(self.create).create_new(self.create_new).prefault(self.prefault)
    }

    fn mpmc(&self) -> mpmc::Options {
        let options = mpmc::options().slots(self.size / 64).slot_size(64).participants(4);
        let options = options.wait(self.wait).liveness(self.liveness);
        let options = options.wake(self.wake).spin(self.spin);
        let options = options.mode(self.mode).owner(self.owner).persist(self.persist);
        options.create(self.create).create_new(self.create_new).prefault(self.prefault)
    }

    pub fn producer(&self, address: &str) -> Result<Tx, OpenError> {
        match self.kind {
            Kind::Spsc => self.spsc().producer(address).map(Tx::Spsc),
            Kind::Mpmc => self.mpmc().producer(address).map(Tx::Mpmc),
        }
    }

    pub fn consumer(&self, address: &str) -> Result<Rx, OpenError> {
        match self.kind {
            Kind::Spsc => self.spsc().consumer(address).map(Rx::Spsc),
            Kind::Mpmc => self.mpmc().consumer(address).map(Rx::Mpmc),
        }
    }

    pub fn create_ring(&self, address: &str) -> Result<(), OpenError> {
        match self.kind {
            Kind::Spsc => self.spsc().create_ring(address),
            Kind::Mpmc => self.mpmc().create_ring(address),
        }
    }

    pub fn pair(&self) -> Result<(Tx, Rx), OpenError> {
        match self.kind {
            Kind::Spsc => self.spsc().pair().map(|(tx, rx)| (Tx::Spsc(tx), Rx::Spsc(rx))),
            Kind::Mpmc => self.mpmc().pair().map(|(tx, rx)| (Tx::Mpmc(tx), Rx::Mpmc(rx))),
        }
    }

    /// Bytes that a segment of this plan takes.
    pub fn total(&self) -> u64 {
        self.pair().expect("room for a pair").0.geometry().total
    }
}

/// A producer of either kind.
pub enum Tx {
    Spsc(spsc::Producer),
    Mpmc(mpmc::Producer),
}

impl Tx {
    pub fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        match self {
            Tx::Spsc(tx) => tx.send(message),
            Tx::Mpmc(tx) => tx.send(message),
        }
    }

    pub fn try_send(&mut self, message: &[u8]) -> Result<(), SendError> {
        match self {
            Tx::Spsc(tx) => tx.try_send(message),
            Tx::Mpmc(tx) => tx.try_send(message),
        }
    }

    pub fn send_timeout(&mut self, message: &[u8], timeout: Duration) -> Result<(), SendError> {
        match self {
            Tx::Spsc(tx) => tx.send_timeout(message, timeout),
            Tx::Mpmc(tx) => tx.send_timeout(message, timeout),
        }
    }

    /// Sends the same message until the ring is full; how often.
    pub fn fill(&mut self, message: &[u8]) -> usize {
        (0..).find(|_| self.try_send(message).is_err()).expect("a ring gets full")
    }

    pub fn peer(&self) -> Peer {
        match self {
            Tx::Spsc(tx) => tx.peer(),
            Tx::Mpmc(tx) => tx.peer(),
        }
    }

    pub fn geometry(&self) -> Geometry {
        match self {
            Tx::Spsc(tx) => tx.geometry(),
            Tx::Mpmc(tx) => tx.geometry(),
        }
    }

    pub fn descriptor(&self) -> Result<OwnedFd, OpenError> {
        match self {
            Tx::Spsc(tx) => tx.descriptor(),
            Tx::Mpmc(tx) => tx.descriptor(),
        }
    }
}

/// A consumer of either kind.
pub enum Rx {
    Spsc(spsc::Consumer),
    Mpmc(mpmc::Consumer),
}

/// A copy of a message.
#[derive(Debug, PartialEq, Eq)]
pub struct Received {
    pub bytes: Vec<u8>,
    pub redelivered: bool,
}

impl Received {
    /// A message that comes for the first time.
    pub fn new(bytes: &[u8]) -> Received {
        Received { bytes: bytes.to_vec(), redelivered: false }
    }
}

fn copy_spsc(message: spsc::Message<'_>) -> Received {
    Received { bytes: message.to_vec(), redelivered: message.redelivered() }
}

fn copy_mpmc(message: mpmc::Message<'_>) -> Received {
    Received { bytes: message.to_vec(), redelivered: message.redelivered() }
}

impl Rx {
    pub fn recv(&mut self) -> Result<Received, RecvError> {
        match self {
            Rx::Spsc(rx) => rx.recv().map(copy_spsc),
            Rx::Mpmc(rx) => rx.recv().map(copy_mpmc),
        }
    }

    pub fn try_recv(&mut self) -> Result<Received, RecvError> {
        match self {
            Rx::Spsc(rx) => rx.try_recv().map(copy_spsc),
            Rx::Mpmc(rx) => rx.try_recv().map(copy_mpmc),
        }
    }

    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Received, RecvError> {
        match self {
            Rx::Spsc(rx) => rx.recv_timeout(timeout).map(copy_spsc),
            Rx::Mpmc(rx) => rx.recv_timeout(timeout).map(copy_mpmc),
        }
    }

    /// Receives this message, which must come and come for the first time.
    #[track_caller]
    pub fn expect(&mut self, bytes: &[u8]) {
        assert_eq!(self.recv_timeout(crate::common::PATIENCE), Ok(Received::new(bytes)));
    }

    pub fn peer(&self) -> Peer {
        match self {
            Rx::Spsc(rx) => rx.peer(),
            Rx::Mpmc(rx) => rx.peer(),
        }
    }

    pub fn geometry(&self) -> Geometry {
        match self {
            Rx::Spsc(rx) => rx.geometry(),
            Rx::Mpmc(rx) => rx.geometry(),
        }
    }

    pub fn descriptor(&self) -> Result<OwnedFd, OpenError> {
        match self {
            Rx::Spsc(rx) => rx.descriptor(),
            Rx::Mpmc(rx) => rx.descriptor(),
        }
    }
}

/// Sends and receives messages of every length that fits, more than the ring holds at once: every byte of it is
/// written.
#[track_caller]
pub fn write_to_the_last_byte(tx: &mut Tx, rx: &mut Rx) {
    let largest = tx.geometry().largest as usize;
    let laps = 4 * tx.geometry().size as usize / largest;
    for seed in 0..laps as u64 {
        let message = crate::common::pattern(seed, largest);
        tx.try_send(&message).expect("room");
        assert_eq!(rx.try_recv(), Ok(Received::new(&message)));
    }
}
