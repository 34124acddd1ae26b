//! The traffic of a sample: the same loops over every mechanism.

use std::time::{Duration, Instant};

use anyhow::Result;
use hdrhistogram::Histogram;

use super::bytes::relax;
use super::control::{Job, Side};
use super::payload::{Check, Payload};
use super::plan::{BATCH, Pattern};
use super::sample::histogram;

/// The sending half of a mechanism.
pub trait Tx {
    /// Sends the message numbered `number`; blocks while there is no room.
    fn send(&mut self, payload: &mut Payload, number: u64) -> Result<()>;

    /// Sends `count` messages from `first` on, published together where the mechanism can.
    fn send_batch(&mut self, payload: &mut Payload, first: u64, count: u64) -> Result<()> {
        (first..first + count).try_for_each(|number| self.send(payload, number))
    }

    /// Hands over what is still held back.
    fn finish(&mut self) {}
}

/// The receiving half of a mechanism.
pub trait Rx {
    /// Receives one message and checks it; blocks until there is one.
    fn recv(&mut self, check: &mut Check) -> Result<()>;

    /// Receives and checks at least one message, more where the mechanism can take them together.
    fn recv_batch(&mut self, check: &mut Check) -> Result<()> {
        self.recv(check)
    }
}

/// One side's part in a job.
#[derive(Debug)]
pub struct Part {
    /// Which side.
    side: Side,
    /// What is to be done.
    job: Job,
    /// What to send.
    payload: Payload,
    /// What to expect.
    check: Check,
    /// Round trips that were timed one by one, nanoseconds.
    latency: Histogram<u64>,
}

impl Part {
    /// Prepares the payload and the check of `job`.
    pub fn new(side: Side, job: Job) -> Result<Self> {
        let check = Check::new(job.size, first_number(&job));
        Ok(Self { side, job, payload: Payload::new(job.size), check, latency: histogram()? })
    }

    /// The messages that are timed as a whole; wake-ups one by one as well, since they take so long that reading
    /// the clock does not show.
    pub fn main(&mut self, tx: &mut impl Tx, rx: &mut impl Rx) -> Result<()> {
        let first = first_number(&self.job);
        let end = first + self.job.count;
        match (self.job.pattern, self.side) {
            (Pattern::RoundTrip, Side::Sender) => self.ask_all(tx, rx, first, end),
            (Pattern::Wake | Pattern::WakeSameCore, Side::Sender) => self.ask_timed(tx, rx, first, end),
            (Pattern::RoundTrip | Pattern::Wake | Pattern::WakeSameCore, Side::Receiver) => {
                self.reply_all(tx, rx, first, end)
            }
            (Pattern::Single, Side::Sender) => self.stream(tx, first, end),
            (Pattern::Batch, Side::Sender) => self.stream_batches(tx, first, end),
            (Pattern::Single, Side::Receiver) => self.receive(end, |check| rx.recv(check)),
            (Pattern::Batch, Side::Receiver) => self.receive(end, |check| rx.recv_batch(check)),
        }
    }

    /// The round trips that are only timed one by one.
    pub fn timed(&mut self, tx: &mut impl Tx, rx: &mut impl Rx) -> Result<()> {
        let first = first_number(&self.job) + self.job.count;
        let end = first + self.job.timed;
        match self.side {
            Side::Sender => self.ask_timed(tx, rx, first, end),
            Side::Receiver => self.reply_all(tx, rx, first, end),
        }
    }

    /// What was timed one by one: nanoseconds and how many took so long, the shortest first.
    pub fn latency(&self) -> Vec<(u64, u64)> {
        let buckets = self.latency.iter_recorded();
        buckets.map(|bucket| (bucket.value_iterated_to(), bucket.count_at_value())).collect()
    }

    // Each loop over a mechanism is a function of its own: the compiler takes minutes over all of them in one.

    /// Sends the messages `first..end`, each after the answer to the one before.
    #[inline(never)]
    fn ask_all(&mut self, tx: &mut impl Tx, rx: &mut impl Rx, first: u64, end: u64) -> Result<()> {
        (first..end).try_for_each(|number| self.ask(tx, rx, number))
    }

    /// Answers the messages `first..end`.
    #[inline(never)]
    fn reply_all(&mut self, tx: &mut impl Tx, rx: &mut impl Rx, first: u64, end: u64) -> Result<()> {
        (first..end).try_for_each(|number| self.reply(tx, rx, number))
    }

    /// Sends the messages `first..end`, each after the answer to the one before, and notes how long each took, the
    /// other side's rest aside.
    #[inline(never)]
    fn ask_timed(&mut self, tx: &mut impl Tx, rx: &mut impl Rx, first: u64, end: u64) -> Result<()> {
        for number in first..end {
            self.rest();
            let began = Instant::now();
            self.ask(tx, rx, number)?;
            let took = began.elapsed().as_nanos() as u64;
            self.latency.saturating_record(took.saturating_sub(self.job.rest));
        }
        Ok(())
    }

    /// Keeps the core busy until the other side has gone to sleep, if the job asks for that.
    #[inline(always)]
    fn rest(&self) {
        let rest = Duration::from_nanos(self.job.rest);
        if rest.is_zero() {
            return;
        }
        let began = Instant::now();
        while began.elapsed() < rest {
            relax();
        }
    }

    /// Sends a message and waits for its answer.
    #[inline(always)]
    fn ask(&mut self, tx: &mut impl Tx, rx: &mut impl Rx, number: u64) -> Result<()> {
        tx.send(&mut self.payload, number)?;
        rx.recv(&mut self.check)
    }

    /// Waits for a message and answers it, after a rest.
    #[inline(always)]
    fn reply(&mut self, tx: &mut impl Tx, rx: &mut impl Rx, number: u64) -> Result<()> {
        rx.recv(&mut self.check)?;
        self.rest();
        tx.send(&mut self.payload, number)
    }

    /// Sends the messages `first..end` one at a time.
    #[inline(never)]
    fn stream(&mut self, tx: &mut impl Tx, first: u64, end: u64) -> Result<()> {
        for number in first..end {
            tx.send(&mut self.payload, number)?;
        }
        tx.finish();
        Ok(())
    }

    /// Sends the messages `first..end` in batches.
    #[inline(never)]
    fn stream_batches(&mut self, tx: &mut impl Tx, first: u64, end: u64) -> Result<()> {
        for number in (first..end).step_by(BATCH as usize) {
            tx.send_batch(&mut self.payload, number, BATCH.min(end - number))?;
        }
        tx.finish();
        Ok(())
    }

    /// Receives until the message before `end` was checked.
    #[inline(never)]
    fn receive(&mut self, end: u64, mut recv: impl FnMut(&mut Check) -> Result<()>) -> Result<()> {
        while self.check.next() < end {
            recv(&mut self.check)?;
        }
        Ok(())
    }
}

/// The number of the first message of a job; no two jobs of a pair share a number.
fn first_number(job: &Job) -> u64 {
    job.id << 32
}
