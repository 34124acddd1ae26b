//! `ringway work send`: standard input becomes jobs.
//!
//! A queue may have no worker for a while: its sender waits for one when there is no more room, and leaves when all jobs
//! are in the queue. A goodbye means that it has sent all it was given, so a sender that fails leaves without one, and
//! workers learn that jobs are missing.

use std::mem;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ringway::mpmc::Producer;
use ringway::{Address, Peer, SendError};

use super::args::WorkSendArgs;
use super::jobs::{BadInput, Jobs};
use crate::exit::{Exit, Failure};
use crate::input::{Buffer, Input};
use crate::progress::Progress;

/// The longest wait for input between two looks at the clock.
const PATIENCE: Duration = Duration::from_secs(1);

/// The time between two looks for a worker, when none is there.
const GLANCE: Duration = Duration::from_millis(5);

/// Bytes read at once.
const READ_AHEAD: usize = 256 << 10;

/// The most slots that one job takes, if half of the queue has more.
const SPAN_MAX: u64 = 4095;

/// Runs `ringway work send`.
pub fn run(args: &WorkSendArgs) -> Result<(), Failure> {
    let address = &args.end.at.address;
    let input = Input::stdin().map_err(|error| Failure::of_input(&error))?;
    let mut tx = args.end.options().producer(address).map_err(Failure::of_queue)?;
    let jobs = Jobs::new(args.framing, tx.largest());
    let progress = Progress::start("sent", args.quiet);
    let (tag, timeout) = (args.tag, args.end.timeout);
    let sent = Feed { tx: &mut tx, address, input, jobs, tag, timeout, progress: &progress }.send_all();
    progress.finish();
    match sent {
        Ok(()) => tx.close(),
        Err(_) => leave_unfinished(tx),
    }
    sent
}

/// Leaves without a goodbye, unless nobody is there to misread one and no job is left.
fn leave_unfinished(tx: Producer) {
    if tx.peer() != Peer::Attached && tx.used() == Ok(0) {
        tx.close();
    } else {
        // Its lease ends with the process, and nothing was said: that is how workers know.
        mem::forget(tx);
    }
}

/// Jobs on their way into a queue.
#[derive(Debug)]
struct Feed<'a> {
    tx: &'a mut Producer,
    address: &'a Address,
    input: Input,
    jobs: Jobs,
    tag: u16,
    timeout: Option<Duration>,
    progress: &'a Progress,
}

impl Feed<'_> {
    /// Sends every job of the input.
    fn send_all(mut self) -> Result<(), Failure> {
        let mut buffer = Buffer::new(READ_AHEAD);
        loop {
            self.await_input()?;
            let Some(len) = buffer.fill(&mut self.input).map_err(|error| Failure::of_input(&error))? else {
                continue;
            };
            while let Some(need) = self.send_batch(&mut buffer, len == 0)? {
                self.make_room(need)?;
            }
            if len == 0 {
                return Ok(());
            }
            self.progress.add(len);
        }
    }

    /// Sends the complete jobs of `buffer` as one batch. Returns the length of the first that found no room.
    fn send_batch(&mut self, buffer: &mut Buffer, ended: bool) -> Result<Option<usize>, Failure> {
        let refuse = |error| Failure::of_work_send(self.address, &error);
        let mut batch = self.tx.batch().map_err(refuse)?;
        let stopped = loop {
            let job = match self.jobs.next(buffer.unsent(), ended) {
                Ok(Some(job)) => job,
                Ok(None) => break Ok(None),
                Err(bad) => break Err(bad),
            };
            match batch.push_tagged(self.tag, job.payload) {
                Ok(()) => {
                    let consumed = job.consumed;
                    buffer.consume(consumed);
                }
                // Whether a worker is there is for `make_room` to say.
                Err(SendError::Full { .. } | SendError::Closed | SendError::PeerDead) => {
                    let need = job.payload.len();
                    self.jobs.put_back();
                    break Ok(Some(need));
                }
                Err(error) => return Err(refuse(error)),
            }
        };
        batch.commit().map_err(refuse)?;
        stopped.map_err(|bad| self.bad_input(bad))
    }

    /// Waits for input.
    fn await_input(&self) -> Result<(), Failure> {
        let patience = self.timeout.map_or(PATIENCE, |timeout| timeout.min(PATIENCE));
        let began = Instant::now();
        while !self.input.ready(patience).map_err(|error| Failure::of_input(&error))? {
            if let Some(timeout) = self.timeout.filter(|timeout| began.elapsed() >= *timeout) {
                return Err(Failure::idle_input(timeout));
            }
        }
        Ok(())
    }

    /// Waits until a job of `len` bytes fits, also for the next worker.
    fn make_room(&mut self, len: usize) -> Result<(), Failure> {
        let began = Instant::now();
        loop {
            let left = self.timeout.map(|timeout| timeout.saturating_sub(began.elapsed()));
            let error = match self.tx.wait_for_space(len, left) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            match error {
                SendError::Closed | SendError::PeerDead if left != Some(Duration::ZERO) => {
                    sleep(left.unwrap_or(GLANCE).min(GLANCE));
                }
                SendError::Closed | SendError::PeerDead => return Err(Failure::no_worker(self.address)),
                SendError::TimedOut if self.tx.peer() != Peer::Attached => {
                    return Err(Failure::no_worker(self.address));
                }
                _ => return Err(Failure::of_work_send(self.address, &error)),
            }
        }
    }

    /// What to report when the input cannot become jobs.
    fn bad_input(&self, bad: BadInput) -> Failure {
        let (which, len, exact) = match bad {
            BadInput::TooLong { which, len, exact } => (which, len, exact),
            BadInput::Truncated(error) => return Failure::new(Exit::Error, error.to_string()),
        };
        let geometry = self.tx.geometry();
        let line = format!(
            "{which} is {len} bytes long{}, {} takes jobs of up to {}; what was before it is sent; \
             make the queue with larger slots: `ringway work create {} --slots {} --slot-size {}`",
            if exact { "" } else { " or longer" },
            self.address,
            geometry.largest,
            self.address,
            geometry.slots,
            slot_size_for(len as u64, geometry.slots),
        );
        Failure::new(Exit::Usage, line)
    }
}

/// Bytes of a slot with which jobs of `len` bytes fit into a queue of so many `slots`.
fn slot_size_for(len: u64, slots: u64) -> u64 {
    let span = (slots / 2).clamp(1, SPAN_MAX);
    len.div_ceil(span).next_power_of_two().max(8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slot_size_advised_is_large_enough() {
        assert_eq!(slot_size_for(131_073, 1024), 512);
        assert_eq!(slot_size_for(1_000_000, 1024), 2048);
        assert_eq!(slot_size_for(49, 2), 64);
        assert_eq!(slot_size_for(1 << 20, 1 << 20), 512, "however many slots there are");
    }
}
