//! `ringway bench`: the ring beside every kernel mechanism, beside T (a bare record ring with a shared tail),
//! and beside the floors of the machine, all measured in one run.
//!
//! Two role processes, each pinned to a core, move checked payload; the coordinator, which sleeps meanwhile,
//! interleaves short samples of all rivals. Each sample lies between two probes of the distance between the
//! cores, since virtual machines change that distance at any time. A sample is dropped when its probes
//! disagree or a spinning side lost its core; figures are given per regime, as medians of ratios within a
//! round.
//!
//! In a *wake-up* both sides sleep until the message comes, on two cores or both on one. That takes some care: on two
//! cores a side rests, busily, before it sends, or an answer would come before its receiver slept; on one core
//! nobody is preempted by whom it wakes (`seat`). A sample of wake-ups is dropped when the sides' voluntary context
//! switches do not bear out that they slept. On one core there is no distance to probe; but exactly one side has
//! something to do at any time, so when their CPU times do not add up to what passed, somebody else had the core. On
//! two cores a lost core cannot be told from sleep, and the median must do.
//!
//! ```text
//!        coordinator             plan, lacking, sample, report, table, machine
//!             │ pair              orders and answers (control), inherited descriptors (ends), keeper, python
//!           role                  seat, probe, traffic, payload
//!     ┌───────┴┬────────────────┬────────────────┐
//!  ringway   the kernel's    rings in memory    floors
//!  rings     kernel          counted_ring       record_ring (T)
//!  kinds     packets, udp    posix_semaphore    floor_copy
//!            splice          system_v           floor_futex
//!            message_queue   futex_ring         shared, bytes
//!            signals         memory, slots
//! ```
//!
//! Patterns that are no pair are `studies`.

mod bytes;
mod control;
mod coordinator;
mod counted_ring;
mod ends;
mod floor_copy;
mod floor_futex;
mod futex_ring;
mod keeper;
mod kernel;
mod kinds;
mod lacking;
mod machine;
mod memory;
mod message_queue;
mod packets;
mod pair;
mod payload;
mod plan;
mod posix_semaphore;
mod probe;
mod python;
mod record_ring;
mod report;
mod ring_wakes;
mod rings;
mod role;
mod sample;
mod seat;
mod shared;
mod signals;
mod slots;
mod splice;
mod studies;
mod system_v;
mod table;
mod traffic;
mod udp;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

pub use keeper::{KeeperArgs, keeper};
pub use role::{RoleArgs, role};
pub use studies::worker;

use control::Tuning;
use coordinator::{Agenda, Limit};
use lacking::LeftOut;
use machine::Machine;
use plan::{Mechanism, Pattern, Selection};
use report::{Conditions, Dropped, Report};
use sample::Build;

/// Time that a default run takes.
const BUDGET: Duration = Duration::from_secs(55);

/// Length that a sample of a smoke run aims for.
const SMOKE_SAMPLE: Duration = Duration::from_micros(200);

/// Message sizes of a smoke run, bytes.
const SMOKE_SIZES: [usize; 3] = [8, 248, 65536];

/// What is said about the warm-up.
const WARM_UP: &str = "every cell once per process start, not counted";

/// Arguments of `ringway bench`.
#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    /// Message sizes in bytes, multiples of 8 (default: 8 to 64 KiB; of wake-ups 8 and 64)
    #[arg(long, value_delimiter = ',', value_parser = message_size, value_name = "BYTES")]
    sizes: Vec<usize>,
    /// Traffic patterns (default: all)
    #[arg(long, value_delimiter = ',', value_enum)]
    patterns: Vec<Pattern>,
    /// Mechanisms (default: the best known, in a smoke run all); the floors and T are measured in any case
    #[arg(long, value_delimiter = ',', value_enum)]
    mechanisms: Vec<Mechanism>,
    /// Rounds of each process start (default: as many as there is time for)
    #[arg(long, value_name = "N", conflicts_with = "seconds")]
    rounds: Option<usize>,
    /// Seconds for the whole run (default: 55)
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,
    /// How often both processes are started anew: some behaviour of a stream is settled at its start
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..), value_name = "N")]
    starts: u16,
    /// Length that each sample aims for; wake-ups take three or six times as long
    #[arg(long, default_value = "8ms", value_parser = humantime::parse_duration, value_name = "TIME")]
    sample: Duration,
    /// How long each side keeps busy before it sends in the pattern `wake`, so that the other one has gone to sleep
    #[arg(long, default_value = "50us", value_parser = humantime::parse_duration, value_name = "TIME")]
    rest: Duration,
    /// Capacity of the rings in bytes, a power of two from 64K up
    #[arg(long, default_value = "1M", value_parser = ring_size, value_name = "BYTES")]
    size: usize,
    /// How the rings' consumers poll a stream
    #[arg(long, value_enum, default_value_t)]
    tune: Tuning,
    /// The cores of the sender and the receiver (default: the first two)
    #[arg(long, value_delimiter = ',', num_args = 2, value_name = "CORE")]
    cores: Vec<usize>,
    /// Another build of this program: measure its rings in turn with this one's
    #[arg(long, value_name = "PATH")]
    against: Option<PathBuf>,
    /// Write every sample to this file, one JSON object per line
    #[arg(long, value_name = "FILE")]
    raw: Option<PathBuf>,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    /// Studies to do instead of the pairs
    #[arg(long, value_delimiter = ',', value_enum, conflicts_with_all = ["sizes", "patterns", "mechanisms", "against"])]
    parts: Vec<studies::Part>,
    /// Run everything once, briefly: shows that it works, the figures mean nothing
    #[arg(long, conflicts_with_all = ["rounds", "seconds", "starts", "sample"])]
    smoke: bool,
}

/// Measures and prints.
pub fn run(args: &BenchArgs) -> Result<()> {
    let began = Instant::now();
    let machine = Machine::look(<[usize; 2]>::try_from(args.cores.as_slice()).ok())?;
    if !args.parts.is_empty() {
        return study(args, &machine);
    }
    let (agenda, left_out) = agenda(args, &machine)?;
    let raw = args.raw.as_deref().map(create_file).transpose()?;
    let samples = coordinator::run(&agenda, raw)?;
    let report = Report {
        conditions: Conditions {
            ring_bytes: args.size,
            tune: args.tune,
            starts: agenda.starts,
            sample_seconds: agenda.sample.as_secs_f64(),
            rest_seconds: agenda.rest.as_secs_f64(),
            left_out,
            warm_up: WARM_UP,
            against: args.against.as_ref().map(|path| path.display().to_string()),
        },
        machine,
        samples: samples.len(),
        dropped: Dropped::count(&samples),
        seconds: began.elapsed().as_secs_f64(),
        probes: report::probes(&samples),
        cells: report::cells(&samples)?,
        awake: report::awake(&samples),
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", table::render(&report));
    }
    Ok(())
}

/// Does the studies that were asked for.
fn study(args: &BenchArgs, machine: &Machine) -> Result<()> {
    let preset = if args.smoke { studies::Preset::Smoke } else { studies::Preset::Quick };
    let mut raw = args.raw.as_deref().map(create_file).transpose()?;
    let mut samples = Vec::new();
    studies::run(&args.parts, preset, budget(args)?, machine.pinned, &mut |sample| {
        if let Some(raw) = &mut raw {
            writeln!(raw, "{}", serde_json::to_string(&sample)?).context("cannot write the raw samples")?;
        }
        samples.push(sample);
        Ok(())
    })?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&samples)?);
    } else {
        print!("{}", studies::render(&samples));
    }
    Ok(())
}

/// The time that the whole run is to take.
fn budget(args: &BenchArgs) -> Result<Duration> {
    args.seconds.map_or(Ok(BUDGET), Duration::try_from_secs_f64).context("--seconds")
}

/// What the arguments ask for on this machine, and what of it the machine does not have.
fn agenda(args: &BenchArgs, machine: &Machine) -> Result<(Agenda, Vec<LeftOut>)> {
    if let Some(size) = args.sizes.iter().find(|size| !plan::fits(**size, args.size)) {
        anyhow::bail!("messages of {size} bytes need a ring of more than twice that: raise --size");
    }
    let quick = Mechanism::value_variants().iter().copied().filter(|mechanism| mechanism.is_quick());
    let quick: Vec<Mechanism> = quick.filter(|mechanism| !mechanism.is_reference()).collect();
    let mut selection = Selection {
        sizes: if args.smoke && args.sizes.is_empty() { &SMOKE_SIZES } else { &args.sizes },
        patterns: &args.patterns,
        mechanisms: if args.smoke || !args.mechanisms.is_empty() { &args.mechanisms } else { &quick },
        ring_bytes: args.size,
        two_cores: machine.pinned.is_some(),
        lacking: &[],
    };
    let left_out = lacking::among(&plan::groups(&selection), args.size);
    let lacking: Vec<Mechanism> = left_out.iter().map(|left_out| left_out.mechanism).collect();
    selection.lacking = &lacking;
    let groups = plan::groups(&selection);
    ensure!(
        !groups.is_empty(),
        "nothing to measure: no mechanism that was asked for takes these patterns and sizes"
    );
    let mut builds = vec![(Build::This, PathBuf::from("/proc/self/exe"))];
    builds.extend(args.against.clone().map(|path| (Build::Other, path)));
    let budget = budget(args)?;
    let agenda = Agenda {
        groups,
        builds,
        conditions: pair::Conditions { cores: machine.pinned, ring_bytes: args.size, tune: args.tune },
        starts: if args.smoke { 1 } else { args.starts.into() },
        limit: if args.smoke {
            Limit::Rounds(1)
        } else {
            args.rounds.map_or(Limit::Time(budget), Limit::Rounds)
        },
        sample: if args.smoke { SMOKE_SAMPLE } else { args.sample },
        rest: args.rest,
    };
    Ok((agenda, left_out))
}

/// Creates the file for the raw samples.
fn create_file(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("cannot create {}", path.display()))
}

/// Parses bytes; K and M are powers of 1024.
fn parse_bytes(text: &str) -> Result<usize, String> {
    let bytes =
        parse_size::Config::new().with_binary().parse_size(text).map_err(|error| error.to_string())?;
    usize::try_from(bytes).map_err(|error| error.to_string())
}

/// Parses a message size.
fn message_size(text: &str) -> Result<usize, String> {
    match parse_bytes(text)? {
        size if size > 0 && size % 8 == 0 => Ok(size),
        size => Err(format!(
            "{size} is not a multiple of 8: the first and the last word of a message carry its number"
        )),
    }
}

/// Parses the capacity of a ring.
fn ring_size(text: &str) -> Result<usize, String> {
    match parse_bytes(text)? {
        size if size.is_power_of_two() && (64 << 10..=1 << 30).contains(&size) => Ok(size),
        size => Err(format!("{size} is not a power of two from 64K to 1024M")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_parsed_and_checked() {
        assert_eq!(message_size("8"), Ok(8));
        assert_eq!(message_size("64K"), Ok(65536));
        assert!(message_size("12").is_err() && message_size("0").is_err() && message_size("x").is_err());
        assert_eq!(ring_size("1M"), Ok(1 << 20));
        assert!(ring_size("1000").is_err() && ring_size("4K").is_err());
    }
}
