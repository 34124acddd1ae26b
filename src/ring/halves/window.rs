//! The one place that turns a sequence into memory: words, read and written by atomic accesses only, since the other
//! side may do to them whatever it likes at any time. Every access is masked, so no sequence leads out of the ring.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use crate::frame::HEADER;
use crate::ring::copy::copy_words;
use crate::seq::Seq;
use crate::sync::{AtomicU64, Ordering};

/// A ring of words in shared memory, the producer's to write.
#[derive(Debug)]
pub(crate) struct Window {
    base: NonNull<u8>,
    size: u64,
}

// SAFETY: the window is a pointer to atomics in a mapping that its owner keeps.
unsafe impl Send for Window {}

impl Window {
    /// # Safety
    /// `base` must be 8-aligned and lead to `size` bytes, readable for as long as the window is used; for the producer
    /// writable, too. `size` is a power of two, at least 8.
    pub(crate) unsafe fn new(base: NonNull<u8>, size: u64) -> Window {
        debug_assert!(size.is_power_of_two() && size >= HEADER && base.cast::<u64>().is_aligned());
        Window { base, size }
    }

    /// Bytes of the ring.
    #[inline(always)]
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The word at `at`, and how many bytes there are from it to the ring's end.
    #[inline(always)]
    fn place(&self, at: Seq) -> (NonNull<u8>, u64) {
        let offset = at.offset(self.size - 1) & !(HEADER - 1);
        // SAFETY: masked, so within the window, and a multiple of eight.
        (unsafe { self.base.add(offset as usize) }, self.size - offset)
    }

    #[inline(always)]
    fn word(&self, at: Seq) -> &AtomicU64 {
        // SAFETY: aligned, in memory that lives as long as the window and is used by atomic accesses only.
        unsafe { self.place(at).0.cast::<AtomicU64>().as_ref() }
    }

    #[inline(always)]
    pub(crate) fn load(&self, at: Seq) -> u64 {
        self.word(at).load(Ordering::Relaxed)
    }

    /// The producer's.
    #[inline(always)]
    pub(crate) fn store(&mut self, at: Seq, word: u64) {
        self.word(at).store(word, Ordering::Relaxed);
    }

    /// Copies the words from `at` on. `to`: at most as many as the ring has.
    #[inline(always)]
    pub(crate) fn read(&self, at: Seq, to: &mut [u64]) {
        assert!(size_of_val(to) as u64 <= self.size, "more than the ring has");
        let (start, left) = self.place(at);
        let (first, rest) = to.split_at_mut(to.len().min((left / HEADER) as usize));
        load_words(start, first);
        load_words(self.base, rest);
    }

    /// The producer's: writes `from` at `at`, the last word padded with zeros. It fits into the ring.
    #[inline(always)]
    pub(crate) fn write(&mut self, at: Seq, from: &[u8]) {
        assert!(from.len() as u64 <= self.size, "more than the ring has");
        let (start, left) = self.place(at);
        let (first, rest) = from.split_at(from.len().min(left as usize));
        // SAFETY: from `start` to the ring's end there is room for `first`, aligned and a multiple of eight; the memory
        // is this producer's to write, and `from` is its caller's.
        unsafe { copy_words(start, first) };
        // SAFETY: the same at the ring's beginning, since `from` is not longer than the ring.
        unsafe { copy_words(self.base, rest) };
    }
}

/// Loads as many words from `start` as `to` has: the caller has checked that there are so many.
#[inline(always)]
fn load_words(start: NonNull<u8>, to: &mut [u64]) {
    let (blocks, rest) = to.as_chunks_mut::<4>();
    let mut from = start.cast::<[AtomicU64; 4]>();
    for block in blocks {
        // SAFETY: in the window, as the caller has checked, and aligned; used by atomic accesses only.
        let words = unsafe { from.as_ref() };
        *block = words.each_ref().map(|word| word.load(Ordering::Relaxed));
        // SAFETY: at most one past the last block.
        from = unsafe { from.add(1) };
    }
    let mut from = from.cast::<AtomicU64>();
    for word in rest {
        // SAFETY: as above.
        *word = unsafe { from.as_ref() }.load(Ordering::Relaxed);
        // SAFETY: at most one past the last word.
        from = unsafe { from.add(1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_across_the_end() {
        let mut memory = [0_u64; 8];
        // SAFETY: the array outlives the window, and is not used otherwise meanwhile.
        let mut window = unsafe { Window::new(NonNull::from(&mut memory).cast(), 64) };
        for len in 0..=64_usize {
            for at in (0..128).step_by(8) {
                let from: Vec<u8> = (1..=len as u8).collect();
                window.write(Seq(at), &from);
                let mut to = vec![0; len.div_ceil(8)];
                window.read(Seq(at), &mut to);
                let bytes: Vec<u8> = to.iter().flat_map(|word| word.to_ne_bytes()).collect();
                assert_eq!(&bytes[..len], from, "{len} bytes at {at}");
                assert!(bytes[len..].iter().all(|byte| *byte == 0));
            }
        }
        window.store(Seq(72), 7);
        assert_eq!((window.load(Seq(8)), window.load(Seq(15))), (7, 7));
    }
}
