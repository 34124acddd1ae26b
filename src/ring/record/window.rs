//! The byte window: the one file that turns a sequence into memory.
//!
//! A window is a ring of `mask + 1` bytes. Header words are atomics at multiples of eight; payloads are bytes
//! that belong, at any moment, to one side: to the producer between the release of the old record and the
//! commit of the new one, to the consumer between commit and release. Every access is masked, and checked
//! against the end of the ring, so no sequence and no length, whoever wrote it, leads out of the window.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use crate::frame::{HEADER, UNCOMMITTED};
use crate::ring::copy::copy_words;
use crate::seq::Seq;
use crate::sync::{AtomicU64, Ordering, visit};

/// Up to this size a message is copied word by word, in address order.
const SMALL: usize = 128;
/// The part of a cache line that a header shares with the beginning of its payload.
const HEADER_LINE: u64 = 64;

/// A ring of bytes in shared memory.
#[derive(Debug)]
pub(crate) struct Window {
    base: NonNull<u8>,
    mask: u64,
    /// Turns a sequence into the offset of a word.
    words: u64,
    /// Bytes of the payload that fills the window.
    room: u64,
}

// SAFETY: which side may touch which bytes is decided by the header words, which are atomics; the window
// itself is a pointer into a mapping that its owner keeps.
unsafe impl Send for Window {}

impl Window {
    /// # Safety
    /// `base` must be 8-aligned and lead to `size` bytes, readable and writable for as long as the window is
    /// used, shared only with processes that run this protocol. `size` is a power of two.
    pub(crate) unsafe fn new(base: NonNull<u8>, size: u64) -> Window {
        debug_assert!(size.is_power_of_two() && base.cast::<u64>().is_aligned());
        let mask = size - 1;
        Window { base, mask, words: mask & !(HEADER - 1), room: size - HEADER }
    }

    /// The mask that turns a sequence into an offset.
    #[inline(always)]
    pub(crate) fn mask(&self) -> u64 {
        self.mask
    }

    /// The header word at `at`.
    #[inline(always)]
    fn header(&self, at: Seq) -> &AtomicU64 {
        let offset = at.offset(self.words);
        // SAFETY: masked, so within the window, and a multiple of eight.
        let word = unsafe { self.base.add(offset as usize) };
        // SAFETY: the word is aligned, lives as long as the window, and is only used as an atomic while it can
        // be a header.
        unsafe { word.cast::<AtomicU64>().as_ref() }
    }

    #[inline(always)]
    pub(crate) fn load_header(&self, at: Seq, order: Ordering) -> u64 {
        visit();
        self.header(at).load(order)
    }

    #[inline(always)]
    pub(crate) fn store_header(&self, at: Seq, word: u64, order: Ordering) {
        self.header(at).store(word, order);
    }

    /// Do the `len` bytes of payload of the record at `at` end before the end of the window?
    #[inline(always)]
    pub(crate) fn holds(&self, at: Seq, len: u64) -> bool {
        len <= self.room - at.offset(self.words)
    }

    /// The start of the `len` bytes of payload of the record at `at`; `None` if they reach past the end.
    #[inline(always)]
    fn payload(&self, at: Seq, len: u64) -> Option<NonNull<u8>> {
        let offset = at.offset(self.words);
        if !self.holds(at, len) {
            return None;
        }
        // SAFETY: `offset + HEADER + len` is within the window, as just checked.
        Some(unsafe { self.base.add((offset + HEADER) as usize) })
    }

    /// The payload of the record at `at`, to read.
    #[inline(always)]
    pub(crate) fn bytes(&self, at: Seq, len: u64) -> Option<&[u8]> {
        let start = self.payload(at, len)?;
        // SAFETY: in the window; the record at `at` is committed and not released, so nobody writes it.
        Some(unsafe { core::slice::from_raw_parts(start.as_ptr(), len as usize) })
    }

    /// The payload of the record at `at`, to fill.
    #[inline(always)]
    pub(crate) fn bytes_mut(&mut self, at: Seq, len: u64) -> Option<&mut [u8]> {
        let start = self.payload(at, len)?;
        // SAFETY: in the window; the record at `at` is claimed and not committed, so nobody else touches it.
        Some(unsafe { core::slice::from_raw_parts_mut(start.as_ptr(), len as usize) })
    }

    /// Writes the payload of the record at `at`, in address order: where the consumer is not looking yet.
    #[inline(always)]
    pub(crate) fn fill(&mut self, at: Seq, payload: &[u8]) {
        if payload.len() <= SMALL {
            self.fill_small(at, payload);
        } else {
            let start = self.start_of(at, payload);
            copy_bytes(start, payload, 0, payload.len());
        }
    }

    /// The start of the room for `payload` in the record at `at`.
    #[inline(always)]
    fn start_of(&self, at: Seq, payload: &[u8]) -> NonNull<u8> {
        self.payload(at, payload.len() as u64).expect("a claimed record lies within the ring")
    }

    #[inline(always)]
    fn fill_small(&mut self, at: Seq, payload: &[u8]) {
        let start = self.start_of(at, payload);
        // SAFETY: a claimed record, 8-aligned and padded to a multiple of eight, is this producer's alone.
        unsafe { copy_words(start, payload) };
    }

    /// Writes the payload of the record at `at` and zero into the header at `next`; the record's own header is
    /// left to the caller, who commits with it.
    ///
    /// Of a message of more than [`SMALL`] bytes everything outside the header's cache line is written first,
    /// so that the line the consumer polls is fought for once less.
    #[inline(always)]
    pub(crate) fn write(&mut self, at: Seq, payload: &[u8], next: Seq) {
        if payload.len() <= SMALL {
            // First what may lie in a line of its own: the polled line is then written in one go.
            self.store_header(next, UNCOMMITTED, Ordering::Relaxed);
            self.fill_small(at, payload);
        } else {
            self.write_large(at, payload, next);
        }
    }

    #[inline(never)]
    fn write_large(&mut self, at: Seq, payload: &[u8], next: Seq) {
        let start = self.start_of(at, payload);
        let in_line = (start.as_ptr() as u64 - HEADER) % HEADER_LINE;
        let first = (HEADER_LINE - HEADER - in_line) as usize;
        copy_bytes(start, payload, first, payload.len());
        self.store_header(next, UNCOMMITTED, Ordering::Relaxed);
        copy_bytes(start, payload, 0, first);
    }
}

/// Copies `from[begin..end]` to the same place behind `start`, which has room for all of `from`.
#[inline(always)]
fn copy_bytes(start: NonNull<u8>, from: &[u8], begin: usize, end: usize) {
    let piece = &from[begin..end];
    // SAFETY: `begin` is within `from`, and so within the room behind `start`.
    let to = unsafe { start.add(begin) };
    // SAFETY: the room behind `start` is in the window, claimed, and disjoint from the caller's slice.
    unsafe { to.copy_from_nonoverlapping(NonNull::from(piece).cast(), piece.len()) };
}
