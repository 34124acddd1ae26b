//! The memory of a ring, on the heap.
#![allow(unsafe_code)]

use core::ptr::NonNull;
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};

use crate::layout::PAGE;
use crate::segment::mapping::Mapping;
use crate::sync::{AtomicU64, Ordering};

/// Zeroed memory, which ends where the ring does.
pub(super) struct Memory {
    start: NonNull<u8>,
    layout: Layout,
}

impl Memory {
    /// Memory for `len` bytes, which are not none.
    pub(super) fn new(len: u64) -> Memory {
        let layout = Layout::from_size_align(len as usize, PAGE as usize).expect("a small ring");
        assert!(len > 0, "a ring has a header");
        // SAFETY: the layout is not empty, as just checked.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) });
        Memory { start: start.unwrap_or_else(|| handle_alloc_error(layout)), layout }
    }

    pub(super) fn len(&self) -> u64 {
        self.layout.size() as u64
    }

    /// A view of it, which must not outlive it.
    pub(super) fn mapping(&self) -> Mapping {
        // SAFETY: the memory lives as long as `self`; whoever uses it reads it as shared memory.
        unsafe { Mapping::hosted(self.start, self.len()) }
    }

    /// Writes words from `at` on, a multiple of eight, as far as there is room.
    pub(super) fn write(&self, at: u64, bytes: &[u8]) {
        let mapping = self.mapping();
        for (at, chunk) in (at..self.len()).step_by(8).zip(bytes.chunks(8)) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            mapping.part::<AtomicU64>(at).store(u64::from_ne_bytes(word), Ordering::Relaxed);
        }
    }

    /// Does the slice lie in this memory?
    pub(super) fn holds(&self, slice: &[u8]) -> bool {
        let (start, len) = (self.start.addr().get(), self.layout.size());
        let range = slice.as_ptr_range();
        slice.is_empty() || (range.start.addr() >= start && range.end.addr() <= start + len)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and views do not outlive it.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}
