//! Edge `commit`: a message is seen whole or not at all, and nothing else is ever seen.

use ringway::model::slots::{Producer, Ring};
use ringway_loom_tests::outcomes;
use ringway_loom_tests::slots::{
    BLOCK, INLINE, SPAN, claim, commit, filled_batch, looks, practised, read_and_release, send, send_batch,
    start,
};

/// What a consumer sees in `times` looks while `produce` runs, in a ring of four slots that was turned on by `before`.
fn seen_while(before: u64, times: usize, produce: fn(&mut Producer)) -> String {
    let ring = Ring::turned(4, before);
    let mut consumer = ring.consumer(0);
    let producing = start(ring.producer(0), produce);
    let seen = looks(&mut consumer, times);
    producing.join().unwrap();
    seen
}

/// As [`seen_while`], with a producer that makes one claim for a batch.
fn batch_seen_while(before: u64, times: usize, produce: fn(&mut Producer)) -> String {
    let ring = Ring::turned(4, before);
    let mut consumer = ring.consumer(0);
    let producing = start(practised(&ring, &mut consumer), produce);
    let seen = looks(&mut consumer, times);
    producing.join().unwrap();
    seen
}

fn one_of(expected: &[&str]) -> Vec<String> {
    expected.iter().map(ToString::to_string).collect()
}

const ONE_MESSAGE: [&str; 3] = ["..", ".A", "A."];
/// In order, each with any number of empty looks before it.
const TWO_MESSAGES: [&str; 4] = ["..", ".A", "A.", "AB"];
/// In order, and the second is there as soon as the first is.
const TWO_TOGETHER: [&str; 3] = ["..", ".A", "AB"];

#[test]
fn messages_in_descriptors() {
    outcomes(Some(3), one_of(&TWO_MESSAGES), || {
        seen_while(4, 2, |producer| {
            assert!(send(producer, 'A', INLINE));
            assert!(send(producer, 'B', 0));
        })
    });
}

#[test]
fn messages_in_blocks() {
    outcomes(Some(3), one_of(&TWO_MESSAGES), || {
        seen_while(4, 2, |producer| {
            assert!(send(producer, 'A', SPAN));
            assert!(send(producer, 'B', BLOCK));
        })
    });
}

#[test]
fn messages_taken_the_short_way() {
    outcomes(Some(3), one_of(&["", "A", "AB"]), || {
        let ring = Ring::new(4);
        let mut consumer = ring.consumer(0);
        let producing = start(ring.producer(0), |producer| {
            assert!(send(producer, 'A', INLINE));
            assert!(send(producer, 'B', INLINE));
        });
        let mut seen = String::new();
        while let Some(message) = consumer.find_ready() {
            seen.push(read_and_release(&mut consumer, &message));
        }
        producing.join().unwrap();
        seen
    });
}

#[test]
fn a_message_behind_a_pad() {
    outcomes(Some(3), one_of(&ONE_MESSAGE), || {
        seen_while(3, 2, |producer| assert!(send(producer, 'A', SPAN)))
    });
}

#[test]
fn claims_filled_in_place() {
    outcomes(Some(3), one_of(&TWO_MESSAGES), || {
        seen_while(0, 2, |producer| {
            // Shortened: A moves into its descriptor, B stays in the first of its two blocks.
            let claimed = claim(producer, 'A', BLOCK);
            commit(producer, claimed, 'A', INLINE);
            let claimed = claim(producer, 'B', SPAN);
            commit(producer, claimed, 'B', INLINE);
        })
    });
}

#[test]
fn a_claim_that_is_aborted() {
    outcomes(Some(3), one_of(&TWO_MESSAGES), || {
        seen_while(0, 2, |producer| {
            assert!(send(producer, 'A', INLINE));
            claim(producer, 'X', SPAN);
            assert!(producer.abort());
            assert!(send(producer, 'B', INLINE));
        })
    });
}

/// Of a batch of one claim, all is there as soon as the first is.
#[test]
fn a_batch() {
    outcomes(Some(3), one_of(&["...", "..A", ".AB", "ABC"]), || {
        // One slot of the claim is left over.
        batch_seen_while(0, 3, |producer| send_batch(producer, &[('A', INLINE), ('B', BLOCK), ('C', INLINE)]))
    });
}

#[test]
fn a_batch_of_spans() {
    outcomes(Some(3), one_of(&TWO_TOGETHER), || {
        batch_seen_while(0, 2, |producer| send_batch(producer, &[('A', INLINE), ('B', SPAN)]))
    });
}

/// A batch that met the ring's end has two claims, which are committed one after the other.
#[test]
fn a_batch_over_the_end() {
    outcomes(Some(3), one_of(&["...", "..A", ".AB", "AB.", "ABC"]), || {
        batch_seen_while(2, 3, |producer| send_batch(producer, &[('A', INLINE), ('B', INLINE), ('C', SPAN)]))
    });
}

/// A producer's first batch is claimed in pieces, which are committed one after the other.
#[test]
fn a_batch_in_pieces() {
    outcomes(Some(3), one_of(&TWO_MESSAGES), || {
        seen_while(0, 2, |producer| send_batch(producer, &[('A', INLINE), ('B', SPAN)]))
    });
}

/// What is left of a claim that the next message does not fit becomes a tombstone before anybody can stand there.
#[test]
fn a_batch_with_a_gap() {
    outcomes(Some(3), one_of(&TWO_MESSAGES), || {
        batch_seen_while(2, 2, |producer| send_batch(producer, &[('A', INLINE), ('B', SPAN)]))
    });
}

/// What is left of a batch's claim is passed over to what follows.
#[test]
fn a_message_behind_a_batch() {
    outcomes(Some(3), one_of(&TWO_MESSAGES), || {
        batch_seen_while(2, 2, |producer| {
            send_batch(producer, &[('A', INLINE)]);
            assert!(send(producer, 'B', INLINE));
        })
    });
}

#[test]
fn a_batch_that_is_aborted() {
    outcomes(Some(3), one_of(&ONE_MESSAGE), || {
        batch_seen_while(2, 2, |producer| {
            filled_batch(producer, &[('X', INLINE), ('X', INLINE)]);
            assert!(producer.abort());
            assert!(send(producer, 'A', INLINE));
        })
    });
}
