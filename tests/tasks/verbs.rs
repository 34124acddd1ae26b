//! The verbs, on every runtime, for both kinds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use ringway::{RecvError, SendError, mpmc, spsc};
use tokio_stream::{Stream, StreamExt};

use crate::common::pattern;
use crate::kinds::{FOR_EVER, KINDS, Kind, Plan, ROOM, Rx, Tx, number_in};
use crate::runtimes::{RUNTIMES, Runtime, many_threads, within_patience};

const MESSAGES: u64 = 2000;

/// Plays on every runtime, with rings of which nobody looks again for what no wake-up has told of.
fn each(play: impl Fn(Runtime, Plan)) {
    for runtime in RUNTIMES {
        for kind in KINDS {
            // Shown if it fails.
            println!("{runtime:?}, {kind:?}");
            play(runtime, Plan::new(kind, FOR_EVER));
        }
    }
}

/// What there is to receive, all of it.
fn receive_all(rx: &mut Rx) -> Vec<u64> {
    let mut all = Vec::new();
    loop {
        match rx.recv() {
            Ok(number) => all.push(number),
            Err(end) => {
                assert_eq!(end, RecvError::Closed);
                return all;
            }
        }
    }
}

#[test]
fn a_task_receives_all_that_a_thread_sends_in_order() {
    each(receives);
}

pub fn receives(runtime: Runtime, plan: Plan) {
    let (mut tx, rx) = plan.pair();
    let sender = thread::spawn(move || (0..MESSAGES).for_each(|number| tx.send(number).expect("sent")));
    runtime.run(async move {
        let mut rx = rx.on(runtime);
        for number in 0..MESSAGES {
            assert_eq!(rx.recv().await, Ok(number));
        }
        assert_eq!(rx.recv().await, Err(RecvError::Closed));
    });
    sender.join().expect("no panic");
}

#[test]
fn a_task_sends_all_in_order_and_waits_for_room() {
    each(sends);
}

pub fn sends(runtime: Runtime, plan: Plan) {
    let (tx, mut rx) = plan.pair();
    let receiver = thread::spawn(move || receive_all(&mut rx));
    runtime.run(async move {
        let mut tx = tx.on(runtime);
        for number in 0..MESSAGES {
            match number % 3 {
                0 => tx.send(number).await,
                1 => tx.claim(number, true).await,
                // A claim that is dropped sends nothing.
                _ => tx.claim(number, false).await,
            }
            .expect("sent");
        }
    });
    let kept: Vec<u64> = (0..MESSAGES).filter(|number| number % 3 != 2).collect();
    assert_eq!(receiver.join().expect("no panic"), kept);
}

/// Two tasks of one thread: each can go on only when the other one waits.
#[test]
fn two_tasks_of_one_runtime_talk() {
    for kind in KINDS {
        let plan = Plan::new(kind, FOR_EVER);
        for runtime in [Runtime::OneThread, Runtime::ManyThreads] {
            let (tx, rx) = plan.pair();
            runtime.run(async move {
                let (mut tx, mut rx) = (tx.on(runtime), rx.on(runtime));
                let sender = tokio::spawn(async move {
                    for number in 0..MESSAGES {
                        tx.send(number).await.expect("sent");
                    }
                });
                for number in 0..MESSAGES {
                    assert_eq!(rx.recv().await, Ok(number));
                }
                sender.await.expect("no panic");
                assert_eq!(rx.recv().await, Err(RecvError::Closed));
            });
        }
    }
}

#[test]
fn a_task_that_sends_is_never_further_ahead_than_the_ring_has_room() {
    each(|runtime, plan| {
        let (tx, mut rx) = plan.pair();
        let sent = Arc::new(AtomicU64::new(0));
        let (counting, counted) = (sent.clone(), sent);
        let receiver = thread::spawn(move || {
            for number in 0..MESSAGES {
                assert_eq!(rx.recv(), Ok(number));
                assert!(counted.load(Ordering::Relaxed) <= number + 1 + ROOM);
            }
        });
        runtime.run(async move {
            let mut tx = tx.on(runtime);
            for number in 0..MESSAGES {
                tx.send(number).await.expect("sent");
                counting.store(number + 1, Ordering::Relaxed);
            }
        });
        receiver.join().expect("no panic");
    });
}

#[test]
fn messages_are_borrowed_in_place_with_all_that_they_carry() {
    for runtime in RUNTIMES {
        let (tx, rx) = spsc::options().size(1 << 16).payload_align(64).pair().expect("a pair");
        runtime.run(async move {
            let mut tx = runtime.watch(tx.pollable().expect("a descriptor"));
            let mut rx = runtime.watch(rx.pollable().expect("a descriptor"));
            for (tag, len) in [(0, 0), (7, 1), (u16::MAX, 8000)] {
                let bytes = pattern(len as u64, len);
                tx.send_tagged(tag, &bytes).await.expect("sent");
                let message = rx.recv().await.expect("a message");
                assert_eq!((message.tag(), &message[..], message.redelivered()), (tag, &bytes[..], false));
                assert!(message.as_ptr().addr().is_multiple_of(64));
            }
            let (len, largest) = (1 << 20, tx.largest());
            let error = tx.send(&pattern(0, len)).await.expect_err("too large");
            assert_eq!(error, SendError::TooLarge { len, largest });
        });
    }
}

#[test]
fn messages_of_a_type_are_sent_and_received() {
    #[derive(
        Clone,
        Copy,
        Debug,
        PartialEq,
        Eq,
        zerocopy::FromBytes,
        zerocopy::IntoBytes,
        zerocopy::Immutable,
        zerocopy::KnownLayout,
        ringway::Shape,
    )]
    #[repr(C)]
    struct Point {
        x: i64,
        y: i64,
    }

    for runtime in RUNTIMES {
        let (tx, rx) = spsc::options().size(64).liveness(FOR_EVER).typed::<Point>().pair().expect("a pair");
        let mut rx = rx;
        let receiver = thread::spawn(move || {
            for x in 0..MESSAGES as i64 {
                assert_eq!(*rx.recv().expect("a message"), Point { x, y: -x });
            }
            rx
        });
        runtime.run(async move {
            let mut tx = runtime.watch(tx.pollable().expect("a descriptor"));
            for x in 0..MESSAGES as i64 {
                let point = Point { x, y: -x };
                if x % 2 == 0 {
                    tx.send(&point).await.expect("sent");
                } else {
                    let mut claim = tx.claim().await.expect("room");
                    *claim = point;
                    claim.commit().expect("sent");
                }
            }
            let rx = receiver.join().expect("no panic");
            let mut rx = runtime.watch(rx.pollable().expect("a descriptor"));
            tx.send(&Point { x: 1, y: 2 }).await.expect("sent");
            assert_eq!(*rx.recv().await.expect("a message"), Point { x: 1, y: 2 });
            // Bytes that are no point.
            tx.as_bytes_mut().send(b"xyz").expect("sent");
            let error = rx.recv().await.map(drop).expect_err("no point");
            assert!(matches!(error, RecvError::Corrupt(_)), "{error}");
        });
    }
}

/// The numbers of a stream, to its end.
async fn numbers(stream: impl Stream<Item = Result<Vec<u8>, RecvError>>) -> Vec<u64> {
    stream.map(|message| number_in(&message.expect("a message"))).collect().await
}

#[test]
fn a_stream_ends_when_everything_is_received_and_the_producer_has_left() {
    for runtime in RUNTIMES {
        for kind in KINDS {
            let (mut tx, rx) = Plan::new(kind, FOR_EVER).pair();
            let sender = thread::spawn(move || (0..MESSAGES).for_each(|n| tx.send(n).expect("sent")));
            let received = runtime.run(async move {
                match rx {
                    Rx::Spsc(rx) => numbers(runtime.watch(rx.pollable().expect("a descriptor"))).await,
                    Rx::Mpmc(rx) => numbers(runtime.watch(rx.pollable().expect("a descriptor"))).await,
                }
            });
            sender.join().expect("no panic");
            assert!(received.into_iter().eq(0..MESSAGES), "{runtime:?}, {kind:?}");
        }
    }
}

/// Each message to one task, each producer's in order, and everybody hears the end.
#[test]
fn many_tasks_share_a_queue() {
    const EACH: u64 = 1000;
    let received = within_patience(|| {
        let plan = Plan::new(Kind::Mpmc, FOR_EVER);
        let options = plan.mpmc().participants(20);
        let (tx, rx): (mpmc::Producer, mpmc::Consumer) = options.pair().expect("a pair");
        let mut producers: Vec<_> = (1..6).map(|_| tx.try_clone().expect("another producer")).collect();
        let mut consumers: Vec<_> = (1..16).map(|_| rx.try_clone().expect("another consumer")).collect();
        producers.push(tx);
        consumers.push(rx);
        let runtime = many_threads();
        runtime.block_on(async {
            let consumers: Vec<_> = consumers
                .into_iter()
                .map(|rx| {
                    let mut rx = Rx::Mpmc(rx).on(Runtime::ManyThreads);
                    tokio::spawn(async move {
                        let mut taken = Vec::new();
                        loop {
                            match rx.recv().await.expect("a message") {
                                u64::MAX => return taken,
                                number => taken.push(number),
                            }
                        }
                    })
                })
                .collect();
            let producers: Vec<_> = producers
                .into_iter()
                .enumerate()
                .map(|(name, tx)| {
                    let mut tx = Tx::Mpmc(tx).on(Runtime::ManyThreads);
                    tokio::spawn(async move {
                        for number in 0..EACH {
                            tx.send((name as u64) << 32 | number).await.expect("sent");
                        }
                        tx
                    })
                })
                .collect();
            let mut last = None;
            for producer in producers {
                last = Some(producer.await.expect("no panic"));
            }
            let mut last = last.expect("a producer");
            for _ in &consumers {
                last.send(u64::MAX).await.expect("sent");
            }
            let mut received = Vec::new();
            for consumer in consumers {
                received.push(consumer.await.expect("no panic"));
            }
            received
        })
    });
    for taken in &received {
        for name in 0..6 {
            let of_one = taken.iter().filter(|number| *number >> 32 == name);
            assert!(of_one.is_sorted(), "each producer's messages come in order");
        }
    }
    let mut all = received.concat();
    all.sort_unstable();
    let sent = (0..6).flat_map(|name| (0..EACH).map(move |number| name << 32 | number));
    assert!(all.into_iter().eq(sent), "each message is received once");
}
