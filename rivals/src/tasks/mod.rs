//! Tasks that wait: how long a message takes to a task of tokio that awaits it, and what that costs, where a thousand tasks of
//! one thread await a ring each, or a socket each.
//!
//! A *stretch* is one way to wait: a process that receives, in a runtime with one thread, and one that sends, evenly over
//! time, to one ring after the other. A message carries when it was sent, and the latency is what has passed when the task has
//! it. Every message is checked: whose it is, its number, how many there are. A *round* is a stretch of each way, in another
//! order each time; ways are compared within rounds.

mod receive;
mod report;
mod send;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::time::TimeValLike;
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

pub use receive::receive;
pub use send::send;

/// How a task waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Way {
    /// ringway, the ring's descriptor is an io_uring
    Ring,
    /// ringway without io_uring: a thread watches the rings
    RingWatched,
    /// tokio::net::UnixStream
    Socket,
}

impl Way {
    /// The word that chooses it.
    fn word(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// How to measure.
#[derive(Debug, clap::Args)]
pub struct Tasks {
    /// Rings, or sockets, and as many tasks
    #[arg(long, default_value_t = 1000)]
    rings: u32,
    /// Messages to each per second
    #[arg(long, default_value_t = 10)]
    rate: u32,
    /// Seconds that a stretch lasts, after one that does not count
    #[arg(long, default_value_t = 5)]
    stretch: u32,
    /// Rounds: a stretch of each way
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Milliseconds between two looks whether a ring's peer lives
    #[arg(long, default_value_t = 50)]
    liveness: u64,
    /// Which ways; all unless told otherwise
    #[arg(long, value_delimiter = ',')]
    ways: Vec<Way>,
}

/// One side of a stretch.
#[derive(Clone, Debug, clap::Args)]
pub struct Side {
    /// How the tasks wait
    #[arg(long)]
    way: Way,
    /// What the rings, or the socket's address, are called
    #[arg(long)]
    name: String,
    /// How many there are
    #[arg(long)]
    rings: u32,
    /// Messages to each per second
    #[arg(long)]
    rate: u32,
    /// Seconds that count
    #[arg(long)]
    stretch: u32,
    /// Milliseconds between two looks
    #[arg(long)]
    liveness: u64,
}

impl Side {
    /// The options of the rings.
    fn options(&self) -> ringway::spsc::Options {
        ringway::spsc::options().size(4096).liveness(Duration::from_millis(self.liveness))
    }

    /// The name of a ring.
    fn ring(&self, number: u32) -> String {
        format!("{}.{number}", self.name)
    }

    /// Messages to each ring before those that count: a second's.
    fn warm_up(&self) -> u64 {
        u64::from(self.rate)
    }

    /// Messages to each ring.
    fn messages(&self) -> u64 {
        self.warm_up() + u64::from(self.rate) * u64::from(self.stretch)
    }
}

/// A message.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Note {
    /// Whose it is.
    ring: u64,
    /// Which of them, from 0.
    number: u64,
    /// When it was sent, nanoseconds on the monotonic clock.
    sent: u64,
}

/// What the receiving side has measured of the messages that count.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Received {
    /// Latencies that half, 99 % and 99.9 % of them do not exceed, and the longest, nanoseconds.
    latency: [u64; 4],
    /// Nanoseconds of processor time, of the whole process.
    cpu: u64,
    /// How often a thread slept meanwhile.
    sleeps: i64,
    /// How long it took, nanoseconds.
    wall: u64,
}

/// What the sending side has measured.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Sent {
    /// Nanoseconds of processor time.
    cpu: u64,
}

/// A stretch.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    /// The receiving side.
    received: Received,
    /// The sending side.
    sent: Sent,
}

/// What a process has used of the processor, nanoseconds, and how often it slept.
fn usage() -> Result<(u64, i64)> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).context("cannot read the processor time")?;
    let time = usage.user_time().num_nanoseconds() + usage.system_time().num_nanoseconds();
    Ok((time as u64, usage.voluntary_context_switches()))
}

/// The monotonic clock, nanoseconds.
fn now() -> Result<u64> {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).context("cannot read the clock")?;
    Ok(time.num_nanoseconds() as u64)
}

/// Lets this process have as many descriptors as it may.
fn raise_limit() -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).context("cannot raise the limit of descriptors")
}

/// Measures, and prints the report.
pub fn tasks(arguments: &Tasks) -> Result<()> {
    ensure!(arguments.rings > 0 && arguments.rate > 0 && arguments.stretch > 0, "at least one of each");
    let ways = if arguments.ways.is_empty() { Way::value_variants() } else { &arguments.ways };
    let mut stretches: BTreeMap<Way, Vec<Stretch>> = BTreeMap::new();
    let began = Instant::now();
    for round in 0..arguments.rounds.max(1) {
        let mut ways = ways.to_vec();
        let turn = round % ways.len();
        ways.rotate_left(turn);
        for way in ways {
            let name = format!("rivals-tasks-{}-{round}", std::process::id());
            let Tasks { rings, rate, stretch, liveness, .. } = *arguments;
            let side = Side { way, name, rings, rate, stretch, liveness };
            let stretch = measure(&side).with_context(|| format!("{}, round {round}", way.word()))?;
            stretches.entry(way).or_default().push(stretch);
        }
    }
    print!("{}", report::report(arguments, &stretches, began.elapsed()));
    Ok(())
}

/// One stretch.
fn measure(side: &Side) -> Result<Stretch> {
    let _names = Names(side);
    let mut receiver = Process::start("receive-tasks", side)?;
    ensure!(receiver.hear()? == "ready", "the receiver is not ready");
    let mut sender = Process::start("send-tasks", side)?;
    let sent = serde_json::from_str(&sender.hear()?)?;
    let received = serde_json::from_str(&receiver.hear()?)?;
    Ok(Stretch { received, sent })
}

/// The rings' names, which are removed on drop if they are there still: if a side was killed.
struct Names<'a>(&'a Side);

impl Drop for Names<'_> {
    fn drop(&mut self) {
        for ring in 0..self.0.rings {
            // Mostly fails: whoever leaves last has removed it.
            let _ = ringway::inspect::remove(self.0.ring(ring), true);
        }
    }
}

/// A side's process; killed on drop.
struct Process {
    /// The process.
    child: Child,
    /// What it says.
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts one side.
    fn start(role: &str, side: &Side) -> Result<Self> {
        let mut command = Command::new("/proc/self/exe");
        command.args([role, "--way", &side.way.word(), "--name", &side.name]);
        let numbers = [
            ("--rings", side.rings.into()),
            ("--rate", side.rate.into()),
            ("--stretch", side.stretch.into()),
            ("--liveness", side.liveness),
        ];
        for (option, number) in numbers {
            command.args([option, &number.to_string()]);
        }
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().context("a process without output")?;
        Ok(Self { child, lines: BufReader::new(output).lines() })
    }

    /// The next line.
    fn hear(&mut self) -> Result<String> {
        Ok(self.lines.next().context("a process has ended")??)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has said everything, or nothing more is wanted of it. Both fail only if it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
