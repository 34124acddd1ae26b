//! What the integration tests share: names, processes in a role, images of a ring, random numbers.
#![allow(dead_code, reason = "each test binary uses a part")]

pub mod fork;
pub mod host;
pub mod image;
pub mod names;
pub mod random;
pub mod role;

use std::time::{Duration, Instant};

/// How long to wait for what must happen soon, on a machine that may be busy.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until `condition` holds.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "still waiting: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// `len` bytes that depend on `seed` and on their position.
pub fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (state >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}
