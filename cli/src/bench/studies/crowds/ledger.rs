//! The messages of a crowd: numbered by their producers, noted by their consumers, and accounted for once the clock has
//! stopped.
//!
//! The first and the last word of a message are its number: job, producer, serial. Between them stands a fixed pattern. A
//! consumer checks that a message is whole and writes its number down. Afterwards it checks the order of each producer's
//! messages, and marks each in a table that all consumers share: one that is marked already came twice. As many marks as
//! there are messages: none was lost.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, ensure};

use crate::bench::payload::Payload;

/// Bits of a serial number.
const SERIAL_BITS: u32 = 40;

/// Bits of a producer's name, above the serial number; above it stands the job.
const PRODUCER_BITS: u32 = 8;

/// The serial number of a message that tells a consumer to stop.
const STOP: u64 = (1 << SERIAL_BITS) - 1;

/// The most producers.
pub const PRODUCERS: usize = 8;

/// Bits of a word of the table.
const WORD: u64 = u64::BITS as u64;

/// The number of a message.
pub fn number(job: u64, producer: usize, serial: u64) -> u64 {
    job << (SERIAL_BITS + PRODUCER_BITS) | (producer as u64) << SERIAL_BITS | serial
}

/// The number of a message that tells a consumer to stop.
pub fn stop(job: u64) -> u64 {
    number(job, 0, STOP)
}

/// The table of marks: a bit for each message, producer by producer.
#[derive(Clone, Copy, Debug)]
pub struct Marks<'a>(pub &'a [AtomicU64]);

impl<'a> Marks<'a> {
    /// The most messages of a producer that the table has room for.
    pub fn most(self) -> u64 {
        (self.0.len() / PRODUCERS) as u64 * WORD
    }

    /// The marks of a producer's messages.
    fn of(self, producer: usize) -> &'a [AtomicU64] {
        let each = self.0.len() / PRODUCERS;
        &self.0[producer * each..(producer + 1) * each]
    }

    /// Takes the marks off the first `count` messages of a producer.
    pub fn clear(self, producer: usize, count: u64) {
        let words = count.div_ceil(WORD) as usize;
        self.of(producer)[..words].iter().for_each(|word| word.store(0, Ordering::Relaxed));
    }

    /// Marks a message. `false`: it was marked.
    fn mark(self, producer: usize, serial: u64) -> bool {
        let bit = 1 << (serial % WORD);
        self.of(producer)[(serial / WORD) as usize].fetch_or(bit, Ordering::Relaxed) & bit == 0
    }
}

/// What a consumer has received in a job.
#[derive(Debug)]
pub struct Ledger {
    /// Bytes of a message.
    size: usize,
    /// What stands between the numbers.
    inner: Vec<u8>,
    /// The number of the message that ends the job.
    stop: u64,
    /// The numbers that were received.
    numbers: Vec<u64>,
    /// How many those are.
    count: usize,
    /// Was it told to stop?
    stopped: bool,
    /// The first message that was wrong.
    wrong: Option<Vec<u8>>,
}

impl Ledger {
    /// For a job whose messages have `size` bytes, at most `most` of them. `numbers` has the memory of an earlier ledger.
    pub fn new(job: u64, size: usize, most: u64, mut numbers: Vec<u64>) -> Self {
        if (numbers.len() as u64) < most {
            numbers.resize(most as usize, 0);
        }
        let inner = inner(Payload::new(size).numbered(0)).to_vec();
        Self { size, inner, stop: stop(job), numbers, count: 0, stopped: false, wrong: None }
    }

    /// Notes a message.
    #[inline(always)]
    pub fn note(&mut self, message: &[u8]) {
        let number = message.first_chunk().map(|first| u64::from_ne_bytes(*first));
        let whole = message.len() == self.size
            && message.first_chunk::<8>() == message.last_chunk()
            // `memcmp` may read nothing from nowhere, behind a mask, and that costs it 100 ns.
            && (self.inner.is_empty() || inner(message) == self.inner);
        match (number, self.numbers.get_mut(self.count)) {
            (Some(number), Some(place)) if whole && number != self.stop => {
                *place = number;
                self.count += 1;
            }
            _ => self.note_other(message, number.filter(|_| whole)),
        }
    }

    /// Notes a message that is to come once, or not at all.
    #[cold]
    fn note_other(&mut self, message: &[u8], number: Option<u64>) {
        if number == Some(self.stop) && !self.stopped {
            self.stopped = true;
        } else {
            self.wrong.get_or_insert_with(|| message.to_vec());
        }
    }

    /// Messages received.
    #[inline(always)]
    pub fn count(&self) -> u64 {
        self.count as u64
    }

    /// Was this consumer told to stop?
    #[inline(always)]
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Is a message wrong? The check will say which.
    pub fn is_wrong(&self) -> bool {
        self.wrong.is_some()
    }

    /// Checks what was received of `job` from `producers` producers, each of which sent `count` messages, and marks it.
    pub fn check(&self, job: u64, producers: usize, count: u64, marks: Marks<'_>) -> Result<()> {
        if let Some(wrong) = &self.wrong {
            let shown = &wrong[..wrong.len().min(16)];
            anyhow::bail!("a wrong message of {} bytes in job {job}: {shown:x?}…", wrong.len());
        }
        let mut next = [0; PRODUCERS];
        for &found in &self.numbers[..self.count] {
            let producer = (found >> SERIAL_BITS) as usize & ((1 << PRODUCER_BITS) - 1);
            let serial = found & STOP;
            ensure!(
                producer < producers && serial < count && found == number(job, producer, serial),
                "message {found:#x} was never sent in job {job}"
            );
            ensure!(
                serial >= next[producer],
                "message {serial} of producer {producer} came after {}",
                next[producer] - 1
            );
            next[producer] = serial + 1;
            ensure!(marks.mark(producer, serial), "message {serial} of producer {producer} came twice");
        }
        Ok(())
    }

    /// The memory, for the next ledger.
    pub fn into_memory(self) -> Vec<u64> {
        self.numbers
    }
}

/// What stands between the first and the last word.
#[inline(always)]
fn inner(message: &[u8]) -> &[u8] {
    message.get(8..message.len().saturating_sub(8)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Vec<AtomicU64> {
        (0..2 * PRODUCERS).map(|_| AtomicU64::new(0)).collect()
    }

    /// What the check says of these messages (producer, serial) of job 3, five from each of two producers.
    fn checked(messages: &[(usize, u64)], marks: Marks<'_>) -> Result<()> {
        let mut payload = Payload::new(64);
        let mut ledger = Ledger::new(3, 64, 20, Vec::new());
        for (producer, serial) in messages {
            ledger.note(payload.numbered(number(3, *producer, *serial)));
        }
        assert_eq!(ledger.count(), messages.len() as u64);
        ledger.check(3, 2, 5, marks)
    }

    #[test]
    fn messages_in_their_producers_order_pass() {
        let table = table();
        assert!(checked(&[(0, 0), (1, 0), (1, 3), (0, 1)], Marks(&table)).is_ok());
        assert!(checked(&[(0, 2), (1, 1), (1, 2), (1, 4)], Marks(&table)).is_ok(), "of another consumer");
    }

    #[test]
    fn what_comes_twice_is_found_whoever_received_it() {
        let table = table();
        assert!(checked(&[(0, 0), (0, 0)], Marks(&table)).is_err());
        Marks(&table).clear(0, 5);
        assert!(checked(&[(0, 0)], Marks(&table)).is_ok());
        let again = checked(&[(0, 0)], Marks(&table)).unwrap_err();
        assert!(again.to_string().contains("twice"), "{again}");
    }

    #[test]
    fn order_and_origin_are_checked() {
        for wrong in [&[(0, 1), (0, 0)][..], &[(2, 0)], &[(0, 5)]] {
            assert!(checked(wrong, Marks(&table())).is_err(), "{wrong:?}");
        }
        let mut ledger = Ledger::new(4, 8, 1, Vec::new());
        ledger.note(&number(3, 0, 0).to_ne_bytes());
        assert!(ledger.check(4, 1, 1, Marks(&table())).is_err(), "another job's");
    }

    #[test]
    fn torn_messages_and_surplus_ones_are_found() {
        let good = Payload::new(64).numbered(number(1, 0, 0)).to_vec();
        let wrong = |message: &[u8], most| {
            let mut ledger = Ledger::new(1, 64, most, Vec::new());
            ledger.note(message);
            ledger.is_wrong() && ledger.check(1, 1, 1, Marks(&table())).is_err()
        };
        assert!(!wrong(&good, 1) && wrong(&good, 0) && wrong(&good[..56], 1) && wrong(&[], 1));
        for byte in 0..64 {
            let mut torn = good.clone();
            torn[byte] ^= 1;
            assert!(wrong(&torn, 1), "byte {byte}");
        }
    }

    #[test]
    fn one_is_told_to_stop_once() {
        let mut ledger = Ledger::new(1, 8, 4, Vec::new());
        ledger.note(&stop(1).to_ne_bytes());
        assert!(ledger.is_stopped() && !ledger.is_wrong() && ledger.count() == 0);
        ledger.note(&stop(1).to_ne_bytes());
        assert!(ledger.is_wrong());
    }
}
