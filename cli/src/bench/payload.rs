//! The payload: written by the sender for every message, read and checked by the receiver, the same for every
//! mechanism.
//!
//! The first and the last word are the message's number; between them stands a fixed pattern. The receiver
//! compares both numbers and sums one word in 64 bytes, so each cache line of the message crosses to its
//! core.

use anyhow::{Result, bail};

/// Bytes of a word.
const WORD: usize = size_of::<u64>();

/// Distance of the words that the receiver sums.
const STRIDE: usize = 64;

/// The pattern word at byte offset `at`.
fn pattern(at: usize) -> u64 {
    (at as u64 ^ 0x5bd1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A message to send.
#[derive(Debug)]
pub struct Payload {
    /// The bytes; a whole number of words, at least one.
    bytes: Vec<u8>,
}

impl Payload {
    /// A payload of `size` bytes, a multiple of 8 from 8 up.
    pub fn new(size: usize) -> Self {
        let mut bytes = vec![0; size];
        for (index, word) in bytes.chunks_exact_mut(WORD).enumerate() {
            word.copy_from_slice(&pattern(index * WORD).to_ne_bytes());
        }
        Self { bytes }
    }

    /// The length, bytes.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The message with the given number, to be copied by the mechanism.
    #[inline(always)]
    pub fn numbered(&mut self, number: u64) -> &[u8] {
        renumber(&mut self.bytes, number);
        &self.bytes
    }

    /// Writes the message with the given number in place, each byte once, in order; `target` is as long as
    /// the payload.
    #[inline(always)]
    pub fn write_to(&self, target: &mut [u8], number: u64) {
        let Some((first, rest)) = target.split_first_chunk_mut::<WORD>() else { return };
        *first = number.to_ne_bytes();
        if let Some((inner, last)) = rest.split_last_chunk_mut::<WORD>() {
            inner.copy_from_slice(&self.bytes[WORD..WORD + inner.len()]);
            *last = number.to_ne_bytes();
        }
    }
}

/// Makes the message in `bytes` the one with the given number: sets its first and its last word.
#[inline(always)]
pub fn renumber(bytes: &mut [u8], number: u64) {
    if let Some(first) = bytes.first_chunk_mut::<WORD>() {
        *first = number.to_ne_bytes();
    }
    if let Some(last) = bytes.last_chunk_mut::<WORD>() {
        *last = number.to_ne_bytes();
    }
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
        Self { size, sum: pattern_sum(&Payload::new(size).bytes), next: first }
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
        let word = |chunk: Option<&[u8; WORD]>| chunk.map_or(0, |chunk| u64::from_ne_bytes(*chunk));
        bail!(
            "wrong payload: expected message {:#x} of {} bytes, got {:#x}…{:#x} of {} bytes{}",
            self.next,
            self.size,
            word(bytes.first_chunk()),
            word(bytes.last_chunk()),
            bytes.len(),
            if pattern_sum(bytes) == self.sum { "" } else { ", and the bytes between differ" },
        )
    }
}

/// Sum of the pattern words, one in [`STRIDE`] bytes, without the numbers at both ends.
#[inline(always)]
fn pattern_sum(bytes: &[u8]) -> u64 {
    let mut sum = 0u64;
    if bytes.len() < STRIDE + 2 * WORD {
        return sum;
    }
    let inner = &bytes[STRIDE..bytes.len() - WORD];
    for line in inner.chunks(STRIDE) {
        if let Some(word) = line.first_chunk() {
            sum = sum.wrapping_add(u64::from_ne_bytes(*word));
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_passes_its_check_copied_or_in_place() {
        for size in [8, 16, 24, 64, 72, 80, 120, 4088, 65536] {
            let mut payload = Payload::new(size);
            let mut check = Check::new(size, 7);
            check.take(payload.numbered(7)).unwrap();
            let mut target = vec![0; size];
            payload.write_to(&mut target, 8);
            check.take(&target).unwrap();
            assert_eq!(check.next(), 9);
        }
    }

    #[test]
    fn a_change_in_any_line_is_found() {
        let mut payload = Payload::new(4096);
        let good = payload.numbered(1).to_vec();
        for line in 0..64 {
            let mut bad = good.clone();
            bad[line * STRIDE] ^= 1;
            assert!(Check::new(4096, 1).take(&bad).is_err(), "line {line}");
        }
    }

    #[test]
    fn wrong_number_and_wrong_length_are_found() {
        let mut payload = Payload::new(64);
        assert!(Check::new(64, 2).take(payload.numbered(1)).is_err());
        assert!(Check::new(72, 1).take(payload.numbered(1)).is_err());
        assert!(Check::new(8, 1).take_number(2).is_err());
    }
}
