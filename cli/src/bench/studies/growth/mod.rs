//! Growth: what a message costs, and a ring, when there are many rings, or large ones.
//!
//! One pair has all the rings at once and moves messages through them in turn, a message through each. The sender makes each
//! ring and hands it to the receiver over a socket, so each step is timed where it is taken: making a ring and attaching to it
//! as the producer, and attaching to it as the consumer.
//!
//! Memory of a ring is what the kernel has given to its segment, and what both processes have taken beside it (`Anonymous` in
//! `/proc/self/smaps_rollup`), without what the kernel keeps for itself: files, page tables.

mod table;
mod worker;

use std::fs;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use serde::{Deserialize, Serialize};

use super::crew::{self, Crew};
use super::{Cores, Preset, ground, regime_of};
use crate::bench::control::{self, Side};
use crate::bench::sample::{Regime, is_off};
use crate::bench::table::plural;

pub use table::table;
pub use worker::serve;

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
            plural(rings, "ring")
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
        let what = || format!("cannot make {} of {bytes} bytes", plural(rings, "ring"));
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

#[cfg(test)]
mod tests {
    use super::worker::anonymous;
    use super::*;

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
}
