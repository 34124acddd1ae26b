//! The crash matrix: kills a process at every machine instruction of every operation on a ring, in every state, kind
//! and memory, and checks that the others go on with nothing lost, torn, doubled or leaked.
//!
//! A child prepares, stops, and performs one operation; the foreman brings it to a point by `ptrace`, does its deed,
//! lets survivors and newcomers go on, and compares what they receive with what the child was told. The library is
//! used through its public interface only.

mod account;
mod aftermath;
mod cell;
mod ends;
mod fault;
mod foreman;
mod fork;
mod injection;
mod ledger;
mod matrix;
mod message;
mod others;
mod page;
mod place;
mod run;
mod scene;
mod stopped;
mod subject;
mod table;
mod tally;
mod trace;
mod tracee;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use foreman::{Job, Plan, pin, replay};
use place::Ground;
use run::Deed;
use subject::Lie;

/// Kills, stops and fails ringway's operations at every instruction
#[derive(Debug, Parser)]
struct Arguments {
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Command {
    /// The whole matrix; goes on where the last run of the same build ended
    Run(Run),
    /// An even choice of points over all cells, compared with the table
    Sample(Sample),
    /// One point again, and what is seen there
    Replay(Replay),
    /// The names of all cells
    Cells,
}

/// What both runs take.
#[derive(Debug, clap::Args)]
struct Common {
    /// Only cells whose name contains this
    #[arg(long, default_value = "")]
    only: String,
    /// What to do to the children
    #[arg(long, value_delimiter = ',', default_value = "kill,stop,fail")]
    deeds: Vec<Deed>,
    /// Cells at work at the same time; those whose child is stopped mostly wait
    #[arg(long, default_value_t = 4)]
    workers: usize,
    /// Give a cell up once so many runs have found something
    #[arg(long, default_value_t = 5)]
    enough: usize,
    /// The file with the table
    #[arg(long, default_value = "docs/crash-matrix.md")]
    table: PathBuf,
    /// Children lie, to see that the checks notice
    #[arg(long, hide = true)]
    lie: Option<Lie>,
}

/// How to run the whole matrix.
#[derive(Debug, clap::Args)]
struct Run {
    #[command(flatten)]
    common: Common,
    /// Runs at each point
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Every instruction, of long operations too
    #[arg(long)]
    every: bool,
    /// Where results are kept; crash-matrix/results.jsonl in the target directory unless told otherwise
    #[arg(long)]
    results: Option<PathBuf>,
}

/// How to sample it.
#[derive(Debug, clap::Args)]
struct Sample {
    #[command(flatten)]
    common: Common,
    /// Points of each cell and deed
    #[arg(long, default_value_t = 1)]
    points: usize,
    /// Another choice
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Do not compare with the table
    #[arg(long)]
    no_table: bool,
}

/// What to replay.
#[derive(Debug, clap::Args)]
struct Replay {
    /// CELL@POINT, as a failure prints it
    at: String,
    /// What to do there
    #[arg(long, default_value = "kill")]
    deed: Deed,
    /// Who goes on afterwards: 0 a newcomer first, 1 the survivors first, 2 newcomers only
    #[arg(long, default_value_t = 0)]
    round: usize,
    /// The child lies
    #[arg(long, hide = true)]
    lie: Option<Lie>,
}

fn main() -> ExitCode {
    match act(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn act(command: Command) -> Result<()> {
    let ground = Ground::new()?;
    let result = match command {
        Command::Run(run) => {
            let (every, enough, lie) = (run.every, run.common.enough, run.common.lie);
            let plan = Plan { rounds: run.rounds, every, sample: 0, seed: 0, enough, lie };
            matrix::run(&run.common, plan, run.results.unwrap_or_else(tally::default_results), &ground)
        }
        Command::Sample(choice) => {
            let (sample, seed, enough, lie) =
                (choice.points, choice.seed, choice.common.enough, choice.common.lie);
            let plan = Plan { rounds: 1, every: false, sample, seed, enough, lie };
            matrix::sample(&choice.common, plan, !choice.no_table, &ground)
        }
        Command::Replay(at) => replay_point(&at, &ground),
        Command::Cells => {
            cell::Cell::all().iter().for_each(|cell| println!("{cell}"));
            Ok(())
        }
    };
    ground.clear();
    result
}

fn replay_point(at: &Replay, ground: &Ground) -> Result<()> {
    pin(0);
    let (cell, point) = at.at.split_once('@').context("write CELL@POINT")?;
    let job = Job { cell: cell.parse()?, deed: at.deed };
    let faults = replay(job, point, at.round, ground, at.lie)?;
    for fault in &faults {
        println!("{fault}");
    }
    anyhow::ensure!(faults.is_empty(), "{} found", faults.len());
    println!("nothing was found");
    Ok(())
}
