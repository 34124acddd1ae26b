//! Two on one processor: whoever waits lets the other run.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use ringway::{SendError, Wake};

use crate::common::names::Name;
use crate::common::role::{Entry, Role, listen, say};
use crate::kinds::{KINDS, Plan, Rx, kind_of};
use crate::{HOUR, SHORT};

pub const ROLES: [Entry; 1] = [("play", play)];

const TURNS: u32 = 200;

/// The first processor that this process may use.
fn a_processor() -> CpuSet {
    let allowed = sched_getaffinity(Pid::from_raw(0)).expect("processors");
    let first = (0..CpuSet::count()).find(|number| allowed.is_set(*number) == Ok(true)).expect("one");
    let mut only = CpuSet::new();
    only.set(first).expect("its number is possible");
    only
}

/// How often it waited, and how often it slept.
fn waited(rx: &Rx) -> (u64, u64) {
    let counters = match rx {
        Rx::Spsc(rx) => rx.counters(),
        Rx::Mpmc(rx) => rx.counters(),
    };
    (counters.waits, counters.sleeps)
}

/// Plays ping-pong with another process on the same processor, as one that may spin for an hour; says how often it waited,
/// and how often it slept.
fn play(arguments: &[&str]) {
    let &[kind, wake, there, back, side] = arguments else { panic!("five arguments") };
    sched_setaffinity(Pid::from_raw(0), &a_processor()).expect("a processor of its own");
    let wake = if wake == "semaphore" { Wake::Semaphore } else { Wake::Futex };
    let plan = Plan { size: 256, wake, liveness: HOUR, spin: HOUR, ..Plan::new(kind_of(kind)) };
    let (out, into) = if side == "first" { (there, back) } else { (back, there) };
    let mut tx = plan.producer(out).expect("a producer");
    let mut rx = plan.consumer(into).expect("a consumer");
    tx.fill(b"x");
    // Whoever waits says where it runs.
    assert_eq!(tx.send_timeout(b"x", SHORT), Err(SendError::TimedOut));
    say("full");
    listen();
    while rx.try_recv().is_ok() {}
    say("empty");
    listen();
    let before = waited(&rx);
    for _ in 0..TURNS {
        if side == "first" {
            tx.send(b"there").expect("room");
            rx.expect(b"back");
        } else {
            rx.expect(b"there");
            tx.send(b"back").expect("room");
        }
    }
    let after = waited(&rx);
    say(format!("{} {}", after.0 - before.0, after.1 - before.1));
    listen();
}

/// Each wait that does not end at once is a sleep, though it might have spun for an hour.
#[test]
fn whoever_waits_for_a_peer_on_the_same_processor_sleeps_and_does_not_spin() {
    for (kind, wake) in KINDS.into_iter().flat_map(|kind| ["futex", "semaphore"].map(|wake| (kind, wake))) {
        let (there, back) = (Name::new("there"), Name::new("back"));
        let start = |side| Role::start("play", &[kind.as_str(), wake, &there, &back, side]);
        let mut players = ["first", "second"].map(start);
        for heard in ["full", "empty"] {
            players.iter().for_each(|player| player.expect(heard));
            players.iter_mut().for_each(|player| player.tell("go on"));
        }
        let mut all = 0;
        for player in players {
            let said = player.hear();
            let (waits, sleeps) = said.split_once(' ').expect("two numbers");
            let (waits, sleeps): (u64, u64) = (waits.parse().expect("one"), sleeps.parse().expect("two"));
            all += waits;
            assert!(sleeps >= waits, "{kind:?}, {wake}: {sleeps} sleeps in {waits} waits");
            player.finish();
        }
        assert!(all > 0, "nobody waited");
    }
}
