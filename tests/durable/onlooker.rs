//! An onlooker that reads words of a ring in use, as close behind the users' stores as another processor can.
#![allow(unsafe_code)]

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};

/// A mapping of a ring's file.
pub struct Onlooker(MmapRaw);

impl Onlooker {
    pub fn new(path: &Path) -> Onlooker {
        let file = File::options().read(true).write(true).open(path).expect("the ring");
        Onlooker(MmapOptions::new().map_raw(&file).expect("a mapping"))
    }

    /// The word at `at`, which lies before everything that is read later.
    pub fn word(&self, at: usize) -> u64 {
        assert!(at.is_multiple_of(8) && at + 8 <= self.0.len());
        let word = self.0.as_mut_ptr().wrapping_add(at).cast();
        // SAFETY: `word` is aligned and lies within the mapping, as was just checked; the mapping lives as long as `self`;
        // everybody else reaches the file's words by atomic operations, too.
        unsafe { AtomicU64::from_ptr(word) }.load(Ordering::Acquire)
    }
}
