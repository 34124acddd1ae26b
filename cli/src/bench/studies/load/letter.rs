//! Messages with a due date, and what the receiver notes of them.

use anyhow::Result;

use super::SIZE;
use crate::bench::sample::histogram;

/// When messages are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// When the first one is, on the monotonic clock, nanoseconds.
    pub start: u64,
    /// Messages per second.
    pub rate: u64,
}

impl Schedule {
    /// When a message is due.
    #[inline(always)]
    pub fn due(self, serial: u64) -> u64 {
        self.start + serial * 1_000_000_000 / self.rate
    }
}

/// A message: its number, when it was due, a pattern, and its number again.
#[derive(Clone, Copy, Debug)]
pub struct Letter([u64; SIZE / 8]);

impl Letter {
    /// What stands between.
    const PATTERN: u64 = 0x9e37_79b9_7f4a_7c15;

    /// A message.
    #[inline(always)]
    pub fn new(number: u64, due: u64) -> Self {
        let p = Self::PATTERN;
        Self([number, due, p, p ^ 1, p ^ 2, p ^ 3, p ^ 4, number])
    }

    /// Its bytes.
    #[inline(always)]
    pub fn bytes(&self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        for (place, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(self.0) {
            *place = word.to_ne_bytes();
        }
        bytes
    }
}

/// What the receiver notes.
#[derive(Debug)]
pub struct Log {
    /// The number that comes next.
    pub next: u64,
    /// When the first message was due, and at what rate they come; known from the first one on.
    schedule: Schedule,
    /// How long each took, nanoseconds.
    pub took: Vec<u64>,
    /// How many those are.
    pub count: usize,
    /// When the last one was received.
    pub last: u64,
    /// The first that was wrong.
    pub wrong: Option<Vec<u8>>,
}

impl Log {
    /// For `count` messages numbered from `first`. `took` has the memory of an earlier log.
    pub fn new(first: u64, rate: u64, count: u64, mut took: Vec<u64>) -> Self {
        if (took.len() as u64) < count {
            took.resize(count as usize, 0);
        }
        let schedule = Schedule { start: 0, rate };
        Self { next: first, schedule, took, count: 0, last: 0, wrong: None }
    }

    /// Notes a message that is received at `now`.
    #[inline(always)]
    pub fn note(&mut self, message: &[u8], now: u64) {
        let due =
            message.get(8..16).and_then(|word| word.first_chunk()).map(|word| u64::from_ne_bytes(*word));
        if self.count == 0 {
            self.schedule.start = due.unwrap_or(0);
        }
        let expected = Letter::new(self.next, self.schedule.due(self.count as u64));
        match self.took.get_mut(self.count) {
            Some(place) if message == expected.bytes() => {
                *place = now.saturating_sub(expected.0[1]);
                self.count += 1;
                self.next += 1;
                self.last = now;
            }
            _ => self.note_wrong(message),
        }
    }

    /// Keeps what was wrong.
    #[cold]
    fn note_wrong(&mut self, message: &[u8]) {
        self.wrong.get_or_insert_with(|| message.to_vec());
    }

    /// Latencies as a histogram: nanoseconds, and how many took so long.
    pub fn histogram(&self) -> Result<Vec<(u64, u64)>> {
        let mut all = histogram()?;
        self.took[..self.count].iter().for_each(|took| all.saturating_record((*took).max(1)));
        let buckets = all.iter_recorded();
        Ok(buckets.map(|bucket| (bucket.value_iterated_to(), bucket.count_at_value())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_is_fixed_and_drifts_nowhere() {
        let schedule = Schedule { start: 1000, rate: 3_000_000 };
        assert_eq!([0, 1, 2, 3].map(|serial| schedule.due(serial)), [1000, 1333, 1666, 2000]);
        assert_eq!(schedule.due(3_000_000 * 60), 1000 + 60_000_000_000);
    }

    /// A log of these receipts: serial number and time.
    fn log(receipts: &[(u64, u64)]) -> Log {
        let mut log = Log::new(7, 1_000_000, 4, Vec::new());
        for (serial, time) in receipts {
            let letter = Letter::new(7 + serial, Schedule { start: 500, rate: 1_000_000 }.due(*serial));
            log.note(&letter.bytes(), *time);
        }
        log
    }

    #[test]
    fn a_stall_counts_for_every_message_that_was_due_meanwhile() {
        let log = log(&[(0, 600), (1, 9500), (2, 9501), (3, 9502)]);
        assert_eq!((log.took[..log.count].to_vec(), log.last), (vec![100, 8000, 7001, 6002], 9502));
        assert!(log.wrong.is_none());
        let histogram = log.histogram().unwrap();
        assert_eq!(histogram.iter().map(|(_, count)| count).sum::<u64>(), 4);
        assert!(histogram[1].0.abs_diff(6002) < 10, "{histogram:?}");
    }

    #[test]
    fn what_is_lost_torn_or_one_too_many_is_found() {
        assert!(log(&[(0, 600), (2, 700)]).wrong.is_some(), "lost");
        assert!(log(&[(0, 600), (0, 700)]).wrong.is_some(), "twice");
        let good = Letter::new(7, 500).bytes();
        for byte in (0..SIZE).filter(|byte| !(8..16).contains(byte)) {
            let mut torn = good;
            torn[byte] ^= 1;
            let mut log = Log::new(7, 1_000_000, 1, Vec::new());
            log.note(&torn, 600);
            assert!(log.wrong.is_some(), "byte {byte}");
        }
        let mut short = log(&[(0, 600), (1, 1600), (2, 2600), (3, 3600)]);
        short.note(&Letter::new(11, 4500).bytes(), 4600);
        assert!(short.wrong.is_some(), "one too many");
    }
}
