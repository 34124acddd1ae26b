//! `ringway work`: jobs that many senders put into a queue and many workers share.
//!
//! A queue is an `mpmc` ring. A job is in the hands of one worker until that worker is done with it; if the worker is
//! gone by then, however it went, another gets the job.

mod args;
mod child;
mod command;
mod jobs;
mod recv;
mod run;
mod send;
mod signals;
mod take;

pub use args::WorkArgs;
use args::{WorkCommand, WorkCreateArgs};
use ringway::inspect;

use crate::admin::say_json;
use crate::exit::Failure;
use crate::report::RingView;

/// Runs `ringway work`.
pub fn run(args: &WorkArgs) -> Result<(), Failure> {
    match &args.command {
        WorkCommand::Send(args) => send::run(args),
        WorkCommand::Recv(args) => recv::run(args),
        WorkCommand::Run(args) => run::run(args),
        WorkCommand::Create(args) => create(args),
    }
}

/// Runs `ringway work create`.
fn create(args: &WorkCreateArgs) -> Result<(), Failure> {
    let address = &args.at.address;
    args.queue.options().create_ring(address).map_err(Failure::of_queue)?;
    let report = inspect::inspect(address)?;
    if args.json { say_json(&RingView::from(&report)) } else { Ok(()) }
}
