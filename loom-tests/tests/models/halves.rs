//! The ring in two halves: edges `fill`, `room`, `leave`, and the bell across.
//!
//! A message of `n` bytes named `A` is words of `A`s; the consumer checks every word that it copied.

use loom::thread;
use ringway::model::halves::{Consumer, Producer, Ring};
use ringway::model::no_fence_for_wakers;
use ringway_loom_tests::outcomes;

/// Sends `words` words of `name`; `false`: the ring is full.
fn send(producer: &mut Producer, name: char, words: usize) -> bool {
    producer.send(u16::from(name as u8) << 8 | words as u16, &vec![name as u8; 8 * words])
}

/// Receives the next message, checks every byte of it, and returns its name; a dot if there is none.
fn look(consumer: &mut Consumer) -> char {
    let Some((tag, words)) = consumer.recv() else { return '.' };
    let name = (tag >> 8) as u8;
    assert_eq!(words, vec![u64::from_ne_bytes([name; 8]); usize::from(tag & 0xff)]);
    name.into()
}

fn looks(consumer: &mut Consumer, times: usize) -> String {
    (0..times).map(|_| look(consumer)).collect()
}

#[test]
fn messages_are_seen_whole_and_in_order() {
    let expected = ["...", "..A", ".A.", ".AB", "A..", "A.B", "AB."];
    outcomes(None, expected.map(String::from), || {
        let (mut producer, mut consumer) = Ring::new(64).ends();
        let producing = thread::spawn(move || {
            assert!(send(&mut producer, 'A', 1));
            assert!(send(&mut producer, 'B', 2));
        });
        let seen = looks(&mut consumer, 3);
        producing.join().unwrap();
        seen
    });
}

/// The ring holds A; B goes on at the beginning where the ring ends, over what the consumer has copied of A.
#[test]
fn room_is_used_again_only_when_it_was_read() {
    let expected = [(false, "A."), (true, "A."), (true, "AB")];
    outcomes(None, expected.map(|(sent, seen)| (sent, seen.to_owned())), || {
        let (mut producer, mut consumer) = Ring::new(32).ends();
        assert!(send(&mut producer, 'A', 2));
        let producing = thread::spawn(move || send(&mut producer, 'B', 2));
        let seen = looks(&mut consumer, 2);
        (producing.join().unwrap(), seen)
    });
}

/// A consumer finds that the producer has said goodbye, or has not, and then looks a last time.
#[test]
fn the_last_message_is_not_missed() {
    // With "closed", a dot would be a lost message.
    outcomes(None, [(false, '.'), (false, 'A'), (true, 'A')], || {
        let (mut producer, mut consumer) = Ring::new(64).ends();
        let producing = thread::spawn(move || {
            assert!(send(&mut producer, 'A', 1));
            producer.close();
        });
        let left = consumer.is_left();
        let last = look(&mut consumer);
        producing.join().unwrap();
        (left, last)
    });
}

/// The producer found the consumer asleep, or the consumer found the message.
#[test]
fn a_sleeping_consumer_is_woken() {
    outcomes(None, [false, true], || {
        let (mut producer, mut consumer) = Ring::new(64).ends();
        let waiting = thread::spawn(move || {
            consumer.wait();
            assert_eq!(look(&mut consumer), 'A');
        });
        assert!(send(&mut producer, 'A', 1));
        let woken = producer.ring();
        waiting.join().unwrap();
        woken
    });
}

/// Where a waker's fence is one of the compiler's: it was interrupted before its store, and sees what the sleeper did
/// before the interrupt.
#[test]
fn a_producer_interrupted_early_sees_the_sleeper() {
    outcomes(None, [true], || {
        no_fence_for_wakers();
        let (mut producer, mut consumer) = Ring::new(64).ends();
        let announced = consumer.announce();
        // The interrupt.
        let waking = thread::spawn(move || {
            assert!(send(&mut producer, 'A', 1));
            producer.ring()
        });
        if look(&mut consumer) == '.' {
            consumer.sleep(announced);
        }
        waking.join().unwrap()
    });
}

/// It was interrupted after its look, and what it did before the interrupt the sleeper sees.
#[test]
fn a_producer_interrupted_late_is_seen_by_the_sleeper() {
    outcomes(None, [false, true], || {
        no_fence_for_wakers();
        let (mut producer, mut consumer) = Ring::new(64).ends();
        let waking = thread::spawn(move || {
            assert!(send(&mut producer, 'A', 1));
            producer.ring()
        });
        consumer.announce();
        // The interrupt.
        let woken = waking.join().unwrap();
        assert_eq!(look(&mut consumer), 'A');
        woken
    });
}

/// Twice in a row: the bell that it sleeps on the second time is the one that was rung, and what it announced the first time
/// is of an older value.
#[test]
fn a_consumer_that_sleeps_again_is_woken_again() {
    outcomes(Some(3), ["AB".to_owned()], || {
        let (mut producer, mut consumer) = Ring::new(64).ends();
        let waiting = thread::spawn(move || {
            let mut seen = String::new();
            for _ in 0..2 {
                consumer.wait();
                seen.push(look(&mut consumer));
            }
            seen
        });
        for name in ['A', 'B'] {
            assert!(send(&mut producer, name, 1));
            producer.ring();
        }
        waiting.join().unwrap()
    });
}

#[test]
fn a_sleeping_producer_is_woken() {
    outcomes(None, [false, true], || {
        let (mut producer, mut consumer) = Ring::new(32).ends();
        assert!(send(&mut producer, 'A', 2));
        let waiting = thread::spawn(move || {
            producer.wait(16);
            assert!(send(&mut producer, 'B', 2));
        });
        assert_eq!(look(&mut consumer), 'A');
        let woken = consumer.ring();
        waiting.join().unwrap();
        assert_eq!(look(&mut consumer), 'B');
        woken
    });
}
