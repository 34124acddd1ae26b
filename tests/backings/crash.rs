//! Crashes, at every step of a ring's life: an image of the ring at that moment is what a crash of both sides
//! would leave. Successors find everything that was committed and not released, and nothing else.

use ringway::spsc::{Consumer, Peer, Producer, options};

use crate::common::image::{at, crash_image, patch, read_u64};
use crate::common::names::Name;
use crate::common::pattern;

/// The bytes of a message, and whether a dead consumer had it in hand.
type Left = (Vec<u8>, bool);

fn ring(size: usize) -> (Name, Producer, Consumer) {
    let name = Name::new("crash");
    let tx = options().size(size).producer(&*name).expect("a producer");
    let rx = options().consumer(&*name).expect("a consumer");
    (name, tx, rx)
}

/// Both sides crash now: successors must find `left`, and must be able to go on.
#[track_caller]
fn crash_leaves(name: &Name, left: &[Left]) {
    let image = crash_image(name);
    let mut tx = options().producer(&*image).expect("a new producer");
    assert_eq!(tx.peer(), Peer::Dead);
    let mut rx = options().consumer(&*image).expect("a new consumer");
    assert_eq!(take_all(&mut rx), left);
    for seed in 0..20 {
        tx.try_send(&pattern(seed, 60)).expect("room");
        assert_eq!(take_all(&mut rx), [(pattern(seed, 60), false)]);
    }
    drop((tx, rx));
    assert!(!image.exists(), "drained and left");
}

fn take_all(rx: &mut Consumer) -> Vec<Left> {
    let mut all = Vec::new();
    while let Ok(message) = rx.try_recv() {
        all.push((message.to_vec(), message.redelivered()));
    }
    all
}

fn fresh(seeds: std::ops::Range<u64>, len: impl Fn(u64) -> usize) -> Vec<Left> {
    seeds.map(|seed| (pattern(seed, len(seed)), false)).collect()
}

#[test]
fn a_crash_between_messages_loses_nothing() {
    let (name, mut tx, mut rx) = ring(256);
    let len = |seed: u64| (seed * 7 % 50) as usize;
    for seed in 0..100 {
        tx.send(&pattern(seed, len(seed))).expect("room");
        let first = seed.saturating_sub(2);
        crash_leaves(&name, &fresh(first..seed + 1, len));
        if seed >= 2 {
            drop(rx.recv().expect("a message"));
        }
        crash_leaves(&name, &fresh(seed.saturating_sub(1)..seed + 1, len));
    }
}

#[test]
fn a_crash_before_the_commit_leaves_nothing() {
    let (name, mut tx, mut rx) = ring(256);
    for seed in 0..100 {
        let mut claim = tx.claim((seed * 5 % 120) as usize).expect("room");
        claim.fill(0xff);
        crash_leaves(&name, &[]);
        drop(claim);
        crash_leaves(&name, &[]);
        tx.send(&pattern(seed, 40)).expect("room");
        crash_leaves(&name, &[(pattern(seed, 40), false)]);
        drop(rx.recv().expect("a message"));
    }
}

/// A batch can fill the whole ring, so it may overwrite the last position that the producer wrote down.
#[test]
fn a_crash_inside_a_batch_leaves_nothing_and_after_it_everything() {
    let len = |seed: u64| (seed * 3 % 24) as usize;
    for before in 0..40 {
        let (name, mut tx, mut rx) = ring(256);
        for seed in 0..before {
            tx.send(&pattern(seed, 8)).expect("room");
            drop(rx.recv().expect("a message"));
        }
        let mut batch = tx.batch().expect("at home");
        let mut seeds = 0;
        while batch.push(&pattern(seeds, len(seeds))).is_ok() {
            seeds += 1;
            crash_leaves(&name, &[]);
        }
        batch.commit().expect("at home");
        crash_leaves(&name, &fresh(0..seeds, len));
        drop(rx.recv().expect("a message"));
        crash_leaves(&name, &fresh(1..seeds, len));
        drop(rx);
    }
}

#[test]
fn what_a_dead_consumer_had_in_hand_comes_again_and_is_marked() {
    let (name, mut tx, mut rx) = ring(1024);
    let len = |_| 24;
    for round in 0..30 {
        for seed in 0..4 {
            tx.send(&pattern(seed, 24)).expect("room");
        }
        let mut left = fresh(0..4, len);
        crash_leaves(&name, &left);
        let message = rx.recv().expect("a message");
        left[0].1 = true;
        crash_leaves(&name, &left);
        drop(message);
        let mut drain = rx.drain().expect("at home");
        for taken in 1..4 {
            assert!(drain.next().is_some(), "round {round}");
            left[taken].1 = true;
            crash_leaves(&name, &left[1..]);
        }
        drop(drain);
        crash_leaves(&name, &[]);
    }
}

/// A second crash, of a consumer that had fewer messages in hand than the first, forgets none of the first's.
#[test]
fn messages_stay_marked_through_a_second_crash() {
    let (name, mut tx, mut rx) = ring(1024);
    for seed in 0..4 {
        tx.send(&pattern(seed, 24)).expect("room");
    }
    let mut drain = rx.drain().expect("at home");
    for _ in 0..3 {
        assert!(drain.next().is_some());
    }
    let once = crash_image(&name);
    let mut rx = options().consumer(&*once).expect("a second consumer");
    let message = rx.recv().expect("a message");
    assert!(message.redelivered());
    let twice = crash_image(&once);
    drop(message);
    let mut rx = options().consumer(&*twice).expect("a third consumer");
    let marks: Vec<bool> = take_all(&mut rx).into_iter().map(|(_, redelivered)| redelivered).collect();
    assert_eq!(marks, [true, true, true, false]);
}

/// The producer dies after it committed a batch and before it wrote its position down; the consumer receives the
/// batch, so the position written lies more than a lap back, in bytes that were written over.
#[test]
fn a_producer_that_died_right_after_a_batch_has_a_successor() {
    let (name, mut tx, mut rx) = ring(256);
    tx.send(&pattern(0, 8)).expect("room");
    take_all(&mut rx);
    let written = read_u64(&name.path(), at::PRODUCER_TAIL);
    let mut batch = tx.batch().expect("a batch");
    for seed in 0..15 {
        batch.push(&pattern(seed, 8)).expect("room");
    }
    batch.push(&[]).expect("room");
    batch.commit().expect("sent");
    assert_eq!(take_all(&mut rx).len(), 16);
    assert!(read_u64(&name.path(), at::PRODUCER_TAIL) - written > 256, "more than a lap");

    let image = crash_image(&name);
    patch(&image.path(), at::PRODUCER_TAIL, &written.to_ne_bytes());
    assert_eq!(ringway::inspect::inspect(&*image).expect("a report").used, Ok(0));
    crash_leaves(&image, &[]);
}
