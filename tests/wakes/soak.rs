//! Each kind of wake-up, between two and between four.

use std::io::Write;
use std::time::Instant;

use crate::crew::Crew;
use crate::figures::Total;
use crate::plan::{Kind, Plan, Way};

/// Messages of one ring and journal.
const ROUND: u64 = 400_000;
/// Messages to a sleep, at most.
const SLEEPS: u64 = 500;

/// How many messages are sent for each kind, unless the environment says so.
pub fn messages() -> u64 {
    let messages = std::env::var("RINGWAY_WAKE_MESSAGES");
    messages.map_or(40_000, |messages| messages.parse().expect("RINGWAY_WAKE_MESSAGES is a number"))
}

#[test]
fn futexes_lose_no_wake_up() {
    soak(Way::Futex);
}

#[test]
fn semaphores_lose_no_wake_up() {
    soak(Way::Semaphore);
}

#[test]
fn descriptors_of_io_uring_lose_no_wake_up() {
    soak(Way::Uring);
}

#[test]
fn descriptors_of_a_watching_thread_lose_no_wake_up() {
    soak(Way::Watch);
}

#[test]
fn signals_lose_no_wake_up() {
    soak(Way::Signal);
}

#[test]
fn waits_for_several_rings_lose_no_wake_up() {
    soak(Way::Select);
}

#[cfg(feature = "tokio")]
#[test]
fn tasks_lose_no_wake_up() {
    soak(Way::Task);
}

fn soak(way: Way) {
    for kind in [Kind::Spsc, Kind::Mpmc] {
        rounds(&Plan { kind, way }, messages() / 2);
    }
}

fn rounds(plan: &Plan, messages: u64) {
    let (started, mut all) = (Instant::now(), Total::default());
    while all.receivers.messages < messages {
        let mut crew = Crew::start(*plan);
        crew.work(ROUND.min(messages - all.receivers.messages));
        all.add(&crew.end());
        let Total { kills, senders, receivers } = &all;
        let (plan, seconds) = (plan.text(), started.elapsed().as_secs());
        let received = receivers.messages;
        // Past the harness, which would keep it until the end.
        let mut out = std::io::stderr().lock();
        let _ = writeln!(out, "{plan}: {received} of {messages} messages, {seconds} s, {kills} kills");
        let _ = writeln!(out, "  receivers: {receivers}\n  senders:   {senders}");
    }
    for waits in [&all.senders, &all.receivers] {
        assert!(waits.sleeps * SLEEPS > waits.messages, "this was no test of sleeps: {waits}");
        waits.check(plan);
    }
}
