//! What is measured: queues, crowds, and the cells they make.
//!
//! A *rival* is a queue in a place: between processes or between threads of one. Rivals that are measured with the
//! same crowd and message size form a *group* and are sampled right after one another, so that ratios within a round
//! compare like with like while the machine drifts.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// Slots of every queue.
pub const SLOTS: usize = 1024;

/// Messages that a batch sends together.
pub const BATCH: usize = 32;

/// A queue, and the way it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Queue {
    /// ringway::mpmc as it comes: try_send, try_recv
    Ring,
    /// The same, with descriptors that fit the message exactly
    RingFit,
    /// ringway::mpmc, batches of 32 and drains
    RingBatch,
    /// ringway::mpmc, send and recv that wait in their own way
    RingBlocking,
    /// shaq::mpmc: try_write, reserve_read
    Shaq,
    /// shaq::mpmc, batches of 32
    ShaqBatch,
    /// Floor: a bare bounded queue without owners, bells or leases
    Bare,
    /// crossbeam_queue::ArrayQueue
    #[value(name = "array-queue")]
    #[serde(rename = "array-queue")]
    Array,
    /// crossbeam_channel::bounded: try_send, try_recv
    Channel,
    /// crossbeam_channel::bounded, send and recv that wait in their own way
    ChannelBlocking,
    /// kanal::bounded: try_send, try_recv
    Kanal,
    /// kanal::bounded, send and recv that wait in their own way
    KanalBlocking,
}

impl Queue {
    /// Does a call wait in the queue's own way?
    pub fn blocks(self) -> bool {
        matches!(self, Self::RingBlocking | Self::ChannelBlocking | Self::KanalBlocking)
    }

    /// Is it this project's?
    pub fn is_ring(self) -> bool {
        matches!(self, Self::Ring | Self::RingFit | Self::RingBatch | Self::RingBlocking)
    }

    /// The name shown in tables.
    fn label(self) -> &'static str {
        match self {
            Self::Ring => "ring",
            Self::RingFit => "ring, fitted",
            Self::RingBatch => "ring, batches",
            Self::RingBlocking => "ring, blocking",
            Self::Shaq => "shaq",
            Self::ShaqBatch => "shaq, batches",
            Self::Bare => "bare queue",
            Self::Array => "ArrayQueue",
            Self::Channel => "channel",
            Self::ChannelBlocking => "channel, blocking",
            Self::Kanal => "kanal",
            Self::KanalBlocking => "kanal, blocking",
        }
    }
}

/// Where a queue's users live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// Each in a process of its own.
    Processes,
    /// Threads of one process.
    Threads,
}

/// A queue in a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Rival {
    /// The place.
    pub place: Place,
    /// The queue.
    pub queue: Queue,
}

impl fmt::Display for Rival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.place {
            Place::Processes => "",
            Place::Threads if self.queue.is_ring() => ", threads",
            Place::Threads => " (threads)",
        };
        f.pad(&format!("{}{place}", self.queue.label()))
    }
}

/// Who uses a queue at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Crowd {
    /// How many send; 0: one user sends and receives in turn, alone.
    pub producers: usize,
    /// How many receive.
    pub consumers: usize,
}

impl Crowd {
    /// One thread that sends a message and receives it.
    pub const ALONE: Crowd = Crowd { producers: 0, consumers: 0 };

    /// Is everybody's core shared with others?
    pub fn is_crowded(self) -> bool {
        self.producers + self.consumers > 2
    }
}

impl fmt::Display for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Crowd::ALONE => f.write_str("alone"),
            Crowd { producers, consumers } => write!(f, "{producers}x{consumers}"),
        }
    }
}

impl FromStr for Crowd {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "alone" {
            return Ok(Crowd::ALONE);
        }
        let number = |text: &str| text.parse().ok().filter(|number| (1..=MOST).contains(number));
        let parsed = text.split_once('x').and_then(|(p, c)| Some((number(p)?, number(c)?)));
        let (producers, consumers) =
            parsed.ok_or("`alone`, or producers x consumers as in 2x2, up to 8x8")?;
        Ok(Crowd { producers, consumers })
    }
}

/// The most producers, and the most consumers.
pub const MOST: usize = 8;

/// The places and queues that are measured with `crowd`.
pub fn rivals(crowd: Crowd, asked: &[Queue]) -> Vec<Rival> {
    use Place::{Processes, Threads};
    use Queue::*;
    let all: &[(Place, &[Queue])] = if crowd == Crowd::ALONE {
        &[(Threads, &[Ring, RingFit, Shaq, Bare, Array, Channel, Kanal])]
    } else {
        &[
            (Processes, &[Ring, RingFit, RingBatch, RingBlocking, Shaq, ShaqBatch, Bare]),
            (
                Threads,
                &[
                    Ring,
                    RingFit,
                    RingBatch,
                    RingBlocking,
                    Array,
                    Channel,
                    ChannelBlocking,
                    Kanal,
                    KanalBlocking,
                ],
            ),
        ]
    };
    let rivals =
        all.iter().flat_map(|(place, queues)| queues.iter().map(|&queue| Rival { place: *place, queue }));
    rivals.filter(|rival| asked.is_empty() || asked.contains(&rival.queue)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crowds_are_read_as_they_are_shown() {
        for text in ["alone", "1x1", "4x2"] {
            assert_eq!(text.parse::<Crowd>().map(|crowd| crowd.to_string()).as_deref(), Ok(text));
        }
        assert!("0x1".parse::<Crowd>().is_err() && "9x1".parse::<Crowd>().is_err());
    }

    #[test]
    fn only_what_was_asked_for_is_measured() {
        let all = rivals("1x1".parse().expect("a crowd"), &[]);
        assert_eq!(all.len(), 16);
        let some = rivals("1x1".parse().expect("a crowd"), &[Queue::Ring, Queue::Bare]);
        assert_eq!(some.len(), 3);
    }
}
