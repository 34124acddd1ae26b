//! Edge `claim`: a slot is claimed once in each lap, by one producer, whoever walks where.

use ringway::model::slots::{Producer, Ring};
use ringway_loom_tests::outcomes;
use ringway_loom_tests::slots::{BLOCK, INLINE, SPAN, looks, remains, send, send_batch, start};

/// Runs two producers at once in a ring of `slots` that was turned on by `before`, and a consumer that looks `times`
/// times; what that one sees, and what remains.
fn two_producers(
    (slots, before, times): (u64, u64, usize),
    first: fn(&mut Producer),
    second: fn(&mut Producer),
) -> (String, String) {
    let ring = Ring::turned(slots, before);
    let mut consumer = ring.consumer(0);
    let producing = [start(ring.producer(0), first), start(ring.producer(1), second)];
    let seen = looks(&mut consumer, times);
    for producing in producing {
        producing.join().unwrap();
    }
    (seen, remains(&ring, &mut consumer))
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(seen, rest)| (seen.to_string(), rest.to_string())).collect()
}

#[test]
fn two_producers_and_a_consumer() {
    let expected = [(".", "AB"), (".", "BA"), ("A", "B"), ("B", "A")];
    outcomes(Some(1), pairs(&expected), || {
        two_producers(
            (4, 4, 1),
            |producer| assert!(send(producer, 'A', INLINE)),
            |producer| assert!(send(producer, 'B', INLINE)),
        )
    });
}

/// Each producer's messages stay in order.
#[test]
fn two_producers_of_two() {
    outcomes(Some(2), pairs(&[("", "ABX"), ("", "AXB"), ("", "XAB")]), || {
        two_producers(
            (4, 0, 0),
            |producer| {
                assert!(send(producer, 'A', INLINE));
                assert!(send(producer, 'B', INLINE));
            },
            |producer| assert!(send(producer, 'X', BLOCK)),
        )
    });
}

#[test]
fn a_span_and_a_slot() {
    outcomes(Some(2), pairs(&[("", "AB"), ("", "BA")]), || {
        two_producers(
            (4, 4, 0),
            |producer| assert!(send(producer, 'A', SPAN)),
            |producer| assert!(send(producer, 'B', BLOCK)),
        )
    });
}

#[test]
fn a_pad_and_a_slot() {
    outcomes(Some(2), pairs(&[("", "AB"), ("", "BA")]), || {
        two_producers(
            (4, 3, 0),
            |producer| assert!(send(producer, 'A', SPAN)),
            |producer| assert!(send(producer, 'B', BLOCK)),
        )
    });
}

#[test]
fn two_pads() {
    outcomes(Some(1), pairs(&[("", "AB"), ("", "BA")]), || {
        two_producers(
            (8, 7, 0),
            |producer| assert!(send(producer, 'A', SPAN)),
            |producer| assert!(send(producer, 'B', SPAN)),
        )
    });
}

#[test]
fn a_batch_and_a_span() {
    // The batch has two claims.
    outcomes(Some(2), pairs(&[("", "ABX"), ("", "AXB"), ("", "XAB")]), || {
        two_producers(
            (8, 0, 0),
            |producer| send_batch(producer, &[('A', INLINE), ('B', INLINE)]),
            |producer| assert!(send(producer, 'X', SPAN)),
        )
    });
}

/// What is left of a batch's claim is not free for anybody. (The hint is no further than the batch's beginning.)
#[test]
fn a_batch_with_a_rest_and_a_slot() {
    let expected = [(false, "ZZA"), (true, "ZZBA")];
    outcomes(Some(2), expected.map(|(sent, rest)| (sent, rest.to_owned())), || {
        let ring = Ring::turned(4, 2);
        let (mut first, mut second, mut consumer) = (ring.producer(0), ring.producer(1), ring.consumer(0));
        // Its next batch claims as many slots.
        send_batch(&mut first, &[('Z', INLINE); 2]);
        let producing = start(first, |producer| send_batch(producer, &[('A', INLINE)]));
        let sent = send(&mut second, 'B', INLINE);
        producing.join().unwrap();
        (sent, remains(&ring, &mut consumer))
    });
}

/// Of two producers one gets the last slot.
#[test]
fn the_last_slot() {
    let expected = [((false, true), "ZB"), ((true, false), "ZA")];
    outcomes(Some(3), expected.map(|(sent, rest)| (sent, rest.to_owned())), || {
        let ring = Ring::new(2);
        let mut consumer = ring.consumer(0);
        let mut producers = [ring.producer(0), ring.producer(1)];
        assert!(send(&mut producers[0], 'Z', INLINE));
        let [first, mut second] = producers;
        let producing = start(first, |producer| send(producer, 'A', INLINE));
        let second = send(&mut second, 'B', INLINE);
        let first = producing.join().unwrap();
        ((first, second), remains(&ring, &mut consumer))
    });
}
