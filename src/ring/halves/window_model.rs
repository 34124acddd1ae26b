//! The words of the ring under loom. They are atomics in the shipped window, too: loom gives every load each of the values
//! that the orderings permit, so a copy that is not ordered after its record shows as a torn message.
#![allow(unsafe_code)]

use core::ptr::NonNull;
use std::sync::Arc;

use crate::frame::HEADER;
use crate::seq::Seq;
use crate::sync::{AtomicU64, Ordering};

/// A ring of words on the heap.
#[derive(Clone, Debug)]
pub(crate) struct Window(Arc<[AtomicU64]>);

impl Window {
    /// # Safety
    /// None needed: models never map a half, so this is never reached.
    pub(crate) unsafe fn new(_base: NonNull<u8>, _size: u64) -> Window {
        unreachable!("models build their windows on the heap")
    }

    /// A zeroed ring of `size` bytes, a power of two.
    pub(crate) fn on_heap(size: u64) -> Window {
        Window((0..size / HEADER).map(|_| AtomicU64::new(0)).collect())
    }

    pub(crate) fn size(&self) -> u64 {
        self.0.len() as u64 * HEADER
    }

    fn word(&self, at: Seq) -> &AtomicU64 {
        &self.0[(at.offset(self.size() - 1) / HEADER) as usize]
    }

    pub(crate) fn load(&self, at: Seq) -> u64 {
        self.word(at).load(Ordering::Relaxed)
    }

    pub(crate) fn store(&mut self, at: Seq, word: u64) {
        self.word(at).store(word, Ordering::Relaxed);
    }

    pub(crate) fn read(&self, at: Seq, to: &mut [u64]) {
        for (word, offset) in to.iter_mut().zip((0..).step_by(HEADER as usize)) {
            *word = self.load(at.after(offset));
        }
    }

    pub(crate) fn write(&mut self, at: Seq, from: &[u8]) {
        for (piece, offset) in from.chunks(HEADER as usize).zip((0..).step_by(HEADER as usize)) {
            let mut word = [0; HEADER as usize];
            word[..piece.len()].copy_from_slice(piece);
            self.store(at.after(offset), u64::from_ne_bytes(word));
        }
    }
}
