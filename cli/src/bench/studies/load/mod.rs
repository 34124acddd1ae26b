//! Latency under load: one producer that sends at a rate which somebody else sets.
//!
//! The schedule is fixed before the first message: the n-th is due n periods after the start. Each carries the time at
//! which it was due, and the receiver takes the time from then to its receipt. A sender that is late sends what is overdue
//! at once; its messages were due when they were due, so that a stall of either side counts for everybody who would have
//! waited meanwhile: nothing is left out by coordination.
//!
//! Latencies are noted as they are, and made a histogram when the clock has stopped.

mod letter;
mod table;
mod worker;

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::ValueEnum;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::pipe;
use ringway::{mpmc, spsc};
use serde::{Deserialize, Serialize};

use super::crew::{self, Crew};
use super::{Cores, Preset, ground, inheritable, regime_of};
use crate::bench::control::{self, Side};
use crate::bench::sample::{Regime, is_off};

pub use table::table;
pub use worker::serve;

/// Bytes of a message.
const SIZE: usize = 64;

/// Messages per second that are asked for.
const RATES: [u64; 3] = [100_000, 1_000_000, 3_000_000];

/// The share of its rate from which on a mechanism is said to have reached it.
const REACHED: f64 = 0.95;

/// Slots of the mpmc ring: room for as many messages as the other rings have.
const SLOTS: usize = 16 << 10;

/// What carries the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// T: a bare record ring with a shared tail
    T,
    /// An spsc ring; the sides spin
    Spin,
    /// An spsc ring; the sides spin briefly, then sleep
    Adaptive,
    /// An mpmc ring; the sides spin
    Mpmc,
    /// A pipe of the default capacity
    Pipe,
    /// A pair of Unix stream sockets
    Unix,
}

impl Mechanism {
    /// The name shown in tables.
    pub fn label(self) -> &'static str {
        match self {
            Self::T => "T: shared tail",
            Self::Spin => "ring, spin",
            Self::Adaptive => "ring, adaptive",
            Self::Mpmc => "mpmc ring, spin",
            Self::Pipe => "pipe",
            Self::Unix => "unix socket",
        }
    }

    /// Whether a receiver that waits keeps its core.
    fn spins(self) -> bool {
        matches!(self, Self::T | Self::Spin | Self::Mpmc)
    }
}

/// One sample at a fixed rate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LoadSample {
    /// What carried the messages.
    pub mechanism: Mechanism,
    /// Messages per second that were asked for.
    pub rate: u64,
    /// Messages per second from the start to the last receipt.
    pub reached: f64,
    /// Payload bytes.
    pub size: usize,
    /// Round, from 0.
    pub round: usize,
    /// Messages.
    pub count: u64,
    /// From the time a message was due to its receipt: nanoseconds, and how many took so long.
    pub latency: Vec<(u64, u64)>,
    /// Messages that were sent when the next one was due already.
    pub late_sends: u64,
    /// Probe results before and after, nanoseconds per round trip.
    pub probe: [f64; 2],
    /// How far apart the cores were.
    pub regime: Regime,
    /// Whether it counts: the probes agree, and both sides had their cores.
    pub sound: bool,
}

impl LoadSample {
    /// Did the mechanism keep up?
    fn is_reached(&self) -> bool {
        self.reached >= self.rate as f64 * REACHED
    }
}

/// What a side is started with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setup {
    /// Which side.
    side: Side,
    /// Its core.
    core: Option<usize>,
    /// Inherited memory file.
    ground: RawFd,
    /// Inherited memory files of the spsc and the mpmc ring.
    rings: [RawFd; 2],
    /// The pipe and the sockets, this side's ends.
    streams: [RawFd; 2],
}

/// A sample to take.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Job {
    /// Number of this job, from 1.
    id: u64,
    /// What carries the messages.
    mechanism: Mechanism,
    /// Messages per second.
    rate: u64,
    /// Messages.
    count: u64,
}

/// What a side measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Outcome {
    /// Clocks, and the receiver's histogram.
    #[serde(flatten)]
    reading: control::Outcome,
    /// The sender: when the first message was due. The receiver: when the last one was received.
    at: u64,
    /// The sender: messages that were late.
    late: u64,
    /// How long it was ready to run and had no core, nanoseconds.
    queued: u64,
}

impl Outcome {
    /// Had somebody else this side's core for too long? Of a side that spins its CPU time tells, too.
    fn lost_core(&self, spins: bool) -> bool {
        let wall = self.reading.end - self.reading.start;
        is_off(wall, wall.saturating_sub(self.queued)) || spins && is_off(wall, self.reading.cpu)
    }
}

/// Takes samples at every rate for `budget`, and at least one of each.
pub fn run(
    preset: Preset,
    budget: Duration,
    cores: Cores,
    with: &mut dyn FnMut(LoadSample) -> Result<()>,
) -> Result<()> {
    let began = Instant::now();
    let (traffic, starts) = match preset {
        Preset::Smoke => (Duration::from_millis(1), 1),
        Preset::Quick => (Duration::from_millis(20), 2),
        Preset::Full => (Duration::from_millis(60), 5),
    };
    let mut round = 0;
    for start in 0..starts {
        let until = began + budget.mul_f64((start + 1) as f64 / starts as f64);
        let mut bench = Bench::start(cores, traffic)?;
        for (mechanism, rate) in bench.cells(0) {
            bench.take(mechanism, rate)?;
        }
        let first = round;
        while round == first || Instant::now() < until && preset != Preset::Smoke {
            for (mechanism, rate) in bench.cells(round) {
                with(bench.sample(mechanism, rate, round)?)?;
            }
            round += 1;
        }
    }
    Ok(())
}

/// The memory files of an spsc and an mpmc ring to which nobody is attached, inheritable.
fn rings() -> Result<[OwnedFd; 2]> {
    let (ring, _consumer) = spsc::options().size(ground::AREA).pair().context("cannot make a ring")?;
    let (queue, _consumer) = mpmc::options().slots(SLOTS).pair().context("cannot make a ring")?;
    Ok([inheritable(ring.descriptor()?)?, inheritable(queue.descriptor()?)?])
}

/// Both sides at work.
struct Bench {
    /// The processes.
    crew: Crew,
    /// Whether each side has a core of its own.
    apart: bool,
    /// How long the traffic of a sample is to take.
    traffic: Duration,
    /// Number of the last job.
    last_job: u64,
}

impl Bench {
    /// Starts both sides.
    fn start(cores: Cores, traffic: Duration) -> Result<Self> {
        let ground = ground::create()?;
        let rings = rings()?;
        let (read, write) = pipe().context("cannot create a pipe")?;
        let (here, there) = socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::empty())
            .context("cannot create a pair of sockets")?;
        let setup = |side: Side| {
            let streams = match side {
                Side::Sender => [&write, &here],
                Side::Receiver => [&read, &there],
            };
            crew::Setup::Load(Setup {
                side,
                core: cores.map(|cores| cores[side as usize]),
                ground: ground.as_raw_fd(),
                rings: [rings[0].as_raw_fd(), rings[1].as_raw_fd()],
                streams: streams.map(AsRawFd::as_raw_fd),
            })
        };
        let crew = Crew::start(&Side::BOTH.map(setup))?;
        Ok(Self { crew, apart: cores.is_some(), traffic, last_job: 0 })
    }

    /// What is measured: at each rate every mechanism, another one first each round. Where the sides share a core, the
    /// sender's waiting for its time would be the receiver's loss: there nothing spins.
    fn cells(&self, round: usize) -> Vec<(Mechanism, u64)> {
        let possible = |mechanism: &Mechanism| self.apart || !mechanism.spins();
        let mut mechanisms: Vec<Mechanism> =
            Mechanism::value_variants().iter().copied().filter(possible).collect();
        let turn = round % mechanisms.len();
        mechanisms.rotate_left(turn);
        RATES
            .iter()
            .flat_map(|&rate| mechanisms.iter().map(move |&m| (m, rate)).collect::<Vec<_>>())
            .collect()
    }

    /// Moves the messages of one sample: what both sides measured.
    fn take(&mut self, mechanism: Mechanism, rate: u64) -> Result<(u64, [Outcome; 2])> {
        self.last_job += 1;
        let count = (self.traffic.as_secs_f64() * rate as f64) as u64;
        let job = Job { id: self.last_job, mechanism, rate, count };
        let mut outcomes = self
            .crew
            .run(&job)
            .with_context(|| format!("sample failed: {}, {rate} messages per second", mechanism.label()))?
            .into_iter();
        let both = outcomes.next().zip(outcomes.next()).context("a side did not answer")?;
        Ok((count, both.into()))
    }

    /// Takes a sample that counts.
    fn sample(&mut self, mechanism: Mechanism, rate: u64, round: usize) -> Result<LoadSample> {
        let before = self.probe()?;
        let (count, [sender, receiver]) = self.take(mechanism, rate)?;
        let probe = [before, self.probe()?];
        let (regime, agree) = regime_of(probe);
        let lost = self.apart && [&sender, &receiver].iter().any(|side| side.lost_core(mechanism.spins()));
        let passed = receiver.at.saturating_sub(sender.at).max(1);
        Ok(LoadSample {
            mechanism,
            rate,
            reached: count as f64 * 1e9 / passed as f64,
            size: SIZE,
            round,
            count,
            latency: receiver.reading.latency,
            late_sends: sender.late,
            probe,
            regime,
            sound: agree && !lost,
        })
    }

    /// The distance between the cores; zero if there is but one.
    fn probe(&mut self) -> Result<f64> {
        if self.apart { self.crew.probe([0, 1]) } else { Ok(0.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_had_to_wait_for_a_core_is_told_from_whoever_slept() {
        let outcome = |cpu, queued| Outcome {
            reading: control::Outcome { start: 1000, end: 2000, cpu, ..control::Outcome::default() },
            queued,
            ..Outcome::default()
        };
        assert!(!outcome(300, 50).lost_core(false) && outcome(300, 50).lost_core(true));
        assert!(outcome(300, 200).lost_core(false) && !outcome(950, 20).lost_core(true));
    }
}
