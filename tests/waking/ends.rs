//! Ends, as those hear of them who wait by descriptors or for several rings: the next call that does not wait tells.

use std::fs;
use std::time::Instant;

use ringway::{RecvError, Select, SendError, Wait, mpmc};

use crate::bed::{everywhere, source};
use crate::common::names::Name;
use crate::common::role::Role;
use crate::common::{PATIENCE, eventually};
use crate::kinds::{KINDS, Plan, Rx, Tx};
use crate::polled::{PolledRx, PolledTx, Watch, await_readable};
use crate::{HOUR, INTERVAL};

/// Waits for `rx` by a descriptor or by `Select`, and tells what the next call says, each time that there is something to do.
fn first_told(rx: Rx, by_descriptor: bool) -> Result<Vec<u8>, RecvError> {
    if by_descriptor {
        return PolledRx::new(rx).recv(&Watch::Poll);
    }
    let (mut rx, mut select) = (rx, Select::fair().how(Wait::Park));
    loop {
        select.wait_timeout(&mut [source(&mut rx)], PATIENCE / 2).expect("a wake-up was lost");
        match rx.try_recv() {
            Err(RecvError::Empty) => {}
            told => return told.map(|message| message.bytes),
        }
    }
}

/// The same for a full ring's producer.
fn first_refusal(tx: Tx, by_descriptor: bool) -> SendError {
    if by_descriptor {
        return PolledTx::new(tx).send(&Watch::Poll, b"x").expect_err("an end");
    }
    let (mut tx, mut select) = (tx, Select::fair().how(Wait::Park));
    loop {
        let ready = match &mut tx {
            Tx::Spsc(tx) => select.wait_timeout(&mut [&mut tx.room(1)], PATIENCE / 2),
            Tx::Mpmc(tx) => select.wait_timeout(&mut [&mut tx.room(1)], PATIENCE / 2),
        };
        ready.expect("a wake-up was lost");
        match tx.try_send(b"x") {
            Err(SendError::Full { .. }) => {}
            told => return told.expect_err("an end"),
        }
    }
}

#[test]
fn a_goodbye_is_told() {
    for by_descriptor in [true, false] {
        everywhere(
            |plan| Plan { size: 256, liveness: HOUR, ..plan },
            |bed| {
                let (tx, rx) = bed.ends();
                std::thread::scope(|scope| {
                    let waiter = scope.spawn(move || first_told(rx, by_descriptor));
                    crate::await_sleepers(&bed.address(), 1);
                    drop(tx);
                    assert_eq!(waiter.join().expect("no panic"), Err(RecvError::Closed));
                });
                let (mut tx, rx) = bed.ends();
                tx.fill(b"x");
                std::thread::scope(|scope| {
                    let waiter = scope.spawn(move || first_refusal(tx, by_descriptor));
                    crate::await_sleepers(&bed.address(), 1);
                    drop(rx);
                    assert_eq!(waiter.join().expect("no panic"), SendError::Closed);
                });
            },
        );
    }
}

#[test]
fn a_death_is_told() {
    for (kind, by_descriptor) in KINDS.into_iter().flat_map(|kind| [(kind, true), (kind, false)]) {
        let name = Name::new("death");
        let plan = Plan { size: 256, liveness: INTERVAL, ..Plan::new(kind) };
        let rx = plan.consumer(&name).expect("a consumer");
        let producer = Role::start("send on demand", &[kind.as_str(), &name]);
        producer.expect("attached");
        producer.kill();
        assert_eq!(first_told(rx, by_descriptor), Err(RecvError::PeerDead));
        let mut tx = plan.producer(&name).expect("a producer");
        let consumer = Role::start("receive on demand", &[kind.as_str(), &name]);
        consumer.expect("attached");
        tx.fill(b"x");
        consumer.kill();
        assert_eq!(first_refusal(tx, by_descriptor), SendError::PeerDead);
    }
}

#[test]
fn it_is_told_that_nobody_can_come_any_more() {
    for (kind, by_descriptor) in KINDS.into_iter().flat_map(|kind| [(kind, true), (kind, false)]) {
        let plan = Plan { size: 256, liveness: INTERVAL, ..Plan::new(kind) };
        let name = Name::new("unlinked");
        let rx = plan.consumer(&name).expect("a consumer");
        fs::remove_file(name.path()).expect("unlinked");
        assert_eq!(first_told(rx, by_descriptor), Err(RecvError::Unlinked));
        let mut tx = plan.producer(&name).expect("a producer");
        tx.fill(b"x");
        fs::remove_file(name.path()).expect("unlinked");
        assert_eq!(first_refusal(tx, by_descriptor), SendError::Unlinked);
    }
}

/// Whoever goes on waiting after a death was told is told again once an interval, and sleeps in between.
#[test]
fn a_death_that_was_told_keeps_nobody_busy() {
    for kind in KINDS {
        let name = Name::new("told");
        let plan = Plan { liveness: INTERVAL, ..Plan::new(kind) };
        let mut rx = plan.consumer(&name).expect("a consumer");
        let producer = Role::start("send on demand", &[kind.as_str(), &name]);
        producer.expect("attached");
        producer.kill();
        let mut select = Select::fair();
        let (started, mut told, mut empty) = (Instant::now(), 0, 0);
        while started.elapsed() < 10 * INTERVAL {
            if select.wait_timeout(&mut [source(&mut rx)], INTERVAL).is_some() {
                match rx.try_recv() {
                    Err(RecvError::PeerDead) => told += 1,
                    Err(RecvError::Empty) => empty += 1,
                    other => panic!("{other:?}"),
                }
            }
        }
        let most = started.elapsed().as_millis() / INTERVAL.as_millis() + 2;
        assert!((1..=most).contains(&told) && empty == 0, "{kind:?}: told {told} times, {empty} times not");
    }
}

/// What a consumer had in hand when it was killed comes again to one that never blocks in a call, and that soon: not only
/// after as many looks as make a spinning caller ask.
#[test]
fn what_a_killed_consumer_had_in_hand_comes_to_who_waits_for_a_descriptor() {
    for by_descriptor in [true, false] {
        let name = Name::new("hand");
        let options = mpmc::options().liveness(HOUR);
        let mut tx = options.producer(&*name).expect("a producer");
        let holder = Role::start("hold", &[&name]);
        tx.send(b"in hand").expect("room");
        holder.expect("holding");
        let rx = mpmc::options().liveness(INTERVAL).consumer(&*name).expect("a consumer");
        assert_eq!(rx.used(), Ok(1));
        holder.kill();
        eventually("it is dead", || rx.peer() == ringway::Peer::Attached);
        let mut looks = 0;
        let mut rx = rx.pollable().expect("a descriptor");
        let mut select = Select::fair().how(Wait::Park);
        loop {
            looks += 1;
            match rx.try_recv().map(|message| (message.to_vec(), message.redelivered())) {
                Err(RecvError::Empty) => {}
                told => break assert_eq!(told, Ok((b"in hand".to_vec(), true))),
            }
            assert!(looks < 20, "it was not looked for");
            match by_descriptor {
                true if rx.arm().expect("armed") => await_readable(&rx),
                true => {}
                false => drop(select.wait_timeout(&mut [&mut *rx], INTERVAL)),
            }
        }
    }
}
