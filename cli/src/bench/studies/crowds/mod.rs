//! Crowds: many producers and one consumer, and queues that many on both sides share. Each of them is a process of its own.
//!
//! Whoever has a core to himself spins a little at a queue that is full or empty, and whoever shares one yields at once, the
//! same for the rings and the bare queues; what waits in its own way does so. A lone consumer takes as many messages as one
//! `read` of a pipe gives; consumers that share a pipe take one at a time, as they would jobs.
//!
//! The time of a sample runs from the start of the first worker to the last receipt. Where many consume, nobody knows that
//! his message was the last one: there it runs until the first of them is told, by a message behind all others, to stop.

mod belongings;
mod ledger;
mod table;
mod worker;

use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::crew::{self, Crew};
use super::{Cores, Preset, ground, regime_of};
use crate::bench::control;
use crate::bench::sample::{self, Regime};
use belongings::Belongings;

pub use table::table;
pub use worker::serve;

/// Bytes that a slot of a ring holds beside its word, unless told otherwise.
const INLINE: usize = 48;

/// Bytes of such a slot's block.
const BLOCK: usize = 256;

/// Messages of a producer in a cell's very first sample.
const FIRST_COUNT: u64 = 64;

/// What carries the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// Floor: a bare queue whose cells are as large as the ring's slots
    Bare,
    /// Floor: a bare queue whose cells are fitted to the message
    BareFit,
    /// An mpmc ring as it comes, with calls that return at once
    Ring,
    /// The same with slots that are fitted to the message
    RingFit,
    /// An mpmc ring as it comes, with calls that wait
    RingBlocking,
    /// An spsc ring for each producer, read in turn by one consumer
    Rings,
    /// A pipe
    Pipe,
    /// A pair of Unix datagram sockets
    Datagram,
    /// A pair of Unix seqpacket sockets
    Seqpacket,
    /// A POSIX message queue
    MessageQueue,
}

impl Mechanism {
    /// The name shown in tables.
    pub fn label(self) -> &'static str {
        match self {
            Self::Bare => "F: bare queue",
            Self::BareFit => "F: bare queue, fitted",
            Self::Ring => "mpmc ring",
            Self::RingFit => "mpmc ring, fitted",
            Self::RingBlocking => "mpmc ring, blocking",
            Self::Rings => "a ring per producer",
            Self::Pipe => "pipe",
            Self::Datagram => "unix datagram",
            Self::Seqpacket => "unix seqpacket",
            Self::MessageQueue => "message queue",
        }
    }

    /// What it is compared with.
    fn floor(self) -> Self {
        if matches!(self, Self::RingFit | Self::BareFit) { Self::BareFit } else { Self::Bare }
    }

    /// Whether a side that waits keeps its core.
    fn spins(self) -> bool {
        matches!(self, Self::Bare | Self::BareFit | Self::Ring | Self::RingFit)
    }

    /// Bytes of a bare queue's cells beside their turns, for messages of `size` bytes.
    fn room(self, size: usize) -> usize {
        match self {
            Self::BareFit => size,
            _ if size <= INLINE => INLINE,
            _ => INLINE + size.next_multiple_of(BLOCK),
        }
    }
}

/// How many take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Crowd {
    /// Producers.
    producers: usize,
    /// Consumers.
    consumers: usize,
}

/// A crowd.
const fn crowd(producers: usize, consumers: usize) -> Crowd {
    Crowd { producers, consumers }
}

/// Every crowd: fan-in, then work queues.
const CROWDS: [Crowd; 7] =
    [crowd(1, 1), crowd(2, 1), crowd(4, 1), crowd(8, 1), crowd(2, 2), crowd(4, 4), crowd(1, 4)];

/// The crowds of a smoke run.
const SMOKE_CROWDS: [Crowd; 2] = [crowd(2, 1), crowd(2, 2)];

/// Message sizes, bytes.
const SIZES: [usize; 2] = [8, 64];

/// One sample of a crowd.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CrowdSample {
    /// What carried the messages.
    pub mechanism: Mechanism,
    /// Producers, each a process.
    pub producers: usize,
    /// Consumers, each a process.
    pub consumers: usize,
    /// Payload bytes.
    pub size: usize,
    /// Round, from 0.
    pub round: usize,
    /// Process start, from 0.
    pub start: usize,
    /// Messages.
    pub count: u64,
    /// Nanoseconds per message, from the common start to the last receipt.
    pub ns: f64,
    /// CPU seconds of the producers and of the consumers.
    pub cpu: [f64; 2],
    /// Probe results before and after, nanoseconds per round trip.
    pub probe: [f64; 2],
    /// How far apart the cores were.
    pub regime: Regime,
    /// Whether it counts: the probes agree, and whoever spins had his core.
    pub sound: bool,
}

/// What a worker is started with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setup {
    /// Which worker: producers first.
    worker: usize,
    /// Producers.
    producers: usize,
    /// Consumers.
    consumers: usize,
    /// Its core.
    core: Option<usize>,
    /// Inherited memory file.
    ground: RawFd,
    /// Message sizes, in the order of their bare queues.
    sizes: Vec<usize>,
    /// What else it has inherited.
    descriptors: Descriptors,
}

impl Setup {
    /// Does somebody else need this worker's core?
    fn is_crowded(&self) -> bool {
        self.core.is_none() || self.producers + self.consumers > 2
    }
}

/// Inherited descriptors.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Descriptors {
    /// The mpmc ring as it comes.
    ring: RawFd,
    /// Those that are fitted to a size.
    fitted: Vec<(usize, RawFd)>,
    /// A ring for each producer, if there is one consumer.
    rings: Vec<RawFd>,
    /// The pipe, to read and to write.
    pipe: [RawFd; 2],
    /// Datagram and seqpacket sockets, to write and to read.
    sockets: [[RawFd; 2]; 2],
    /// The message queue, if there are any.
    queue: Option<RawFd>,
}

/// A sample to take.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Job {
    /// Number of this job in its crew, from 1.
    id: u64,
    /// What carries the messages.
    mechanism: Mechanism,
    /// Payload bytes.
    size: usize,
    /// Messages of each producer.
    count: u64,
}

/// What a worker measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Outcome {
    /// Clocks.
    #[serde(flatten)]
    reading: control::Outcome,
    /// Messages received.
    received: u64,
}

/// The core of a worker: the first producer and the first consumer sit apart, and each core has as many of both as there can
/// be.
fn core(worker: usize, producers: usize, cores: [usize; 2]) -> usize {
    match worker.checked_sub(producers) {
        None => cores[worker % 2],
        Some(consumer) => cores[(consumer + 1) % 2],
    }
}

/// Takes samples of every crowd for `budget`, and at least one of each cell.
pub fn run(
    preset: Preset,
    budget: Duration,
    cores: Cores,
    with: &mut dyn FnMut(CrowdSample) -> Result<()>,
) -> Result<()> {
    let began = Instant::now();
    let crowds: &[Crowd] = if preset == Preset::Smoke { &SMOKE_CROWDS } else { &CROWDS };
    let starts = preset.starts();
    for start in 0..starts {
        for (nth, &crowd) in crowds.iter().enumerate() {
            let done = start * crowds.len() + nth + 1;
            let until = began + budget.mul_f64(done as f64 / (starts * crowds.len()) as f64);
            let mut run = Run::start(crowd, preset, cores)?;
            if done == 1 && !run.cells.iter().any(|(mechanism, ..)| *mechanism == Mechanism::MessageQueue) {
                eprintln!("crowds: left out: POSIX message queues, which this system does not have");
            }
            run.warm_up()?;
            let mut round = 0;
            while round == 0 || Instant::now() < until && preset != Preset::Smoke {
                run.round(start, round, with)?;
                round += 1;
            }
        }
    }
    Ok(())
}

/// A crew at work.
struct Run {
    /// Who they are.
    crowd: Crowd,
    /// Their cores, if each side has one.
    cores: Cores,
    /// The processes.
    crew: Crew,
    /// Length that a sample aims for.
    aim: Duration,
    /// Mechanism, size, and messages of each producer in the next sample.
    cells: Vec<(Mechanism, usize, u64)>,
    /// Number of the last job.
    last_job: u64,
}

impl Run {
    /// Starts the processes of a crowd.
    fn start(crowd: Crowd, preset: Preset, cores: Cores) -> Result<Self> {
        let Crowd { producers, consumers } = crowd;
        let belongings = Belongings::new(crowd, &SIZES)?;
        let ground = ground::create()?;
        let setup = |worker| {
            crew::Setup::Crowd(Setup {
                worker,
                producers,
                consumers,
                core: cores.map(|cores| core(worker, producers, cores)),
                ground: ground.as_raw_fd(),
                sizes: SIZES.to_vec(),
                descriptors: belongings.numbers(),
            })
        };
        let setups: Vec<_> = (0..producers + consumers).map(setup).collect();
        let crew = Crew::start(&setups).with_context(|| format!("crowd of {producers} x {consumers}"))?;
        let takes = |mechanism: Mechanism| match mechanism {
            Mechanism::Rings => consumers == 1,
            Mechanism::MessageQueue => belongings.queue.is_some(),
            _ => true,
        };
        let mechanisms = Mechanism::value_variants().iter().copied().filter(|&mechanism| takes(mechanism));
        let mechanisms: Vec<Mechanism> = mechanisms.collect();
        let of_size = |&size| mechanisms.iter().map(move |&mechanism| (mechanism, size, FIRST_COUNT));
        let cells = SIZES.iter().flat_map(of_size).collect();
        Ok(Self { crowd, cores, crew, aim: preset.sample(), cells, last_job: 0 })
    }

    /// Runs every cell uncounted, until its samples have about the right length.
    fn warm_up(&mut self) -> Result<()> {
        for cell in 0..self.cells.len() {
            for _ in 0..8 {
                let count = self.cells[cell].2;
                let wall = self.take(cell)?.wall;
                self.cells[cell].2 = scaled(count, wall, self.aim, 16.0);
                if wall >= self.aim.as_nanos() as u64 / 4 {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Takes a sample of each cell; the first mechanism is another one each time.
    fn round(
        &mut self,
        start: usize,
        round: usize,
        with: &mut dyn FnMut(CrowdSample) -> Result<()>,
    ) -> Result<()> {
        let each = self.cells.len() / SIZES.len();
        for cell in 0..self.cells.len() {
            let cell = cell / each * each + (cell + round) % each;
            let (mechanism, size, count) = self.cells[cell];
            let before = self.probe()?;
            let taken = self.take(cell)?;
            let probe = [before, self.probe()?];
            self.cells[cell].2 = scaled(count, taken.wall, self.aim, 2.0);
            with(self.sample((mechanism, size, count), [start, round], probe, &taken))?;
        }
        Ok(())
    }

    /// The distance between the cores of the first producer and the first consumer; zero if there is but one core.
    fn probe(&mut self) -> Result<f64> {
        if self.cores.is_none() { Ok(0.0) } else { self.crew.probe([0, self.crowd.producers]) }
    }

    /// Moves the messages of one sample and checks that all of them came.
    fn take(&mut self, cell: usize) -> Result<Taken> {
        let (mechanism, size, count) = self.cells[cell];
        let Crowd { producers, consumers } = self.crowd;
        self.last_job += 1;
        let job = Job { id: self.last_job, mechanism, size, count };
        let taken = self.crew.run(&job).and_then(|outcomes| Taken::new(outcomes, producers, count));
        taken.with_context(|| {
            let name = mechanism.label();
            format!("sample failed: {name}, {producers} x {consumers}, {size} bytes, {count} messages each")
        })
    }

    /// A sample out of what the workers measured.
    fn sample(
        &self,
        (mechanism, size, count): (Mechanism, usize, u64),
        [start, round]: [usize; 2],
        probe: [f64; 2],
        taken: &Taken,
    ) -> CrowdSample {
        let Crowd { producers, consumers } = self.crowd;
        let (regime, agree) = regime_of(probe);
        let lost = self.cores.is_some() && mechanism.spins() && self.lost_core(taken);
        let seconds = |side: &[Outcome]| side.iter().map(|o| o.reading.cpu).sum::<u64>() as f64 / 1e9;
        let (senders, receivers) = taken.outcomes.split_at(producers);
        let total = producers as u64 * count;
        CrowdSample {
            mechanism,
            producers,
            consumers,
            size,
            round,
            start,
            count: total,
            ns: taken.wall as f64 / total as f64,
            cpu: [seconds(senders), seconds(receivers)],
            probe,
            regime,
            sound: agree && !lost,
        }
    }

    /// Did the workers of a core, who never sleep, have it for less than they should until the last of them was done?
    fn lost_core(&self, taken: &Taken) -> bool {
        (0..2).any(|at| {
            let workers = taken.outcomes.iter().enumerate();
            let here = workers.filter(|(worker, _)| core(*worker, self.crowd.producers, [0, 1]) == at);
            let (used, end) = here.fold((0, 0), |(used, end), (_, outcome)| {
                (used + outcome.reading.cpu, end.max(outcome.reading.end))
            });
            sample::is_off(end.saturating_sub(taken.start), used)
        })
    }
}

/// The messages of one sample, all of which have come.
#[derive(Debug)]
struct Taken {
    /// When the first worker started.
    start: u64,
    /// From then until all was received, nanoseconds.
    wall: u64,
    /// What each worker measured, producers first.
    outcomes: Vec<Outcome>,
}

impl Taken {
    /// What became of `count` messages of each producer.
    fn new(outcomes: Vec<Outcome>, producers: usize, count: u64) -> Result<Self> {
        let received: u64 = outcomes.iter().map(|outcome| outcome.received).sum();
        let sent = producers as u64 * count;
        ensure!(received == sent, "{sent} messages were sent, {received} received");
        let start = outcomes.iter().map(|outcome| outcome.reading.start).min().unwrap_or(0);
        let end = outcomes[producers..].iter().map(|outcome| outcome.reading.end).min().unwrap_or(0);
        Ok(Self { start, wall: end.saturating_sub(start), outcomes })
    }
}

/// Messages of each producer for a sample of length `aim` when `count` took `wall` nanoseconds: at most `growth` times more,
/// at most four times less, and no more than can be accounted for.
fn scaled(count: u64, wall: u64, aim: Duration, growth: f64) -> u64 {
    let factor = (aim.as_nanos() as f64 / wall.max(1) as f64).clamp(0.25, growth);
    ((count as f64 * factor) as u64).clamp(FIRST_COUNT, MOST)
}

/// The most messages of a producer.
const MOST: u64 = (ground::AREA / ledger::PRODUCERS) as u64 * 8;

#[cfg(test)]
mod tests {
    use super::super::bare;
    use super::*;

    #[test]
    fn both_cores_have_as_many_producers_and_consumers() {
        for crowd in [crowd(2, 2), crowd(4, 4)] {
            for at in [3, 5] {
                let on_core = |workers: std::ops::Range<usize>| {
                    workers.filter(|&worker| core(worker, crowd.producers, [3, 5]) == at).count()
                };
                assert_eq!(on_core(0..crowd.producers), crowd.producers / 2);
                assert_eq!(on_core(crowd.producers..2 * crowd.producers), crowd.consumers / 2);
            }
        }
        assert_eq!([0, 1].map(|worker| core(worker, 1, [3, 5])), [3, 5]);
    }

    #[test]
    fn counts_follow_the_time_a_sample_took_and_fit_the_table_of_marks() {
        let aim = Duration::from_millis(10);
        assert_eq!(scaled(10_000, 5_000_000, aim, 16.0), 20_000);
        assert_eq!(scaled(1000, 1, aim, 16.0), 16_000);
        assert_eq!(scaled(100, 1_000_000_000, aim, 16.0), FIRST_COUNT);
        assert_eq!(scaled(MOST, 1, aim, 16.0), MOST);
        let table: Vec<_> = (0..ground::AREA / 8).map(|_| std::sync::atomic::AtomicU64::new(0)).collect();
        assert_eq!(ledger::Marks(&table).most(), MOST);
    }

    /// Two producers and two consumers.
    fn outcomes() -> Vec<Outcome> {
        let outcome = |start, end, received| Outcome {
            reading: control::Outcome { start, end, ..control::Outcome::default() },
            received,
        };
        vec![outcome(110, 150, 0), outcome(100, 400, 0), outcome(120, 320, 7), outcome(105, 330, 3)]
    }

    #[test]
    fn the_time_ends_when_the_first_consumer_knows_that_all_came() {
        let taken = Taken::new(outcomes(), 2, 5).unwrap();
        assert_eq!((taken.start, taken.wall), (100, 220));
    }

    #[test]
    fn what_was_lost_spoils_the_run() {
        assert!(Taken::new(outcomes(), 2, 6).is_err());
    }

    #[test]
    fn every_bare_queue_has_room() {
        let words = |mechanism: Mechanism| SIZES.map(|size| bare::Bare::words(mechanism.room(size)) + 16);
        let all: usize = [Mechanism::Bare, Mechanism::BareFit].into_iter().flat_map(words).sum();
        assert!(all <= ground::AREA / 8);
        assert_eq!([8, 48, 64].map(|size| Mechanism::Bare.room(size)), [48, 48, 304]);
    }
}
