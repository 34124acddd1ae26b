//! The floor of a crowd: a bounded queue in shared memory with one compare-and-swap per side, and nothing else. No owner
//! stands in a cell, so a user that dies in the middle of a call blocks everybody for ever; nobody is woken; nothing is
//! checked. The algorithm is Dmitry Vyukov's: each cell has a turn, even when the cell is free and odd when it is full, which
//! grows by two per lap.
//!
//! | edge | from | to |
//! |---|---|---|
//! | turn | whoever has filled or emptied a cell | whoever empties or fills it next: what lies in it, or that it is free |

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;

use super::ends::{Rx, Tx};
use crate::bench::bytes::{copy_in, view};

/// Cells of a queue: as many as a ring has slots unless told otherwise.
pub const CELLS: usize = 1024;

/// The bits of a position that say which cell it is.
const SHIFT: u32 = CELLS.trailing_zeros();

/// Words of a cell before its payload: the turn, and as much as the ring's slots have beside it.
const HEAD: usize = 2;

/// Words of a line.
const LINE: usize = 16;

/// A bare queue, as all its users see it.
#[derive(Clone, Copy, Debug)]
pub struct Bare<'a> {
    /// Where the next message goes.
    tail: &'a AtomicU64,
    /// Where the next message comes from.
    head: &'a AtomicU64,
    /// The cells: turn, padding, payload.
    cells: &'a [AtomicU64],
    /// Words of a cell.
    stride: usize,
    /// Bytes of a message.
    size: usize,
}

impl<'a> Bare<'a> {
    /// Words of a queue whose cells hold `room` bytes.
    pub fn words(room: usize) -> usize {
        2 * LINE + CELLS * (HEAD + room / 8)
    }

    /// The queue in `words`, zeroed at first, for messages of `size` bytes in cells that hold `room`.
    pub fn new(words: &'a [AtomicU64], room: usize, size: usize) -> Self {
        let (control, cells) = words[..Self::words(room)].split_at(2 * LINE);
        Self { tail: &control[0], head: &control[LINE], cells, stride: HEAD + room / 8, size }
    }

    /// The cell at a position: its turn and its payload.
    #[inline(always)]
    fn cell(&self, position: u64) -> (&'a AtomicU64, &'a [AtomicU64]) {
        let at = (position as usize % CELLS) * self.stride;
        let cell = &self.cells[at..at + self.stride];
        (&cell[0], &cell[HEAD..])
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
}

impl Tx for Bare<'_> {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) -> Result<bool> {
        let Some((position, turn)) = self.take(self.tail, 0) else { return Ok(false) };
        let (cell, payload) = self.cell(position);
        copy_in(payload, message);
        cell.store(turn + 1, Ordering::Release); // edge: turn (release)
        Ok(true)
    }
}

impl Rx for Bare<'_> {
    #[inline(always)]
    fn recv(&mut self, take: &mut impl FnMut(&[u8])) -> Result<bool> {
        let Some((position, turn)) = self.take(self.head, 1) else { return Ok(false) };
        let (cell, payload) = self.cell(position);
        take(view(payload, self.size));
        cell.store(turn + 1, Ordering::Release); // edge: turn (release)
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_comes_out_in_order_lap_after_lap() {
        let words: Vec<AtomicU64> = (0..Bare::words(48)).map(|_| AtomicU64::new(0)).collect();
        let mut queue = Bare::new(&words, 48, 16);
        let message = |number: u64| [number.to_ne_bytes(), (!number).to_ne_bytes()].concat();
        let received = |queue: &mut Bare<'_>| {
            let mut got = None;
            let found = queue.recv(&mut |bytes| got = Some(bytes.to_vec())).unwrap();
            assert_eq!(found, got.is_some());
            got
        };
        assert_eq!(received(&mut queue), None);
        for lap in 0..3 {
            for cell in 0..CELLS as u64 {
                assert!(queue.send(&message(lap << 32 | cell)).unwrap());
            }
            assert!(!queue.send(&message(0)).unwrap(), "full");
            for cell in 0..CELLS as u64 {
                assert_eq!(received(&mut queue), Some(message(lap << 32 | cell)));
            }
            assert_eq!(received(&mut queue), None);
        }
    }
}
