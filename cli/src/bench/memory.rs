//! Shared memory for the rings of the kernel's own making: System V's, POSIX's, or a mapped file, all cut alike.
//!
//! ```text
//! page 0   control words, a line of 128 bytes each, the first four for what goes forth, the next for what comes back
//! then     data forth, data back, `ring_bytes` each
//! ```
#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::{AsFd, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use memmap2::MmapRaw;
use nix::fcntl::posix_fallocate;

use super::shared::adopt;
use super::system_v::Attached;

/// Bytes before the data.
const CONTROL: usize = 4096;

/// Bytes of a line.
const LINE: usize = 128;

/// Control lines of a direction.
const LINES: usize = 4;

/// Length of the memory for rings of `ring_bytes`.
pub fn total_bytes(ring_bytes: usize) -> usize {
    CONTROL + 2 * ring_bytes
}

/// Reserves the memory behind a descriptor, whose lack would kill whoever writes there.
pub fn reserve(descriptor: impl AsFd, ring_bytes: usize) -> Result<()> {
    posix_fallocate(descriptor, 0, total_bytes(ring_bytes) as i64).context("no room for shared memory")
}

/// Where the memory comes from.
#[derive(Debug)]
enum Source {
    /// A mapped file, or POSIX shared memory.
    Mapped(MmapRaw),
    /// A System V segment.
    Attached(Attached),
}

/// Shared memory, mapped and touched.
#[derive(Debug)]
pub struct Memory {
    /// The mapping; [`total_bytes`] long.
    source: Source,
    /// Bytes of a ring.
    ring_bytes: usize,
}

impl Memory {
    /// Maps an inherited descriptor.
    pub fn map(fd: RawFd, ring_bytes: usize) -> Result<Self> {
        let file: File = adopt(fd);
        reserve(&file, ring_bytes)?;
        let map = memmap2::MmapOptions::new().len(total_bytes(ring_bytes)).populate().map_raw(&file);
        Ok(Self { source: Source::Mapped(map.context("cannot map shared memory")?), ring_bytes })
    }

    /// Attaches to a System V segment.
    pub fn attach(id: i32, ring_bytes: usize) -> Result<Self> {
        let memory = Self { source: Source::Attached(Attached::new(id)?), ring_bytes };
        for page in memory.words().chunks(CONTROL / size_of::<u64>()) {
            page[0].fetch_add(0, Ordering::Relaxed); // edge: none, touches the page
        }
        Ok(memory)
    }

    /// The first byte.
    fn start(&self) -> *mut u8 {
        match &self.source {
            Source::Mapped(map) => map.as_mut_ptr(),
            Source::Attached(attached) => attached.start(),
        }
    }

    /// The whole memory as words.
    fn words(&self) -> &[AtomicU64] {
        let words = total_bytes(self.ring_bytes) / size_of::<u64>();
        // SAFETY: the memory is page aligned, readable, writable and at least so long, lives as long as `self`, and
        // both processes touch it through atomic words or through ranges that the protocol of its user gives to one.
        unsafe { std::slice::from_raw_parts(self.start().cast(), words) }
    }

    /// Control line `index`, of four, of a direction, forth (0) or back (1): where it begins.
    pub fn line(&self, direction: usize, index: usize) -> &AtomicU64 {
        &self.words()[(direction * LINES + index) * LINE / size_of::<u64>()]
    }

    /// The data of a direction.
    pub fn data(&self, direction: usize) -> &[AtomicU64] {
        let words = self.ring_bytes / size_of::<u64>();
        let start = CONTROL / size_of::<u64>() + direction * words;
        &self.words()[start..start + words]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::ends;
    use std::os::fd::IntoRawFd;

    #[test]
    fn two_mappings_see_the_same_and_directions_do_not_overlap() {
        let ring_bytes = 64 << 10;
        let file = ends::mapped_file(&format!("bench-{}-memory", std::process::id()), ring_bytes).unwrap();
        let other = file.try_clone().unwrap();
        let [mine, theirs] = [file, other].map(|file| Memory::map(file.into_raw_fd(), ring_bytes).unwrap());
        mine.line(1, 3).store(7, Ordering::Relaxed);
        assert_eq!(theirs.line(1, 3).load(Ordering::Relaxed), 7);
        for direction in [0, 1] {
            assert_eq!(mine.data(direction).len() * 8, ring_bytes);
            mine.data(direction).iter().for_each(|word| word.store(direction as u64 + 1, Ordering::Relaxed));
        }
        assert_eq!(theirs.line(1, 3).load(Ordering::Relaxed), 7);
        assert!(theirs.data(0).iter().all(|word| word.load(Ordering::Relaxed) == 1));
    }
}
