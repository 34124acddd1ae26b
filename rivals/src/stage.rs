//! The memory that the workers of a team share, in one process or in many.
//!
//! ```text
//! line 0 … 15    arrivals: the last job that a worker has come to
//! line 16 … 31   what a producer has sent in a job, and what a consumer has received
//! line 32, 33    ping and pong of the probe
//! line 34        producers that have finished jobs whose queue blocks
//! then           for each size a bare queue: tail line, head line, cells
//! ```
//!
//! Everything is handed out as slices of atomic words, so all use of it is safe.
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::ops::Range;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::yield_now;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use memmap2::{MmapOptions, MmapRaw};
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::bare::Bare;
use crate::plan::MOST;

/// Words of a line: 128 bytes, since processors fetch pairs of 64-byte lines.
pub const LINE: usize = 16;

/// Most workers of a team.
const WORKERS: usize = 2 * MOST;

/// Words before the bare queues.
const CONTROL: usize = (2 * WORKERS + 3) * LINE;

/// How long a worker waits for the others.
const PATIENCE: Duration = Duration::from_secs(5);

/// Looks for the others before a worker lets them have its core.
const LOOKS: u32 = 1 << 10;

/// Bits of a count; above stands the job's number.
const COUNT_BITS: u32 = 40;

/// The shared memory, mapped.
#[derive(Debug)]
pub struct Stage {
    /// The mapping.
    map: MmapRaw,
    /// Where the bare queue of each size begins, in words.
    queues: Vec<(usize, usize)>,
}

/// Where the bare queue of each of `sizes` begins, and the words of all.
fn lay_out(sizes: &[usize]) -> (Vec<(usize, usize)>, usize) {
    let mut at = CONTROL;
    let mut queues = Vec::new();
    for &size in sizes {
        queues.push((size, at));
        at += Bare::words(size).next_multiple_of(LINE);
    }
    (queues, at)
}

/// A new memory file for a stage, zeroed, inheritable by children.
pub fn create(sizes: &[usize]) -> Result<File> {
    let file = memory_file()?;
    let words = lay_out(sizes).1;
    file.set_len((words * size_of::<u64>()) as u64).context("cannot size the memory file")?;
    Ok(file)
}

/// A new empty memory file, inheritable by children.
pub fn memory_file() -> Result<File> {
    let fd = memfd_create("ringway-rivals", MFdFlags::empty()).context("cannot create a memory file")?;
    Ok(File::from(fd))
}

/// Opens an inherited memory file anew.
pub fn reopen(fd: RawFd) -> Result<File> {
    let path = format!("/proc/self/fd/{fd}");
    OpenOptions::new().read(true).write(true).open(path).context("cannot open an inherited memory file")
}

impl Stage {
    /// Maps an inherited stage and touches its pages.
    pub fn open(fd: RawFd, sizes: &[usize]) -> Result<Self> {
        let (queues, words) = lay_out(sizes);
        let map = MmapOptions::new().len(words * size_of::<u64>()).populate().map_raw(&reopen(fd)?);
        Ok(Self { map: map.context("cannot map the stage")?, queues })
    }

    /// The whole stage as words.
    fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is page aligned, readable, writable and as long as said, lives as long as `self`, and
        // everybody who has it touches it through atomic words only.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().cast(), self.map.len() / size_of::<u64>()) }
    }

    /// The first word of line `index`.
    fn line(&self, index: usize) -> &AtomicU64 {
        &self.words()[index * LINE]
    }

    /// The bare queue for messages of `size` bytes.
    pub fn bare(&self, size: usize) -> Result<Bare<'_>> {
        let found = self.queues.iter().find(|(of, _)| *of == size);
        let &(_, at) = found.context("no bare queue of that size")?;
        Ok(Bare::new(&self.words()[at..at + Bare::words(size)], size))
    }

    /// The lines of the probe's ping-pong.
    pub fn ping_pong(&self) -> [&AtomicU64; 2] {
        [self.line(2 * WORKERS), self.line(2 * WORKERS + 1)]
    }

    /// Waits until `workers` workers have come to job `job`.
    pub fn meet(&self, worker: usize, workers: usize, job: u64) -> Result<()> {
        // edge: arrival (release), pairs with the load below
        self.line(worker).store(job, Ordering::Release);
        let deadline = Instant::now() + PATIENCE;
        loop {
            for _ in 0..LOOKS {
                // edge: arrival (acquire), pairs with the store above
                if (0..workers).all(|other| self.line(other).load(Ordering::Acquire) >= job) {
                    return Ok(());
                }
                std::hint::spin_loop();
            }
            if Instant::now() > deadline {
                bail!("the others did not come to the start");
            }
            yield_now();
        }
    }

    /// Tells how many messages of `job` a worker has moved: a producer when it has finished, a consumer when it finds
    /// nothing.
    pub fn tell(&self, worker: usize, job: u64, count: u64) {
        // edge: count (release), pairs with `told`
        self.line(WORKERS + worker).store(job << COUNT_BITS | count, Ordering::Release);
    }

    /// What these workers have told of `job`, together; `None`: one has told nothing.
    pub fn told(&self, mut workers: Range<usize>, job: u64) -> Option<u64> {
        workers.try_fold(0, |sum, worker| {
            let word = self.line(WORKERS + worker).load(Ordering::Acquire); // edge: count (acquire)
            (word >> COUNT_BITS == job).then_some(sum + (word & ((1 << COUNT_BITS) - 1)))
        })
    }

    /// Notes that a producer has finished. `true`: the last of `producers` in this job.
    pub fn finish(&self, producers: usize) -> bool {
        let finished = self.line(2 * WORKERS + 2).fetch_add(1, Ordering::AcqRel) + 1; // edge: finish (release, acquire)
        finished.is_multiple_of(producers as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn counts_of_other_jobs_are_not_added() {
        let file = create(&[8]).expect("a stage");
        let stage = Stage::open(file.as_raw_fd(), &[8]).expect("a mapping");
        stage.tell(0, 1, 7);
        assert_eq!(stage.told(0..2, 1), None);
        stage.tell(1, 1, 3);
        assert_eq!(stage.told(0..2, 1), Some(10));
        assert_eq!(stage.told(0..2, 2), None);
    }

    #[test]
    fn the_last_producer_knows() {
        let file = create(&[]).expect("a stage");
        let stage = Stage::open(file.as_raw_fd(), &[]).expect("a mapping");
        assert_eq!(
            [stage.finish(2), stage.finish(2), stage.finish(2), stage.finish(2)],
            [false, true, false, true]
        );
    }
}
