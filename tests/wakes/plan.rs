//! Which kind of ring, and how both sides wait.

use std::time::Duration;

use ringway::{Wake, mpmc, spsc};

/// Bytes of a message: its number, and when it was sent.
pub const LENGTH: usize = 16;

/// What no wake-up takes.
pub const LIMIT: Duration = Duration::from_secs(2);
/// How long to wait for a signal: a sender that was killed may have been about to send it.
pub const SIGNAL_LIMIT: Duration = Duration::from_secs(10);

/// A kind of ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Spsc,
    Mpmc,
}

/// A way to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// In a blocking call, on the bell's word.
    Futex,
    /// In a blocking call, on a semaphore.
    Semaphore,
    /// In `epoll`, for a descriptor of io_uring where the system allows it.
    Uring,
    /// In `epoll`, for a descriptor that a thread writes to.
    Watch,
    /// For a signal.
    Signal,
    /// For several rings at once.
    Select,
    /// In a task of tokio.
    #[cfg(feature = "tokio")]
    Task,
}

impl Way {
    /// Does one who waits so stand in the kernel's queue for a moment after its death, and take a wake-up that is another's?
    /// The other finds the message when it looks, once a liveness interval.
    pub fn outlives_its_process(self) -> bool {
        match self {
            Way::Uring => true,
            #[cfg(feature = "tokio")]
            Way::Task => true,
            _ => false,
        }
    }
}

const KINDS: [Kind; 2] = [Kind::Spsc, Kind::Mpmc];
const WAYS: &[Way] = &[
    Way::Futex,
    Way::Semaphore,
    Way::Uring,
    Way::Watch,
    Way::Signal,
    Way::Select,
    #[cfg(feature = "tokio")]
    Way::Task,
];

/// What is soaked.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub kind: Kind,
    pub way: Way,
}

impl Plan {
    pub fn text(&self) -> String {
        format!("{:?} {:?}", self.kind, self.way)
    }

    pub fn parse(text: &str) -> Plan {
        let (kind, way) = text.split_once(' ').expect("two words");
        let kind = KINDS.into_iter().find(|one| format!("{one:?}") == kind);
        let way = WAYS.iter().find(|one| format!("{one:?}") == way);
        Plan { kind: kind.expect("a kind"), way: *way.expect("a way") }
    }

    /// Processes that send, and that receive.
    pub fn each(&self) -> usize {
        match self.kind {
            Kind::Spsc => 1,
            Kind::Mpmc => 2,
        }
    }

    /// Rings.
    pub fn lanes(&self) -> usize {
        if self.way == Way::Select { 3 } else { 1 }
    }

    /// The stream of what the sender in `place` sends into a ring.
    pub fn stream(&self, place: usize, lane: usize) -> usize {
        place * self.lanes() + lane
    }

    /// Long enough for a lost wake-up to be told from a busy machine: it costs some part of this. One of those who sleep at a
    /// bell of an `mpmc` ring looks sixteen times as often.
    pub fn liveness(&self) -> Duration {
        match self.kind {
            Kind::Spsc => Duration::from_secs(20),
            Kind::Mpmc => Duration::from_secs(160),
        }
    }

    fn wake(&self) -> Wake {
        if self.way == Way::Semaphore { Wake::Semaphore } else { Wake::Futex }
    }

    /// A ring of ten messages.
    pub fn spsc(&self) -> spsc::Options {
        spsc::options().size(256).wake(self.wake()).liveness(self.liveness()).persist(true)
    }

    /// A ring of eight messages.
    pub fn mpmc(&self) -> mpmc::Options {
        let options = mpmc::options().slots(8).inline(LENGTH).slot_size(0).participants(8);
        options.wake(self.wake()).liveness(self.liveness()).persist(true)
    }

    pub fn create_ring(&self, name: &str) {
        let created = match self.kind {
            Kind::Spsc => self.spsc().create_ring(name),
            Kind::Mpmc => self.mpmc().create_ring(name),
        };
        created.expect("a ring");
    }
}
