//! The slots' memory: the one file that turns a slot's index into memory.
//!
//! Slot words and descriptors' second words are atomics. Payload is bytes that belong, at any moment, to whoever
//! owns the span: to a producer from claim to commit, to a consumer from there to the release. Every index is
//! masked, and every length checked against the end of its span's room, so no word, whoever wrote it, leads out of
//! the ring.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use crate::layout::mpmc::{DESCRIPTOR_HEAD, Sizes};
use crate::ring::copy::copy_words;
use crate::sync::{AtomicU64, Ordering};

/// Up to this size a message is copied word by word.
const SMALL: usize = 128;

/// The descriptors and blocks of a ring.
#[derive(Debug)]
pub(crate) struct Table {
    descriptors: NonNull<u8>,
    blocks: NonNull<u8>,
    mask: u64,
    stride: u64,
    inline: u64,
    slot_size: u64,
}

// SAFETY: who may touch which bytes is decided by the slot words, which are atomics; the table itself is two
// pointers into a mapping that its owner keeps.
unsafe impl Send for Table {}

impl Table {
    /// # Safety
    /// `descriptors` must be 8-aligned and lead to `slots × stride` bytes, `blocks` likewise to `slots × slot_size`,
    /// readable and writable for as long as the table is used, shared only with processes that run this protocol.
    pub(crate) unsafe fn new(descriptors: NonNull<u8>, blocks: NonNull<u8>, sizes: Sizes) -> Table {
        debug_assert!(descriptors.cast::<u64>().is_aligned() && blocks.cast::<u64>().is_aligned());
        let Sizes { slots, slot_size, inline, .. } = sizes;
        Table { descriptors, blocks, mask: slots - 1, stride: sizes.stride(), inline, slot_size }
    }

    /// The descriptor of slot `index`.
    #[inline(always)]
    pub(crate) fn slot(&self, index: u64) -> Slot {
        let at = (index & self.mask) * self.stride;
        // SAFETY: masked, so one of the ring's descriptors.
        let descriptor = unsafe { self.descriptors.add(at as usize) };
        Slot { descriptor, inline: self.inline }
    }

    /// Where the `len` bytes of payload of the span of `span` slots at `index` begin; `None` if they do not fit.
    #[inline(always)]
    fn payload(&self, index: u64, span: u64, len: u64) -> Option<NonNull<u8>> {
        let index = index & self.mask;
        if span == 1 && len <= self.inline {
            return Some(self.slot(index).payload());
        }
        if span > self.mask + 1 - index || len > span * self.slot_size {
            return None;
        }
        // SAFETY: this slot's block and the `span − 1` behind it are within the ring, as just checked.
        Some(unsafe { self.blocks.add((index * self.slot_size) as usize) })
    }

    /// Do `len` bytes of payload fit the span of `span` slots at `index`?
    #[inline(always)]
    pub(crate) fn fits(&self, index: u64, span: u64, len: u64) -> bool {
        self.payload(index, span, len).is_some()
    }

    /// The payload of a span, to read; empty if it does not fit.
    #[inline(always)]
    pub(crate) fn bytes(&self, index: u64, span: u64, len: u64) -> &[u8] {
        let Some(start) = self.payload(index, span, len) else {
            return &[];
        };
        // SAFETY: in the ring; the caller owns the span, so nobody writes it.
        unsafe { core::slice::from_raw_parts(start.as_ptr(), len as usize) }
    }

    /// The payload of a span, to fill; empty if it does not fit.
    #[inline(always)]
    pub(crate) fn bytes_mut(&mut self, index: u64, span: u64, len: u64) -> &mut [u8] {
        let Some(start) = self.payload(index, span, len) else {
            return &mut [];
        };
        // SAFETY: in the ring; the caller owns the span, so nobody else touches it.
        unsafe { core::slice::from_raw_parts_mut(start.as_ptr(), len as usize) }
    }

    /// Moves the `len` bytes of a payload in a slot's block to the descriptor, where a message of that length is
    /// looked for.
    pub(crate) fn move_inline(&mut self, index: u64, len: u64) {
        let block = (index & self.mask) * self.slot_size;
        assert!(
            len <= self.slot_size && len <= self.inline,
            "no more than was claimed, and fits the descriptor"
        );
        // SAFETY: the slot's block is within the ring.
        let from = unsafe { self.blocks.add(block as usize) };
        let to = self.slot(index).payload();
        // SAFETY: both have room for `len` bytes, as just checked, and belong to the caller's claim.
        unsafe { to.copy_from_nonoverlapping(from, len as usize) };
    }

    /// Copies a payload into one slot, at `index`, that is the caller's.
    #[inline(always)]
    pub(crate) fn write_one(&mut self, slot: &Slot, index: u64, payload: &[u8]) {
        if slot.takes(payload.len() as u64) {
            // SAFETY: the caller owns the slot; the room in its descriptor is a multiple of eight.
            unsafe { copy_words(slot.payload(), payload) };
        } else {
            self.write(index, 1, payload);
        }
    }

    /// The payload of one slot, at `index`, that the caller has taken; empty if it does not fit.
    #[inline(always)]
    pub(crate) fn bytes_of_one(&self, slot: &Slot, index: u64, len: u64) -> &[u8] {
        if slot.takes(len) {
            // SAFETY: in the descriptor; the caller owns the slot, so nobody writes it.
            return unsafe { core::slice::from_raw_parts(slot.payload().as_ptr(), len as usize) };
        }
        self.bytes(index, 1, len)
    }

    /// Copies a payload into a span that is the caller's.
    #[inline(always)]
    pub(crate) fn write(&mut self, index: u64, span: u64, payload: &[u8]) {
        if payload.len() > SMALL {
            self.bytes_mut(index, span, payload.len() as u64).copy_from_slice(payload);
            return;
        }
        if let Some(start) = self.payload(index, span, payload.len() as u64) {
            // SAFETY: the caller owns the span; room, inline or in blocks, is a multiple of eight.
            unsafe { copy_words(start, payload) };
        }
    }
}

/// A slot's descriptor. Whoever keeps one keeps the table too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    descriptor: NonNull<u8>,
    inline: u64,
}

// SAFETY: as the table's.
unsafe impl Send for Slot {}

impl Slot {
    /// The slot word.
    #[inline(always)]
    pub(crate) fn word(&self) -> &AtomicU64 {
        // SAFETY: a descriptor begins with its word, aligned, and lives as long as the table.
        unsafe { self.descriptor.cast::<AtomicU64>().as_ref() }
    }

    /// The second word of the descriptor.
    #[inline(always)]
    fn meta(&self) -> &AtomicU64 {
        // SAFETY: the descriptor's second word is within it.
        let meta = unsafe { self.descriptor.add(8) };
        // SAFETY: aligned as the descriptor is, and used as an atomic only.
        unsafe { meta.cast::<AtomicU64>().as_ref() }
    }

    #[inline(always)]
    pub(crate) fn load_meta(&self) -> u64 {
        self.meta().load(Ordering::Relaxed)
    }

    #[inline(always)]
    pub(crate) fn store_meta(&self, meta: u64) {
        self.meta().store(meta, Ordering::Relaxed);
    }

    /// Where the inline payload begins.
    #[inline(always)]
    fn payload(&self) -> NonNull<u8> {
        // SAFETY: the inline payload is within the descriptor.
        unsafe { self.descriptor.add(DESCRIPTOR_HEAD as usize) }
    }

    /// Does a message of `len` bytes lie in the descriptor?
    #[inline(always)]
    fn takes(&self, len: u64) -> bool {
        len <= self.inline
    }
}
