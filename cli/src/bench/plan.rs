//! What is measured: mechanisms, traffic patterns, and the cells they make.
//!
//! A *cell* is a mechanism, a pattern and a message size. Cells that differ only in their mechanism are
//! rivals; they form a *group* and are sampled right after one another, so that a ratio within a group
//! compares like with like even while the machine's regime drifts.

use std::time::Duration;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::{message_queue, packets, splice, system_v, udp};

/// Messages that a batch publishes together.
pub const BATCH: u64 = 32;

/// Message sizes of a quick run, bytes.
const QUICK_SIZES: [usize; 5] = [8, 64, 504, 4088, 65536];

/// Message sizes of a full run, bytes.
const FULL_SIZES: [usize; 15] =
    [8, 16, 48, 56, 64, 120, 248, 504, 1016, 2040, 4088, 16376, 65536, 262_144, 1 << 20];

/// Message sizes of wake-ups, bytes: a few cache lines are nothing beside a sleep.
const WAKE_SIZES: [usize; 2] = [8, 64];

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// The most telling mechanisms and sizes, within a minute
    Quick,
    /// Everything, within half an hour
    Full,
}

impl Preset {
    /// Time that a run takes, but for what studies that are under way need to end.
    pub fn budget(self) -> Duration {
        match self {
            Self::Quick => Duration::from_secs(48),
            Self::Full => Duration::from_mins(29),
        }
    }

    /// How often processes are started anew.
    pub fn starts(self) -> usize {
        match self {
            Self::Quick => 3,
            Self::Full => 10,
        }
    }

    /// The sizes measured with `pattern`.
    fn sizes(self, pattern: Pattern) -> &'static [usize] {
        match self {
            Self::Quick if pattern.is_wake() => &WAKE_SIZES[..1],
            Self::Full if pattern.is_wake() => &WAKE_SIZES,
            Self::Quick => &QUICK_SIZES,
            Self::Full => &FULL_SIZES,
        }
    }
}

/// Capacity of the rings at least, bytes: such a ring stays in a core's cache.
pub const RING_BYTES: usize = 256 << 10;

/// Messages that a ring takes at least: larger ones get larger rings.
const ROOM: usize = 4;

/// Messages larger than this are a bulk transfer: measured one way only.
const LARGEST_ROUND_TRIP: usize = 16 << 10;

/// Messages larger than this are not what a queue of slots is for.
const LARGEST_QUEUED: usize = 64 << 10;

/// A way to move a message from one process to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// Floor: two cache lines, one per direction, holding a number each
    PingPong,
    /// Floor: a copy into shared memory and a read of it, handed over in large chunks
    Copy,
    /// Floor: two futex words, one per direction, holding a number each; the sides sleep at once
    BareFutex,
    /// T: a bare record ring with a shared tail and cached indices
    T,
    /// The ring; the sides spin
    Spin,
    /// The ring; the sides spin briefly, then sleep
    Adaptive,
    /// The ring; the sides sleep at once
    Park,
    /// The ring, with semaphores as its wake kind; the sides sleep at once
    Semaphore,
    /// The ring; the sides sleep in an epoll with its descriptor
    Descriptor,
    /// The ring; the sides sleep until a signal comes
    Signal,
    /// The ring, messages filled in place; the sides spin
    Claim,
    /// The ring's typed view, carrying a u64; the sides spin
    Typed,
    /// The ring between processes that do not trust one another; the sides spin
    Untrusted,
    /// Two rings in one segment, one each way; the sides spin
    Duplex,
    /// The queue of many producers and consumers, with one of each; the sides spin
    #[value(name = "mpmc")]
    #[serde(rename = "mpmc")]
    Queue,
    /// The same queue; the sides sleep at once
    #[value(name = "mpmc-park")]
    #[serde(rename = "mpmc-park")]
    QueuePark,
    /// ringway's streams over a pipe
    RingwayPipe,
    /// A pipe of the default capacity
    Pipe,
    /// A pipe with a capacity of 1 MiB
    #[value(name = "pipe-1m")]
    #[serde(rename = "pipe-1m")]
    PipeWide,
    /// A pipe of 1 MiB that pages are spliced into (`vmsplice`), messages of a page and more
    #[value(name = "vmsplice")]
    #[serde(rename = "vmsplice")]
    Splice,
    /// A FIFO
    Fifo,
    /// A pair of Unix stream sockets
    Unix,
    /// A pair of Unix datagram sockets
    Datagram,
    /// A pair of Unix sockets of sequenced packets
    #[value(name = "seqpacket")]
    #[serde(rename = "seqpacket")]
    SeqPacket,
    /// A TCP connection on loopback that sends at once
    Tcp,
    /// UDP on loopback; a stream stays within a window that the receiver acknowledges
    Udp,
    /// Eventfds, whose count is the message
    #[value(name = "eventfd")]
    #[serde(rename = "eventfd")]
    EventFd,
    /// POSIX message queues
    MessageQueue,
    /// System V message queues
    #[value(name = "sysv-queue")]
    #[serde(rename = "sysv-queue")]
    SystemVQueue,
    /// A bounded ring in System V shared memory with System V semaphores
    #[value(name = "sysv-ring")]
    #[serde(rename = "sysv-ring")]
    SystemVRing,
    /// A bounded ring in POSIX shared memory with POSIX semaphores; a stream looks briefly before it sleeps
    PosixRing,
    /// A bounded ring in a mapped file with a futex on each cursor; a stream looks briefly before it sleeps
    FutexRing,
    /// A real-time signal that tells of a number in a shared word
    BareSignal,
    /// Python's multiprocessing.Pipe
    PythonPipe,
    /// Python's multiprocessing.Queue
    PythonQueue,
    /// Python's multiprocessing.shared_memory as a bounded ring with two of its semaphores
    PythonMemory,
}

impl Mechanism {
    /// Whether this is a yardstick: measured in every run, whatever was asked for.
    pub fn is_reference(self) -> bool {
        matches!(self, Self::PingPong | Self::Copy | Self::BareFutex | Self::T)
    }

    /// Whether ringway itself carries the messages, so that another build of it can be compared.
    pub fn is_ring(self) -> bool {
        matches!(
            self,
            Self::Spin
                | Self::Adaptive
                | Self::Park
                | Self::Semaphore
                | Self::Descriptor
                | Self::Signal
                | Self::Claim
                | Self::Typed
                | Self::Untrusted
                | Self::Duplex
                | Self::Queue
                | Self::QueuePark
                | Self::RingwayPipe
        )
    }

    /// Whether Python's processes take the samples.
    pub fn is_python(self) -> bool {
        matches!(self, Self::PythonPipe | Self::PythonQueue | Self::PythonMemory)
    }

    /// Whether a side that waits keeps its core: without a core for each side such a mechanism measures the
    /// scheduler.
    pub fn spins(self) -> bool {
        matches!(
            self,
            Self::PingPong
                | Self::Copy
                | Self::T
                | Self::Spin
                | Self::Claim
                | Self::Typed
                | Self::Untrusted
                | Self::Duplex
                | Self::Queue
        )
    }

    /// Whether a quick run measures it: the yardsticks, and of ringway and its rivals those that are best known.
    pub fn is_quick(self) -> bool {
        self.is_reference()
            || matches!(
                self,
                Self::Spin
                    | Self::Adaptive
                    | Self::Park
                    | Self::Claim
                    | Self::Typed
                    | Self::Queue
                    | Self::Pipe
                    | Self::PipeWide
                    | Self::Splice
                    | Self::Unix
                    | Self::Tcp
                    | Self::EventFd
                    | Self::MessageQueue
            )
    }

    /// The name shown in tables.
    pub fn label(self) -> &'static str {
        match self {
            Self::PingPong => "F: ping-pong",
            Self::Copy => "F: copy",
            Self::BareFutex => "F: bare futex",
            Self::T => "T: shared tail",
            Self::Spin => "ring, spin",
            Self::Adaptive => "ring, adaptive",
            Self::Park => "ring, park",
            Self::Semaphore => "ring, semaphore",
            Self::Descriptor => "ring, epoll",
            Self::Signal => "ring, signal",
            Self::Claim => "ring, in place",
            Self::Typed => "ring, typed",
            Self::Untrusted => "ring, untrusted",
            Self::Duplex => "ring, duplex",
            Self::Queue => "mpmc, spin",
            Self::QueuePark => "mpmc, park",
            Self::RingwayPipe => "ringway, pipe",
            Self::Pipe => "pipe",
            Self::PipeWide => "pipe, 1 MiB",
            Self::Splice => "vmsplice, 1 MiB",
            Self::Fifo => "fifo",
            Self::Unix => "unix socket",
            Self::Datagram => "unix datagram",
            Self::SeqPacket => "unix seqpacket",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::EventFd => "eventfd",
            Self::MessageQueue => "message queue",
            Self::SystemVQueue => "sysv queue",
            Self::SystemVRing => "sysv shm + sem",
            Self::PosixRing => "posix shm + sem",
            Self::FutexRing => "mmap + futex",
            Self::BareSignal => "signal",
            Self::PythonPipe => "python Pipe",
            Self::PythonQueue => "python Queue",
            Self::PythonMemory => "python shm + sem",
        }
    }

    /// Whether messages lie in memory that both sides share, as large as the ring: cold, it would be measured instead of them.
    pub fn has_a_ring(self) -> bool {
        matches!(
            self,
            Self::Copy | Self::T | Self::SystemVRing | Self::PosixRing | Self::FutexRing | Self::PythonMemory
        ) || self.is_ring() && self != Self::RingwayPipe
    }

    /// Whether the mechanism is measured in `pattern` with messages of `size` bytes.
    fn takes(self, pattern: Pattern, size: usize) -> bool {
        match self {
            _ if self.spins() && pattern.is_wake() => false,
            Self::PingPong => pattern == Pattern::RoundTrip,
            Self::Copy => pattern != Pattern::RoundTrip,
            Self::BareFutex | Self::Semaphore | Self::Descriptor | Self::Signal | Self::QueuePark => {
                pattern.is_wake()
            }
            Self::T | Self::Spin | Self::Adaptive | Self::RingwayPipe => true,
            Self::Duplex => pattern == Pattern::RoundTrip,
            Self::Typed => pattern != Pattern::Batch && size == size_of::<u64>(),
            Self::Queue => size <= LARGEST_QUEUED,
            Self::PipeWide => pattern == Pattern::Single,
            Self::Splice => pattern == Pattern::Single && size >= splice::LEAST,
            Self::Datagram | Self::SeqPacket => pattern != Pattern::Batch && size <= packets::LARGEST,
            Self::Udp => pattern != Pattern::Batch && size <= udp::LARGEST,
            Self::EventFd | Self::BareSignal => pattern.is_wake() && size == size_of::<u64>(),
            Self::MessageQueue => pattern != Pattern::Batch && size <= message_queue::LARGEST,
            Self::SystemVQueue => pattern != Pattern::Batch && size <= system_v::LARGEST,
            Self::Park
            | Self::Claim
            | Self::Untrusted
            | Self::Pipe
            | Self::Fifo
            | Self::Unix
            | Self::Tcp
            | Self::SystemVRing
            | Self::PosixRing
            | Self::FutexRing
            | Self::PythonPipe
            | Self::PythonQueue
            | Self::PythonMemory => pattern != Pattern::Batch,
        }
    }
}

/// How messages follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// A message there and one of the same size back, then the next
    RoundTrip,
    /// One way, published one at a time
    Single,
    /// One way, published 32 at a time
    Batch,
    /// A round trip in which each side sleeps until the message comes
    Wake,
    /// The same with both sides on one core
    WakeSameCore,
}

impl Pattern {
    /// The yardstick below which no mechanism is expected to go.
    pub fn floor(self) -> Mechanism {
        match self {
            Self::RoundTrip => Mechanism::PingPong,
            Self::Single | Self::Batch => Mechanism::Copy,
            Self::Wake | Self::WakeSameCore => Mechanism::BareFutex,
        }
    }

    /// Whether messages go there and back, each counted once together with its answer.
    pub fn is_round_trip(self) -> bool {
        !matches!(self, Self::Single | Self::Batch)
    }

    /// Whether each message is to wake its receiver.
    pub fn is_wake(self) -> bool {
        matches!(self, Self::Wake | Self::WakeSameCore)
    }

    /// Whether both sides run on one core.
    pub fn shares_core(self) -> bool {
        self == Self::WakeSameCore
    }

    /// The length that a sample aims for where others aim for `sample`: enough for hundreds of wake-ups.
    pub fn stretch(self, sample: Duration) -> Duration {
        match self {
            Self::Wake => sample * 6,
            Self::WakeSameCore => sample * 3,
            _ => sample,
        }
    }

    /// The name shown in tables.
    pub fn label(self) -> &'static str {
        match self {
            Self::RoundTrip => "round trip",
            Self::Single => "one way, one at a time",
            Self::Batch => "one way, batches of 32",
            Self::Wake => "round trip, both asleep",
            Self::WakeSameCore => "round trip, both asleep, on one core",
        }
    }

    /// Whether messages of `size` bytes travel in this pattern through a ring of `ring_bytes`.
    fn carries(self, size: usize, ring_bytes: usize) -> bool {
        match self {
            Self::RoundTrip | Self::Wake | Self::WakeSameCore => size <= LARGEST_ROUND_TRIP,
            Self::Single => true,
            Self::Batch => (size + 8) * BATCH as usize <= ring_bytes / 2,
        }
    }
}

/// Rivals: the mechanisms measured with one pattern and size, in the order of their enum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// How the messages follow one another.
    pub pattern: Pattern,
    /// Payload bytes of a message.
    pub size: usize,
    /// Capacity of the rings, bytes.
    pub ring_bytes: usize,
    /// Who is measured.
    pub mechanisms: Vec<Mechanism>,
}

/// What a run was asked to measure.
#[derive(Clone, Debug)]
pub struct Selection<'a> {
    /// What is measured of that which was not asked for by name.
    pub preset: Preset,
    /// Payload sizes, bytes; empty means the preset's.
    pub sizes: &'a [usize],
    /// Patterns; empty means all.
    pub patterns: &'a [Pattern],
    /// Mechanisms beside the yardsticks; empty means the preset's.
    pub mechanisms: &'a [Mechanism],
    /// Capacity of the rings at least, bytes.
    pub ring_bytes: usize,
    /// Whether there is a core for each side.
    pub two_cores: bool,
    /// Mechanisms that this system does not have.
    pub lacking: &'a [Mechanism],
}

/// The groups of a run, those of one pattern together.
pub fn groups(selection: &Selection<'_>) -> Vec<Group> {
    let mut groups = Vec::new();
    for &pattern in Pattern::value_variants() {
        let possible = selection.two_cores || pattern != Pattern::Wake;
        if !possible || !wanted(selection.patterns, pattern) {
            continue;
        }
        let sizes =
            if selection.sizes.is_empty() { selection.preset.sizes(pattern) } else { selection.sizes };
        for &size in sizes {
            let ring_bytes = selection.ring_bytes.max((ROOM * size).next_power_of_two());
            if !pattern.carries(size, ring_bytes) {
                continue;
            }
            let mechanisms = rivals(selection, pattern, size);
            if mechanisms.iter().any(|mechanism| !mechanism.is_reference())
                || selection.mechanisms.iter().any(|m| m.is_reference())
            {
                groups.push(Group { pattern, size, ring_bytes, mechanisms });
            }
        }
    }
    groups
}

/// The mechanisms of one group.
fn rivals(selection: &Selection<'_>, pattern: Pattern, size: usize) -> Vec<Mechanism> {
    let asked = |mechanism: Mechanism| match selection.mechanisms {
        _ if mechanism.is_reference() => true,
        [] => selection.preset == Preset::Full || mechanism.is_quick(),
        asked => asked.contains(&mechanism),
    };
    let exists = |mechanism: Mechanism| !selection.lacking.contains(&mechanism);
    let possible = |mechanism: Mechanism| {
        mechanism.takes(pattern, size) && exists(mechanism) && (selection.two_cores || !mechanism.spins())
    };
    Mechanism::value_variants()
        .iter()
        .copied()
        .filter(|&mechanism| asked(mechanism) && possible(mechanism))
        .collect()
}

/// Whether `item` was asked for: an empty list asks for everything.
fn wanted<T: PartialEq>(list: &[T], item: T) -> bool {
    list.is_empty() || list.contains(&item)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Selection<'static> = Selection {
        preset: Preset::Full,
        sizes: &[],
        patterns: &[],
        mechanisms: &[],
        ring_bytes: 1 << 20,
        two_cores: true,
        lacking: &[],
    };

    #[test]
    fn every_group_has_its_yardsticks() {
        for group in groups(&ALL) {
            assert!(group.mechanisms.contains(&Mechanism::T) || group.pattern.is_wake(), "{group:?}");
            assert!(group.mechanisms.contains(&group.pattern.floor()), "{group:?}");
        }
    }

    #[test]
    fn bulk_messages_travel_one_way_one_at_a_time() {
        let bulk: Vec<_> = groups(&ALL).into_iter().filter(|group| group.size == 65536).collect();
        assert_eq!(bulk.len(), 1);
        assert_eq!(bulk[0].pattern, Pattern::Single);
    }

    #[test]
    fn a_full_run_has_all_that_a_quick_one_has_and_more() {
        let cells = |preset| {
            let groups = groups(&Selection { preset, ..ALL }).into_iter();
            groups
                .flat_map(|g| g.mechanisms.into_iter().map(move |m| (g.pattern, g.size, m)))
                .collect::<Vec<_>>()
        };
        let (quick, full) = (cells(Preset::Quick), cells(Preset::Full));
        assert!(quick.iter().all(|cell| full.contains(cell)), "a quick run can be compared with a full one");
        assert!(quick.len() * 2 < full.len(), "{} of {}", quick.len(), full.len());
    }

    #[test]
    fn large_messages_come_with_rings_that_take_them() {
        let asked = groups(&Selection { sizes: &[8, 1 << 20, 16 << 20], ..ALL });
        let ring_bytes = |size| asked.iter().find(|group| group.size == size).map(|group| group.ring_bytes);
        assert_eq!([8, 1 << 20, 16 << 20].map(ring_bytes), [1, 4, 64].map(|mib| Some(mib << 20)));
    }

    #[test]
    fn yardsticks_stay_when_one_mechanism_is_asked_for() {
        let asked = groups(&Selection {
            mechanisms: &[Mechanism::Pipe],
            patterns: &[Pattern::Single],
            sizes: &[8],
            ..ALL
        });
        assert_eq!(asked[0].mechanisms, [Mechanism::Copy, Mechanism::T, Mechanism::Pipe]);
    }

    #[test]
    fn nobody_spins_on_a_single_core() {
        let asked = groups(&Selection { two_cores: false, ..ALL });
        assert!(asked.iter().flat_map(|group| &group.mechanisms).all(|mechanism| !mechanism.spins()));
        assert!(asked.iter().all(|group| group.pattern != Pattern::Wake));
        assert!(asked.iter().any(|group| group.pattern == Pattern::WakeSameCore));
    }

    #[test]
    fn whoever_can_sleep_is_woken_on_two_cores_and_on_one() {
        for pattern in [Pattern::Wake, Pattern::WakeSameCore] {
            let wakes: Vec<_> = groups(&ALL).into_iter().filter(|group| group.pattern == pattern).collect();
            assert_eq!(wakes.iter().map(|group| group.size).collect::<Vec<_>>(), WAKE_SIZES);
            assert!(wakes.iter().flat_map(|group| &group.mechanisms).all(|mechanism| !mechanism.spins()));
            for rival in [Mechanism::Park, Mechanism::EventFd, Mechanism::BareSignal, Mechanism::SystemVRing]
            {
                assert!(wakes[0].mechanisms.contains(&rival), "{rival:?}");
            }
        }
    }

    #[test]
    fn what_the_kernel_lacks_is_left_out() {
        let without = groups(&Selection { lacking: &[Mechanism::MessageQueue], ..ALL });
        let mut mechanisms = without.iter().flat_map(|group| &group.mechanisms);
        assert!(mechanisms.all(|mechanism| *mechanism != Mechanism::MessageQueue));
    }

    #[test]
    fn every_mechanism_is_measured_in_some_group() {
        let groups = groups(&ALL);
        for mechanism in Mechanism::value_variants() {
            assert!(groups.iter().any(|group| group.mechanisms.contains(mechanism)), "{mechanism:?}");
        }
    }

    #[test]
    fn a_quick_run_has_its_yardsticks_and_a_dozen_rivals() {
        let quick = Mechanism::value_variants().iter().filter(|mechanism| mechanism.is_quick());
        let (references, rivals): (Vec<&Mechanism>, Vec<&Mechanism>) =
            quick.partition(|mechanism| mechanism.is_reference());
        assert_eq!(references.len(), 4);
        assert!((10..=14).contains(&rivals.len()), "{rivals:?}");
    }
}
