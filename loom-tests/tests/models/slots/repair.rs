//! Edge `death`: what a dead participant left is repaired by whoever has its lease, by one at a time, and what the living
//! hold is left alone.

use ringway::model::slots::{Consumer, Producer, Ring};
use ringway_loom_tests::outcomes;
use ringway_loom_tests::slots::{
    BLOCK, INLINE, SPAN, claim, commit, look, practised, remains, rest, send, send_batch, start, take,
};

/// A producer's life, where the ring stands when it begins, and what is received for each of its deaths.
type Life = (fn(&mut Producer), u64, &'static [&'static str]);

/// How a producer lives in a ring of four slots that has been turned on by so many; and what is received of it, and of
/// Z, which is sent in its place afterwards, if it dies after its first slot word, after its second, and so on.
const PRODUCERS: [Life; 6] = [
    (|producer| assert!(send(producer, 'A', INLINE)), 4, &["Z", "AZ"]),
    (|producer| assert!(send(producer, 'A', SPAN)), 4, &["Z", "AZ"]),
    (
        |producer| {
            claim(producer, 'X', SPAN);
            producer.abort();
        },
        0,
        &["Z", "Z"],
    ),
    // A pad, a claim, a commit.
    (|producer| assert!(send(producer, 'A', SPAN)), 3, &["Z", "Z", "AZ"]),
    // A claim, B, what is left of the claim, and A, with which B is there.
    (|producer| send_batch(producer, &[('A', INLINE), ('B', SPAN)]), 0, &["Z", "Z", "Z", "ABZ"]),
    // A claim, B, another claim over the end, A, C.
    (
        |producer| send_batch(producer, &[('A', INLINE), ('B', INLINE), ('C', SPAN)]),
        2,
        &["Z", "Z", "Z", "ABZ", "ABCZ"],
    ),
];

#[test]
fn a_producer_dies() {
    for (live, before, received) in PRODUCERS {
        for (words, received) in (1..).zip(received) {
            outcomes(Some(2), [received.to_string()], move || {
                let ring = Ring::turned(4, before);
                let mut consumer = ring.consumer(0);
                let producer = practised(&ring, &mut consumer);
                let dying = start(producer, move |producer| producer.spend(words, live));
                consumer.sweep();
                let mut received = rest(&mut consumer);
                dying.join().unwrap();
                consumer.sweep();
                received.push_str(&rest(&mut consumer));
                assert!(send(&mut ring.producer(0), 'Z', INLINE));
                received.push_str(&remains(&ring, &mut consumer));
                received
            });
        }
    }
}

/// A successor with the same id repairs what its predecessor left, if nobody else does.
#[test]
fn a_producer_succeeds_a_dead_one() {
    for (live, before, received) in PRODUCERS {
        for (words, received) in (1..).zip(received) {
            outcomes(Some(1), [received.to_string()], move || {
                let ring = Ring::turned(4, before);
                // A new one would sweep.
                let mut consumer = ring.consumer(0);
                practised(&ring, &mut consumer).spend(words, live);
                let attaching = {
                    let ring = ring.clone();
                    loom::thread::spawn(move || drop(ring.producer(0)))
                };
                let mut received = look(&mut consumer).to_string().replace('.', "");
                attaching.join().unwrap();
                received.push_str(&rest(&mut consumer));
                assert!(send(&mut ring.producer(0), 'Z', INLINE));
                received.push_str(&rest(&mut consumer));
                assert_eq!(ring.used(), 0);
                received
            });
        }
    }
}

/// A ring that is full of two messages, A and B.
fn full() -> Ring {
    let ring = Ring::new(4);
    let mut producer = ring.producer(0);
    assert!(send(&mut producer, 'A', SPAN) && send(&mut producer, 'B', SPAN));
    ring
}

/// A ring that is full of two messages, and whose first consumer is about to die after so many slot words: it took A
/// (1), began to release it (2), and freed the second slot (3).
fn dies_holding(words: u32) -> (Ring, impl FnOnce()) {
    let ring = full();
    let mut dying = ring.consumer(0);
    (ring, move || {
        dying.spend(words, look);
    })
}

fn pairs(expected: &[(char, &str)]) -> Vec<(char, String)> {
    expected.iter().map(|(seen, rest)| (*seen, rest.to_string())).collect()
}

/// What a consumer gets that dies at each of its words, beside one that lives and sweeps.
#[test]
fn a_consumer_dies() {
    let in_hand: &[_] = &[('A', "b"), ('B', "a")];
    let released: &[_] = &[('A', ""), ('B', "")];
    for (words, expected) in [(1, in_hand), (2, released), (3, released), (4, released)] {
        outcomes(Some(2), pairs(expected), move || {
            let ring = full();
            let mut consumer = ring.consumer(1);
            let dying = start(ring.consumer(0), move |consumer| {
                consumer.spend(words, look);
            });
            let seen = look(&mut consumer);
            consumer.sweep();
            dying.join().unwrap();
            (seen, remains(&ring, &mut consumer))
        });
    }
}

#[test]
fn a_consumer_succeeds_a_dead_one() {
    for (words, received) in [(1, "aB"), (2, "B"), (3, "B"), (4, "B")] {
        outcomes(Some(2), [received.to_owned()], move || {
            let (ring, die) = dies_holding(words);
            die();
            remains(&ring, &mut ring.consumer(0))
        });
    }
}

/// A producer needs room that only a repair gives.
#[test]
fn a_release_is_finished_beside_a_claim() {
    for words in [2, 3] {
        outcomes(Some(2), [(false, "B".to_owned()), (true, "BC".to_owned())], move || {
            let (ring, die) = dies_holding(words);
            let (mut repairer, mut consumer) = (ring.producer(0), ring.consumer(1));
            let sending = ring.producer(1);
            die();
            let sending = start(sending, |producer| send(producer, 'C', SPAN));
            repairer.sweep();
            (sending.join().unwrap(), remains(&ring, &mut consumer))
        });
    }
}

/// Of two consumers one gets what a dead one had in hand.
#[test]
fn two_consumers_repair() {
    let expected = [('a', 'B'), ('B', 'a')];
    outcomes(Some(1), expected, || {
        let (ring, die) = dies_holding(1);
        let (first, mut second) = (ring.consumer(1), ring.consumer(2));
        die();
        let repairing = start(first, |consumer| {
            consumer.sweep();
            look(consumer)
        });
        second.sweep();
        let seen = look(&mut second);
        (repairing.join().unwrap(), seen)
    });
}

/// A producer and a consumer repair the same release, each beside the other.
#[test]
fn a_producer_and_a_consumer_repair() {
    for (words, received) in [(1, "aB"), (2, "B"), (3, "B")] {
        outcomes(Some(3), [received.to_owned()], move || {
            let (ring, die) = dies_holding(words);
            let (first, mut second) = (ring.producer(0), ring.consumer(1));
            die();
            let repairing = start(first, Producer::sweep);
            second.sweep();
            repairing.join().unwrap();
            remains(&ring, &mut second)
        });
    }
}

/// A repairer dies in the middle of the repair: whoever is next goes on.
#[test]
fn a_repairer_dies() {
    for (words, received) in [(1, "aB"), (2, "B")] {
        outcomes(Some(2), [received.to_owned()], move || {
            let (ring, die) = dies_holding(words);
            let (repairer, mut last) = (ring.consumer(1), ring.consumer(2));
            die();
            let repairing = start(repairer, |consumer| {
                consumer.spend(1, Consumer::sweep);
            });
            last.sweep();
            repairing.join().unwrap();
            remains(&ring, &mut last)
        });
    }
}

/// A message stays marked, whoever dies with it in hand.
#[test]
fn a_message_is_delivered_a_third_time() {
    outcomes(Some(2), [('a', "B".to_owned()), ('B', "a".to_owned())], || {
        let (ring, die) = dies_holding(1);
        let (second, mut third) = (ring.consumer(1), ring.consumer(2));
        die();
        let repairing = start(second, |consumer| {
            if consumer.sweep() {
                assert_eq!(take(consumer), Some('a'));
            }
        });
        third.sweep();
        let seen = look(&mut third);
        repairing.join().unwrap();
        (seen, remains(&ring, &mut third))
    });
}

#[test]
fn a_message_is_delivered_at_most_once() {
    outcomes(Some(2), pairs(&[('A', ""), ('B', "")]), || {
        let ring = full().at_most_once();
        let mut consumer = ring.consumer(1);
        let dying = start(ring.consumer(0), |consumer| {
            consumer.spend(1, look);
        });
        let seen = look(&mut consumer);
        consumer.sweep();
        dying.join().unwrap();
        let rest = remains(&ring, &mut consumer);
        assert_eq!(consumer.dropped(), 1);
        (seen, rest)
    });
}

/// A claim of the living stands beside those of the dead, and is left alone.
#[test]
fn a_living_claim_is_left_alone() {
    outcomes(Some(2), ["A".to_owned()], || {
        let ring = Ring::new(4);
        claim(&mut ring.producer(0), 'X', BLOCK);
        let mut consumer = ring.consumer(0);
        let claiming = start(ring.producer(1), |producer| {
            let claimed = claim(producer, 'A', BLOCK);
            commit(producer, claimed, 'A', INLINE);
        });
        consumer.sweep();
        let mut received = rest(&mut consumer);
        claiming.join().unwrap();
        received.push_str(&remains(&ring, &mut consumer));
        received
    });
}

/// A successor takes the dead one's place while others repair: it sends in its own name.
#[test]
fn a_place_is_taken_again() {
    outcomes(Some(2), [(false, String::new()), (true, "A".to_owned())], || {
        let ring = Ring::new(4);
        let mut consumer = ring.consumer(0);
        claim(&mut ring.producer(0), 'X', BLOCK);
        let succeeding = {
            let ring = ring.clone();
            loom::thread::spawn(move || {
                let producer = ring.try_producer(0);
                producer.is_some_and(|mut producer| send(&mut producer, 'A', BLOCK))
            })
        };
        consumer.sweep();
        let mut received = rest(&mut consumer);
        let sent = succeeding.join().unwrap();
        received.push_str(&remains(&ring, &mut consumer));
        (sent, received)
    });
}
