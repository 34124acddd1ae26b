//! Growth: what a message costs, and a ring, when there are many rings, or large ones.
//!
//! One pair has all the rings at once and moves messages through them in turn, a message through each. The sender makes each
//! ring and hands it to the receiver over a socket, so each step is timed where it is taken: making a ring and attaching to it
//! as the producer, and attaching to it as the consumer.
//!
//! Memory of a ring is what the kernel has given to its segment, and what both processes have taken beside it (`Anonymous` in
//! `/proc/self/smaps_rollup`), without what the kernel keeps for itself: files, page tables.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::sys::stat::fstat;
use ringway::spsc::{self, Consumer, Producer};
use ringway::{Role, Wait, handover};
use serde::{Deserialize, Serialize};

use super::crew::{self, Crew, Orders, Work, obey};
use super::ground::{self, Meeting, Prober};
use super::{Cores, Preset, regime_of};
use crate::bench::control::{self, Side};
use crate::bench::payload::{Check, Payload};
use crate::bench::role::{Reading, now};
use crate::bench::sample::{Regime, Spread, is_off};
use crate::bench::shared::{Shared, adopt};
use crate::bench::{seat, table};

/// Bytes of a message.
const SIZE: usize = 64;

/// Bytes of each of many rings: few, so that what is touched of a hundred fits a core's cache.
const SMALL: usize = 4096;

/// How many rings there are.
const RINGS: [usize; 4] = [1, 10, 100, 1000];

/// Bytes of a lone ring.
const BYTES: [usize; 8] = [64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20, 256 << 20, 1 << 30];

/// Messages of the first sample.
const FIRST_COUNT: u64 = 1000;

/// Most messages of a sample.
const LARGEST_COUNT: u64 = 1 << 30;

/// The share of the free memory that a ring may take.
const SHARE: u64 = 3;

/// Descriptors that a ring takes in each process, at most.
const DESCRIPTORS: u64 = 4;

/// Descriptors that are needed for everything else.
const SPARE: u64 = 64;

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Axis {
    /// The number of rings.
    Rings,
    /// The bytes of one ring.
    RingBytes,
}

/// One sample of some rings.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GrowthSample {
    /// What grows.
    pub axis: Axis,
    /// How many rings there are.
    pub rings: usize,
    /// Bytes that each was asked to have.
    pub ring_bytes: usize,
    /// Payload bytes.
    pub size: usize,
    /// Round, from 0.
    pub round: usize,
    /// Nanoseconds per message.
    pub ns: f64,
    /// Memory of a ring, in both processes together.
    pub memory_bytes: u64,
    /// Bytes that a user of the ring can fill.
    pub capacity_bytes: u64,
    /// Making a ring and attaching to it as the producer, nanoseconds.
    pub create_ns: u64,
    /// Attaching to it as the consumer, nanoseconds.
    pub open_ns: u64,
    /// Probe results before and after, nanoseconds per round trip.
    pub probe: [f64; 2],
    /// How far apart the cores were.
    pub regime: Regime,
    /// Whether it counts: the probes agree, and both sides had their cores.
    pub sound: bool,
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
    /// Its end of the sockets over which rings are handed.
    socket: RawFd,
}

/// What a side is told to do.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Job {
    /// Make, or take, so many rings of so many bytes.
    Rings(usize, usize),
    /// Move so many messages through the rings that were made in that turn; the first one's number.
    Traffic(usize, u64, u64),
}

/// What a side measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Outcome {
    /// Of the rings.
    Rings(Footprint),
    /// Of the messages.
    Traffic(control::Outcome),
}

/// What a ring takes, on average.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Footprint {
    /// Time to make it or to attach to it, nanoseconds.
    took: u64,
    /// Bytes that the kernel has given to its segment.
    segment: u64,
    /// Bytes that this process has taken beside it.
    private: u64,
    /// Bytes that a user can fill.
    capacity: u64,
}

/// A side, until its orders end.
pub fn serve(setup: &Setup, orders: Orders) -> Result<()> {
    seat::take(setup.core, false)?;
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).context("cannot read the limit of open files")?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("cannot raise the limit of open files")?;
    let ground = ground::open(setup.ground)?;
    let mut worker = Worker::new(setup, &ground);
    // What a process takes once, whatever comes: that is no ring's.
    worker.rings(1, SMALL)?;
    worker.forget();
    obey(&mut worker, orders)
}

/// One side.
struct Worker<'a> {
    /// Over which rings are handed.
    socket: UnixStream,
    /// Its ends, by turn.
    ends: Ends,
    /// Where both sides start.
    meeting: Meeting<'a>,
    /// The probe.
    prober: Prober<'a>,
}

/// The ends of a side, those that were made together together.
enum Ends {
    /// Those of the sender.
    Sender(Vec<Vec<Producer>>),
    /// Those of the receiver.
    Receiver(Vec<Vec<Consumer>>),
}

impl<'a> Worker<'a> {
    /// Has no ring yet.
    fn new(setup: &Setup, ground: &'a Shared) -> Self {
        Self {
            socket: adopt(setup.socket),
            ends: match setup.side {
                Side::Sender => Ends::Sender(Vec::new()),
                Side::Receiver => Ends::Receiver(Vec::new()),
            },
            meeting: Meeting::new(ground, setup.side as usize, 2),
            prober: Prober::new(ground, setup.side),
        }
    }

    /// Makes rings and hands them over, or takes them.
    fn rings(&mut self, count: usize, bytes: usize) -> Result<Footprint> {
        let options = spsc::options().size(bytes).wait(Wait::Spin);
        let (before, mut took) = (anonymous()?, 0);
        let (segment, capacity) = match &mut self.ends {
            Ends::Sender(turns) => {
                let mut made = Vec::with_capacity(count);
                for _ in 0..count {
                    let began = now()?;
                    let producer = options.lone_producer().context("cannot make a ring")?;
                    took += now()? - began;
                    handover::give(&self.socket, &producer, Role::Consumer)
                        .context("cannot hand over a ring")?;
                    made.push(producer);
                }
                let first = made.first().context("no ring")?;
                let blocks = fstat(first.descriptor()?).context("cannot look at a ring")?.st_blocks;
                let found = (blocks as u64 * 512, first.capacity() as u64);
                turns.push(made);
                found
            }
            Ends::Receiver(turns) => {
                let mut taken = Vec::with_capacity(count);
                for _ in 0..count {
                    let handed = handover::take(&self.socket).context("cannot take a ring")?;
                    let began = now()?;
                    taken.push(handed.consumer(&options).context("cannot attach a consumer")?);
                    took += now()? - began;
                }
                let capacity = taken.first().context("no ring")?.capacity() as u64;
                turns.push(taken);
                (0, capacity)
            }
        };
        let private = anonymous()?.saturating_sub(before) / count as u64;
        Ok(Footprint { took: took / count as u64, segment, private, capacity })
    }

    /// Closes all rings.
    fn forget(&mut self) {
        match &mut self.ends {
            Ends::Sender(turns) => turns.clear(),
            Ends::Receiver(turns) => turns.clear(),
        }
    }

    /// Moves messages through the rings of one turn.
    fn traffic(&mut self, turn: usize, first: u64, count: u64) -> Result<control::Outcome> {
        match &mut self.ends {
            Ends::Sender(turns) => {
                let rings = turns.get_mut(turn).context("no such rings")?;
                let mut payload = Payload::new(SIZE);
                self.meeting.wait()?;
                let reading = Reading::begin()?;
                in_turn(rings, first, count, |ring, number| Ok(ring.send(payload.numbered(number))?))?;
                reading.end()
            }
            Ends::Receiver(turns) => {
                let rings = turns.get_mut(turn).context("no such rings")?;
                let mut check = Check::new(SIZE, first);
                self.meeting.wait()?;
                let reading = Reading::begin()?;
                in_turn(rings, first, count, |ring, _| check.take(&ring.recv()?))?;
                let outcome = reading.end()?;
                ensure!(check.next() == first + count, "messages are missing");
                Ok(outcome)
            }
        }
    }
}

/// Does something with each ring in turn, for `count` numbers from `first` on.
#[inline(always)]
fn in_turn<E>(
    rings: &mut [E],
    first: u64,
    count: u64,
    mut each: impl FnMut(&mut E, u64) -> Result<()>,
) -> Result<()> {
    let mut number = first;
    loop {
        for ring in rings.iter_mut() {
            if number == first + count {
                return Ok(());
            }
            each(ring, number)?;
            number += 1;
        }
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
        match job {
            Job::Rings(count, bytes) => self.rings(count, bytes).map(Outcome::Rings),
            Job::Traffic(turn, first, count) => self.traffic(turn, first, count).map(Outcome::Traffic),
        }
    }
}

/// Bytes of anonymous memory that this process has.
fn anonymous() -> Result<u64> {
    let text = fs::read_to_string("/proc/self/smaps_rollup").context("cannot read the memory's map")?;
    kilobytes(&text, "Anonymous").context("the memory's map does not say what is anonymous")
}

/// The value of a line `name: value kB`, in bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Bytes of memory that are free to this process: those of the system, or of its control group.
fn free_memory() -> u64 {
    let system = fs::read_to_string("/proc/meminfo").ok();
    let system = system.and_then(|text| kilobytes(&text, "MemAvailable")).unwrap_or(0);
    let group = |name: &str| {
        let text = fs::read_to_string(format!("/sys/fs/cgroup/memory.{name}")).ok()?;
        text.trim().parse::<u64>().ok()
    };
    let group = group("max").zip(group("current")).map(|(most, used)| most.saturating_sub(used));
    group.map_or(system, |group| group.min(system))
}

/// Rings that are measured together: how many, and how many bytes each.
type Family = (Axis, usize, usize);

/// What a preset measures where `free` bytes of memory and `limit` descriptors are to be had, and what is left out.
fn families(preset: Preset, free: u64, limit: u64) -> (Vec<Family>, Vec<Family>) {
    let (rings, bytes): (&[usize], &[usize]) = match preset {
        Preset::Smoke => (&[1, 10], &[64 << 10]),
        Preset::Quick => (&RINGS, &[64 << 10, 1 << 20, 16 << 20, 64 << 20]),
        Preset::Full => (&RINGS, &BYTES),
    };
    let many = rings.iter().map(|&rings| (Axis::Rings, rings, SMALL));
    let large = bytes.iter().map(|&bytes| (Axis::RingBytes, 1, bytes));
    let mut descriptors = limit.saturating_sub(SPARE);
    many.chain(large).partition(|&(_, rings, bytes)| {
        let needed = rings as u64 * DESCRIPTORS;
        let fits = (rings * bytes) as u64 <= free / SHARE && needed <= descriptors;
        if fits {
            descriptors -= needed;
        }
        fits
    })
}

/// Takes samples of every family of rings for `budget`, and at least one of each.
pub fn run(
    preset: Preset,
    budget: Duration,
    cores: Cores,
    with: &mut dyn FnMut(GrowthSample) -> Result<()>,
) -> Result<()> {
    let Some(cores) = cores else {
        eprintln!("growth: left out: the sides spin, and need a core each");
        return Ok(());
    };
    let began = Instant::now();
    let (_, limit) = getrlimit(Resource::RLIMIT_NOFILE).context("cannot read the limit of open files")?;
    let (families, left_out) = families(preset, free_memory(), limit);
    for (_, rings, bytes) in left_out {
        let size = bytesize::ByteSize(bytes as u64);
        eprintln!(
            "growth: left out {} of {size}: too little memory or too few descriptors",
            table::plural(rings, "ring")
        );
    }
    let mut bench = Bench::start(cores, preset)?;
    for family in families {
        bench.make(family)?;
    }
    let mut round = 0;
    while round == 0 || began.elapsed() < budget && preset != Preset::Smoke {
        for nth in 0..bench.made.len() {
            with(bench.sample((nth + round) % bench.made.len(), round)?)?;
        }
        round += 1;
    }
    Ok(())
}

/// Both sides at work.
struct Bench {
    /// The processes.
    crew: Crew,
    /// Length that a sample aims for.
    aim: Duration,
    /// What was made, in that order.
    made: Vec<Made>,
    /// The number of the next message.
    next: u64,
}

/// Rings that were made.
struct Made {
    /// How many, how large.
    family: Family,
    /// What one takes, in the sender and in the receiver.
    takes: [Footprint; 2],
    /// Messages of the next sample.
    count: u64,
}

impl Bench {
    /// Starts both sides.
    fn start(cores: [usize; 2], preset: Preset) -> Result<Self> {
        let ground = ground::create()?;
        let (here, there) = socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::empty())
            .context("cannot create a pair of sockets")?;
        let sockets = [here.as_raw_fd(), there.as_raw_fd()];
        let setup = |side: Side| {
            crew::Setup::Growth(Setup {
                side,
                core: Some(cores[side as usize]),
                ground: ground.as_raw_fd(),
                socket: sockets[side as usize],
            })
        };
        let crew = Crew::start(&Side::BOTH.map(setup))?;
        Ok(Self { crew, aim: preset.sample(), made: Vec::new(), next: 1 })
    }

    /// Has both sides do something: what the sender and the receiver measured.
    fn both(&mut self, job: Job) -> Result<[Outcome; 2]> {
        let outcomes: Vec<Outcome> = self.crew.run(&job)?;
        outcomes.try_into().map_err(|_| anyhow::anyhow!("a side did not answer"))
    }

    /// Makes rings, and runs them uncounted until their samples have about the right length.
    fn make(&mut self, family: Family) -> Result<()> {
        let (_, rings, bytes) = family;
        let what = || format!("cannot make {} of {bytes} bytes", table::plural(rings, "ring"));
        let [Outcome::Rings(sender), Outcome::Rings(receiver)] =
            self.both(Job::Rings(rings, bytes)).with_context(what)?
        else {
            bail!("a side answered another order")
        };
        ensure!(sender.capacity == receiver.capacity, "the sides see rings of different sizes");
        self.made.push(Made { family, takes: [sender, receiver], count: FIRST_COUNT });
        let turn = self.made.len() - 1;
        for _ in 0..8 {
            let wall = self.take(turn, 16.0)?.0;
            if wall >= self.aim.as_nanos() as u64 / 4 {
                break;
            }
        }
        Ok(())
    }

    /// Moves messages through the rings of a turn: how long it took, nanoseconds, how many there were, and what both sides
    /// measured.
    fn take(&mut self, turn: usize, growth: f64) -> Result<(u64, u64, [control::Outcome; 2])> {
        let count = self.made[turn].count;
        let job = Job::Traffic(turn, self.next, count);
        let [Outcome::Traffic(sender), Outcome::Traffic(receiver)] = self.both(job)? else {
            bail!("a side answered another order")
        };
        self.next += count;
        let wall = receiver.end.saturating_sub(sender.start);
        let factor = (self.aim.as_nanos() as f64 / wall.max(1) as f64).clamp(0.25, growth);
        self.made[turn].count = ((count as f64 * factor) as u64).clamp(FIRST_COUNT, LARGEST_COUNT);
        Ok((wall, count, [sender, receiver]))
    }

    /// Takes a sample that counts.
    fn sample(&mut self, turn: usize, round: usize) -> Result<GrowthSample> {
        let before = self.crew.probe([0, 1])?;
        let (wall, count, sides) = self.take(turn, 2.0)?;
        let probe = [before, self.crew.probe([0, 1])?];
        let (regime, agree) = regime_of(probe);
        let lost = sides.iter().any(|side| is_off(side.end - side.start, side.cpu));
        let Made { family: (axis, rings, ring_bytes), takes: [sender, receiver], .. } = self.made[turn];
        Ok(GrowthSample {
            axis,
            rings,
            ring_bytes,
            size: SIZE,
            round,
            ns: wall as f64 / count as f64,
            memory_bytes: sender.segment + sender.private + receiver.private,
            capacity_bytes: sender.capacity,
            create_ns: sender.took,
            open_ns: receiver.took,
            probe,
            regime,
            sound: agree && !lost,
        })
    }
}

/// The samples as tables: one for what rings take, and one for each axis and regime.
pub fn table(samples: &[GrowthSample]) -> String {
    let sound: Vec<&GrowthSample> = samples.iter().filter(|sample| sample.sound).collect();
    let mut text = format!(
        "\n== growth: {} ({} dropped)\n",
        table::plural(samples.len(), "sample"),
        samples.len() - sound.len()
    );
    let families: BTreeSet<Family> = samples.iter().map(family).collect();
    let header = ["rings", "bytes of each", "memory - capacity", "create", "open"];
    let mut takes = table::table(header.map(str::to_owned).to_vec());
    for of in &families {
        let Some(sample) = samples.iter().find(|sample| family(sample) == *of) else { continue };
        let time = |nanoseconds| table::short(nanoseconds as f64 / 1e3) + " µs";
        let beside = sample.memory_bytes.saturating_sub(sample.capacity_bytes);
        takes.add_row([
            sample.rings.to_string(),
            bytesize::ByteSize(sample.ring_bytes as u64).to_string(),
            format!("{:.1} KiB", beside as f64 / 1024.0),
            time(sample.create_ns),
            time(sample.open_ns),
        ]);
    }
    let _ = write!(text, "what one ring takes, segment and both processes\n{takes}\n");
    let groups: BTreeSet<(Regime, Axis)> = sound.iter().map(|s| (s.regime, s.axis)).collect();
    for (regime, axis) in groups {
        let group: Vec<&GrowthSample> =
            sound.iter().copied().filter(|s| (s.regime, s.axis) == (regime, axis)).collect();
        let title = match axis {
            Axis::Rings => "many rings of 4 KiB, a message through each in turn",
            Axis::RingBytes => "one ring",
        };
        let _ = write!(
            text,
            "\n{title}, ns per message of {SIZE} bytes; ratio to the first row, per round, median; {}\n{}\n",
            regime.label(),
            figures(&group)
        );
    }
    text
}

/// Which rings a sample is of.
fn family(sample: &GrowthSample) -> Family {
    (sample.axis, sample.rings, sample.ring_bytes)
}

/// Rows: families; the cost of a message, its spread, and its ratio to that of the first family.
fn figures(group: &[&GrowthSample]) -> comfy_table::Table {
    let header = ["rings", "bytes of each", "ns", "p10", "p90", "ratio"];
    let mut table = table::table(header.map(str::to_owned).to_vec());
    let families: BTreeSet<Family> = group.iter().map(|sample| family(sample)).collect();
    let of = |of: Family| group.iter().filter(move |sample| family(sample) == of);
    let first = families.first().copied();
    for row in families {
        let Some(cost) = Spread::of(of(row).map(|sample| sample.ns).collect()) else { continue };
        let ratio = |sample: &&GrowthSample| {
            of(first?).find(|other| other.round == sample.round).map(|other| sample.ns / other.ns)
        };
        let ratios = Spread::of(of(row).filter_map(ratio).collect());
        let (_, rings, bytes) = row;
        let figures = [cost.median, cost.p10, cost.p90].map(table::short);
        let ratio = ratios.map_or(String::new(), |ratio| table::short(ratio.median));
        let names = [rings.to_string(), bytesize::ByteSize(bytes as u64).to_string()];
        table.add_row(names.into_iter().chain(figures).chain([ratio]));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ring_has_its_turn() {
        let mut rings = [Vec::new(), Vec::new(), Vec::new()];
        in_turn(&mut rings, 5, 7, |ring, number| {
            ring.push(number);
            Ok(())
        })
        .unwrap();
        assert_eq!(rings, [vec![5, 8, 11], vec![6, 9], vec![7, 10]]);
    }

    #[test]
    fn rings_that_do_not_fit_are_left_out() {
        let (measured, left_out) = families(Preset::Full, 3 << 30, 20_000);
        assert_eq!((measured.len(), left_out.len()), (RINGS.len() + BYTES.len(), 0));
        let (measured, left_out) = families(Preset::Full, 1 << 30, 20_000);
        assert_eq!(left_out, [(Axis::RingBytes, 1, 1 << 30)]);
        assert!(measured.contains(&(Axis::RingBytes, 1, 256 << 20)));
        let (_, left_out) = families(Preset::Quick, 3 << 30, 1024);
        assert_eq!(left_out, [(Axis::Rings, 1000, SMALL)]);
    }

    #[test]
    fn the_kernels_tables_are_read() {
        let text = "Rss:   100 kB\nAnonymous:             936 kB\nAnonHugePages: 0 kB\n";
        assert_eq!(kilobytes(text, "Anonymous"), Some(936 * 1024));
        assert_eq!(kilobytes(text, "Anon"), None);
        assert!(anonymous().unwrap() > 0 && free_memory() > 0);
    }

    #[test]
    fn the_table_compares_round_by_round() {
        let sample = |rings, round, ns| GrowthSample {
            axis: Axis::Rings,
            rings,
            ring_bytes: SMALL,
            size: SIZE,
            round,
            ns,
            memory_bytes: 4096 + 9216,
            capacity_bytes: 4088,
            create_ns: 120_000,
            open_ns: 80_000,
            probe: [90.0; 2],
            regime: Regime::Near,
            sound: true,
        };
        let text =
            table(&[sample(1, 0, 10.0), sample(10, 0, 12.0), sample(1, 1, 100.0), sample(10, 1, 120.0)]);
        for figure in ["1.20", "9.0 KiB", "120 µs", "80.0 µs", "55.0"] {
            assert!(text.contains(figure), "{figure}: {text}");
        }
    }
}
