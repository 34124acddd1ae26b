//! Pauses of every length, so that sleeps and rings meet in every order.

use std::hint::spin_loop;
use std::thread;
use std::time::Duration;

use crate::common::random::Random;
use crate::journal::now;

/// Pauses, or does not.
pub fn pause(random: &mut Random) {
    match random.below(64) {
        0..=39 => {}
        40..=55 => spin(random.between(50, 2_000)),
        56..=60 => thread::yield_now(),
        _ => thread::sleep(Duration::from_micros(random.between(10, 200))),
    }
}

fn spin(nanoseconds: u64) {
    let until = now() + nanoseconds;
    while now() < until {
        spin_loop();
    }
}

/// Holds on to something for a moment.
pub fn linger() {
    spin(5_000);
}

/// What to do after an error that others make good: killed ones come back.
pub fn be_patient() {
    thread::sleep(Duration::from_micros(200));
}
