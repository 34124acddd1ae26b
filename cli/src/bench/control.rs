//! What the coordinator and the two role processes say to each other: one JSON object per line, orders on the
//! standard input of a role, answers on its standard output.
//!
//! A role that has nothing to do sleeps in `read`, so a pair that waits for its turn costs no CPU. Barrier,
//! probe and the measured traffic itself never pass here: they use the shared area (`shared`) or the
//! mechanism under test.

use std::os::fd::RawFd;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::plan::{Mechanism, Pattern};
use super::system_v::Ids;

/// Version of these messages and of the shared area; two builds are only compared when it is equal.
pub const PROTOCOL: u32 = 3;

/// Which end of the traffic a role process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Producer of a stream, client of a round trip
    Sender,
    /// Consumer of a stream, server of a round trip
    Receiver,
}

impl Side {
    /// Both, in the order in which results are kept.
    pub const BOTH: [Self; 2] = [Self::Sender, Self::Receiver];

    /// The name, as an argument and in messages.
    pub fn label(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Receiver => "receiver",
        }
    }
}

/// How the rings' consumers poll a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tuning {
    /// Look as often as possible
    Latency,
    /// Lag behind a dense stream a little
    #[default]
    Balanced,
    /// Lag behind a dense stream further
    Throughput,
}

/// Everything a role process needs to know before its first job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setup {
    /// Must be [`PROTOCOL`].
    pub protocol: u32,
    /// The cores of the sender and the receiver, if each has one.
    pub cores: Option<[usize; 2]>,
    /// Inherited memory file with the shared area.
    pub shared: RawFd,
    /// Capacity of every ring, bytes; a power of two.
    pub ring_bytes: usize,
    /// Inherited ends of the kernel's mechanisms.
    pub streams: Streams,
    /// System V objects, if the kernel has them.
    pub system_v: Option<Ids>,
    /// Prefix of the names of the rings.
    pub rings: String,
    /// How the rings' consumers poll.
    pub tune: Tuning,
}

/// Inherited descriptors of one side: for each mechanism an end to write and an end to read, or one for both. Optional is
/// what a system may be without.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Streams {
    /// Pipes of the default capacity.
    pub pipe: [RawFd; 2],
    /// Pipes of 1 MiB.
    pub pipe_wide: [RawFd; 2],
    /// Pipes of 1 MiB into which pages are spliced.
    pub spliced: [RawFd; 2],
    /// Pipes that carry ringway's streams.
    pub transport: [RawFd; 2],
    /// FIFOs.
    pub fifo: Option<[RawFd; 2]>,
    /// One end of a pair of Unix stream sockets.
    pub unix: RawFd,
    /// One end of a pair of Unix datagram sockets.
    pub datagram: RawFd,
    /// One end of a pair of Unix sockets of sequenced packets.
    pub seqpacket: RawFd,
    /// One end of a pair of Unix sockets, over which untrusted rings are made.
    pub untrusted: RawFd,
    /// One end of a TCP connection.
    pub tcp: Option<RawFd>,
    /// UDP sockets, one for messages and one for acknowledgements.
    pub udp: Option<[RawFd; 2]>,
    /// Eventfds.
    pub eventfd: [RawFd; 2],
    /// Message queues.
    pub queue: Option<[RawFd; 2]>,
    /// POSIX shared memory.
    pub posix: Option<RawFd>,
    /// A file to be mapped.
    pub mapped: Option<RawFd>,
}

impl Setup {
    /// The core on which `side` takes samples of `pattern`: its own, or for both the receiver's, since the first
    /// core of a machine has more interrupts to serve.
    pub fn core(&self, side: Side, pattern: Pattern) -> Option<usize> {
        let whose = if pattern.shares_core() { Side::Receiver } else { side };
        self.cores.map(|cores| cores[whose as usize])
    }
}

/// One sample to take; both sides get the same.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Job {
    /// Number of this job in its pair, from 1; the messages' numbers start at `id << 32`.
    pub id: u64,
    /// What carries the messages.
    pub mechanism: Mechanism,
    /// How they follow one another.
    pub pattern: Pattern,
    /// Payload bytes of each.
    pub size: usize,
    /// Messages (round trips) of the timed-as-a-whole part.
    pub count: u64,
    /// Further round trips, each timed on its own.
    pub timed: u64,
    /// How long each side rests before it sends, nanoseconds.
    pub rest: u64,
    /// Whether to probe the distance between the cores before and after.
    pub probe: bool,
}

/// What one side measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Start of the traffic on the monotonic clock, nanoseconds.
    pub start: u64,
    /// End of the traffic on the same clock.
    pub end: u64,
    /// Of the time between the two, what this side rested, nanoseconds.
    pub rested: u64,
    /// CPU time of this process between the two, nanoseconds; resting is busy.
    pub cpu: u64,
    /// How often the scheduler took this process off its core between the two.
    pub preempted: u64,
    /// How often this process went to sleep between the two.
    pub slept: u64,
    /// Nanoseconds per probe round trip before and after; only the sender measures.
    pub probe: [f64; 2],
    /// Histogram of single round trips: nanoseconds and how many took so long.
    pub latency: Vec<(u64, u64)>,
}

/// From the coordinator to a role.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Order {
    /// The first line.
    Setup(Setup),
    /// Take a sample.
    Run(Job),
}

/// From a role to the coordinator; one per order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Answer {
    /// The role is set up.
    Ready {
        /// Version of the build.
        version: String,
    },
    /// The sample was taken.
    Done(Outcome),
    /// It could not be taken, or a payload was wrong.
    Failed(String),
}
