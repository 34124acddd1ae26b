//! Futures that are dropped, after every number of polls: nothing is lost or doubled, order is kept, and a wake-up that reached
//! one that is dropped reaches another.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use ringway::task::Async;
use ringway::{RecvError, SendError, mpmc};
use tokio_stream::Stream;

use crate::common::image::read_u64;
use crate::common::names::Name;
use crate::common::pattern;
use crate::hand::{Watched, must_wait, must_yield, poll_once, wait};
use crate::kinds::{FOR_EVER, KINDS, Kind, Plan, ROOM, Receiver, Rx, Sender, Tx, number_in};
use crate::random::Random;
use crate::runtimes::{RUNTIMES, Runtime, one_thread, polled, within_patience};

const MESSAGES: u64 = 3000;

/// Up to so many polls before a future is dropped.
const POLLS: u64 = 4;

/// On every runtime, for both kinds.
fn each(play: impl Fn(Runtime, Plan)) {
    for runtime in RUNTIMES {
        for kind in KINDS {
            // Shown if it fails.
            println!("{runtime:?}, {kind:?}");
            play(runtime, Plan::new(kind, FOR_EVER));
        }
    }
}

/// Receives numbers from 0 on, while futures are dropped.
async fn receive_some(rx: &mut Receiver, random: &mut Random) {
    let mut number = 0;
    while number < MESSAGES {
        if let Some(received) = polled(1 + random.below(POLLS), rx.recv()).await {
            assert_eq!(received, Ok(number));
            number += 1;
        }
    }
    assert_eq!(rx.recv().await, Err(RecvError::Closed));
}

/// Sends numbers from 0 on, while futures are dropped.
async fn send_some(tx: &mut Sender, random: &mut Random) {
    let mut number = 0;
    while number < MESSAGES {
        let polls = 1 + random.below(POLLS);
        let (sent, counts) = match random.below(3) {
            0 => (polled(polls, tx.send(number)).await, true),
            1 => (polled(polls, tx.claim(number, true)).await, true),
            _ => (polled(polls, tx.claim(number, false)).await, false),
        };
        if let Some(sent) = sent {
            sent.expect("sent");
            number += u64::from(counts);
        }
    }
}

#[test]
fn a_recv_that_is_dropped_after_any_poll_takes_nothing() {
    each(receives);
}

pub fn receives(runtime: Runtime, plan: Plan) {
    let (mut tx, rx) = plan.pair();
    let sender = thread::spawn(move || {
        let mut random = Random::new(1);
        for number in 0..MESSAGES {
            tx.send(number).expect("sent");
            if random.below(8) == 0 {
                thread::yield_now();
            }
        }
    });
    runtime.run(async move {
        receive_some(&mut rx.on(runtime), &mut Random::new(2)).await;
    });
    sender.join().expect("no panic");
}

#[test]
fn a_send_or_claim_that_is_dropped_after_any_poll_sends_nothing() {
    each(sends);
}

pub fn sends(runtime: Runtime, plan: Plan) {
    let (tx, mut rx) = plan.pair();
    let receiver = thread::spawn(move || {
        let mut random = Random::new(3);
        for number in 0..MESSAGES {
            assert_eq!(rx.recv(), Ok(number));
            if random.below(8) == 0 {
                thread::yield_now();
            }
        }
        assert_eq!(rx.recv(), Err(RecvError::Closed));
    });
    runtime.run(async move {
        send_some(&mut tx.on(runtime), &mut Random::new(4)).await;
    });
    receiver.join().expect("no panic");
}

/// As a program would: a time limit, and a choice between futures.
#[test]
fn time_limits_and_choices_lose_nothing() {
    for kind in KINDS {
        within_patience(move || {
            let (mut tx, rx) = Plan::new(kind, FOR_EVER).pair();
            let sender = thread::spawn(move || {
                for number in 0..MESSAGES {
                    tx.send(number).expect("sent");
                    if number % 50 == 0 {
                        thread::sleep(Duration::from_micros(500));
                    }
                }
            });
            one_thread().block_on(async move {
                let mut rx = rx.on(Runtime::OneThread);
                let mut ticks = tokio::time::interval(Duration::from_millis(1));
                let mut number = 0;
                while number < MESSAGES {
                    let received = tokio::select! {
                        _ = ticks.tick() => continue,
                        received = tokio::time::timeout(Duration::from_millis(1), rx.recv()) => received,
                    };
                    if let Ok(received) = received {
                        assert_eq!(received, Ok(number));
                        number += 1;
                    }
                }
            });
            sender.join().expect("no panic");
        });
    }
}

/// Two consumers of one queue, and what they wait by.
fn two() -> (Tx, (Receiver, Watched), (Receiver, Watched)) {
    let (tx, rx) = Plan::new(Kind::Mpmc, FOR_EVER).mpmc().pair().expect("a pair");
    let other = rx.try_clone().expect("another consumer");
    (Tx::Mpmc(tx), Rx::Mpmc(rx).by_hand(), Rx::Mpmc(other).by_hand())
}

#[test]
fn a_wake_up_that_reached_a_dropped_recv_reaches_another_consumer() {
    let (mut tx, (mut first, watched), (mut second, others)) = two();
    for number in 0..100 {
        let mut other = pin!(second.recv());
        {
            // Who waits longest is woken first.
            let mut dropped = pin!(first.recv());
            must_wait(dropped.as_mut());
            must_wait(other.as_mut());
            tx.send(number).expect("sent");
            watched.wait();
        }
        others.wait();
        assert_eq!(must_yield(other), Ok(number));
    }
}

#[test]
fn a_recv_that_is_dropped_before_the_wake_up_keeps_it_from_nobody() {
    let (mut tx, (mut first, watched), (mut second, others)) = two();
    for number in 0..100 {
        let mut other = pin!(second.recv());
        {
            let mut dropped = pin!(first.recv());
            must_wait(dropped.as_mut());
            must_wait(other.as_mut());
        }
        tx.send(number).expect("sent");
        others.wait();
        assert!(!watched.is_readable());
        assert_eq!(must_yield(other), Ok(number));
    }
}

#[test]
fn a_wake_up_that_reached_a_handle_that_is_dropped_reaches_another_consumer() {
    let (mut tx, (mut first, watched), (mut second, others)) = two();
    let mut other = pin!(second.recv());
    must_wait(pin!(first.recv()));
    // Pending futures that are never dropped, as by `mem::forget`.
    let mut first = Box::new(first);
    let mut leaked = Box::pin(async move { (first.recv().await, first) });
    must_wait(leaked.as_mut());
    must_wait(other.as_mut());
    tx.send(7).expect("sent");
    watched.wait();
    drop(leaked);
    others.wait();
    assert_eq!(must_yield(other), Ok(7));
}

/// A stream of the queue's messages, polled by hand.
fn next(stream: &mut Async<mpmc::Consumer>) -> Poll<Option<u64>> {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let polled = Pin::new(stream).poll_next(&mut cx);
    polled.map(|item| item.map(|message| number_in(&message.expect("a message"))))
}

/// Of two messages the later one is committed first, and its wake-up finds nothing to take; that of the earlier one is then
/// for both.
#[test]
fn a_stream_that_is_woken_for_two_messages_wakes_another_consumer_for_the_second() {
    let (mut tx, rx) = Plan::new(Kind::Mpmc, FOR_EVER).mpmc().pair().expect("a pair");
    let mut late = tx.try_clone().expect("another producer");
    let (mut other, others) = Rx::Mpmc(rx.try_clone().expect("another consumer")).by_hand();
    let rx = rx.pollable().expect("a descriptor");
    let watched = Watched::of(&rx);
    let mut stream = Async::new(rx, watched.clone());

    let mut received = pin!(other.recv());
    must_wait(received.as_mut());
    assert!(next(&mut stream).is_pending());
    let mut claim = late.claim(8).expect("room");
    claim.copy_from_slice(&1_u64.to_ne_bytes());
    tx.send(&2_u64.to_ne_bytes()).expect("sent");
    // The other one is woken for the message behind the claim, and waits again.
    others.wait();
    must_wait(received.as_mut());
    claim.commit().expect("sent");
    watched.wait();
    assert_eq!(next(&mut stream), Poll::Ready(Some(1)));
    others.wait();
    assert_eq!(must_yield(received), Ok(2));
}

/// Consumers that give up at every poll, of which none may keep a wake-up.
#[test]
fn consumers_that_give_up_at_any_poll_lose_nothing_and_keep_nothing_from_each_other() {
    within_patience(|| {
        let (tx, rx) = Plan::new(Kind::Mpmc, FOR_EVER).mpmc().pair().expect("a pair");
        let mut consumers: Vec<_> = (0..3).map(|_| rx.try_clone().expect("another consumer")).collect();
        consumers.push(rx);
        let others = tx.try_clone().expect("another producer");
        let received: Vec<Vec<u64>> = thread::scope(|scope| {
            let consumers: Vec<_> = (1..)
                .zip(consumers)
                .map(|(seed, rx)| {
                    scope.spawn(move || {
                        let (mut rx, _) = Rx::Mpmc(rx).by_hand();
                        let (mut random, mut taken) = (Random::new(seed), Vec::new());
                        loop {
                            let received = match polled_by_hand(&mut rx, random.below(POLLS)) {
                                Some(received) => received,
                                // Now it waits for nothing, so others must be told.
                                None => {
                                    thread::yield_now();
                                    continue;
                                }
                            };
                            match received.expect("a message") {
                                u64::MAX => return taken,
                                number => taken.push(number),
                            }
                        }
                    })
                })
                .collect();
            let producers: Vec<_> = [tx, others]
                .into_iter()
                .zip([0, MESSAGES])
                .map(|(mut tx, from)| {
                    scope.spawn(move || {
                        let mut random = Random::new(from);
                        for number in from..from + MESSAGES {
                            tx.send(&number.to_ne_bytes()).expect("sent");
                            if random.below(4) == 0 {
                                thread::yield_now();
                            }
                        }
                        tx
                    })
                })
                .collect();
            let mut producers: Vec<_> =
                producers.into_iter().map(|producer| producer.join().expect("no panic")).collect();
            for _ in &consumers {
                producers[0].send(&u64::MAX.to_ne_bytes()).expect("sent");
            }
            consumers.into_iter().map(|consumer| consumer.join().expect("no panic")).collect()
        });
        let mut all = received.concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..2 * MESSAGES));
    });
}

/// A `recv` that is polled at once, and `more` times when it is woken.
fn polled_by_hand(rx: &mut Receiver, more: u64) -> Option<Result<u64, RecvError>> {
    let mut future = pin!(rx.recv());
    for poll in 0..=more {
        if poll > 0 {
            wait();
        }
        if let Poll::Ready(received) = poll_once(future.as_mut()) {
            return Some(received);
        }
    }
    None
}

/// How many participants of a queue say that they sleep.
fn asleep(name: &Name) -> usize {
    // The second bit of what is 16 bytes into each participant's line: part of the layout.
    let lines = (0..2 * 8).map(|id| read_u64(&name.path(), 4096 + 128 * id + 16));
    lines.filter(|marks| marks & 2 != 0).count()
}

/// Of those who wait, one watches for the dead on behalf of all; nobody relies on one that has given up.
#[test]
fn a_future_that_is_dropped_leaves_the_watch_for_the_dead_to_others() {
    let name = Name::new("watch");
    let plan = Plan::new(Kind::Mpmc, FOR_EVER);
    let (mut tx, rx) = (plan.producer(&name), plan.consumer(&name));
    let mut rx = rx.on(Runtime::Hand);
    let mut received = Box::pin(rx.recv());
    must_wait(received.as_mut());
    assert_eq!(asleep(&name), 1);
    drop(received);
    assert_eq!(asleep(&name), 0);
    let full = tx.fill();
    let mut tx = tx.on(Runtime::Hand);
    let mut sent = Box::pin(tx.send(full));
    must_wait(sent.as_mut());
    assert_eq!(asleep(&name), 1);
    drop(sent);
    assert_eq!(asleep(&name), 0);
}

/// Small messages take each slot as it becomes free, until a large one asks them to let it pass. One that gives up asks no more.
#[test]
fn a_large_message_comes_through_among_small_ones_and_asks_for_nothing_when_it_is_dropped() {
    within_patience(|| {
        let (mut small, mut rx) = Plan::new(Kind::Mpmc, FOR_EVER).mpmc().pair().expect("a ring");
        let large = small.try_clone().expect("another producer");
        let bytes = pattern(0, large.largest());
        let mut large = Runtime::Hand.watch(large.pollable().expect("a descriptor"));
        let mut fill =
            || std::iter::repeat_with(|| small.try_send(b"small")).take_while(Result::is_ok).count();
        assert_eq!(fill() as u64, ROOM);
        for gives_up in [true, false] {
            let mut sent = Box::pin(large.send(&bytes));
            // A slot becomes free, and is not taken.
            must_wait(sent.as_mut());
            while {
                drop(rx.try_recv().expect("a small message"));
                fill() > 0
            } {
                wait();
                must_wait(sent.as_mut());
            }
            if gives_up {
                drop(sent);
                assert_eq!(fill(), 1);
                continue;
            }
            while poll_once(sent.as_mut()).is_pending() {
                match rx.try_recv() {
                    Ok(message) => assert_eq!(&message[..], b"small"),
                    Err(_) => wait(),
                }
                fill();
            }
        }
        let large = std::iter::repeat_with(|| rx.try_recv().expect("all of it").to_vec());
        assert_eq!(large.into_iter().find(|message| message != b"small"), Some(bytes));
    });
}

/// A message that did not fit is not there later, either.
#[test]
fn a_send_that_is_dropped_while_the_ring_is_full_is_not_sent_when_there_is_room() {
    for kind in KINDS {
        let (mut tx, mut rx) = Plan::new(kind, FOR_EVER).pair();
        let full = tx.fill();
        let mut tx = tx.on(Runtime::Hand);
        for _ in 0..3 {
            must_wait(pin!(tx.send(u64::MAX)));
            must_wait(pin!(tx.claim(u64::MAX, true)));
        }
        for number in 0..full {
            assert_eq!(rx.recv(), Ok(number));
        }
        assert_eq!(must_yield(pin!(tx.send(full))), Ok(()));
        assert_eq!(rx.recv(), Ok(full));
        drop(rx);
        let end = loop {
            match must_yield(pin!(tx.send(0))) {
                Ok(()) => {}
                Err(end) => break end,
            }
        };
        assert_eq!(end, SendError::Closed);
    }
}
