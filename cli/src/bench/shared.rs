//! The memory that the two roles share, and the descriptors they inherit.
//!
//! ```text
//! line 0, 1      barrier, one line per side
//! line 2, 3      ping and pong of the probe
//! line 4, 5      ping and pong of the floor
//! line 6, 7      the floor's futexes
//! line 8, 9      record ring T, forth: tail, head
//! line 10, 11    record ring T, back: tail, head
//! line 12, 13    numbers that signals tell of
//! line 14, 15    the threads that take those signals
//! line 16 …      a flag per chunk of the copy floor
//! then           data of T forth, T back, and of the copy floor, `ring_bytes` each
//! ```
//!
//! Everything is handed out as slices of atomic words, so all use of it is safe; a line is 128 bytes, since
//! processors fetch pairs of 64-byte lines.
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::os::fd::{FromRawFd, RawFd};
use std::sync::atomic::{AtomicU32, AtomicU64};

use anyhow::{Context, Result};
use memmap2::MmapRaw;
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::signals::Words;

/// Words of a line.
const LINE: usize = 16;

/// Chunks into which the copy floor cuts its area, at most.
pub const CHUNKS: usize = 64;

/// The line of the first flag of the copy floor.
const FLAGS: usize = 16;

/// Words before the data areas: whole pages.
const CONTROL_WORDS: usize = (FLAGS + CHUNKS).next_multiple_of(32) * LINE;

/// The shared area, mapped.
#[derive(Debug)]
pub struct Shared {
    /// The mapping; its length is that of [`total_bytes`].
    map: MmapRaw,
    /// Words of one data area.
    area: usize,
}

/// Length of the memory file for rings of `ring_bytes`.
fn total_bytes(ring_bytes: usize) -> usize {
    CONTROL_WORDS * size_of::<u64>() + 3 * ring_bytes
}

/// A new memory file for the shared area, zeroed, inheritable by a child.
pub fn create(ring_bytes: usize) -> Result<File> {
    let file =
        File::from(memfd_create("ringway-bench", MFdFlags::empty()).context("cannot create a memory file")?);
    file.set_len(total_bytes(ring_bytes) as u64).context("cannot size the memory file")?;
    Ok(file)
}

/// Takes over a descriptor that this process inherited under a number it was told, or whose owner gave it up.
pub fn adopt<T: FromRawFd>(fd: RawFd) -> T {
    // SAFETY: the coordinator left this descriptor open across exec for this role alone and named it once in
    // the setup line, or `into_raw_fd` has just returned it; nothing else in this process knows the number.
    unsafe { T::from_raw_fd(fd) }
}

/// The first half of a word whose line is used as a number of 32 bits only.
pub fn half(word: &AtomicU64) -> &AtomicU32 {
    // SAFETY: the word is valid for as long as it is borrowed and aligned, and nobody touches its line by other widths.
    unsafe { AtomicU32::from_ptr(word.as_ptr().cast()) }
}

impl Shared {
    /// Maps the inherited memory file and touches its pages.
    pub fn open(fd: RawFd, ring_bytes: usize) -> Result<Self> {
        let path = format!("/proc/self/fd/{fd}");
        let file =
            OpenOptions::new().read(true).write(true).open(path).context("cannot open the shared area")?;
        let map = memmap2::MmapOptions::new().len(total_bytes(ring_bytes)).populate().map_raw(&file);
        Ok(Self { map: map.context("cannot map the shared area")?, area: ring_bytes / size_of::<u64>() })
    }

    /// The whole area as words.
    fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is page aligned, readable, writable and `total_bytes` long, lives as long as
        // `self`, and both processes touch it through atomic words or through ranges that the protocol of its
        // user gives to one side.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().cast(), self.map.len() / size_of::<u64>()) }
    }

    /// The first word of line `index`.
    fn line(&self, index: usize) -> &AtomicU64 {
        &self.words()[index * LINE]
    }

    /// Data area `index`.
    fn area(&self, index: usize) -> &[AtomicU64] {
        let start = CONTROL_WORDS + index * self.area;
        &self.words()[start..start + self.area]
    }

    /// The barrier words of the sender and of the receiver.
    pub fn barrier(&self) -> [&AtomicU64; 2] {
        [self.line(0), self.line(1)]
    }

    /// The words written by the sender and by the receiver in the probe's ping-pong (0) or the floor's (1).
    pub fn ping_pong(&self, which: usize) -> [&AtomicU64; 2] {
        [self.line(2 + 2 * which), self.line(3 + 2 * which)]
    }

    /// The futexes that the sender and the receiver ring.
    pub fn futexes(&self) -> [&AtomicU32; 2] {
        [6, 7].map(|index| half(self.line(index)))
    }

    /// What signals need: a word and a thread's number of either side.
    pub fn signals(&self) -> Words<'_> {
        Words { sent: [12, 13].map(|index| self.line(index)), thread: [14, 15].map(|index| self.line(index)) }
    }

    /// Tail, head and data of record ring T, forth (0) or back (1).
    pub fn record_ring(&self, direction: usize) -> (&AtomicU64, &AtomicU64, &[AtomicU64]) {
        (self.line(8 + 2 * direction), self.line(9 + 2 * direction), self.area(direction))
    }

    /// Flags, one per chunk, and data of the copy floor.
    pub fn copy(&self) -> (Vec<&AtomicU64>, &[AtomicU64]) {
        ((0..CHUNKS).map(|chunk| self.line(FLAGS + chunk)).collect(), self.area(2))
    }
}
