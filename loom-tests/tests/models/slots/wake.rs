//! Blocking calls of the slot ring: nobody sleeps on what is there. There are no time-outs in these models, so a wake-up
//! that is lost is a deadlock, which loom reports.

use loom::thread;
use ringway::model::Bell;
use ringway::model::slots::{Consumer, Ring};
use ringway_loom_tests::outcomes;
use ringway_loom_tests::slots::{BLOCK, INLINE, claim, commit, find, look, read_and_release, send, start};

/// A blocking `recv`: who has waited passes the wake-up on if there is more.
fn receive(consumer: &mut Consumer, bell: &Bell) -> char {
    let mut waited = false;
    let message = loop {
        if let Some(message) = find(consumer) {
            break message;
        }
        waited = true;
        bell.wait(|| consumer.is_ready().then_some(()));
    };
    if waited && consumer.is_ready() {
        bell.ring_some(1);
    }
    read_and_release(consumer, &message)
}

/// A blocking `recv` in a thread of its own.
fn receiver(ring: &Ring, place: u32) -> thread::JoinHandle<char> {
    let bell = ring.data_bell();
    start(ring.consumer(place), move |consumer| receive(consumer, &bell))
}

#[test]
fn a_consumer_sleeps_until_a_message_comes() {
    outcomes(Some(3), ['A'], || {
        let ring = Ring::new(2);
        let mut producer = ring.producer(0);
        let receiving = receiver(&ring, 0);
        assert!(send(&mut producer, 'A', INLINE));
        ring.data_bell().ring_some(1);
        receiving.join().unwrap()
    });
}

#[test]
fn a_producer_sleeps_until_there_is_room() {
    outcomes(Some(3), ["ABC".to_owned()], || {
        let ring = Ring::new(2);
        let (mut producer, mut consumer) = (ring.producer(0), ring.consumer(0));
        assert!(send(&mut producer, 'A', INLINE) && send(&mut producer, 'B', INLINE));
        let bell = ring.space_bell();
        let sending = {
            let bell = bell.clone();
            start(producer, move |producer| {
                bell.wait(|| producer.fits(INLINE as u64).then_some(()));
                assert!(send(producer, 'C', INLINE));
            })
        };
        let mut received = String::from(look(&mut consumer));
        bell.ring();
        sending.join().unwrap();
        received.push(look(&mut consumer));
        received.push(look(&mut consumer));
        received
    });
}

/// B is committed behind A, which is not, so that its wake-up is in vain: A's wakes one of two sleepers, and that one
/// the other.
#[test]
fn a_wake_up_is_passed_on() {
    outcomes(Some(2), [('A', 'B'), ('B', 'A')], || {
        let ring = Ring::new(2);
        let (mut first, mut second) = (ring.producer(0), ring.producer(1));
        let claimed = claim(&mut first, 'A', BLOCK);
        let receiving = [receiver(&ring, 0), receiver(&ring, 1)];
        assert!(send(&mut second, 'B', INLINE));
        ring.data_bell().ring_some(1);
        commit(&mut first, claimed, 'A', BLOCK);
        ring.data_bell().ring_some(1);
        receiving.map(|receiving| receiving.join().unwrap()).into()
    });
}
