//! Bytes that nobody who runs this protocol wrote, in the words by which participants wake each other, while they do: every
//! message arrives all the same, and nobody sleeps beyond the liveness interval for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use ringway::{Wait, Wake};

use crate::common::PATIENCE;
use crate::common::image::patch;
use crate::common::names::Name;
use crate::kinds::{KINDS, Kind, Plan, Received};
use crate::polled::{PolledRx, Watch};

const MESSAGES: u8 = 200;
const INTERVAL: Duration = Duration::from_millis(2);

/// Values for words of 64 bits: bits that say that somebody sleeps or wants to be called, semaphores that were posted or are
/// waited for, calls by all kinds of signals, processors.
const VALUES: [u64; 16] = [
    0,
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    0x80,
    2 | 9 << 2 | 3 << 9,
    2 | 10 << 2 | 1 << 9 | 7 << 32,
    1 << 32,
    u32::MAX as u64,
    1 << 63,
    u64::MAX - 7,
    u64::MAX,
];

/// Where a line has its marks and processor, its call, and its semaphore.
const WORDS: [u64; 6] = [16, 24, 32, 40, 48, 56];

/// Participants of each role, where a ring takes several.
const PLACES: u64 = 4;

/// Where the words are that are tampered with, and of how many bytes: of the lines of the participants, and of the bells.
fn places(kind: Kind) -> Vec<(u64, usize)> {
    let each = if kind == Kind::Spsc { 1 } else { PLACES };
    let line = |id: u64| 4096 + 128 * id;
    let bells = line(2 * each) + if kind == Kind::Spsc { 3 * 128 } else { 2 * 128 };
    // A queue's first participants of each role, among them those who are there.
    let ids = [0, 1, each, each + 1].into_iter().filter(|id| *id < 2 * each);
    let words = ids.flat_map(|id| WORDS.map(|at| (line(id) + at, 8)));
    words.chain([(bells, 4), (bells + 128, 4)]).collect()
}

/// Writes all kinds of values into all kinds of places until it is done.
fn tamper(name: &Name, kind: Kind, done: &AtomicBool) {
    let places = places(kind);
    for step in 0.. {
        if done.load(Ordering::Relaxed) {
            return;
        }
        let (at, bytes) = places[step % places.len()];
        let value = VALUES[step / 3 % VALUES.len()];
        patch(&name.path(), at, &value.to_ne_bytes()[..bytes]);
        if step.is_multiple_of(4) {
            thread::sleep(Duration::from_micros(50));
        }
    }
}

/// Lets `receive` have the messages, while somebody tampers with the ring.
fn exchange(plan: &Plan, receive: impl FnOnce(&Name) + Send) {
    let name = Name::new("tampered");
    let mut tx = plan.producer(&name).expect("a producer");
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let receiver = scope.spawn(|| receive(&name));
        let tampering = scope.spawn(|| tamper(&name, plan.kind, &done));
        let sent: Vec<_> = (0..MESSAGES)
            .map(|k| {
                if k.is_multiple_of(4) {
                    thread::sleep(Duration::from_micros(300));
                }
                tx.send_timeout(&[k; 24], PATIENCE)
            })
            .collect();
        let received = receiver.join();
        done.store(true, Ordering::Relaxed);
        tampering.join().expect("it writes into a file");
        assert!(sent.iter().all(Result::is_ok), "{sent:?}");
        received.expect("everything was received");
    });
}

fn plans() -> impl Iterator<Item = Plan> {
    let kinds = KINDS.into_iter().flat_map(|kind| [Wake::Futex, Wake::Semaphore].map(|wake| (kind, wake)));
    let waits = kinds.flat_map(|(kind, wake)| [Wait::Park, Wait::Adaptive].map(|wait| (kind, wake, wait)));
    waits.map(|(kind, wake, wait)| Plan { size: 256, wake, wait, liveness: INTERVAL, ..Plan::new(kind) })
}

#[test]
fn whatever_is_written_into_the_words_that_wake_sleepers_are_delayed_at_most() {
    for plan in plans() {
        exchange(&plan, |name| {
            let mut rx = plan.consumer(name).expect("a consumer");
            (0..MESSAGES).for_each(|k| rx.expect(&[k; 24]));
        });
    }
}

#[test]
fn whatever_is_written_into_the_words_that_wake_descriptors_are_delayed_at_most() {
    for plan in plans().filter(|plan| plan.wait == Wait::Park) {
        exchange(&plan, |name| {
            let mut rx = PolledRx::new(plan.consumer(name).expect("a consumer"));
            (0..MESSAGES).for_each(|k| assert_eq!(rx.recv(&Watch::Poll), Ok(vec![k; 24])));
        });
    }
}

#[test]
fn whatever_was_written_a_ring_works_when_it_is_left_alone() {
    for plan in plans() {
        for value in VALUES {
            let name = Name::new("healed");
            let (mut tx, mut rx) =
                (plan.producer(&name).expect("a producer"), plan.consumer(&name).expect("a consumer"));
            for (at, bytes) in places(plan.kind) {
                patch(&name.path(), at, &value.to_ne_bytes()[..bytes]);
            }
            for k in 0..4 {
                tx.send(&[k; 24]).expect("room");
                assert_eq!(rx.recv_timeout(PATIENCE), Ok(Received::new(&[k; 24])));
                assert!(rx.recv_timeout(Duration::ZERO).is_err());
            }
        }
    }
}
