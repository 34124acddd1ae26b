//! Numbers that look random, the same for the same seed.

use nix::time::{ClockId, clock_gettime};

/// A generator of numbers.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// One that differs from run to run and from process to process.
    pub fn any() -> Random {
        let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("a clock");
        Random(time.tv_nsec() as u64 ^ u64::from(std::process::id()) << 40)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number less than `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// A number from `least` to `most`.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    /// Is this the one time in `times`?
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}
