//! The memory that the workers of a study share: the bench's shared area, used by more than two.
//!
//! ```text
//! lines 0 … 15     how often a worker has arrived
//! line 16          how many producers have finished, in all jobs
//! ```
//!
//! These are the lines that the pairs' copy floor has its flags on. The probe's lines and the data areas are the pairs' own.
//!
//! | edge | from | to |
//! |---|---|---|
//! | arrival | a worker that comes to a meeting | the others: everything before |
//! | finish | a producer that has sent all its messages | the last one of them: that they are sent |

use std::fs::File;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::yield_now;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::bench::control::Side;
use crate::bench::probe::{self, Ping, Pong, ping_pong};
use crate::bench::shared::{self, Shared};

/// Most workers of a study.
pub const WORKERS: usize = 16;

/// Bytes of each data area.
pub const AREA: usize = 1 << 20;

/// How long a worker waits for the others.
const PATIENCE: Duration = Duration::from_secs(45);

/// Looks for the others before a worker lets them have its core.
const LOOKS: u32 = 1 << 10;

/// A new ground, to be inherited.
pub fn create() -> Result<File> {
    shared::create(AREA)
}

/// Maps an inherited ground.
pub fn open(fd: RawFd) -> Result<Shared> {
    Shared::open(fd, AREA)
}

/// Where a number of workers meet.
#[derive(Debug)]
pub struct Meeting<'a> {
    /// A line each.
    lines: Vec<&'a AtomicU64>,
    /// The line of those who have finished.
    finished: &'a AtomicU64,
    /// Which of the workers this one is.
    me: usize,
    /// How often it has arrived.
    arrived: u64,
}

impl<'a> Meeting<'a> {
    /// The meeting place of `workers` workers.
    pub fn new(ground: &'a Shared, me: usize, workers: usize) -> Self {
        let (mut lines, _) = ground.copy();
        let finished = lines[WORKERS];
        lines.truncate(workers.min(WORKERS));
        Self { lines, finished, me, arrived: 0 }
    }

    /// Waits until all have come here as often as this one.
    pub fn wait(&mut self) -> Result<()> {
        self.arrived += 1;
        self.lines[self.me].store(self.arrived, Ordering::Release); // edge: arrival (release)
        let deadline = Instant::now() + PATIENCE;
        loop {
            for _ in 0..LOOKS {
                // edge: arrival (acquire), pairs with the store above
                if self.lines.iter().all(|line| line.load(Ordering::Acquire) >= self.arrived) {
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

    /// Notes that a producer has sent everything. `true`: the last of `producers` that do so in a job.
    pub fn finish(&self, producers: usize) -> bool {
        let finished = self.finished.fetch_add(1, Ordering::AcqRel) + 1; // edge: finish (release, acquire)
        finished.is_multiple_of(producers as u64)
    }
}

/// What measures the distance between two workers' cores.
#[derive(Debug)]
pub struct Prober<'a> {
    /// Which of the two.
    side: Side,
    /// Its line.
    ping: Ping<'a>,
    /// The other one's.
    pong: Pong<'a>,
}

impl<'a> Prober<'a> {
    /// One side of the probe.
    pub fn new(ground: &'a Shared, side: Side) -> Self {
        let (ping, pong) = ping_pong(side, ground.ping_pong(0));
        Self { side, ping, pong }
    }

    /// Nanoseconds per round trip.
    pub fn probe(&mut self) -> f64 {
        probe::probe(self.side, &mut self.ping, &mut self.pong)
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn nobody_leaves_before_everybody_came() {
        let file = create().unwrap();
        let came = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for me in 0..3 {
                let (file, came) = (&file, &came);
                scope.spawn(move || {
                    let ground = open(file.as_raw_fd()).unwrap();
                    let mut meeting = Meeting::new(&ground, me, 3);
                    for round in 1..=50 {
                        came.fetch_add(1, Ordering::Relaxed);
                        meeting.wait().unwrap();
                        assert!(came.load(Ordering::Relaxed) >= 3 * round);
                        meeting.wait().unwrap();
                    }
                });
            }
        });
    }

    #[test]
    fn the_last_producer_knows() {
        let file = create().unwrap();
        let ground = open(file.as_raw_fd()).unwrap();
        let meeting = Meeting::new(&ground, 0, 2);
        assert_eq!([0; 4].map(|_| meeting.finish(2)), [false, true, false, true]);
    }
}
