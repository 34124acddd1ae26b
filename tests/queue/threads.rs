//! Many at once: handles in threads of their own. Each message arrives once, and each producer's in order.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use ringway::mpmc::{Consumer, Options, Producer, options};
use ringway::{RecvError, SendError, Wait};

use crate::bed::on_every_backing;
use crate::common::pattern;
use crate::small;

/// How often a producer hands over to another.
const HANDOVERS: u32 = 300;

/// Bytes of message `k` of producer `who`: sizes of all kinds, the producer and the number in front.
fn message(who: u64, k: u64, largest: usize) -> Vec<u8> {
    let len = [0, 3, 24, 32, 100, 200][(who + 7 * k) as usize % 6];
    let mut bytes = [who.to_ne_bytes(), k.to_ne_bytes()].concat();
    bytes.extend(pattern(who << 32 | k, len));
    bytes.truncate(largest);
    bytes
}

/// Sends `count` messages, some of them in other ways than the rest.
fn send_all(mut tx: Producer, who: u64, count: u64) {
    let largest = tx.largest();
    let mut k = 0;
    while k < count {
        if k.is_multiple_of(7) {
            drop(tx.claim(20).expect("room"));
        }
        if k.is_multiple_of(5) {
            let mut batch = tx.batch().expect("at home");
            let end = count.min(k + 1 + k % 4);
            while k < end && batch.push(&message(who, k, largest)).is_ok() {
                k += 1;
            }
            batch.commit().expect("at home");
        }
        if k < count {
            tx.send(&message(who, k, largest)).expect("room");
            k += 1;
        }
    }
}

/// Receives until the producers are gone; the numbers of each producer's messages, in order of arrival.
fn receive_all(mut rx: Consumer) -> HashMap<u64, Vec<u64>> {
    let largest = rx.largest();
    let mut seen: HashMap<u64, Vec<u64>> = HashMap::new();
    let mut note = |bytes: &[u8]| {
        let number = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        assert_eq!(bytes, message(number(0), number(8), largest));
        seen.entry(number(0)).or_default().push(number(8));
    };
    loop {
        match rx.recv() {
            Ok(message) => {
                assert!(!message.redelivered());
                note(&message);
            }
            Err(end) => {
                assert_eq!(end, RecvError::Closed);
                return seen;
            }
        }
        let mut drain = rx.drain().expect("at home");
        while let Some(message) = drain.next() {
            note(&message.expect("intact"));
        }
    }
}

fn exchange(ring: &Options, producers: u64, consumers: usize, count: u64) {
    on_every_backing(ring, |bed| {
        let (tx, rx) = bed.ends();
        let seen: Vec<_> = thread::scope(|scope| {
            let receivers: Vec<_> = (0..consumers)
                .map(|_| rx.try_clone().expect("a place"))
                .map(|rx| scope.spawn(move || receive_all(rx)))
                .collect();
            drop(rx);
            for who in 0..producers {
                let tx = tx.try_clone().expect("a place");
                scope.spawn(move || send_all(tx, who, count));
            }
            drop(tx);
            receivers.into_iter().map(|receiver| receiver.join().expect("no panic")).collect()
        });
        for who in 0..producers {
            let of_one: Vec<_> = seen.iter().filter_map(|seen| seen.get(&who)).collect();
            assert!(of_one.iter().all(|numbers| numbers.is_sorted()), "producer {who}'s order");
            let mut all: Vec<u64> = of_one.into_iter().flatten().copied().collect();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..count), "producer {who}'s messages, once each");
        }
    });
}

#[test]
fn one_to_one() {
    exchange(&small(), 1, 1, 2000);
}

#[test]
fn many_to_one() {
    exchange(&small(), 3, 1, 500);
}

#[test]
fn one_to_many() {
    exchange(&small(), 1, 3, 1500);
}

#[test]
fn many_to_many() {
    exchange(&small(), 3, 3, 500);
}

#[test]
fn many_to_many_in_a_large_ring() {
    exchange(&options().participants(4), 3, 3, 1000);
}

#[test]
fn many_to_many_in_four_slots() {
    exchange(&small().slots(4).slot_size(256), 3, 3, 200);
}

#[test]
fn many_to_many_that_sleep_at_once() {
    exchange(&small().wait(Wait::Park), 3, 3, 200);
}

#[test]
fn many_to_many_that_never_sleep() {
    exchange(&small().wait(Wait::Spin), 2, 2, 50);
}

/// While producers hand over to each other, there is one at every moment: nobody hears that the last one has gone.
#[test]
fn a_handover_is_no_goodbye() {
    on_every_backing(&small().participants(2), |bed| {
        let (mut tx, rx) = bed.ends();
        let ends = [rx.try_clone().expect("a place"), rx];
        let handed_over = AtomicBool::new(false);
        thread::scope(|scope| {
            for mut rx in ends {
                let handed_over = &handed_over;
                scope.spawn(move || {
                    while !handed_over.load(Ordering::Acquire) {
                        assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
                    }
                });
            }
            for _ in 0..HANDOVERS {
                tx = tx.try_clone().expect("a place");
            }
            handed_over.store(true, Ordering::Release);
        });
    });
}

/// Everybody comes for a few messages and goes, so that the ring is made anew whenever all are gone: nothing is lost.
#[test]
fn coming_and_going_loses_nothing() {
    const ROUNDS: u64 = 40;
    on_every_backing(&small(), |bed| {
        let received = Mutex::new(Vec::new());
        let is_complete = || received.lock().expect("no panic").len() as u64 == 2 * ROUNDS * 3;
        thread::scope(|scope| {
            for who in 0..2 {
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        let mut tx = bed.producer();
                        for k in 0..3 {
                            send_patiently(&mut tx, &message(who, round * 3 + k, 512));
                        }
                    }
                });
            }
            for _ in 0..2 {
                scope.spawn(|| {
                    while !is_complete() {
                        let mut rx = bed.consumer();
                        while let Ok(message) = rx.recv_timeout(Duration::from_micros(50)) {
                            received.lock().expect("no panic").push(message.to_vec());
                        }
                    }
                });
            }
        });
        let mut expected: Vec<_> =
            (0..2).flat_map(|who| (0..ROUNDS * 3).map(move |k| message(who, k, 512))).collect();
        let mut received = received.into_inner().expect("no panic");
        expected.sort();
        received.sort();
        assert_eq!(received.len(), expected.len());
        assert!(received == expected, "the same messages");
    });
}

/// Sends, even while no consumer is there for a moment.
fn send_patiently(tx: &mut Producer, message: &[u8]) {
    while let Err(refused) = tx.send(message) {
        assert_eq!(refused, SendError::Closed);
    }
}
