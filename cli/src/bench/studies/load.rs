//! Latency under load: one producer that sends at a rate which somebody else sets.
//!
//! The schedule is fixed before the first message: the n-th is due n periods after the start. Each carries the time at
//! which it was due, and the receiver takes the time from then to its receipt. A sender that is late sends what is overdue
//! at once; its messages were due when they were due, so that a stall of either side counts for everybody who would have
//! waited meanwhile: nothing is left out by coordination.
//!
//! Latencies are noted as they are, and made a histogram when the clock has stopped.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs::{self, File};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::pipe;
use ringway::{Address, Wait, mpmc, spsc};
use serde::{Deserialize, Serialize};

use super::crew::{self, Crew, Orders, Work, obey};
use super::ends::{Reads, Rx, Tx, Waiting, Writes};
use super::ground::{self, Meeting, Prober};
use super::{Cores, Preset, inheritable, regime_of};
use crate::bench::bytes::relax;
use crate::bench::control::{self, Side};
use crate::bench::record_ring::{RecordRx, RecordTx};
use crate::bench::role::{Reading, now};
use crate::bench::sample::{Regime, Spread, histogram, is_off};
use crate::bench::shared::{Shared, adopt};
use crate::bench::{seat, table};

/// Bytes of a message.
const SIZE: usize = 64;

/// Messages per second that are asked for.
const RATES: [u64; 3] = [100_000, 1_000_000, 3_000_000];

/// The share of its rate from which on a mechanism is said to have reached it.
const REACHED: f64 = 0.95;

/// Slots of the mpmc ring: room for as many messages as the other rings have.
const SLOTS: usize = 16 << 10;

/// Bytes that a reader of a stream asks for at a time.
const READ: usize = 64 << 10;

/// From the start of the sender to its first message, nanoseconds.
const LEAD: u64 = 20_000;

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
    fn label(self) -> &'static str {
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

/// When messages are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Schedule {
    /// When the first one is, on the monotonic clock, nanoseconds.
    start: u64,
    /// Messages per second.
    rate: u64,
}

impl Schedule {
    /// When a message is due.
    #[inline(always)]
    fn due(self, serial: u64) -> u64 {
        self.start + serial * 1_000_000_000 / self.rate
    }
}

/// A message: its number, when it was due, a pattern, and its number again.
#[derive(Clone, Copy, Debug)]
struct Letter([u64; SIZE / 8]);

impl Letter {
    /// What stands between.
    const PATTERN: u64 = 0x9e37_79b9_7f4a_7c15;

    /// A message.
    #[inline(always)]
    fn new(number: u64, due: u64) -> Self {
        let p = Self::PATTERN;
        Self([number, due, p, p ^ 1, p ^ 2, p ^ 3, p ^ 4, number])
    }

    /// Its bytes.
    #[inline(always)]
    fn bytes(&self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        for (place, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(self.0) {
            *place = word.to_ne_bytes();
        }
        bytes
    }
}

/// What the receiver notes.
#[derive(Debug)]
struct Log {
    /// The number that comes next.
    next: u64,
    /// When the first message was due, and at what rate they come; known from the first one on.
    schedule: Schedule,
    /// How long each took, nanoseconds.
    took: Vec<u64>,
    /// How many those are.
    count: usize,
    /// When the last one was received.
    last: u64,
    /// The first that was wrong.
    wrong: Option<Vec<u8>>,
}

impl Log {
    /// For `count` messages numbered from `first`. `took` has the memory of an earlier log.
    fn new(first: u64, rate: u64, count: u64, mut took: Vec<u64>) -> Self {
        if (took.len() as u64) < count {
            took.resize(count as usize, 0);
        }
        let schedule = Schedule { start: 0, rate };
        Self { next: first, schedule, took, count: 0, last: 0, wrong: None }
    }

    /// Notes a message that is received at `now`.
    #[inline(always)]
    fn note(&mut self, message: &[u8], now: u64) {
        let due =
            message.get(8..16).and_then(|word| word.first_chunk()).map(|word| u64::from_ne_bytes(*word));
        if self.count == 0 {
            self.schedule.start = due.unwrap_or(0);
        }
        let expected = Letter::new(self.next, self.schedule.due(self.count as u64));
        match self.took.get_mut(self.count) {
            Some(place) if message == expected.bytes() => {
                *place = now.saturating_sub(expected.0[1]);
                self.count += 1;
                self.next += 1;
                self.last = now;
            }
            _ => self.note_wrong(message),
        }
    }

    /// Keeps what was wrong.
    #[cold]
    fn note_wrong(&mut self, message: &[u8]) {
        self.wrong.get_or_insert_with(|| message.to_vec());
    }

    /// Latencies as a histogram: nanoseconds, and how many took so long.
    fn histogram(&self) -> Result<Vec<(u64, u64)>> {
        let mut all = histogram()?;
        self.took[..self.count].iter().for_each(|took| all.saturating_record((*took).max(1)));
        let buckets = all.iter_recorded();
        Ok(buckets.map(|bucket| (bucket.value_iterated_to(), bucket.count_at_value())).collect())
    }
}

/// A side, until its orders end.
pub fn serve(setup: &Setup, orders: Orders) -> Result<()> {
    seat::take(setup.core, false)?;
    let ground = ground::open(setup.ground)?;
    obey(&mut Worker::new(setup, &ground)?, orders)
}

/// One side of the traffic.
struct Worker<'a> {
    /// Its ends of everything.
    ends: Ends<'a>,
    /// Where both sides start.
    meeting: Meeting<'a>,
    /// The probe.
    prober: Prober<'a>,
    /// Memory for latencies.
    memory: Vec<u64>,
}

/// The ends of a side.
enum Ends<'a> {
    /// Those of the sender: T, rings, pipe and socket.
    Sender(RecordTx<'a>, spsc::Producer, mpmc::Producer, [File; 2]),
    /// Those of the receiver.
    Receiver(RecordRx<'a>, spsc::Consumer, mpmc::Consumer, [File; 2]),
}

impl<'a> Worker<'a> {
    /// Attaches to everything.
    fn new(setup: &Setup, ground: &'a Shared) -> Result<Self> {
        let [ring, queue] = setup.rings.map(Address::Fd);
        let streams = setup.streams.map(adopt);
        let record = ground.record_ring(0);
        let (spsc, mpmc) = (spsc::options(), mpmc::options().wait(Wait::Spin));
        let ends = match setup.side {
            Side::Sender => {
                let (ring, queue) = (spsc.producer(ring)?, mpmc.producer(queue)?);
                Ends::Sender(RecordTx::new(record), ring, queue, streams)
            }
            Side::Receiver => {
                let (ring, queue) = (spsc.consumer(ring)?, mpmc.consumer(queue)?);
                Ends::Receiver(RecordRx::new(record), ring, queue, streams)
            }
        };
        Ok(Self {
            ends,
            meeting: Meeting::new(ground, setup.side as usize, 2),
            prober: Prober::new(ground, setup.side),
            memory: Vec::new(),
        })
    }
}

impl Work for Worker<'_> {
    type Job = Job;
    type Outcome = Outcome;

    fn probe(&mut self) -> Result<f64> {
        self.meeting.wait()?;
        Ok(self.prober.probe())
    }

    fn run(&mut self, job: Job) -> Result<Outcome> {
        let (meeting, memory) = (&mut self.meeting, &mut self.memory);
        let wait = if job.mechanism == Mechanism::Adaptive { Wait::Adaptive } else { Wait::Spin };
        match &mut self.ends {
            Ends::Sender(record, ring, queue, [pipe, unix]) => {
                ring.set_wait(wait);
                match job.mechanism {
                    Mechanism::T => send(job, meeting, record),
                    Mechanism::Spin | Mechanism::Adaptive => send(job, meeting, &mut Waiting(ring)),
                    Mechanism::Mpmc => send(job, meeting, &mut Waiting(queue)),
                    Mechanism::Pipe => send(job, meeting, &mut Writes(pipe)),
                    Mechanism::Unix => send(job, meeting, &mut Writes(unix)),
                }
            }
            Ends::Receiver(record, ring, queue, [pipe, unix]) => {
                ring.set_wait(wait);
                match job.mechanism {
                    Mechanism::T => receive(job, meeting, memory, record),
                    Mechanism::Spin | Mechanism::Adaptive => {
                        receive(job, meeting, memory, &mut Waiting(ring))
                    }
                    Mechanism::Mpmc => receive(job, meeting, memory, &mut Waiting(queue)),
                    Mechanism::Pipe => {
                        receive(job, meeting, memory, &mut Reads::new(pipe, SIZE, READ / SIZE))
                    }
                    Mechanism::Unix => {
                        receive(job, meeting, memory, &mut Reads::new(unix, SIZE, READ / SIZE))
                    }
                }
            }
        }
    }
}

/// The number of the first message of a job.
fn first_number(job: &Job) -> u64 {
    job.id << 32
}

/// Sends each message when it is due, or as soon after that as can be.
fn send(job: Job, meeting: &mut Meeting<'_>, tx: &mut impl Tx) -> Result<Outcome> {
    let (first, mut late) = (first_number(&job), 0);
    meeting.wait()?;
    let (reading, queued) = (Reading::begin()?, queued());
    let schedule = Schedule { start: now()? + LEAD, rate: job.rate };
    for serial in 0..job.count {
        let due = schedule.due(serial);
        let letter = Letter::new(first + serial, due).bytes();
        let mut time = now()?;
        late += u64::from(time >= schedule.due(serial + 1));
        while time < due {
            relax();
            time = now()?;
        }
        ensure!(tx.send(&letter)?, "a mechanism that waits did not");
    }
    let reading = reading.end()?;
    Ok(Outcome { reading, at: schedule.start, late, queued: self::queued() - queued })
}

/// Receives every message and notes how long it took.
fn receive(job: Job, meeting: &mut Meeting<'_>, memory: &mut Vec<u64>, rx: &mut impl Rx) -> Result<Outcome> {
    let mut log = Log::new(first_number(&job), job.rate, job.count, std::mem::take(memory));
    let mut clock = Ok(0);
    meeting.wait()?;
    let (reading, queued) = (Reading::begin()?, queued());
    while (log.count as u64) < job.count && log.wrong.is_none() {
        rx.recv(&mut |message| {
            clock = now();
            log.note(message, *clock.as_ref().unwrap_or(&0));
        })?;
    }
    let (mut reading, queued) = (reading.end()?, self::queued() - queued);
    clock?;
    if let Some(wrong) = &log.wrong {
        bail!("message {:#x} is wrong: {wrong:x?}", log.next);
    }
    reading.latency = log.histogram()?;
    *memory = log.took;
    Ok(Outcome { reading, at: log.last, late: 0, queued })
}

/// How long this process was ready to run and had no core so far, nanoseconds; zero where the kernel does not say.
fn queued() -> u64 {
    let text = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    text.split(' ').nth(1).and_then(|time| time.parse().ok()).unwrap_or(0)
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

/// The quantiles that are shown.
const QUANTILES: [(&str, f64); 6] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999), ("max", 1.0)];

/// The samples as tables: one for each rate and regime.
pub fn table(samples: &[LoadSample]) -> String {
    let sound: Vec<&LoadSample> = samples.iter().filter(|sample| sample.sound).collect();
    let mut text = format!(
        "\n== load: {} ({} dropped)\n{SIZE} bytes, one producer at a fixed rate; µs from the time a message was due to its \
         receipt, corrected for coordinated omission; late: sent after the next one was due; T: ratio of p99.9\n",
        table::plural(samples.len(), "sample"),
        samples.len() - sound.len()
    );
    let groups: BTreeSet<(Regime, u64)> = sound.iter().map(|s| (s.regime, s.rate)).collect();
    for (regime, rate) in groups {
        let group: Vec<&LoadSample> =
            sound.iter().copied().filter(|s| (s.regime, s.rate) == (regime, rate)).collect();
        let _ = write!(text, "\n{rate} messages per second, {}\n{}\n", regime.label(), figures(&group));
    }
    text
}

/// Rows: mechanisms; columns: quantiles.
fn figures(group: &[&LoadSample]) -> comfy_table::Table {
    let quantiles = QUANTILES.map(|(name, _)| name.to_owned());
    let header = std::iter::once(String::new()).chain(quantiles);
    let mut table = table::table(header.chain(["late", "M/s", "T"].map(str::to_owned)).collect());
    let of = |mechanism| group.iter().copied().filter(move |sample| sample.mechanism == mechanism);
    let yardstick = values(of(Mechanism::T)).map(|values| values[3]);
    let mechanisms: BTreeSet<Mechanism> = group.iter().map(|sample| sample.mechanism).collect();
    for mechanism in mechanisms {
        let (sent, late) = of(mechanism).fold((0, 0), |(a, b), s| (a + s.count, b + s.late_sends));
        let reached = Spread::of(of(mechanism).map(|sample| sample.reached / 1e6).collect());
        let shown = values(of(mechanism)).filter(|_| kept_up(of(mechanism)));
        let cells = shown.map_or(["not reached"; 6].map(str::to_owned), |values| {
            values.map(|value| table::short(value as f64 / 1e3))
        });
        let ratio = shown.zip(yardstick).map(|(mine, theirs)| mine[3] as f64 / theirs.max(1) as f64);
        let ratio = ratio.filter(|_| mechanism != Mechanism::T).map_or(String::new(), table::short);
        let share = format!("{:.1} %", late as f64 * 100.0 / sent.max(1) as f64);
        let reached = reached.map_or(String::new(), |reached| table::short(reached.median));
        let row = std::iter::once(mechanism.label().to_owned()).chain(cells);
        table.add_row(row.chain([share, reached, ratio]));
    }
    table
}

/// Did most samples reach their rate?
fn kept_up<'a>(samples: impl Iterator<Item = &'a LoadSample>) -> bool {
    let reached: Vec<bool> = samples.map(LoadSample::is_reached).collect();
    2 * reached.iter().filter(|reached| **reached).count() > reached.len()
}

/// The quantiles of all latencies in `samples`, nanoseconds.
fn values<'a>(samples: impl Iterator<Item = &'a LoadSample>) -> Option<[u64; 6]> {
    let mut all = histogram().ok()?;
    for (nanoseconds, count) in samples.flat_map(|sample| &sample.latency) {
        all.saturating_record_n(*nanoseconds, *count);
    }
    (!all.is_empty()).then(|| QUANTILES.map(|(_, quantile)| all.value_at_quantile(quantile)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_is_fixed_and_drifts_nowhere() {
        let schedule = Schedule { start: 1000, rate: 3_000_000 };
        assert_eq!([0, 1, 2, 3].map(|serial| schedule.due(serial)), [1000, 1333, 1666, 2000]);
        assert_eq!(schedule.due(3_000_000 * 60), 1000 + 60_000_000_000);
    }

    /// A log of these receipts: serial number and time.
    fn log(receipts: &[(u64, u64)]) -> Log {
        let mut log = Log::new(7, 1_000_000, 4, Vec::new());
        for (serial, time) in receipts {
            let letter = Letter::new(7 + serial, Schedule { start: 500, rate: 1_000_000 }.due(*serial));
            log.note(&letter.bytes(), *time);
        }
        log
    }

    #[test]
    fn a_stall_counts_for_every_message_that_was_due_meanwhile() {
        let log = log(&[(0, 600), (1, 9500), (2, 9501), (3, 9502)]);
        assert_eq!((log.took[..log.count].to_vec(), log.last), (vec![100, 8000, 7001, 6002], 9502));
        assert!(log.wrong.is_none());
        let histogram = log.histogram().unwrap();
        assert_eq!(histogram.iter().map(|(_, count)| count).sum::<u64>(), 4);
        assert!(histogram[1].0.abs_diff(6002) < 10, "{histogram:?}");
    }

    #[test]
    fn what_is_lost_torn_or_one_too_many_is_found() {
        assert!(log(&[(0, 600), (2, 700)]).wrong.is_some(), "lost");
        assert!(log(&[(0, 600), (0, 700)]).wrong.is_some(), "twice");
        let good = Letter::new(7, 500).bytes();
        for byte in (0..SIZE).filter(|byte| !(8..16).contains(byte)) {
            let mut torn = good;
            torn[byte] ^= 1;
            let mut log = Log::new(7, 1_000_000, 1, Vec::new());
            log.note(&torn, 600);
            assert!(log.wrong.is_some(), "byte {byte}");
        }
        let mut short = log(&[(0, 600), (1, 1600), (2, 2600), (3, 3600)]);
        short.note(&Letter::new(11, 4500).bytes(), 4600);
        assert!(short.wrong.is_some(), "one too many");
    }

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

    fn sample(mechanism: Mechanism, reached: f64, latency: Vec<(u64, u64)>) -> LoadSample {
        LoadSample {
            mechanism,
            rate: 1_000_000,
            reached,
            size: SIZE,
            round: 0,
            count: 1000,
            latency,
            late_sends: 5,
            probe: [90.0; 2],
            regime: Regime::Near,
            sound: true,
        }
    }

    #[test]
    fn rates_that_were_not_reached_have_no_percentiles() {
        let samples = [
            sample(Mechanism::T, 1e6, vec![(1000, 990), (5000, 10)]),
            sample(Mechanism::Spin, 1e6, vec![(1000, 990), (10_000, 10)]),
            sample(Mechanism::Pipe, 4e5, vec![(1_000_000, 1000)]),
        ];
        let text = table(&samples);
        let row = |name| text.lines().find(|line| line.trim_start().starts_with(name)).unwrap().to_owned();
        assert!(row("pipe").contains("not reached") && row("pipe").contains("0.40"), "{text}");
        assert!(row("ring, spin").contains("10.0") && row("ring, spin").contains("2.00"), "{text}");
        assert!(row("T:").contains("0.5 %") && row("T:").contains("5.0"), "{text}");
    }
}
