//! The payload: written by the sender for every message, read and checked by the receiver, the same for every rival.
//!
//! The first and the last word are the message's number; between them stands a fixed pattern. The receiver compares
//! both numbers and sums one word in 64 bytes, so each cache line of the message crosses to its core. Messages are
//! numbered a page ahead of their sending, so that no rival pays for loads that are wider than the stores shortly
//! before.

use anyhow::{Result, bail};
use zerocopy::IntoBytes;

use super::plan::BATCH;

/// Words between two that the receiver sums.
const STRIDE: usize = 8;

/// Bytes of a page, at most.
const PAGE: usize = 64 << 10;

/// The pattern word at `index` in every message, but for the first and the last.
fn pattern(index: usize) -> u64 {
    (index as u64 ^ 0x5bd1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The messages to send.
#[derive(Debug)]
pub struct Payload {
    /// The page: messages whose numbers follow one another.
    words: Vec<u64>,
    /// Words of a message.
    width: usize,
    /// Messages of the page; a power of two.
    messages: u64,
    /// Number of the page's first message.
    first: u64,
}

impl Payload {
    /// Messages of `size` bytes, a multiple of 8 from 8 up.
    pub fn new(size: usize) -> Self {
        let width = size / size_of::<u64>();
        let messages = 1 << (PAGE / size).clamp(1, BATCH as usize).ilog2();
        let message: Vec<u64> = (0..width).map(pattern).collect();
        let mut payload =
            Self { words: message.repeat(messages), width, messages: messages as u64, first: 0 };
        payload.number_page(0);
        payload
    }

    /// Numbers the messages of the page, from `first` on.
    fn number_page(&mut self, first: u64) {
        self.first = first;
        for (message, number) in self.words.chunks_exact_mut(self.width).zip(first..) {
            message[0] = number;
            message[self.width - 1] = number;
        }
    }

    /// The words of the message with the given number.
    #[inline(always)]
    fn message(&mut self, number: u64) -> &[u64] {
        let index = number & (self.messages - 1);
        if number - index != self.first {
            self.number_page(number - index);
        }
        &self.words[index as usize * self.width..][..self.width]
    }

    /// The message with the given number, as bytes.
    #[inline(always)]
    pub fn numbered(&mut self, number: u64) -> &[u8] {
        self.message(number).as_bytes()
    }

    /// The message with the given number, as a value of `W` words.
    ///
    /// # Panics
    /// When messages have another size.
    #[inline(always)]
    pub fn value<const W: usize>(&mut self, number: u64) -> &[u64; W] {
        let Ok(message) = self.message(number).try_into() else { other_size() };
        message
    }

    /// The messages from `first` on that are of one page, `most` at most, as values of `W` words.
    pub fn values<const W: usize>(&mut self, first: u64, most: u64) -> &[[u64; W]] {
        self.message(first);
        let index = (first - self.first) as usize;
        let page = self.words.as_chunks().0;
        &page[index..page.len().min(index + most as usize)]
    }
}

/// A rival was opened for another size than its job's.
#[cold]
fn other_size() -> ! {
    panic!("a rival of another message size")
}

/// The receiver's account: which message comes next, and whether it is right.
#[derive(Debug)]
pub struct Check {
    /// Expected length, bytes.
    size: usize,
    /// Expected sum of the pattern words.
    sum: u64,
    /// Expected number.
    next: u64,
}

impl Check {
    /// Expects messages of `size` bytes numbered from `first` on.
    pub fn new(size: usize, first: u64) -> Self {
        Self { size, sum: pattern_sum(Payload::new(size).numbered(0)), next: first }
    }

    /// The number that is expected next.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The length of every message, bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Checks a message that was received.
    #[inline(always)]
    pub fn take(&mut self, bytes: &[u8]) -> Result<()> {
        let number = self.next.to_ne_bytes();
        let numbered = bytes.first_chunk() == Some(&number) && bytes.last_chunk() == Some(&number);
        if !numbered || bytes.len() != self.size || pattern_sum(bytes) != self.sum {
            return self.wrong(bytes);
        }
        self.next += 1;
        Ok(())
    }

    /// Checks a message that was received as a value.
    #[inline(always)]
    pub fn take_value<const W: usize>(&mut self, words: &[u64; W]) -> Result<()> {
        self.take(words.as_bytes())
    }

    /// Checks a message that consists of its number.
    #[inline(always)]
    pub fn take_number(&mut self, number: u64) -> Result<()> {
        if number != self.next {
            return self.wrong(&number.to_ne_bytes());
        }
        self.next += 1;
        Ok(())
    }

    /// What was wrong.
    #[cold]
    fn wrong(&self, bytes: &[u8]) -> Result<()> {
        let word = |chunk: Option<&[u8; 8]>| chunk.map_or(0, |chunk| u64::from_ne_bytes(*chunk));
        bail!(
            "wrong message: expected {:#x} of {} bytes, got {:#x}…{:#x} of {} bytes{}",
            self.next,
            self.size,
            word(bytes.first_chunk()),
            word(bytes.last_chunk()),
            bytes.len(),
            if pattern_sum(bytes) == self.sum { "" } else { ", and the bytes between differ" },
        )
    }
}

/// Sum of the pattern words, one in [`STRIDE`], without the numbers at both ends.
#[inline(always)]
fn pattern_sum(bytes: &[u8]) -> u64 {
    let words = bytes.as_chunks::<8>().0;
    let inner = words.get(STRIDE..words.len().saturating_sub(1)).unwrap_or_default();
    inner.iter().step_by(STRIDE).fold(0, |sum: u64, word| sum.wrapping_add(u64::from_ne_bytes(*word)))
}

#[cfg(test)]
mod tests {
    use super::super::plan::SIZES;
    use super::*;

    #[test]
    fn messages_pass_their_check_over_many_pages() {
        for size in SIZES {
            let mut payload = Payload::new(size);
            let mut check = Check::new(size, 1 << 32);
            for number in (1 << 32)..(1 << 32) + 100 {
                check.take(payload.numbered(number)).expect("right");
            }
        }
    }

    #[test]
    fn values_are_the_same_messages() {
        let mut payload = Payload::new(64);
        let mut check = Check::new(64, 30);
        check.take_value(&payload.value::<8>(30).clone()).expect("right");
        let batch = payload.values::<8>(31, 32).to_vec();
        assert_eq!(batch.len(), 1, "the rest is on the next page");
        check.take_value(&batch[0]).expect("right");
        assert_eq!(payload.values::<8>(32, 5).len(), 5);
        for message in payload.values::<8>(32, 32).to_vec() {
            check.take_value(&message).expect("right");
        }
        assert_eq!(check.next(), 64);
    }

    #[test]
    fn a_change_in_any_line_is_found() {
        let mut payload = Payload::new(4088);
        let good = payload.numbered(1).to_vec();
        for line in 0..4088 / 64 {
            let mut bad = good.clone();
            bad[line * 64] ^= 1;
            assert!(Check::new(4088, 1).take(&bad).is_err(), "line {line}");
        }
    }

    #[test]
    fn wrong_number_and_wrong_length_are_found() {
        let mut payload = Payload::new(64);
        assert!(Check::new(64, 2).take(payload.numbered(1)).is_err());
        assert!(Check::new(248, 1).take(payload.numbered(1)).is_err());
        assert!(Check::new(8, 1).take_number(2).is_err());
    }
}
