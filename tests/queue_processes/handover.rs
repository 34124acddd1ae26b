//! A dead consumer's messages are handed over, whoever looks first and whoever leaves in between.

use ringway::RecvError;
use ringway::mpmc::{Consumer, options};

use crate::common::PATIENCE;
use crate::common::names::Name;
use crate::common::role::Role;

/// A ring, a consumer that lives, and the sequences of as many messages as a consumer had in hand when it was
/// killed.
fn killed_with(name: &Name, messages: usize, at_most_once: bool) -> (Consumer, Vec<u64>) {
    let options = options().slots(64).at_most_once(at_most_once);
    let mut tx = options.producer(&**name).expect("a producer");
    let rx = options.consumer(&**name).expect("a consumer");
    let victim = Role::start("hold", &[name, &messages.to_string()]);
    let mut batch = tx.batch().expect("at home");
    for number in 0..messages + 1 {
        batch.push(&number.to_ne_bytes()).expect("room");
    }
    batch.commit().expect("at home");
    let sequences = (0..messages).map(|_| victim.hear().parse().expect("a sequence")).collect();
    victim.kill();
    tx.close();
    (rx, sequences)
}

/// What is left is what the dead one had, marked, and the message behind, not marked; then nothing.
fn receive_all(rx: &mut Consumer, held: &[u64]) {
    let mut redelivered = Vec::new();
    for number in 0..held.len() + 1 {
        let message = rx.recv_timeout(PATIENCE).expect("everything that was sent");
        let sent = usize::from_ne_bytes((*message).try_into().expect("a number"));
        assert!(sent <= held.len(), "message {number} is {sent}");
        assert_eq!(message.redelivered(), sent < held.len());
        if message.redelivered() {
            assert_eq!(message.sequence(), held[sent]);
            redelivered.push(sent);
        }
    }
    assert!(redelivered.is_sorted(), "{redelivered:?}");
    assert_eq!(rx.recv_timeout(PATIENCE).map(|_| ()), Err(RecvError::Closed));
    assert_eq!(rx.used(), Ok(0));
}

#[test]
fn another_consumer_receives_what_a_dead_one_had() {
    let name = Name::new("inherit");
    let (mut rx, held) = killed_with(&name, 5, false);
    receive_all(&mut rx, &held);
    assert_eq!(rx.counters().redelivered, 5);
}

/// A producer finds the dead consumer first, and leaves its messages to consumers.
#[test]
fn a_producer_that_looks_first_takes_nothing_away() {
    let name = Name::new("first");
    let (mut rx, held) = killed_with(&name, 5, false);
    options().producer(&*name).expect("a producer").close();
    receive_all(&mut rx, &held);
}

/// A consumer that took a dead one's messages over, and leaves without having received them, leaves them behind.
#[test]
fn an_heir_that_leaves_hands_on() {
    let name = Name::new("heir");
    let (mut rx, held) = killed_with(&name, 5, false);
    for received in 0..3 {
        let mut heir = options().consumer(&*name).expect("a consumer");
        if received == 2 {
            // One is received and released; the others go on.
            let message = heir.recv_timeout(PATIENCE).expect("a message");
            assert_eq!((message.sequence(), message.redelivered()), (held[0], true));
        }
        drop(heir);
    }
    let mut left = Vec::new();
    loop {
        match rx.recv_timeout(PATIENCE) {
            Ok(message) if message.redelivered() => left.push(message.sequence()),
            Ok(message) => assert_eq!(usize::from_ne_bytes((*message).try_into().expect("a number")), 5),
            Err(end) => break assert!(matches!(end, RecvError::Closed | RecvError::PeerDead), "{end}"),
        }
    }
    assert_eq!(left, held[1..]);
    assert_eq!(rx.used(), Ok(0));
}

#[test]
fn at_most_once_drops_what_a_dead_consumer_had_and_counts_it() {
    let name = Name::new("once");
    let (mut rx, held) = killed_with(&name, 5, true);
    let message = rx.recv_timeout(PATIENCE).expect("the message behind");
    assert!(!message.redelivered() && message.sequence() > held[4]);
    drop(message);
    assert_eq!(rx.recv_timeout(PATIENCE).map(|_| ()), Err(RecvError::Closed));
    assert_eq!((rx.used(), rx.counters().dropped, rx.counters().redelivered), (Ok(0), 5, 0));
}

/// A producer that is given a dead one's place lives on; the claim that the dead one left does not.
#[test]
fn a_successor_aborts_what_was_claimed_before_it() {
    let name = Name::new("successor");
    let options = options().slots(8);
    let mut rx = options.consumer(&*name).expect("a consumer");
    let victim = Role::start("claim", &[&name]);
    victim.expect("claimed");
    victim.kill();
    let mut tx = options.producer(&*name).expect("a producer");
    assert_eq!(tx.counters().tombstones, 1);
    tx.send(b"behind").expect("room");
    assert_eq!(&rx.recv_timeout(PATIENCE).expect("not held up")[..], b"behind");
    assert_eq!(rx.used(), Ok(0));
}

/// Nobody is left for a while: what was in hand and what was committed is there for whoever comes.
#[test]
fn what_is_left_waits_for_whoever_comes() {
    let name = Name::new("alone");
    let (rx, held) = killed_with(&name, 5, false);
    drop(rx);
    let mut rx = options().create(false).consumer(&*name).expect("a ring with messages keeps its name");
    receive_all(&mut rx, &held);
}
