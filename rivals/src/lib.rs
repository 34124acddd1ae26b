//! ringway beside others, in one run: `mpmc`, the throughput of its queue beside that of other queues, between processes and
//! between threads, in crowds of several sizes, per regime of the machine; `pairs`, one sender and one receiver
//! (`pairs/mod.rs` says how that is measured); and `tasks`, the latency of tasks that wait (`tasks/mod.rs`).
//!
//! For `mpmc`, workers are pinned to two cores in turn. Every sample lies between two probes of the distance between the cores,
//! and is dropped when they disagree or a core was lost; rivals are sampled right after one another, and compared round
//! by round. Messages are written, read and checked. A full or empty queue is waited for in the same way by all: a
//! worker with a core of its own pauses before each look, twice as long each time, and yields after 128 pauses; in a
//! crowd it yields at once. Queues
//! whose calls block wait in their own way, in rows of their own.

mod bare;
mod control;
mod ends;
#[path = "../../tests/hostile/filter.rs"]
mod filter;
mod host;
mod hosts;
mod message;
pub mod pairs;
mod plan;
mod queues;
mod report;
mod run;
mod sample;
mod stage;
mod tasks;
mod team;
mod worker;

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};

use plan::{Crowd, Queue};
use run::Agenda;

/// Measures ringway beside other queues
#[derive(Debug, Parser)]
struct Arguments {
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Command {
    /// Many producers, many consumers
    Mpmc(Mpmc),
    /// One producer, one consumer
    Pairs(pairs::Pairs),
    /// Tasks of tokio that wait
    Tasks(tasks::Tasks),
    /// A process with workers, started by the bench itself
    #[command(hide = true)]
    Host,
    /// A process with a side of a pair or both, the same
    #[command(hide = true)]
    PairRole,
    /// A process with tasks that receive, the same
    #[command(hide = true)]
    ReceiveTasks(tasks::Side),
    /// A process that sends to them
    #[command(hide = true)]
    SendTasks(tasks::Side),
}

/// How to measure `mpmc`.
#[derive(Debug, clap::Args)]
struct Mpmc {
    /// How long to run, in seconds; one round at least
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Payload bytes: 8, 16, 64, 128
    #[arg(long, value_delimiter = ',', default_value = "8,64")]
    sizes: Vec<usize>,
    /// Producers x consumers, or `alone`
    #[arg(long, value_delimiter = ',', default_value = "alone,1x1,2x2,4x4")]
    pairs: Vec<Crowd>,
    /// Which queues; all unless told otherwise
    #[arg(long, value_delimiter = ',')]
    queues: Vec<Queue>,
    /// Rounds between two process starts
    #[arg(long, default_value_t = 4)]
    rounds_per_start: usize,
    /// Milliseconds that a sample aims for, up to 60
    #[arg(long, default_value_t = 20)]
    sample: u64,
    /// The most pauses between two looks at a full or empty queue; 1: look as often as possible
    #[arg(long, default_value_t = 64)]
    pauses: u32,
    /// The two cores
    #[arg(long, value_delimiter = ',', default_value = "0,1")]
    cores: Vec<usize>,
    /// Where to write raw samples, one JSON object per line
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Does what the command line asks for; pairs are measured with `more` rivals, too.
pub fn run(more: &'static [pairs::field::Rival]) -> Result<()> {
    match Arguments::parse().command {
        Command::Host => host::host(),
        Command::Mpmc(arguments) => mpmc(arguments),
        Command::Pairs(arguments) => pairs::pairs(arguments, more),
        Command::PairRole => pairs::role(more),
        Command::Tasks(arguments) => tasks::tasks(&arguments),
        Command::ReceiveTasks(side) => tasks::receive(&side),
        Command::SendTasks(side) => tasks::send(&side),
    }
}

/// Measures `mpmc` and prints the report.
fn mpmc(arguments: Mpmc) -> Result<()> {
    let cores: [usize; 2] = arguments.cores.try_into().ok().context("--cores takes two")?;
    ensure!(cores[0] != cores[1], "--cores needs two different cores");
    ensure!((1..=60).contains(&arguments.sample), "--sample takes 1 to 60");
    let raw = arguments
        .json
        .map(|path| File::create(&path).with_context(|| format!("cannot create {}", path.display())));
    let agenda = Agenda {
        sizes: arguments.sizes,
        crowds: arguments.pairs,
        queues: arguments.queues,
        budget: Duration::from_secs(arguments.seconds),
        rounds_per_start: arguments.rounds_per_start.max(1),
        sample: Duration::from_millis(arguments.sample),
        pauses: arguments.pauses,
        cores,
    };
    let samples = run::run(&agenda, raw.transpose()?)?;
    print!("{}", report::report(&samples));
    Ok(())
}
