//! Waking: whoever waits is woken, in every way there is to wait (at a semaphore, by a descriptor, at several rings at once);
//! nobody else pays for it, and whoever sends to those who are awake makes no system call.

#[path = "../common/mod.rs"]
mod common;
#[path = "../hostile/filter.rs"]
mod filter;
#[path = "../hostile/kinds.rs"]
#[allow(dead_code, reason = "another test binary uses the rest")]
mod kinds;

mod bed;
mod beside;
mod ends;
mod polled;
mod readiness;
mod roles;
mod select;
mod semaphores;
mod silent;
mod surroundings;
mod tampered;

use std::time::{Duration, Instant};

use common::{PATIENCE, eventually, role};
use ringway::inspect::inspect;

/// A time limit for what is not going to happen.
const SHORT: Duration = Duration::from_millis(2);
/// A liveness interval that no test lives to see the end of: whoever is not woken sleeps on.
const HOUR: Duration = Duration::from_secs(3600);
/// One that tests may wait for.
const INTERVAL: Duration = Duration::from_millis(20);

/// The entry of processes that these tests start; see `common::role`.
#[test]
fn role() {
    let roles = [
        beside::ROLES.as_slice(),
        roles::ROLES.as_slice(),
        silent::ROLES.as_slice(),
        surroundings::ROLES.as_slice(),
    ];
    role::enter(&roles.concat());
}

/// Waits until so many participants of the ring have slept.
#[track_caller]
fn await_sleepers(address: &str, count: usize) {
    eventually("they sleep", || {
        let report = inspect(address).expect("a ring");
        report.participants.iter().filter(|one| one.counters.sleeps > 0).count() >= count
    });
}

/// Runs `body`, in which nobody may sleep until a limit of `PATIENCE` is over: what is found then was there before, and the
/// wake-up for it was lost.
#[track_caller]
fn no_wake_up_is_lost<T>(body: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let done = body();
    assert!(started.elapsed() < PATIENCE / 2, "a wake-up was lost: {:?}", started.elapsed());
    done
}
