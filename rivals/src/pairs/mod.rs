//! `pairs`: one sender and one receiver. ringway's `spsc` beside other rings and ways to send messages, between two
//! processes and between two threads of one, over message sizes and patterns, in one run.
//!
//! Each side has a core of its own. Every sample lies between two probes of the distance between the cores, and is
//! dropped when they disagree or when a side that spins lost its core; the rivals of one pattern and size are sampled
//! right after one another, and compared round by round. Payload is written, read and checked, the same for all. A
//! rival that only offers calls that do not wait is waited for by [`traffic::Polled`].
//!
//! Three files are those of `ringway bench`, so that its yardsticks are these: the ping-pong over two cache lines, T
//! (the bare record ring with a shared tail), and how both touch memory. The bench is part of a program, and a
//! crate for the two of them would have to be published with that; so the files are included.
//!
//! ```text
//!      lib          what is asked for
//!      run          whose turn it is: plan, sample, report
//!      pair         processes, orders, answers (control)
//!      role         a process: one side, or both as threads
//!      field        the rivals: apart (processes; shaq, ringfire), together (threads); rivals/more adds to them
//!    traffic        loops, payload, meter (probe, barrier, clocks), ground (shared memory)
//! ```

pub mod apart;
#[path = "../../../cli/src/bench/bytes.rs"]
mod bytes;
pub mod control;
pub mod field;
pub mod ground;
pub mod meter;
mod pair;
pub mod payload;
pub mod plan;
#[path = "../../../cli/src/bench/probe.rs"]
mod probe;
#[path = "../../../cli/src/bench/record_ring.rs"]
mod record_ring;
mod report;
mod ringfire;
mod role;
mod run;
mod sample;
mod shaq;
pub mod sized;
mod stop;
mod together;
pub mod traffic;

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

pub use role::role;

use field::{Field, Rival};
use plan::{Pattern, SIZES};
use run::Agenda;
use stop::Stop;

/// Length that a sample of a smoke run aims for.
const SMOKE_SAMPLE: Duration = Duration::from_micros(200);

/// How to measure `pairs`.
#[derive(Debug, clap::Args)]
pub struct Pairs {
    /// How long to run, in seconds; one round at least
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Payload bytes: 8, 64, 248, 1016, 4088, 65536
    #[arg(long, value_delimiter = ',', default_values_t = SIZES)]
    sizes: Vec<usize>,
    /// Traffic patterns; all unless told otherwise
    #[arg(long, value_delimiter = ',', value_enum)]
    patterns: Vec<Pattern>,
    /// Which rivals beside the yardsticks; all unless told otherwise
    #[arg(long, value_delimiter = ',')]
    rivals: Vec<String>,
    /// Rounds between two process starts
    #[arg(long, default_value_t = 4)]
    rounds_per_start: usize,
    /// Milliseconds that a sample aims for, up to 60
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=60))]
    sample: u64,
    /// The most pauses between two looks of a stream's side at a full or empty queue of a rival; 1: look as often as
    /// possible, as in round trips
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pauses: u32,
    /// The two cores
    #[arg(long, value_delimiter = ',', default_value = "0,1")]
    cores: Vec<usize>,
    /// Where to write raw samples, one JSON object per line
    #[arg(long)]
    json: Option<PathBuf>,
    /// Run everything once, briefly: shows that it works, the figures mean nothing
    #[arg(long, conflicts_with_all = ["seconds", "sample"])]
    smoke: bool,
}

/// Measures and prints the report.
pub fn pairs(arguments: Pairs, more: &'static [Rival]) -> Result<()> {
    let cores: [usize; 2] = arguments.cores.try_into().ok().context("--cores takes two")?;
    ensure!(cores[0] != cores[1], "--cores needs two different cores");
    for size in &arguments.sizes {
        ensure!(SIZES.contains(size), "--sizes takes some of {SIZES:?}, not {size}");
    }
    let stop = Stop::listen()?;
    let field = Field::new(more);
    let raw = arguments
        .json
        .map(|path| File::create(&path).with_context(|| format!("cannot create {}", path.display())));
    let agenda = Agenda {
        groups: plan::groups(&field, &arguments.rivals, &arguments.patterns, &arguments.sizes)?,
        budget: Duration::from_secs(if arguments.smoke { 0 } else { arguments.seconds }),
        rounds_per_start: arguments.rounds_per_start.max(1),
        sample: if arguments.smoke { SMOKE_SAMPLE } else { Duration::from_millis(arguments.sample) },
        pauses: arguments.pauses,
        cores,
    };
    let samples = run::run(&agenda, &field, &stop, raw.transpose()?)?;
    print!("{}", report::report(&samples, &field));
    Ok(())
}
