//! Taking jobs out of a queue, one at a time, until there will be no more.

use std::mem;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ringway::RecvError;
use ringway::mpmc::{Consumer, Message};

use super::args::TakeArgs;
use super::signals::Signals;
use crate::exit::{Exit, Failure};

/// The longest time between two questions whether the worker is to end.
const SLICE: Duration = Duration::from_millis(100);

/// The time between two looks for the next sender, when all have left.
const GLANCE: Duration = Duration::from_millis(5);

/// Whoever has a job in hand.
pub trait Worker {
    /// Is no further job to be taken?
    fn is_to_end(&mut self) -> bool;

    /// Does a job, which is released after that. After a failure it is not: the worker leaves without a goodbye, and
    /// another gets the job.
    fn work(&mut self, job: &Message<'_>) -> Result<(), Failure>;
}

/// Holds signals back, so that a worker which is asked to end leaves with a goodbye.
pub fn hold_back_signals() -> Result<Signals, Failure> {
    Signals::hold_back()
        .map_err(|error| Failure::new(Exit::Error, format!("cannot hold back signals: {error}")))
}

/// Joins the queue.
pub fn join(args: &TakeArgs) -> Result<Consumer, Failure> {
    args.end.options().consumer(&args.end.at.address).map_err(Failure::of_queue)
}

/// Why a worker ends early.
enum Stop {
    /// Nothing was in hand.
    Idle(Failure),
    /// A job was in hand, and is not done.
    InHand(Failure),
}

/// Gives the jobs of `rx` to `worker`, until it is to end or every sender has left and every job is done.
pub fn take_jobs(mut rx: Consumer, args: &TakeArgs, worker: &mut impl Worker) -> Result<(), Failure> {
    serve(&mut rx, args, worker).map_err(|stop| match stop {
        Stop::Idle(failure) => failure,
        Stop::InHand(failure) => {
            // It says nothing: its lease ends with the process, and the job is another's.
            mem::forget(rx);
            failure
        }
    })
}

fn serve(rx: &mut Consumer, args: &TakeArgs, worker: &mut impl Worker) -> Result<(), Stop> {
    let mut wanted = args.count.map(u64::from);
    let mut idle_since = Instant::now();
    while wanted != Some(0) && !worker.is_to_end() {
        match rx.recv_timeout(SLICE) {
            Ok(job) => {
                if let Err(failure) = worker.work(&job) {
                    mem::forget(job);
                    return Err(Stop::InHand(failure));
                }
                drop(job);
                wanted = wanted.map(|wanted| wanted - 1);
                idle_since = Instant::now();
            }
            Err(RecvError::Closed) if !args.stay => return Ok(()),
            Err(error) => go_on_after(error, args, idle_since).map_err(Stop::Idle)?,
        }
    }
    Ok(())
}

/// Fails if an idle worker is to end because of `error`.
fn go_on_after(error: RecvError, args: &TakeArgs, idle_since: Instant) -> Result<(), Failure> {
    let address = &args.end.at.address;
    match error {
        RecvError::TimedOut | RecvError::Stalled { .. } => {}
        RecvError::Closed | RecvError::PeerDead if args.stay => sleep(GLANCE),
        _ => return Err(Failure::of_worker(address, &error)),
    }
    match args.end.timeout {
        Some(timeout) if idle_since.elapsed() >= timeout => {
            Err(Failure::of_worker(address, &out_of_time(error)))
        }
        _ => Ok(()),
    }
}

/// What `error` amounts to when time is up.
fn out_of_time(error: RecvError) -> RecvError {
    match error {
        RecvError::Stalled { .. } => error,
        _ => RecvError::TimedOut,
    }
}
