//! A signal comes once for each time that it was asked for, with its token, to consumers and producers alike.

use crate::asker::{Asker, LEN, consumer, plan, producer};
use crate::common::names::Name;
use crate::kinds::{KINDS, Kind, Tx};

#[test]
fn a_consumer_is_told_once_for_each_arming() {
    for (kind, token) in KINDS.into_iter().zip([7, u32::MAX]) {
        let name = Name::new("once");
        let mut asker = Asker::of(consumer(kind, &name, token));
        let mut tx = plan(kind).producer(&name).expect("a producer");
        tx.send(b"not asked for").expect("room");
        asker.is_not_told();
        asker.finds();
        asker.is_not_told();
        asker.tries("not asked for");
        for _ in 0..3 {
            asker.arms();
            asker.is_not_told();
            for message in [b"1", b"2", b"3"] {
                tx.send(message).expect("room");
            }
            asker.is_told(token);
            asker.is_not_told();
            ["1", "2", "3", "Empty"].into_iter().for_each(|outcome| asker.tries(outcome));
        }
        asker.arms();
        asker.arms();
        tx.send(b"asked for twice").expect("room");
        asker.is_told(token);
        asker.is_not_told();
        asker.tries("asked for twice");
        asker.arms();
        drop(tx);
        asker.is_told(token);
        asker.tries("Closed");
        asker.finds();
        asker.is_not_told();
        asker.finish();
    }
}

#[test]
fn a_producer_is_told_once_for_each_arming() {
    for (kind, token) in KINDS.into_iter().zip([0, 9]) {
        let name = Name::new("room");
        let mut asker = Asker::of(producer(kind, &name, token));
        let mut rx = plan(kind).consumer(&name).expect("a consumer");
        asker.finds();
        assert!(asker.fills() > 3);
        rx.expect(&[b'.'; LEN]);
        asker.is_not_told();
        asker.tries("sent");
        for _ in 0..3 {
            asker.tries("full");
            asker.arms();
            asker.is_not_told();
            (0..3).for_each(|_| rx.expect(&[b'.'; LEN]));
            asker.is_told(token);
            asker.is_not_told();
            (0..3).for_each(|_| asker.tries("sent"));
        }
        asker.arms();
        drop(rx);
        asker.is_told(token);
        asker.is_not_told();
        asker.finds();
        asker.finish();
    }
}

/// Each message is for one consumer, so it calls one.
#[test]
fn each_message_of_a_queue_tells_one_consumer() {
    let name = Name::new("each");
    let mut askers = [1, 2, 3].map(|token| Asker::of(consumer(Kind::Mpmc, &name, token)));
    let mut tx = plan(Kind::Mpmc).producer(&name).expect("a producer");
    for round in 0..3 {
        askers.iter_mut().for_each(Asker::arms);
        for sent in 0..3 {
            tx.send(b"for one").expect("room");
            let told = askers.iter_mut().filter_map(|asker| Some(asker.looks()).filter(|it| it != "nothing"));
            assert_eq!(told.count(), 1, "message {sent} of round {round}");
        }
        askers.iter_mut().for_each(|asker| asker.tries("for one"));
    }
    askers.iter_mut().for_each(Asker::arms);
    let Tx::Mpmc(batching) = &mut tx else { unreachable!("it is a queue") };
    let mut batch = batching.batch().expect("room");
    (0..2).for_each(|_| batch.push(b"for one").expect("room"));
    batch.commit().expect("sent");
    let told = askers.iter_mut().filter_map(|asker| Some(asker.looks()).filter(|it| it != "nothing"));
    assert_eq!(told.count(), 2, "a batch of two messages");
    askers.into_iter().for_each(Asker::finish);
}

#[test]
fn one_who_is_told_and_stops_waiting_has_another_told() {
    let name = Name::new("passed-on");
    let mut askers = [1, 2].map(|token| Asker::of(consumer(Kind::Mpmc, &name, token)));
    let mut tx = plan(Kind::Mpmc).producer(&name).expect("a producer");
    let [first, second] = &mut askers;
    first.arms();
    second.arms();
    tx.send(b"for the second").expect("room");
    first.is_told(1);
    second.is_not_told();
    first.disarms();
    second.is_told_by(first.pid(), 2);
    second.tries("for the second");
    // And by its goodbye.
    first.arms();
    second.arms();
    tx.send(b"for the second, too").expect("room");
    first.is_told(1);
    first.drops();
    second.is_told_by(first.pid(), 2);
    second.tries("for the second, too");
    askers.into_iter().for_each(Asker::finish);
}

/// The first two senders of a queue share the work of calling; either may find that the other did it.
#[test]
fn two_senders_tell_a_receiver_once() {
    let name = Name::new("two-senders");
    let mut asker = Asker::of(consumer(Kind::Mpmc, &name, 5));
    let plan = plan(Kind::Mpmc);
    let mut senders = [(); 2].map(|()| plan.producer(&name).expect("a producer"));
    for _ in 0..200 {
        asker.arms();
        std::thread::scope(|scope| {
            for tx in &mut senders {
                scope.spawn(|| tx.send(b"both").expect("room"));
            }
        });
        asker.is_told(5);
        asker.is_not_told();
        ["both", "both", "Empty"].into_iter().for_each(|outcome| asker.tries(outcome));
    }
    asker.finish();
}
