//! Edge `commit`: a message is seen whole or not at all, and nothing else is ever seen.

use loom::thread;
use ringway::model::record::{Producer, Ring};
use ringway_loom_tests::outcomes;
use ringway_loom_tests::record::{abandon_batch, claim_and_commit, look, looks, read, send, send_batch};

/// What a consumer sees in `times` looks while `produce` runs, in a ring of `size` bytes through which `before`
/// bytes of records have gone.
fn seen_while(size: u64, before: usize, times: usize, produce: fn(&mut Producer)) -> String {
    let ring = Ring::new(size);
    let (mut producer, mut consumer) = (ring.producer(), ring.consumer());
    let mut position = 0;
    while position < before {
        let record = (before - position).min(32);
        assert!(send(&mut producer, 'Z', record - 8));
        assert_eq!(look(&mut consumer), 'Z');
        position += record;
    }
    // A new one, which knows of no room yet.
    let mut producer = ring.producer();
    let producing = thread::spawn(move || produce(&mut producer));
    let seen = looks(&mut consumer, times);
    producing.join().unwrap();
    seen
}

/// In order, each with any number of empty looks before it.
const TWO_MESSAGES: [&str; 7] = ["...", "..A", ".A.", ".AB", "A..", "A.B", "AB."];

fn one_of(expected: &[&str]) -> Vec<String> {
    expected.iter().map(ToString::to_string).collect()
}

#[test]
fn messages_sent_into_known_room() {
    outcomes(None, one_of(&TWO_MESSAGES), || {
        // The look for A finds an eighth of the ring, which is room for both: B goes the short way. Behind it
        // lies a header of the lap before.
        seen_while(256, 256, 3, |producer| {
            assert!(send(producer, 'A', 8));
            assert!(send(producer, 'B', 8));
        })
    });
}

#[test]
fn messages_sent_where_known_room_meets_the_end() {
    outcomes(None, one_of(&TWO_MESSAGES), || {
        // A ends 8 bytes before the end: B must not follow it there.
        seen_while(256, 232, 3, |producer| {
            assert!(send(producer, 'A', 8));
            assert!(send(producer, 'B', 8));
        })
    });
}

#[test]
fn messages_sent_after_a_look_for_room() {
    outcomes(None, one_of(&TWO_MESSAGES), || {
        seen_while(64, 0, 3, |producer| {
            assert!(send(producer, 'A', 8));
            assert!(send(producer, 'B', 16));
        })
    });
}

#[test]
fn messages_taken_the_short_way() {
    outcomes(None, ["", "A", "AB"].map(String::from), || {
        let ring = Ring::new(64);
        let (mut producer, mut consumer) = (ring.producer(), ring.consumer());
        let producing = thread::spawn(move || {
            assert!(send(&mut producer, 'A', 8));
            assert!(send(&mut producer, 'B', 8));
        });
        let mut seen = String::new();
        while let Some(message) = consumer.find_ready() {
            seen.push(read(&consumer, &message));
        }
        consumer.release();
        producing.join().unwrap();
        seen
    });
}

#[test]
fn a_message_behind_padding() {
    outcomes(None, one_of(&["...", "..A", ".A.", "A.."]), || {
        // 24 bytes are left before the end, and the record takes 32.
        seen_while(64, 40, 3, |producer| assert!(send(producer, 'A', 24)))
    });
}

#[test]
fn messages_on_both_sides_of_the_end() {
    outcomes(None, one_of(&TWO_MESSAGES), || {
        seen_while(64, 40, 3, |producer| {
            assert!(send(producer, 'A', 16));
            assert!(send(producer, 'B', 8));
        })
    });
}

#[test]
fn claims_filled_in_place() {
    outcomes(None, one_of(&TWO_MESSAGES), || {
        seen_while(64, 0, 3, |producer| {
            // Shortened: the next header lies within what was claimed.
            claim_and_commit(producer, 'A', 16, 8);
            claim_and_commit(producer, 'B', 8, 8);
        })
    });
}

#[test]
fn a_claim_behind_padding() {
    outcomes(None, one_of(&["...", "..A", ".A.", "A.."]), || {
        seen_while(64, 40, 3, |producer| claim_and_commit(producer, 'A', 24, 24))
    });
}

/// Of a batch, all is there as soon as the first is.
#[test]
fn a_batch() {
    outcomes(None, one_of(&["....", "...A", "..AB", ".ABC", "ABC."]), || {
        // B goes the short way.
        seen_while(256, 256, 4, |producer| send_batch(producer, &[('A', 8), ('B', 8), ('C', 8)]))
    });
}

/// The last message clears nothing behind itself, and a header of the lap before lies there.
#[test]
fn a_batch_that_ends_the_short_way() {
    outcomes(None, one_of(&["...", "..A", ".AB", "AB."]), || {
        seen_while(256, 256, 3, |producer| send_batch(producer, &[('A', 8), ('B', 8)]))
    });
}

#[test]
fn a_batch_that_begins_the_short_way() {
    outcomes(None, one_of(&["...", "..A", ".A.", ".AB", "A..", "A.B", "ABC"]), || {
        seen_while(256, 256, 3, |producer| {
            assert!(send(producer, 'A', 0));
            send_batch(producer, &[('B', 8), ('C', 0)]);
        })
    });
}

#[test]
fn a_batch_with_padding_within() {
    outcomes(None, one_of(&["...", "..A", ".AB", "AB."]), || {
        // A ends 16 bytes before the end, and B takes 24.
        seen_while(64, 32, 3, |producer| send_batch(producer, &[('A', 8), ('B', 16)]))
    });
}

#[test]
fn a_batch_that_begins_with_padding() {
    outcomes(None, one_of(&["...", "..A", ".AB", "AB."]), || {
        seen_while(64, 48, 3, |producer| send_batch(producer, &[('A', 16), ('B', 0)]))
    });
}

#[test]
fn an_abandoned_batch_and_the_message_in_its_place() {
    outcomes(None, one_of(&["...", "..C", ".C.", "C.."]), || {
        seen_while(64, 0, 3, |producer| {
            abandon_batch(producer, &[('A', 8), ('B', 8)]);
            assert!(send(producer, 'C', 8));
        })
    });
}
