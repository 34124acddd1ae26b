//! An area cut into slots for messages of one size, used in turn.

use std::sync::atomic::AtomicU64;

/// Most slots of a ring.
const MOST: usize = 1024;

/// Words of a cache line: a slot begins on a line of its own.
const LINE: usize = 8;

/// The slots of a ring, and which is next.
#[derive(Debug)]
pub struct Slots<'a> {
    /// The area.
    area: &'a [AtomicU64],
    /// Words from one slot to the next.
    stride: usize,
    /// How many there are.
    count: usize,
    /// The one that is next.
    next: usize,
}

impl<'a> Slots<'a> {
    /// Cuts `area` for messages of `size` bytes.
    pub fn new(area: &'a [AtomicU64], size: usize) -> Self {
        let stride = size.div_ceil(size_of::<u64>()).next_multiple_of(LINE);
        Self { area, stride, count: (area.len() / stride).min(MOST), next: 0 }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The words of the slot that is next.
    #[inline(always)]
    pub fn words(&self) -> &'a [AtomicU64] {
        &self.area[self.next * self.stride..][..self.stride]
    }

    /// Goes on to the slot after it.
    #[inline(always)]
    pub fn advance(&mut self) {
        self.next += 1;
        if self.next == self.count {
            self.next = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_as_many_as_fit_and_come_round() {
        let area: Vec<AtomicU64> = (0..1000).map(|_| AtomicU64::new(0)).collect();
        for (size, count) in [(8, 125), (64, 125), (72, 62), (4000, 1)] {
            let mut slots = Slots::new(&area, size);
            assert_eq!(slots.count(), count, "{size} bytes");
            let first = slots.words().as_ptr();
            for _ in 0..count {
                assert!(slots.words().len() * 8 >= size);
                slots.advance();
            }
            assert_eq!(slots.words().as_ptr(), first);
        }
    }
}
