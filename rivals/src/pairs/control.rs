//! What the coordinator and the processes of a pair say to each other: one JSON object per line, orders on a process's
//! standard input, answers on its standard output. A side without an order sleeps.

use std::os::fd::RawFd;

use serde::{Deserialize, Serialize};

use super::plan::Pattern;

/// Which end of the traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Sends a stream; asks, in a round trip.
    Sender,
    /// Receives a stream; answers, in a round trip.
    Receiver,
}

impl Side {
    /// Both, in the order in which results are kept.
    pub const BOTH: [Self; 2] = [Self::Sender, Self::Receiver];
}

/// Everything a process of a pair needs to know before its first job.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setup {
    /// The sides that it is; each is a thread.
    pub sides: Vec<Side>,
    /// The cores of the sender and the receiver.
    pub cores: [usize; 2],
    /// Inherited memory file with the lines of barrier and probe.
    pub lines: RawFd,
    /// Names made of this are the pair's own.
    pub prefix: String,
}

/// One sample to take; both sides get the same.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Job {
    /// Number of this job in its pair, from 1; the messages' numbers start at `id << 32`.
    pub id: u64,
    /// What carries the messages: its number in the field.
    pub rival: usize,
    /// How they follow one another.
    pub pattern: Pattern,
    /// Payload bytes of each.
    pub size: usize,
    /// Messages, or round trips.
    pub count: u64,
    /// The most pauses between two looks, by who is polled.
    pub pauses: u32,
    /// Whether to probe the distance between the cores before and after.
    pub probe: bool,
}

/// What one side measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Start on the monotonic clock, nanoseconds.
    pub start: u64,
    /// End on the same clock.
    pub end: u64,
    /// CPU time of the side's thread between the two, nanoseconds.
    pub cpu: u64,
    /// Nanoseconds per probe round trip before and after.
    pub probe: [f64; 2],
}

/// From the coordinator to a process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Order {
    /// The first line.
    Setup(Setup),
    /// Open a rival's ends for messages of a size; the sender does so first.
    Open {
        /// Its number in the field.
        rival: usize,
        /// Payload bytes.
        size: usize,
    },
    /// Take a sample.
    Run(Job),
}

/// What a side answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Answer {
    /// It is set up, or its ends are open.
    Ready,
    /// The sample was taken.
    Done(Outcome),
    /// It could not be taken, or a message was wrong.
    Failed(String),
}

/// From a process to the coordinator; one per order and side.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Who answers.
    pub side: Side,
    /// What.
    pub answer: Answer,
}
