//! The other side: absent, attached, closed, dead; what a call says when nobody is left, and when somebody who lives
//! holds what is needed.

use std::thread;

use ringway::inspect::inspect;
use ringway::mpmc::{Peer, options};
use ringway::{Address, RecvError, Role, SendError};

use crate::bed::on_every_backing;
use crate::common::image::crash_image;
use crate::common::names::Name;
use crate::common::{eventually, pattern};
use crate::{SHORT, small, take, take_all};

/// Waits until as many participants have slept.
#[track_caller]
fn await_sleepers(address: &Address, count: usize) {
    eventually("they sleep", || {
        let report = inspect(address).expect("a report");
        report.participants.iter().filter(|one| one.counters.sleeps > 0).count() >= count
    });
}

#[test]
fn the_other_side_is_seen_coming_and_going() {
    on_every_backing(&small(), |bed| {
        let tx = bed.producer();
        if bed.is_fresh() {
            assert_eq!(tx.peer(), Peer::Absent);
        }
        let one = bed.consumer();
        let other = bed.consumer();
        assert_eq!((tx.peer(), one.peer(), other.peer()), (Peer::Attached, Peer::Attached, Peer::Attached));
        drop(one);
        assert_eq!(tx.peer(), Peer::Attached, "one of them is there");
        drop(other);
        assert_eq!(tx.peer(), Peer::Closed);
        let rx = bed.consumer();
        assert_eq!(tx.peer(), Peer::Attached);
        tx.close();
        assert_eq!(rx.peer(), Peer::Closed);
    });
}

#[test]
fn the_dead_are_dead_until_somebody_comes() {
    let name = Name::new("dead");
    let mut tx = small().producer(&*name).expect("a producer");
    let _rx = small().consumer(&*name).expect("a consumer");
    tx.send(b"left").expect("room");
    let image = crash_image(&name);
    let mut rx = small().consumer(&*image).expect("a new consumer");
    assert_eq!(rx.peer(), Peer::Dead);
    assert_eq!(take(&mut rx), b"left");
    assert_eq!(rx.recv().map(drop), Err(RecvError::PeerDead));
    assert_eq!(rx.wait_for_message(None), Err(RecvError::PeerDead));
    eventually("a call that does not wait sees it", || rx.try_recv().map(drop) == Err(RecvError::PeerDead));
    let mut tx = small().producer(&*image).expect("a new producer");
    assert_eq!((rx.peer(), tx.peer()), (Peer::Attached, Peer::Attached));
    tx.send(b"new").expect("room");
    assert_eq!(take(&mut rx), b"new");
    assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
    drop(tx);
    assert_eq!(rx.recv().map(drop), Err(RecvError::Closed), "who took the dead one's place said goodbye");
}

#[test]
fn producers_that_said_goodbye_are_known_once_everything_is_received() {
    on_every_backing(&small(), |bed| {
        let (mut one, mut rx) = bed.ends();
        let mut other = bed.producer();
        one.send(b"one").expect("room");
        other.send(b"other").expect("room");
        drop(one);
        assert_eq!(take(&mut rx), b"one");
        assert_eq!(take(&mut rx), b"other");
        assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty), "one producer is there");
        other.send(b"last").expect("room");
        drop(other);
        assert_eq!(take(&mut rx), b"last");
        assert_eq!(rx.try_recv().map(drop), Err(RecvError::Closed));
        assert_eq!(rx.recv().map(drop), Err(RecvError::Closed));
        assert_eq!(rx.recv_timeout(SHORT).map(drop), Err(RecvError::Closed));
        assert_eq!(rx.wait_for_message(None), Err(RecvError::Closed));
        assert!(rx.drain().expect("at home").next().is_none());
        bed.producer().send(b"another").expect("room");
        assert_eq!(take(&mut rx), b"another");
    });
}

/// What another consumer has in hand may come back: until it is released, nobody is told that it was the last.
#[test]
fn a_message_in_hand_keeps_the_others_waiting() {
    on_every_backing(&small(), |bed| {
        let (mut tx, mut one) = bed.ends();
        let mut other = bed.consumer();
        for len in [10, 200] {
            tx.send(&pattern(1, len)).expect("room");
            let held = one.recv().expect("a message");
            drop(tx);
            assert_eq!(other.try_recv().map(drop), Err(RecvError::Empty));
            assert_eq!(other.recv_timeout(SHORT).map(drop), Err(RecvError::TimedOut));
            thread::scope(|scope| {
                let blocked = scope.spawn(|| other.recv().map(drop));
                await_sleepers(&bed.address(), 1);
                assert!(!blocked.is_finished());
                drop(held);
                assert_eq!(blocked.join().expect("no panic"), Err(RecvError::Closed));
            });
            assert_eq!(one.recv().map(drop), Err(RecvError::Closed));
            tx = bed.producer();
        }
    });
}

#[test]
fn a_goodbye_wakes_everybody_who_waits() {
    on_every_backing(&small(), |bed| {
        let (tx, one) = bed.ends();
        let ends = [one, bed.consumer(), bed.consumer()];
        thread::scope(|scope| {
            let waiters = ends.map(|mut rx| scope.spawn(move || rx.recv().map(drop)));
            await_sleepers(&bed.address(), 3);
            drop(tx);
            for waiter in waiters {
                assert_eq!(waiter.join().expect("no panic"), Err(RecvError::Closed));
            }
        });
    });
}

#[test]
fn consumers_that_said_goodbye_are_known_once_the_ring_is_full() {
    on_every_backing(&options().slots(2).slot_size(64), |bed| {
        let (mut tx, rx) = bed.ends();
        let other = bed.consumer();
        drop(rx);
        tx.send(b"one").expect("room");
        tx.send(b"two").expect("room");
        assert!(matches!(tx.try_send(b"x"), Err(SendError::Full { .. })), "one consumer is there");
        drop(other);
        assert_eq!(tx.send(b"x"), Err(SendError::Closed));
        assert_eq!(tx.try_send(b"x"), Err(SendError::Closed));
        assert_eq!(tx.send_timeout(b"x", SHORT), Err(SendError::Closed));
        assert_eq!(tx.claim(1).map(drop), Err(SendError::Closed));
        assert_eq!(tx.wait_for_space(1, None), Err(SendError::Closed));
        let mut rx = bed.consumer();
        assert_eq!(take_all(&mut rx).len(), 2);
        tx.send(b"room again").expect("room");
    });
}

#[test]
fn a_full_ring_without_consumers_waits_for_the_first() {
    let name = Name::new("first");
    let mut tx = options().slots(2).slot_size(64).producer(&*name).expect("a producer");
    tx.send(b"one").expect("room");
    tx.send(b"two").expect("room");
    assert_eq!(tx.send_timeout(b"three", SHORT), Err(SendError::TimedOut));
    thread::scope(|scope| {
        scope.spawn(|| tx.send(b"three").expect("room as soon as somebody comes"));
        await_sleepers(&Address::Shm(name.to_string()), 1);
        let mut rx = options().consumer(&*name).expect("a consumer");
        assert_eq!([take(&mut rx), take(&mut rx), take(&mut rx)], [&b"one"[..], b"two", b"three"]);
    });
}

#[test]
fn consumers_that_died_are_known_once_the_ring_is_full() {
    let name = Name::new("died");
    let mut tx = small().producer(&*name).expect("a producer");
    let _rx = small().consumer(&*name).expect("a consumer");
    tx.send(b"x").expect("room");
    let image = crash_image(&name);
    let mut tx = small().producer(&*image).expect("a new producer");
    assert_eq!(tx.peer(), Peer::Dead);
    (1..16).for_each(|_| tx.send(b"x").expect("room"));
    assert_eq!(tx.send(b"x"), Err(SendError::PeerDead));
    assert_eq!(tx.claim(300).map(drop), Err(SendError::PeerDead));
    assert_eq!(tx.wait_for_space(1, None), Err(SendError::PeerDead));
    eventually("a call that does not wait sees it", || tx.try_send(b"x") == Err(SendError::PeerDead));
    let mut rx = small().consumer(&*image).expect("a new consumer");
    assert_eq!(take_all(&mut rx).len(), 16);
}

#[test]
fn a_claim_of_the_living_stalls_those_who_receive() {
    on_every_backing(&small(), |bed| {
        let (mut one, mut rx) = bed.ends();
        let mut other = bed.producer();
        let claim = one.claim(10).expect("room");
        other.send(b"behind it").expect("room");
        let stalled = RecvError::Stalled { role: Role::Producer, pid: std::process::id() };
        assert_eq!(rx.recv_timeout(SHORT).map(drop), Err(stalled));
        assert_eq!(rx.wait_for_message(Some(SHORT)), Err(stalled));
        assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
        let text = stalled.to_string();
        assert!(text.contains("producer") && text.contains(&std::process::id().to_string()), "{text}");
        drop(claim);
        assert_eq!(take(&mut rx), b"behind it");
        assert_eq!(rx.recv_timeout(SHORT).map(drop), Err(RecvError::TimedOut));
    });
}

#[test]
fn a_message_in_the_hands_of_the_living_stalls_those_who_send() {
    on_every_backing(&options().slots(2).slot_size(64), |bed| {
        let (mut tx, mut rx) = bed.ends();
        tx.send(b"one").expect("room");
        tx.send(b"two").expect("room");
        assert_eq!(tx.send_timeout(b"x", SHORT), Err(SendError::TimedOut), "nobody holds it");
        let message = rx.recv().expect("a message");
        let stalled = SendError::Stalled { role: Role::Consumer, pid: std::process::id() };
        assert_eq!(tx.send_timeout(b"x", SHORT), Err(stalled));
        assert_eq!(tx.claim_timeout(1, SHORT).map(drop), Err(stalled));
        assert_eq!(tx.wait_for_space(1, Some(SHORT)), Err(stalled));
        assert!(matches!(tx.try_send(b"x"), Err(SendError::Full { .. })));
        let text = stalled.to_string();
        assert!(text.contains("consumer") && text.contains(&std::process::id().to_string()), "{text}");
        drop(message);
        tx.send(b"three").expect("room");
    });
}

/// A claim of another producer's, a whole lap ahead, stalls a producer too.
#[test]
fn a_claim_of_the_living_stalls_those_who_send() {
    on_every_backing(&options().slots(2).slot_size(64), |bed| {
        let (mut one, _rx) = bed.ends();
        let mut other = bed.producer();
        let claim = one.claim(1).expect("room");
        other.send(b"x").expect("room");
        let stalled = SendError::Stalled { role: Role::Producer, pid: std::process::id() };
        assert_eq!(other.send_timeout(b"x", SHORT), Err(stalled));
        drop(claim);
    });
}
