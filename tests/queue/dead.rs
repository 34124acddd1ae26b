//! Participants that died: at every moment of a message's life, seen from successors and from survivors. Processes
//! that are really killed are in `tests/processes`.

use std::mem::forget;
use std::time::Duration;

use ringway::mpmc::{Consumer, Peer, Producer};
use ringway::{RecvError, Wait};

use crate::common::image::crash_image;
use crate::common::names::Name;
use crate::common::{PATIENCE, eventually, pattern};
use crate::words::{State, Words, word};
use crate::{Received, SHORT, small, take, take_all};

fn ring() -> (Name, Producer, Consumer) {
    let name = Name::new("dead");
    let tx = small().producer(&*name).expect("a producer");
    let rx = small().consumer(&*name).expect("a consumer");
    (name, tx, rx)
}

/// Bytes of messages, and whether they came again.
fn contents(received: Vec<Received>) -> Vec<(Vec<u8>, bool)> {
    received.into_iter().map(|(_, _, bytes, redelivered)| (bytes, redelivered)).collect()
}

/// Everybody dies now: successors, whoever comes first, must find `left`, and must be able to go on.
#[track_caller]
fn crash_leaves(name: &Name, left: &[(Vec<u8>, bool)]) {
    for producer_first in [true, false] {
        let image = crash_image(name);
        let mut early = producer_first.then(|| small().producer(&*image).expect("a new producer"));
        let mut rx = small().consumer(&*image).expect("a new consumer");
        let mut tx = early.take().unwrap_or_else(|| small().producer(&*image).expect("a new producer"));
        assert_eq!((tx.peer(), rx.peer()), (Peer::Attached, Peer::Attached));
        assert_eq!(contents(take_all(&mut rx)), left, "producer first: {producer_first}");
        for seed in 0..40 {
            tx.try_send(&pattern(seed, seed as usize * 13)).expect("room");
            assert_eq!(contents(take_all(&mut rx)), [(pattern(seed, seed as usize * 13), false)]);
        }
        assert_eq!(tx.used(), Ok(0));
        drop((tx, rx));
        assert!(!image.exists(), "drained and left");
    }
}

fn fresh(seeds: std::ops::Range<u64>, len: usize) -> Vec<(Vec<u8>, bool)> {
    seeds.map(|seed| (pattern(seed, len), false)).collect()
}

#[test]
fn what_is_committed_survives_everybody() {
    for len in [10, 60, 150] {
        let (name, mut tx, mut rx) = ring();
        for seed in 0..40 {
            tx.send(&pattern(seed, len)).expect("room");
            crash_leaves(&name, &fresh(seed.saturating_sub(1)..seed + 1, len));
            if seed >= 1 {
                drop(rx.recv().expect("a message"));
            }
        }
    }
}

#[test]
fn what_is_not_committed_was_never_there() {
    for len in [10, 60, 150, 512] {
        let (name, mut tx, mut rx) = ring();
        for round in 0..8 {
            let mut claim = tx.claim(len).expect("room");
            claim.fill(0xff);
            crash_leaves(&name, &[]);
            drop(claim);
            crash_leaves(&name, &[]);
            let mut batch = tx.batch().expect("at home");
            for k in 0..3 {
                batch.push(&pattern(k, len / 4)).expect("room");
                crash_leaves(&name, &[]);
            }
            batch.commit().expect("at home");
            crash_leaves(&name, &fresh(0..3, len / 4));
            assert_eq!(take_all(&mut rx).len(), 3, "round {round}");
        }
    }
}

#[test]
fn what_was_in_hand_comes_again_and_is_marked() {
    for len in [10, 60, 120] {
        let (name, mut tx, mut rx) = ring();
        for _ in 0..10 {
            (0..4).for_each(|seed| tx.send(&pattern(seed, len)).expect("room"));
            let mut left = fresh(0..4, len);
            let mut drain = rx.drain().expect("at home");
            for taken in 0..2 {
                assert!(drain.next().is_some());
                left[taken].1 = true;
                crash_leaves(&name, &left);
            }
            drop(drain);
            crash_leaves(&name, &left[2..]);
            assert_eq!(take_all(&mut rx).len(), 2);
        }
    }
}

#[test]
fn a_message_that_comes_again_has_the_sequence_that_it_had() {
    let (name, mut tx, mut rx) = ring();
    for round in 0..40 {
        tx.send_tagged(round, &pattern(1, usize::from(round) * 9)).expect("room");
        let message = rx.recv().expect("a message");
        let image = crash_image(&name);
        let mut rx = small().consumer(&*image).expect("a new consumer");
        assert_eq!(take_all(&mut rx), [(message.sequence(), round, message.to_vec(), true)]);
        let counters = rx.counters();
        assert_eq!((counters.redelivered, counters.dropped), (1, 0));
    }
}

#[test]
fn at_most_once_drops_what_was_in_hand() {
    let name = Name::new("once");
    let options = small().at_most_once(true);
    let mut tx = options.producer(&*name).expect("a producer");
    let mut rx = options.consumer(&*name).expect("a consumer");
    for len in [10, 60, 120] {
        (0..3).for_each(|seed| tx.send(&pattern(seed, len)).expect("room"));
        let mut drain = rx.drain().expect("at home");
        assert!(drain.next().is_some() && drain.next().is_some());
        let image = crash_image(&name);
        // Whoever opens the ring takes it as it is.
        let mut heir = small().consumer(&*image).expect("a new consumer");
        assert!(heir.geometry().at_most_once);
        assert_eq!(contents(take_all(&mut heir)), fresh(2..3, len));
        assert_eq!((heir.counters().dropped, heir.counters().redelivered), (2, 0));
        assert_eq!(heir.used(), Ok(0));
        drop(drain);
        assert_eq!(take_all(&mut rx).len(), 1);
    }
}

/// The second to die had one of the first one's messages in hand, and another in mind.
#[test]
fn messages_come_again_through_a_second_death() {
    let (name, mut tx, mut rx) = ring();
    (0..3).for_each(|seed| tx.send(&pattern(seed, 24)).expect("room"));
    let mut drain = rx.drain().expect("at home");
    assert!(drain.next().is_some() && drain.next().is_some());
    let once = crash_image(&name);
    let mut second = small().consumer(&*once).expect("a second consumer");
    let message = second.recv().expect("a message");
    assert!(message.redelivered());
    let twice = crash_image(&once);
    drop(message);
    let mut third = small().consumer(&*twice).expect("a third consumer");
    let expected: Vec<_> = (0..3).map(|seed| (pattern(seed, 24), seed < 2)).collect();
    assert_eq!(contents(take_all(&mut third)), expected);
}

/// A consumer that takes over a dead one's messages and says goodbye before it has received them all leaves the
/// rest to the others.
#[test]
fn an_heir_that_leaves_passes_on_what_it_did_not_receive() {
    let (name, mut tx, mut rx) = ring();
    (0..2).for_each(|seed| tx.send(&pattern(seed, 24)).expect("room"));
    let mut drain = rx.drain().expect("at home");
    assert!(drain.next().is_some() && drain.next().is_some());
    let image = crash_image(&name);
    let mut tx = small().producer(&*image).expect("a producer");
    let mut heir = small().consumer(&*image).expect("an heir");
    let mut other = small().consumer(&*image).expect("another consumer");
    assert_eq!(take(&mut heir), pattern(0, 24));
    drop(heir);
    tx.send(b"new").expect("room");
    let mut received = vec![take(&mut other), take(&mut other)];
    received.sort();
    let mut expected = vec![pattern(1, 24), b"new".to_vec()];
    expected.sort();
    assert_eq!(received, expected);
    assert_eq!(tx.used(), Ok(0));
}

/// What an heir has taken over and not yet received may come back, like what it has in hand.
#[test]
fn what_an_heir_has_not_received_keeps_the_others_waiting() {
    let (name, mut tx, mut rx) = ring();
    (0..2).for_each(|seed| tx.send(&pattern(seed, 24)).expect("room"));
    let mut drain = rx.drain().expect("at home");
    assert!(drain.next().is_some() && drain.next().is_some());
    let image = crash_image(&name);
    let mut heir = small().consumer(&*image).expect("an heir");
    let mut other = small().consumer(&*image).expect("another consumer");
    drop(small().producer(&*image).expect("a producer that says goodbye in the dead one's place"));
    assert_eq!(other.recv_timeout(SHORT).map(drop), Err(RecvError::TimedOut));
    heir.wait_for_message(None).expect("the first of two");
    let mut drain = heir.drain().expect("at home");
    for seed in 0..2 {
        let message = drain.next().expect("a message").expect("intact");
        assert!(message.redelivered() && message[..] == pattern(seed, 24));
    }
    drop(drain);
    assert_eq!(heir.recv().map(drop), Err(RecvError::Closed));
    assert_eq!(other.recv().map(drop), Err(RecvError::Closed));
}

/// Of several heirs each message goes to one.
#[test]
fn heirs_share_what_is_left() {
    let (name, mut tx, mut rx) = ring();
    (0..6).for_each(|seed| tx.send(&pattern(seed, 24)).expect("room"));
    let mut drain = rx.drain().expect("at home");
    assert!(drain.next().is_some() && drain.next().is_some());
    let image = crash_image(&name);
    let mut heirs = [(); 3].map(|()| small().consumer(&*image).expect("an heir"));
    let mut all = Vec::new();
    for turn in 0..6 {
        let message = heirs[turn % 3].try_recv();
        all.extend(message.ok().map(|message| (message.sequence(), message.to_vec(), message.redelivered())));
    }
    heirs
        .iter_mut()
        .for_each(|rx| all.extend(take_all(rx).into_iter().map(|(at, _, bytes, again)| (at, bytes, again))));
    all.sort();
    let expected: Vec<_> = (0..6).map(|seed| (seed, pattern(seed, 24), seed < 2)).collect();
    assert_eq!(all, expected);
}

/// A release that a death cut short is finished, at whichever of its stores it stopped.
#[test]
fn a_release_that_was_cut_short_is_finished() {
    for freed in 0..4 {
        let (name, mut tx, mut rx) = ring();
        tx.send(&pattern(1, 4 * 64)).expect("room");
        tx.send(&pattern(2, 10)).expect("room");
        forget(rx.recv().expect("a message"));
        let image = crash_image(&name);
        let words = Words::of(&image, &tx.geometry());
        let owner = words.read(words.slot(0)) >> 3 & 1023;
        words.write(words.slot(0), word(State::Releasing, 0, 4, owner));
        (0..freed).for_each(|k| words.write(words.slot(3 - k), word(State::Free, 1, 0, 0)));
        crash_leaves(&image, &[(pattern(2, 10), false)]);
    }
}

/// The lease of the dead one is free, and the living ones have never heard of it.
#[test]
fn the_living_pass_a_dead_claim() {
    for len in [10, 100] {
        let (name, mut tx, mut rx) = ring();
        let words = Words::of(&name, &tx.geometry());
        words.died(2);
        words.write(words.slot(0), word(State::Writing, 0, 3, 3));
        tx.send(&pattern(1, len)).expect("room behind it");
        assert_eq!(take(&mut rx), pattern(1, len));
        assert_eq!(rx.counters().tombstones, 1);
        assert_eq!(tx.used(), Ok(0));
    }
}

/// Neither a call that waits nor one that looks again and again overlooks a message that a dead one had in hand.
#[test]
fn the_living_receive_what_the_dead_had_in_hand() {
    for waits in [true, false] {
        let (name, mut tx, mut rx) = ring();
        let words = Words::of(&name, &tx.geometry());
        tx.send(&pattern(1, 100)).expect("room");
        words.died(6);
        words.write(words.slot(0), word(State::Reading, 0, 2, 7));
        if waits {
            assert_eq!(take(&mut rx), pattern(1, 100));
        } else {
            eventually("it comes again", || rx.try_recv().is_ok_and(|message| message.redelivered()));
        }
        assert_eq!(rx.counters().redelivered, 1);
        assert_eq!(tx.used(), Ok(0));
        assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
    }
}

/// Two died with a message each: two living consumers get one each, though the first still has its own in hand.
#[test]
fn the_dead_s_messages_are_shared_out() {
    let (name, mut tx, mut rx) = ring();
    let mut other = rx.try_clone().expect("a second consumer");
    let words = Words::of(&name, &tx.geometry());
    for (slot, owner) in [(0, 7), (1, 8)] {
        tx.send(&pattern(slot, 10)).expect("room");
        words.died(owner - 1);
        words.write(words.slot(slot), word(State::Reading, 0, 1, owner));
    }
    let first = rx.recv_timeout(PATIENCE).expect("one of the two");
    let second = other.recv_timeout(PATIENCE).expect("the other one");
    assert!(first.redelivered() && second.redelivered());
    assert_eq!((first.sequence(), second.sequence()), (0, 1));
}

/// Calls with limits so short that none of them looks whether somebody died do so among them.
#[test]
fn short_limits_hide_no_death() {
    for wait in [Wait::Spin, Wait::Adaptive, Wait::Park] {
        let (name, mut tx, mut rx) = ring();
        let words = Words::of(&name, &tx.geometry());
        words.died(2);
        words.write(words.slot(0), word(State::Writing, 0, 1, 3));
        tx.send(&pattern(1, 10)).expect("room behind it");
        rx.set_wait(wait);
        eventually("the dead claim is passed", || rx.recv_timeout(Duration::from_micros(10)).is_ok());
        assert_eq!(rx.counters().tombstones, 1);
    }
}

/// A producer that is blocked by a dead one's claim, or release, frees its own way as far as it may.
#[test]
fn a_full_ring_is_freed_of_the_dead() {
    let (name, mut tx, mut rx) = ring();
    let words = Words::of(&name, &tx.geometry());
    (0..16).for_each(|seed| tx.send(&pattern(seed, 64)).expect("room"));
    words.died(6);
    words.write(words.slot(0), word(State::Releasing, 0, 1, 7));
    tx.send(&pattern(16, 64)).expect("room that the dead one was about to free");
    words.died(6);
    words.write(words.slot(1), word(State::Reading, 0, 1, 7));
    tx.send_timeout(&pattern(17, 64), SHORT).expect_err("a message stays for a consumer");
    let sequences: Vec<_> = (0..16).map(|_| crate::receive(&mut rx).0).collect();
    let mut sorted = sequences.clone();
    sorted.sort();
    assert_eq!(sorted, (1..17).collect::<Vec<_>>());
    assert_eq!(tx.used(), Ok(0));
}
