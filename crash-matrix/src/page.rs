//! A page of words that a process shares with the children it forks.
#![allow(unsafe_code)]

use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Result;
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// Words in a page.
pub const WORDS: usize = 1024;
/// Bytes of a page.
const BYTES: NonZeroUsize = NonZeroUsize::new(WORDS * size_of::<u32>()).expect("not zero");

/// A page of words, zero at first, shared with every child that is forked later.
#[derive(Debug)]
pub struct Page(NonNull<[AtomicU32; WORDS]>);

impl Page {
    /// Maps a page.
    pub fn new() -> Result<Page> {
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new anonymous mapping at an address that the kernel chooses overlaps nothing.
        let memory = unsafe { mmap_anonymous(None, BYTES, protection, MapFlags::MAP_SHARED) }?;
        Ok(Page(memory.cast()))
    }

    fn words(&self) -> &[AtomicU32; WORDS] {
        // SAFETY: the mapping lives as long as `self`, is aligned to a page, and any bytes are atomic words.
        unsafe { self.0.as_ref() }
    }

    /// Reads a word.
    pub fn get(&self, at: usize) -> u32 {
        self.words()[at].load(Ordering::SeqCst)
    }

    /// Writes a word.
    pub fn set(&self, at: usize, value: u32) {
        self.words()[at].store(value, Ordering::SeqCst);
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and nothing borrows from it any more.
        let _ = unsafe { munmap(self.0.cast(), BYTES.get()) };
    }
}
