//! The messages: each is written by its producer and read and checked by its consumer, the same for every queue.
//!
//! The first and the last word are the message's number (job, producer, serial); between them stands a fixed
//! pattern. Messages are numbered a page ahead of their sending, so that no queue pays for loads that are wider than
//! the stores shortly before.

use anyhow::{Result, ensure};

use crate::plan::{BATCH, MOST};

/// Bits of a serial number.
const SERIAL_BITS: u32 = 40;

/// Bits of a producer's name, above the serial number; above it stands the job.
const PRODUCER_BITS: u32 = 8;

/// The serial number of a message that tells a consumer to stop.
const STOP: u64 = (1 << SERIAL_BITS) - 1;

/// The word that stands at `index` in every message, but for the first and the last.
fn pattern(index: usize) -> u64 {
    (index as u64 ^ 0x5bd1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The number of a message.
fn number(job: u64, producer: usize, serial: u64) -> u64 {
    job << (SERIAL_BITS + PRODUCER_BITS) | (producer as u64) << SERIAL_BITS | serial
}

/// What a producer sends.
#[derive(Debug)]
pub struct Source<const W: usize> {
    /// The next messages.
    page: [[u64; W]; BATCH],
    /// The first of them that is not sent.
    at: usize,
    /// The serial number of the page's first message.
    first: u64,
    /// How many messages are to be sent.
    count: u64,
    /// The number of serial 0.
    base: u64,
}

impl<const W: usize> Source<W> {
    /// `count` messages of a producer for a job.
    pub fn new(job: u64, producer: usize, count: u64) -> Self {
        let message = std::array::from_fn(pattern);
        let base = number(job, producer, 0);
        let mut source = Self { page: [message; BATCH], at: 0, first: 0, count, base };
        source.number_page();
        source
    }

    /// Numbers the messages of a page.
    fn number_page(&mut self) {
        let base = self.base + self.first;
        for (message, number) in self.page.iter_mut().zip(base..) {
            message[0] = number;
            message[W - 1] = number;
        }
    }

    /// How many are left.
    #[inline(always)]
    pub fn left(&self) -> u64 {
        self.count - self.first - self.at as u64
    }

    /// How many were sent.
    pub fn done(&self) -> u64 {
        self.first + self.at as u64
    }

    /// Is the next message the first of a page?
    #[inline(always)]
    pub fn turns_page(&self) -> bool {
        self.at == 0
    }

    /// No more are to be sent.
    #[cold]
    pub fn cut(&mut self) {
        self.count = self.done();
    }

    /// The next message.
    #[inline(always)]
    pub fn next(&self) -> &[u64; W] {
        &self.page[self.at]
    }

    /// The next messages, as many as may be sent together.
    pub fn batch(&self) -> &[[u64; W]] {
        let rest = &self.page[self.at..];
        &rest[..rest.len().min(self.left() as usize)]
    }

    /// Notes that so many were sent.
    #[inline(always)]
    pub fn sent(&mut self, messages: usize) {
        self.at += messages;
        if self.at == BATCH {
            self.first += BATCH as u64;
            self.at = 0;
            self.number_page();
        }
    }

    /// Messages that tell `consumers` consumers to stop.
    pub fn stops(&self, consumers: usize) -> Self {
        let mut page = self.page;
        let stop = self.base | STOP;
        page.iter_mut().for_each(|message| (message[0], message[W - 1]) = (stop, stop));
        Self { page, at: 0, first: 0, count: consumers as u64, base: self.base }
    }
}

/// What a consumer has received.
#[derive(Debug)]
pub struct Sink<const W: usize> {
    /// Numbers of this job have this above the producer.
    job: u64,
    /// The least serial number that may come next from each producer.
    next: [u64; MOST],
    /// What the words between the first and the last add up to.
    pattern: u64,
    /// Messages received.
    pub count: u64,
    /// Sum of their serial numbers.
    pub sum: u64,
    /// Was it told to stop?
    pub stopped: bool,
    /// The first message that was wrong.
    wrong: Option<[u64; 2]>,
}

impl<const W: usize> Sink<W> {
    /// For messages of a job.
    pub fn new(job: u64) -> Self {
        let job = number(job, 0, 0) >> (SERIAL_BITS + PRODUCER_BITS);
        let pattern = inner_sum(&std::array::from_fn::<u64, W, _>(pattern));
        Self { job, next: [0; MOST], pattern, count: 0, sum: 0, stopped: false, wrong: None }
    }

    /// Takes a message and checks it: job, both ends, pattern, and the order of its producer's messages.
    #[inline(always)]
    pub fn take(&mut self, message: &[u64; W]) {
        let number = message[0];
        let producer = (number >> SERIAL_BITS) as usize & (MOST - 1);
        let serial = number & STOP;
        let next = &mut self.next[producer];
        let sound = number >> (SERIAL_BITS + PRODUCER_BITS) == self.job
            && message[W - 1] == number
            && inner_sum(message) == self.pattern
            && serial >= *next
            && serial != STOP;
        if sound {
            *next = serial + 1;
            self.count += 1;
            self.sum += serial;
        } else {
            self.take_other(message, serial);
        }
    }

    /// Takes a message that is to be received no more than once, or not at all.
    #[cold]
    fn take_other(&mut self, message: &[u64; W], serial: u64) {
        if serial == STOP && !self.stopped {
            self.stopped = true;
        } else {
            self.wrong.get_or_insert([message[0], message[W - 1]]);
        }
    }

    /// Were all messages right?
    pub fn check(&self) -> Result<()> {
        let [first, last] = self.wrong.unwrap_or_default();
        ensure!(self.wrong.is_none(), "wrong message {first:#x}…{last:#x} in job {}", self.job);
        Ok(())
    }
}

/// The sum of the words between the first and the last.
#[inline(always)]
fn inner_sum<const W: usize>(message: &[u64; W]) -> u64 {
    (1..W.max(2) - 1).fold(0, |sum, index| sum.wrapping_add(message[index]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_source_gives_passes_the_check() {
        let mut source = Source::<8>::new(3, 2, 70);
        let mut sink = Sink::<8>::new(3);
        while source.left() > 0 {
            let batch = source.batch().to_vec();
            assert_eq!(batch[0], *source.next());
            batch.iter().for_each(|message| sink.take(message));
            source.sent(batch.len());
        }
        source.stops(1).batch().iter().for_each(|message| sink.take(message));
        assert!(sink.stopped && sink.check().is_ok());
        assert_eq!((sink.count, sink.sum), (70, 69 * 70 / 2));
    }

    #[test]
    fn a_torn_a_repeated_and_a_foreign_message_are_found() {
        let source = Source::<8>::new(1, 0, 5);
        let fails = |messages: &[[u64; 8]]| {
            let mut sink = Sink::<8>::new(1);
            messages.iter().for_each(|message| sink.take(message));
            sink.check().is_err()
        };
        let good = *source.next();
        assert!(!fails(&[good]) && fails(&[good, good]));
        for word in 0..8 {
            let mut torn = good;
            torn[word] ^= 1 << 20;
            assert!(fails(&[torn]), "word {word}");
        }
        assert!(fails(&[*Source::<8>::new(2, 0, 1).next()]));
    }
}
