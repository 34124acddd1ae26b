//! Edge `handover`: what a successor goes on with. A lease is a mutex: the kernel, too, orders whatever the
//! last holder did before whatever the next one does. A death is a life that ends without another word.

use std::sync::Arc;

use loom::sync::Mutex;
use loom::thread;
use ringway::model::record::{Consumer, Producer, Ring};
use ringway_loom_tests::outcomes;
use ringway_loom_tests::record::{abandon_batch, claim_and_commit, find, looks, read, receive_until, send};

/// What a participant does before it dies.
type Life<T> = fn(&mut T);

/// Runs two lives, each in a thread of its own, one after the other by the lease: which thread is the first is
/// left to loom. Returns what the second one has to show.
fn two_lives<T: Send + 'static>(
    first: impl Fn() + Send + Sync + 'static,
    second: impl Fn() -> T + Send + Sync + 'static,
) -> T {
    let lease = Arc::new(Mutex::new(0));
    let live = Arc::new(move || {
        let mut deaths = lease.lock().unwrap();
        *deaths += 1;
        if *deaths == 2 {
            return Some(second());
        }
        first();
        None
    });
    let other = {
        let live = Arc::clone(&live);
        thread::spawn(move || live())
    };
    let own = live();
    own.or(other.join().unwrap()).expect("somebody lives second")
}

/// Takes the next message and reads it.
fn take(consumer: &mut Consumer) {
    let message = find(consumer).expect("a message is there");
    read(consumer, &message);
}

/// How a consumer's life can end, with what its successor then receives of A and B, which lie in the ring, and
/// of C, which is sent meanwhile.
const CONSUMER_DEATHS: [(Life<Consumer>, &str); 7] = [
    (|_| {}, "ABC"),
    (|consumer| assert!(find(consumer).is_some()), "ABC"),
    (take, "aBC"),
    (
        |consumer| {
            take(consumer);
            consumer.release();
        },
        "BC",
    ),
    (
        |consumer| {
            take(consumer);
            consumer.release();
            take(consumer);
        },
        "bC",
    ),
    (
        |consumer| {
            take(consumer);
            take(consumer);
        },
        "abC",
    ),
    (
        |consumer| {
            take(consumer);
            take(consumer);
            consumer.release();
        },
        "C",
    ),
];

#[test]
fn a_consumer_goes_on_with_what_was_not_released() {
    for (die, received) in CONSUMER_DEATHS {
        outcomes(None, [received.to_owned()], move || {
            // Of 256 bytes, `head` is written once for two of these records: behind it lies what was released.
            let ring = Ring::new(256);
            let mut producer = ring.producer();
            assert!(send(&mut producer, 'A', 8));
            assert!(send(&mut producer, 'B', 8));
            let producing = thread::spawn(move || assert!(send(&mut producer, 'C', 8)));
            let dying = ring.clone();
            let received = two_lives(
                move || die(&mut dying.consumer()),
                move || receive_until(&mut ring.consumer(), 'C'),
            );
            producing.join().unwrap();
            received
        });
    }
}

#[test]
fn messages_stay_marked_through_a_second_death() {
    outcomes(None, ["abC".to_owned()], || {
        let ring = Ring::new(256);
        let mut producer = ring.producer();
        for name in ['A', 'B', 'C'] {
            assert!(send(&mut producer, name, 8));
        }
        let mut first = ring.consumer();
        take(&mut first);
        take(&mut first);
        take(&mut ring.consumer());
        receive_until(&mut ring.consumer(), 'C')
    });
}

/// The producer learns from the successor's `head` alone what the dead consumer released, and writes over it.
#[test]
fn what_a_dead_consumer_released_is_reused() {
    outcomes(Some(2), ["BCD".to_owned()], || {
        let ring = Ring::new(256);
        let mut producer = ring.producer();
        // A lies at 8; the ring is full up to its end but for the eight bytes before A.
        assert!(send(&mut producer, 'Z', 0));
        assert_eq!(looks(&mut ring.consumer(), 1), "Z");
        for (name, len) in [('A', 8), ('B', 112), ('C', 104)] {
            assert!(send(&mut producer, name, len));
        }
        let producing = thread::spawn(move || {
            while !producer.fits_by_head(8) {
                thread::yield_now();
            }
            assert!(send(&mut producer, 'D', 8));
        });
        let dying = ring.clone();
        let received = two_lives(
            move || assert_eq!(looks(&mut dying.consumer(), 1), "A"),
            move || receive_until(&mut ring.consumer(), 'D'),
        );
        producing.join().unwrap();
        received
    });
}

/// How a producer's life can end, with what is received of it, and of Z, which its successor sends.
const PRODUCER_DEATHS: [(Life<Producer>, &str); 6] = [
    (|_| {}, "Z"),
    (
        |producer| {
            assert!(send(producer, 'A', 8));
        },
        "AZ",
    ),
    (
        // The second one goes into room that is known already: `tail` is not written down for it.
        |producer| {
            assert!(send(producer, 'A', 8));
            assert!(send(producer, 'B', 8));
        },
        "ABZ",
    ),
    (
        |producer| {
            assert!(send(producer, 'A', 8));
            let claim = producer.claim(16).expect("room");
            producer.payload_mut(&claim).fill(0xff);
        },
        "AZ",
    ),
    (
        |producer| {
            assert!(send(producer, 'A', 8));
            let mut batch = producer.batch();
            assert!(batch.push_ready(0, &[0xff; 8]) && batch.push(0, &[0xff; 16]));
        },
        "AZ",
    ),
    (
        |producer| {
            claim_and_commit(producer, 'A', 40, 8);
            assert!(send(producer, 'B', 16));
            producer.write_down();
        },
        "ABZ",
    ),
];

#[test]
fn a_producer_goes_on_behind_what_was_committed() {
    for (die, received) in PRODUCER_DEATHS {
        outcomes(Some(2), [received.to_owned()], move || {
            let ring = Ring::new(256);
            let mut consumer = ring.consumer();
            let dying = ring.clone();
            let receiving = thread::spawn(move || receive_until(&mut consumer, 'Z'));
            two_lives(
                move || die(&mut dying.producer()),
                move || assert!(send(&mut ring.producer(), 'Z', 8)),
            );
            receiving.join().unwrap()
        });
    }
}

/// A batch that dies with its producer may have gone all the way round to the `tail` that was written down last.
#[test]
fn a_dead_batch_over_the_written_tail_leaves_nothing() {
    outcomes(Some(3), ["Z".to_owned()], || {
        let ring = Ring::new(256);
        let (mut producer, mut consumer) = (ring.producer(), ring.consumer());
        // B goes into known room, so `tail` stays at A.
        assert!(send(&mut producer, 'A', 8) && send(&mut producer, 'B', 8));
        assert_eq!(looks(&mut consumer, 2), "AB");
        abandon_batch(&mut producer, &[('X', 112), ('X', 88), ('X', 8)]);
        drop(producer);
        let receiving = thread::spawn(move || receive_until(&mut consumer, 'Z'));
        assert!(send(&mut ring.producer(), 'Z', 8));
        receiving.join().unwrap()
    });
}

/// A whole lap of committed records is walked, and not a step more.
#[test]
fn a_producer_walks_a_full_ring() {
    outcomes(None, [(false, "ABC".to_owned()), (true, "ABCD".to_owned())], || {
        let ring = Ring::new(64);
        let (mut producer, mut consumer) = (ring.producer(), ring.consumer());
        for name in ['A', 'B', 'C'] {
            assert!(send(&mut producer, name, 8));
        }
        drop(producer);
        let succeeding = {
            let ring = ring.clone();
            thread::spawn(move || send(&mut ring.producer(), 'D', 8))
        };
        let mut received = looks(&mut consumer, 1);
        let sent = succeeding.join().unwrap();
        received.push_str(&receive_until(&mut consumer, if sent { 'D' } else { 'C' }));
        (sent, received)
    });
}

/// A new producer takes the consumer's position as it finds it, and may write over all that lies before.
#[test]
fn a_new_producer_reuses_what_was_released() {
    outcomes(None, [(false, "AB".to_owned()), (true, "ABC".to_owned())], || {
        let ring = Ring::new(64);
        let (mut producer, mut consumer) = (ring.producer(), ring.consumer());
        // A lies at 8; C needs the end of the ring for padding, and then A's place.
        assert!(send(&mut producer, 'Z', 0));
        assert_eq!(looks(&mut consumer, 1), "Z");
        assert!(send(&mut producer, 'A', 8));
        assert!(send(&mut producer, 'B', 24));
        drop(producer);
        let succeeding = {
            let ring = ring.clone();
            thread::spawn(move || send(&mut ring.producer(), 'C', 8))
        };
        let mut received = looks(&mut consumer, 1);
        let sent = succeeding.join().unwrap();
        received.push_str(&receive_until(&mut consumer, if sent { 'C' } else { 'B' }));
        (sent, received)
    });
}
