//! What the coordinator and the hosts of the workers say to each other: one JSON object per line, orders on a host's
//! standard input, answers on its standard output. A worker without an order sleeps.

use std::os::fd::RawFd;

use serde::{Deserialize, Serialize};

use crate::plan::{Crowd, Place, Queue};

/// What a worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// Sends; the number is its name in the messages.
    Producer(usize),
    /// Receives.
    Consumer(usize),
    /// Sends and receives in turn.
    Both,
}

impl Part {
    /// Does it send?
    pub fn sends(self) -> bool {
        !matches!(self, Part::Consumer(_))
    }

    /// Does it receive?
    pub fn receives(self) -> bool {
        !matches!(self, Part::Producer(_))
    }
}

/// A worker: its number in the team, its part, its core.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Seat {
    /// The number, from 0.
    pub worker: usize,
    /// What it does.
    pub part: Part,
    /// Where it is pinned.
    pub core: usize,
}

impl Seat {
    /// Does this worker play the ping-pong of the probe?
    pub fn probes(self) -> bool {
        matches!(self.part, Part::Producer(0) | Part::Consumer(0))
    }
}

/// A message size, and the queues that are made for it beforehand.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Prepared {
    /// Payload bytes.
    pub size: usize,
    /// Name of the ring with default descriptors.
    pub ring: String,
    /// Name of the ring with fitted ones.
    pub fit: String,
    /// Inherited memory file of shaq's queue.
    pub shaq: RawFd,
}

/// Everything a host needs to know before its first job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setup {
    /// Whom it hosts.
    pub seats: Vec<Seat>,
    /// The team.
    pub crowd: Crowd,
    /// Where the team's workers are.
    pub place: Place,
    /// The most pauses that a worker makes between two looks at a full or empty queue.
    pub pauses: u32,
    /// Inherited memory file with the stage.
    pub stage: RawFd,
    /// The sizes, in the order of their bare queues on the stage.
    pub sizes: Vec<Prepared>,
}

/// One sample to take.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Job {
    /// Number of this job in its team, from 1.
    pub id: u64,
    /// What carries the messages.
    pub queue: Queue,
    /// Payload bytes.
    pub size: usize,
    /// Messages of each producer, at most.
    pub count: u64,
    /// When a producer stops in any case, nanoseconds after it started.
    pub limit: u64,
}

/// What one worker measured.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Start on the monotonic clock, nanoseconds.
    pub start: u64,
    /// End on the same clock.
    pub end: u64,
    /// CPU time of the worker between the two, nanoseconds.
    pub cpu: u64,
    /// Messages sent.
    pub sent: u64,
    /// Messages received.
    pub received: u64,
    /// Sum of their serial numbers.
    pub sum: u64,
}

/// From the coordinator to a host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Order {
    /// The first line.
    Setup(Setup),
    /// Measure the distance between the cores.
    Probe,
    /// Take a sample.
    Run(Job),
}

/// What a worker answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Answer {
    /// It is set up.
    Ready,
    /// Nanoseconds per round trip between the cores.
    Probed(f64),
    /// The sample was taken.
    Done(Outcome),
    /// It could not be taken, or a message was wrong.
    Failed(String),
}

/// From a host to the coordinator.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Who answers.
    pub worker: usize,
    /// What.
    pub answer: Answer,
}
