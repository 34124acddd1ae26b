//! The floor: a bounded queue in shared memory with one compare-and-swap per side, and nothing else. No owner stands
//! in a cell, so a user that dies in the middle of a call blocks everybody for ever; nobody is woken; nothing is
//! checked. The algorithm is Dmitry Vyukov's bounded MPMC queue: each cell has a turn, which is even when it is free
//! and odd when it is full, and grows by two per lap.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::plan::SLOTS;
use crate::stage::LINE;

/// The bits of a position that say which cell it is.
const SHIFT: u32 = SLOTS.trailing_zeros();

/// A bare queue.
#[derive(Clone, Copy, Debug)]
pub struct Bare<'a> {
    /// Where the next message goes.
    tail: &'a AtomicU64,
    /// Where the next message comes from.
    head: &'a AtomicU64,
    /// The cells: turn, payload.
    cells: &'a [AtomicU64],
    /// Words of a cell.
    stride: usize,
}

impl<'a> Bare<'a> {
    /// Words of a queue for messages of `size` bytes.
    pub fn words(size: usize) -> usize {
        2 * LINE + SLOTS * Self::stride(size)
    }

    /// Words of a cell.
    fn stride(size: usize) -> usize {
        1 + size / size_of::<u64>()
    }

    /// The queue in `words`, zeroed at first.
    pub fn new(words: &'a [AtomicU64], size: usize) -> Self {
        let (control, cells) = words.split_at(2 * LINE);
        Self { tail: &control[0], head: &control[LINE], cells, stride: Self::stride(size) }
    }

    /// The cell at a position.
    #[inline(always)]
    fn cell(&self, position: u64) -> (&'a AtomicU64, &'a [AtomicU64]) {
        let at = (position as usize % SLOTS) * self.stride;
        let (turn, payload) = self.cells[at..at + self.stride].split_at(1);
        (&turn[0], payload)
    }

    /// Takes the position at `end` (tail or head) whose cell's turn is `phase` of its lap; the turn with it.
    #[inline(always)]
    fn take(&self, end: &AtomicU64, phase: u64) -> Option<(u64, u64)> {
        let mut position = end.load(Ordering::Relaxed);
        loop {
            let due = (position >> SHIFT << 1) + phase;
            let turn = self.cell(position).0.load(Ordering::Acquire); // edge: turn (acquire)
            if turn == due {
                let next = position + 1;
                match end.compare_exchange_weak(position, next, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => return Some((position, due)),
                    Err(now) => position = now,
                }
            } else if turn < due {
                return None;
            } else {
                position = end.load(Ordering::Relaxed);
            }
        }
    }

    /// Sends a message if there is room.
    #[inline(always)]
    pub fn send<const W: usize>(&self, message: &[u64; W]) -> bool {
        let Some((position, turn)) = self.take(self.tail, 0) else {
            return false;
        };
        let (cell, payload) = self.cell(position);
        for (slot, word) in payload.iter().zip(message) {
            slot.store(*word, Ordering::Relaxed);
        }
        cell.store(turn + 1, Ordering::Release); // edge: turn (release)
        true
    }

    /// Receives a message if there is one.
    #[inline(always)]
    pub fn recv<const W: usize>(&self) -> Option<[u64; W]> {
        let (position, turn) = self.take(self.head, 1)?;
        let (cell, payload) = self.cell(position);
        let mut message = [0; W];
        for (word, slot) in message.iter_mut().zip(payload) {
            *word = slot.load(Ordering::Relaxed);
        }
        cell.store(turn + 1, Ordering::Release); // edge: turn (release)
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_in_order_lap_after_lap() {
        let words: Vec<AtomicU64> = (0..Bare::words(16)).map(|_| AtomicU64::new(0)).collect();
        let queue = Bare::new(&words, 16);
        assert_eq!(queue.recv::<2>(), None);
        for lap in 0..3u64 {
            for number in 0..SLOTS as u64 {
                assert!(queue.send(&[lap, number]));
            }
            assert!(!queue.send(&[0, 0]), "full");
            for number in 0..SLOTS as u64 {
                assert_eq!(queue.recv(), Some([lap, number]));
            }
            assert_eq!(queue.recv::<2>(), None);
        }
    }
}
