//! Edge `take`: each message is one consumer's.

use ringway::model::slots::{Consumer, Producer, Ring};
use ringway_loom_tests::outcomes;
use ringway_loom_tests::slots::{
    BLOCK, INLINE, SPAN, claim, look, practised, read_and_release, remains, send, send_batch, start,
};

/// Runs two consumers at once that look once each, in a ring of four slots that `fill` filled before; what each sees,
/// and what remains.
fn two_consumers(before: u64, fill: fn(&mut Producer)) -> (char, char, String) {
    let ring = Ring::turned(4, before);
    let mut second = ring.consumer(1);
    let mut producer = practised(&ring, &mut second);
    let mut first = ring.consumer(0);
    // Both stand where the next message will be.
    assert!(!first.is_ready());
    fill(&mut producer);
    let receiving = start(first, look);
    let seen = look(&mut second);
    (receiving.join().unwrap(), seen, remains(&ring, &mut second))
}

fn triples(expected: &[(char, char, &str)]) -> Vec<(char, char, String)> {
    expected.iter().map(|(first, second, rest)| (*first, *second, rest.to_string())).collect()
}

#[test]
fn two_consumers_of_one_message() {
    outcomes(Some(3), triples(&[('A', '.', ""), ('.', 'A', "")]), || {
        two_consumers(4, |producer| assert!(send(producer, 'A', INLINE)))
    });
}

#[test]
fn two_consumers_of_two_messages() {
    outcomes(Some(3), triples(&[('A', 'B', ""), ('B', 'A', "")]), || {
        two_consumers(4, |producer| {
            assert!(send(producer, 'A', SPAN));
            assert!(send(producer, 'B', BLOCK));
        })
    });
}

/// Who passes a tombstone may be overtaken while it frees the slots.
#[test]
fn two_consumers_of_a_message_behind_a_tombstone() {
    outcomes(Some(2), triples(&[('A', '.', ""), ('.', 'A', "")]), || {
        two_consumers(0, |producer| {
            claim(producer, 'X', SPAN);
            assert!(producer.abort());
            assert!(send(producer, 'A', INLINE));
        })
    });
}

#[test]
fn two_consumers_of_a_message_behind_a_pad() {
    outcomes(Some(1), triples(&[('A', '.', ""), ('.', 'A', "")]), || {
        two_consumers(3, |producer| assert!(send(producer, 'A', SPAN)))
    });
}

#[test]
fn two_consumers_of_a_batch() {
    outcomes(Some(3), triples(&[('A', 'B', ""), ('B', 'A', "")]), || {
        two_consumers(0, |producer| send_batch(producer, &[('A', INLINE), ('B', SPAN)]))
    });
}

/// Takes a message the short way, reads and releases it: its name, or a dot.
fn look_shortly(consumer: &mut Consumer) -> char {
    let message = consumer.find_ready();
    message.map_or('.', |message| read_and_release(consumer, &message))
}

/// One producer and two consumers at once.
fn shared(produce: fn(&mut Producer)) -> (char, char, String) {
    let ring = Ring::new(4);
    let mut second = ring.consumer(1);
    let producer = practised(&ring, &mut second);
    let mut first = ring.consumer(0);
    // The short way goes on from where the long one ended.
    assert!(!first.is_ready());
    let producing = start(producer, produce);
    let receiving = start(first, look_shortly);
    let seen = look_shortly(&mut second);
    producing.join().unwrap();
    (receiving.join().unwrap(), seen, remains(&ring, &mut second))
}

#[test]
fn a_producer_and_two_consumers() {
    outcomes(Some(2), triples(&[('A', '.', ""), ('.', 'A', ""), ('.', '.', "A")]), || {
        shared(|producer| assert!(send(producer, 'A', INLINE)))
    });
}

/// A consumer that takes the first of a batch lets another at the second.
#[test]
fn a_batch_and_two_consumers() {
    let expected = [('A', '.', "B"), ('.', 'A', "B"), ('.', '.', "AB")];
    outcomes(Some(2), triples(&expected), || {
        shared(|producer| send_batch(producer, &[('A', INLINE), ('B', INLINE)]))
    });
}
