//! Producers and consumers that are killed at random, all the time: nothing is lost, torn or invented, nothing comes
//! twice without a mark, and nothing hangs.

use std::time::{Duration, Instant};

use crate::crew::{Crew, Kill};
use crate::plan::Plan;
use crate::verdict::Figures;

/// How long one ring and journal are used.
const ROUND: Duration = Duration::from_secs(5);

/// A ring that is full all the time, and goes round and round.
const SMALL: Plan = Plan { slots: 64, slot_size: 64, least: 1, at_most_once: false };
/// A ring with room, and large messages.
const LARGE: Plan = Plan { slots: 1024, slot_size: 256, least: 1, at_most_once: false };
/// A ring in which long messages take hundreds of tiny slots, so that deaths hit releases and repairs in the middle.
const TINY: Plan = Plan { slots: 1024, slot_size: 8, least: 1, at_most_once: false };

/// How long a soak is, unless the environment says so.
pub fn length(default: Duration) -> Duration {
    let seconds = std::env::var("RINGWAY_SOAK_SECONDS");
    seconds.map_or(default, |seconds| Duration::from_secs(seconds.parse().expect("seconds")))
}

#[test]
fn a_small_ring_stands_random_kills() {
    soak("64 slots", SMALL, Kill::One, Duration::from_millis(2500));
}

#[test]
fn a_large_ring_stands_random_kills() {
    soak("1024 slots", LARGE, Kill::One, Duration::from_millis(2500));
}

/// Whoever repairs what the dead have left may die of it, too.
#[test]
fn killed_repairers_are_repaired() {
    soak("several at once", TINY, Kill::Several, Duration::from_millis(2500));
}

#[test]
fn at_most_once_means_never_twice() {
    let plan = Plan { least: 8, at_most_once: true, ..SMALL };
    let figures = soak("at most once", plan, Kill::One, Duration::from_millis(2500));
    // A consumer has at most one message in hand that it had not noted yet.
    assert!(figures.missing <= figures.kills, "{figures:?}");
}

fn soak(what: &str, plan: Plan, kill: Kill, default: Duration) -> Figures {
    let (length, started) = (length(default), Instant::now());
    let mut all = Figures::default();
    while let Some(left) = length.checked_sub(started.elapsed()).filter(|left| !left.is_zero()) {
        let mut crew = Crew::start(plan);
        crew.storm(left.min(ROUND), kill);
        all.add(crew.end());
        let Figures { messages, redelivered, missing, kills, rounds } = all;
        eprintln!(
            "{what}: {} s, {rounds} rounds, {kills} kills, {messages} messages, {redelivered} redelivered, {missing} dropped unseen",
            started.elapsed().as_secs()
        );
    }
    all
}
