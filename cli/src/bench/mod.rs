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
//!        coordinator             plan, lacking, sample, machine; record, report: table, page, compare
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

mod args;
mod bytes;
mod compare;
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
mod page;
mod pair;
mod payload;
mod plan;
mod posix_semaphore;
mod probe;
mod python;
mod record;
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
mod units;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

pub use args::BenchArgs;
pub use keeper::{KeeperArgs, keeper};
pub use role::{RoleArgs, role};
pub use studies::worker;

use crate::exit::warn;
use compare::Comparison;
use coordinator::{Agenda, Limit};
use lacking::LeftOut;
use machine::Machine;
use plan::{Mechanism, Selection};
use record::{Record, Recorder, Recording, Run};
use report::{Conditions, Report};
use sample::Build;

/// Message sizes of a smoke run, bytes.
const SMOKE_SIZES: [usize; 3] = [8, 248, 65536];

/// What is said about the warm-up.
const WARM_UP: &str =
    "every cell once per process start, and rings once round before each sample, not counted";

/// Measures, or reads what was measured, and tells.
pub fn run(args: &BenchArgs) -> Result<()> {
    let old = args.compare.as_deref().map(record::read).transpose()?;
    let page = args.report.as_deref().map(create_file).transpose()?;
    let recording = match &args.from {
        Some(path) => record::read(path)?,
        None => measure(args)?,
    };
    let mut report = Report::of(&recording)?;
    report.comparison = old.map(|old| Comparison::between(&old, &recording));
    for line in report.comparison.iter().flat_map(|comparison| &comparison.warnings) {
        warn(line);
    }
    if let Some(mut page) = page {
        let html = page::render(&recording, &report)?;
        page.write_all(html.as_bytes()).context("cannot write the report")?;
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", table::render(&report));
    }
    Ok(())
}

/// Measures what the arguments ask for.
fn measure(args: &BenchArgs) -> Result<Recording> {
    let began = Instant::now();
    let machine = Machine::look(<[usize; 2]>::try_from(args.cores.as_slice()).ok())?;
    let pinned = machine.pinned;
    let (agenda, left_out) = args.pairs().then(|| agenda(args, &machine)).transpose()?.unzip();
    let raw = args.raw.as_deref().map(create_file).transpose()?;
    let conditions = Conditions {
        preset: args.preset(),
        ring_bytes: args.ring_bytes(),
        tune: args.tune,
        starts: args.starts(),
        sample_seconds: args.sample().as_secs_f64(),
        rest_seconds: args.rest.as_secs_f64(),
        left_out: left_out.unwrap_or_default(),
        warm_up: WARM_UP.to_owned(),
        against: args.against.as_ref().map(|path| path.display().to_string()),
    };
    let date = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let mut recorder =
        Recorder::begin(Run { format: record::FORMAT, version, date, machine, conditions }, raw)?;
    if let Some(agenda) = &agenda {
        coordinator::run(agenda, &mut |sample| recorder.take(Record::Pair(Box::new(sample))))?;
    }
    let left = args.budget()?.saturating_sub(began.elapsed());
    studies::run(&args.studies(), args.studies_preset(), left, pinned, &mut |study| {
        recorder.take(study.into())
    })?;
    recorder.end(began.elapsed().as_secs_f64())
}

/// What the arguments ask for on this machine, and what of it the machine does not have.
fn agenda(args: &BenchArgs, machine: &Machine) -> Result<(Agenda, Vec<LeftOut>)> {
    let mut selection = Selection {
        preset: args.preset(),
        sizes: if args.smoke && args.sizes.is_empty() { &SMOKE_SIZES } else { &args.sizes },
        patterns: &args.patterns,
        mechanisms: &args.mechanisms,
        ring_bytes: args.ring_bytes(),
        two_cores: machine.pinned.is_some(),
        lacking: &[],
    };
    let left_out = lacking::among(&plan::groups(&selection));
    let lacking: Vec<Mechanism> = left_out.iter().map(|left_out| left_out.mechanism).collect();
    selection.lacking = &lacking;
    let groups = plan::groups(&selection);
    ensure!(
        !groups.is_empty(),
        "nothing to measure: no mechanism that was asked for takes these patterns and sizes"
    );
    let mut builds = vec![(Build::This, PathBuf::from("/proc/self/exe"))];
    builds.extend(args.against.clone().map(|path| (Build::Other, path)));
    let agenda = Agenda {
        groups,
        builds,
        cores: machine.pinned,
        tune: args.tune,
        starts: args.starts(),
        limit: match args.rounds {
            _ if args.smoke => Limit::Rounds(1),
            Some(rounds) => Limit::Rounds(rounds),
            None => Limit::Time(args.budget_of_pairs()?),
        },
        sample: args.sample(),
        rest: args.rest,
    };
    Ok((agenda, left_out))
}

/// Creates a file for results before anything is measured.
fn create_file(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("cannot create {}", path.display()))
}
