//! The byte window under loom: the same functions over memory on the heap, with a check of every access.
//!
//! A word of the ring is a header at one time and payload at another. As a header it is an atomic, which loom
//! models with its stale values; as payload it is plain bytes, which must not be touched by two threads of
//! which neither happens before the other:
//!
//! | access | `filled` | `cleared` | so loom reports |
//! |---|---|---|---|
//! | payload is written | exclusive | | a reader or poller of this word that the writer did not wait for |
//! | payload is read | shared | shared | |
//! | header is stored | shared | exclusive | a reader of this word as payload that the storer did not wait for |
//! | header is loaded | shared | | |
//!
//! A word that was written as payload is, as a header, of no known kind, whatever its bytes: to poll it is an
//! error even where it is no race. Payload bytes are the real ones.
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::ptr::NonNull;
use std::sync::Arc;

use crate::frame::{HEADER, UNCOMMITTED};
use crate::seq::Seq;
use crate::sync::{Access, AtomicU64, Ordering};

/// What a header that was written over with payload reads as.
const OVERWRITTEN: u64 = u64::MAX;

/// A word's life as a header, and the checks of its life as payload.
#[derive(Debug, Default)]
struct Word {
    header: AtomicU64,
    filled: Access,
    cleared: Access,
}

#[derive(Debug)]
struct Memory {
    words: Vec<Word>,
    bytes: Vec<UnsafeCell<u64>>,
}

// SAFETY: loom runs one thread at a time, and `words` checks that accesses to `bytes` are ordered.
unsafe impl Sync for Memory {}

/// A ring of bytes on the heap.
#[derive(Clone, Debug)]
pub(crate) struct Window(Arc<Memory>);

impl Window {
    /// # Safety
    /// None needed: models never map a segment, so this is never reached.
    pub(crate) unsafe fn new(_base: NonNull<u8>, _size: u64) -> Window {
        unreachable!("models build their windows on the heap")
    }

    /// A zeroed window of `size` bytes, a power of two.
    pub(crate) fn on_heap(size: u64) -> Window {
        let words = (size / HEADER) as usize;
        Window(Arc::new(Memory {
            words: (0..words).map(|_| Word::default()).collect(),
            bytes: (0..words).map(|_| UnsafeCell::new(0)).collect(),
        }))
    }

    /// The mask that turns a sequence into an offset.
    pub(crate) fn mask(&self) -> u64 {
        self.0.words.len() as u64 * HEADER - 1
    }

    fn index(&self, at: Seq) -> usize {
        (at.offset(self.mask()) / HEADER) as usize
    }

    pub(crate) fn load_header(&self, at: Seq, order: Ordering) -> u64 {
        let word = &self.0.words[self.index(at)];
        word.filled.shared();
        word.header.load(order)
    }

    pub(crate) fn store_header(&self, at: Seq, value: u64, order: Ordering) {
        let index = self.index(at);
        let word = &self.0.words[index];
        word.filled.shared();
        word.cleared.exclusive();
        // SAFETY: `cleared` has checked that nobody reads these bytes as payload, `filled` that nobody writes
        // them.
        unsafe { self.0.bytes[index].get().write(value) };
        word.header.store(value, order);
    }

    /// The words that the payload of the record at `at` touches, and its first byte; `None` if it reaches past
    /// the end.
    fn payload(&self, at: Seq, len: u64) -> Option<(&[Word], *mut u8)> {
        let first = self.index(at) + 1;
        let end = first + len.div_ceil(HEADER) as usize;
        Some((self.0.words.get(first..end)?, self.0.bytes[first..].as_ptr().cast_mut().cast()))
    }

    /// Do the `len` bytes of payload of the record at `at` end before the end of the window?
    pub(crate) fn holds(&self, at: Seq, len: u64) -> bool {
        self.payload(at, len).is_some()
    }

    /// The payload of the record at `at`, to read.
    pub(crate) fn bytes(&self, at: Seq, len: u64) -> Option<&[u8]> {
        let (words, start) = self.payload(at, len)?;
        for word in words {
            word.filled.shared();
            word.cleared.shared();
        }
        // SAFETY: in the window, and checked: nobody writes these bytes.
        Some(unsafe { core::slice::from_raw_parts(start, len as usize) })
    }

    /// The payload of the record at `at`, to fill.
    pub(crate) fn bytes_mut(&mut self, at: Seq, len: u64) -> Option<&mut [u8]> {
        let (words, start) = self.payload(at, len)?;
        for word in words {
            word.filled.exclusive();
            word.header.store(OVERWRITTEN, Ordering::Relaxed);
        }
        // SAFETY: in the window, and checked: nobody reads or writes these bytes.
        Some(unsafe { core::slice::from_raw_parts_mut(start, len as usize) })
    }

    /// Writes the payload of the record at `at`.
    pub(crate) fn fill(&mut self, at: Seq, payload: &[u8]) {
        let bytes = self.bytes_mut(at, payload.len() as u64).expect("a claimed record lies within the ring");
        bytes.copy_from_slice(payload);
    }

    /// Writes the payload of the record at `at` and zero into the header at `next`.
    pub(crate) fn write(&mut self, at: Seq, payload: &[u8], next: Seq) {
        self.fill(at, payload);
        self.store_header(next, UNCOMMITTED, Ordering::Relaxed);
    }
}
