//! Edges `hint`, `claim` and `take`: whoever comes late, by a hint or by what stands in a slot, sees the slots at least
//! as those did who were there before. What it sees then is no more than a lap old.

use ringway::model::slots::{Consumer, Producer, Ring};
use ringway_loom_tests::outcomes;
use ringway_loom_tests::slots::{INLINE, SPAN, look, remains, send, start};

/// Lets a producer and a consumer send and receive messages of `len` bytes, while nobody else does anything but look.
fn turn((producer, consumer): &mut (Producer, Consumer), len: usize, messages: usize) {
    for _ in 0..messages {
        assert!(send(producer, 'Z', len));
        assert_eq!(look(consumer), 'Z');
    }
}

/// Lets a participant look that has slept since the first lap, while so many messages went through the ring. Without a
/// preemption, what it sees is as old as it can be.
fn wakes_up_late<P: Send + 'static>(
    ring: &Ring,
    late: P,
    look: fn(&mut P) -> bool,
    len: usize,
    messages: usize,
) {
    let mut pair = (ring.producer(0), ring.consumer(0));
    let looking = start(late, look);
    turn(&mut pair, len, messages);
    looking.join().unwrap();
}

// A hint is written at every sixteenth slot. By it a walker comes to a slot of which it has just seen what was there two
// laps before.

#[test]
fn a_consumer_goes_on_at_a_hint() {
    outcomes(Some(0), [()], || {
        let ring = Ring::turned(2, 12);
        wakes_up_late(&ring, ring.consumer(1), Consumer::is_ready, INLINE, 4);
    });
}

#[test]
fn a_consumer_goes_on_at_a_hint_of_the_long_way() {
    outcomes(Some(0), [()], || {
        let ring = Ring::turned(4, 8);
        wakes_up_late(&ring, ring.consumer(1), Consumer::is_ready, SPAN, 4);
    });
}

#[test]
fn a_producer_goes_on_at_a_hint() {
    outcomes(Some(0), [()], || {
        let ring = Ring::turned(2, 12);
        wakes_up_late(&ring, ring.producer(1), |producer| producer.fits(INLINE as u64), INLINE, 4);
    });
}

/// By a word of a later lap it comes to the slot behind. That changes once in each lap if it is the second of a message,
/// so loom remembers it for long.
#[test]
fn a_consumer_jumps() {
    outcomes(Some(0), [()], || {
        let ring = Ring::new(4);
        wakes_up_late(&ring, ring.consumer(1), Consumer::is_ready, SPAN, 7);
    });
}

/// Whoever wakes up a lap late gets a slot of this lap, or finds the ring full.
#[test]
fn a_claim_from_an_older_lap() {
    outcomes(Some(1), [(true, 1), (true, 2)], || {
        let ring = Ring::new(2);
        let (mut producer, mut consumer) = (ring.producer(0), ring.consumer(0));
        let sending = start(ring.producer(1), |producer| send(producer, 'A', INLINE));
        let (mut sent, mut received) = (0, String::new());
        for _ in 0..2 {
            sent += usize::from(send(&mut producer, 'Z', INLINE));
            received.push(look(&mut consumer));
        }
        let late = sending.join().unwrap();
        received.push_str(&remains(&ring, &mut consumer));
        let count = |name| received.matches(name).count();
        assert_eq!((count('A'), count('Z')), (usize::from(late), sent));
        (late, sent)
    });
}
