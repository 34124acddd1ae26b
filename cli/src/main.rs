//! The `ringway` command: moves streams through rings, lists and repairs rings, measures them.
//!
//! Standard output carries data or the answer and nothing else; everything said to a person goes to standard error.
//! The exit code says how a stream ended ([`exit::Exit`]).

mod admin;
mod args;
mod bench;
mod bridge;
mod connected;
mod demo;
mod exit;
mod framing;
mod input;
mod output;
mod progress;
mod recv;
mod report;
mod send;
mod work;

use std::process::ExitCode;

use args::{Cli, Command};
use clap::Parser;
use exit::Failure;

fn main() -> ExitCode {
    match run(&Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Runs one command to its end.
fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Send(args) => send::run(args),
        Command::Recv(args) => recv::run(args),
        Command::Pipe(args) => bridge::run(args),
        Command::Work(args) => work::run(args),
        Command::Create(args) => admin::create(args),
        Command::Ls(args) => admin::list(args),
        Command::Inspect(args) => admin::inspect(args),
        Command::Rm(args) => admin::remove(args),
        Command::Bench(args) => Ok(bench::run(args)?),
        Command::BenchRole(args) => Ok(bench::role(args)?),
        Command::BenchWorker => Ok(bench::worker()?),
        Command::BenchKeeper(args) => Ok(bench::keeper(args)?),
        Command::Demo(args) => demo::run(args),
        Command::DemoRole(args) => demo::role(args),
    }
}
