//! Numbers that look random, the same for the same seed.

use std::time::{SystemTime, UNIX_EPOCH};

/// A generator of numbers.
pub struct Chance(u64);

impl Chance {
    /// The seed that the environment gives, or one that differs from run to run.
    pub fn seed() -> u64 {
        let given = std::env::var("RINGWAY_LEAK_SEED").ok();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        given.map_or(now.as_nanos() as u64, |seed| seed.parse().expect("RINGWAY_LEAK_SEED is a number"))
    }

    pub fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    /// A number less than `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) % limit
    }

    /// Is this the one time in `times`?
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of these.
    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// A generator that goes another way from here on.
    pub fn split(&mut self) -> Chance {
        Chance(self.below(1 << 31) << 32 | self.below(1 << 31))
    }
}
