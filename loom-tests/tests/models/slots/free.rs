//! Edge `free`: a slot is claimed again once it was released, and not before.

use ringway::model::slots::{Consumer, Producer, Ring};
use ringway_loom_tests::outcomes;
use ringway_loom_tests::slots::{BLOCK, INLINE, SPAN, claim, look, read, remains, send, send_batch, start};

/// Fills a ring of four slots with `messages`, and lets a consumer do `consume` while a producer does `produce`;
/// whether that one sent anything, and what remains.
fn reused(
    messages: &[(char, usize)],
    consume: fn(&mut Consumer),
    produce: fn(&mut Producer) -> bool,
) -> (bool, String) {
    // Behind the messages the short way goes on.
    let ring = Ring::turned(4, 12);
    let (mut producer, mut consumer) = (ring.producer(0), ring.consumer(0));
    for (name, len) in messages {
        assert!(send(&mut producer, *name, *len));
    }
    let producing = start(producer, produce);
    consume(&mut consumer);
    (producing.join().unwrap(), remains(&ring, &mut consumer))
}

fn sent_or_not(not: &str, sent: &str) -> [(bool, String); 2] {
    [(false, not.to_owned()), (true, sent.to_owned())]
}

/// Takes, reads and releases one message.
fn receive(consumer: &mut Consumer) {
    assert!(look(consumer) != '.');
}

const FOUR: [(char, usize); 4] = [('A', INLINE), ('B', BLOCK), ('C', INLINE), ('D', BLOCK)];
const SPANS: [(char, usize); 2] = [('A', SPAN), ('B', SPAN)];

#[test]
fn a_slot_is_reused() {
    outcomes(None, sent_or_not("BCD", "BCDE"), || {
        reused(&FOUR, receive, |producer| send(producer, 'E', BLOCK))
    });
}

#[test]
fn slots_are_reused_by_a_span() {
    outcomes(None, sent_or_not("CD", "CDE"), || {
        reused(
            &FOUR,
            |consumer| {
                receive(consumer);
                receive(consumer);
            },
            |producer| send(producer, 'E', SPAN),
        )
    });
}

/// Messages that are kept and released together: the reader looks at the first once more before that.
#[test]
fn slots_are_kept() {
    outcomes(None, sent_or_not("CD", "CDE"), || {
        reused(
            &FOUR,
            |consumer| {
                let first = consumer.find_next().expect("a message is there");
                let second = consumer.find_next().expect("a message is there");
                assert_eq!(read(consumer, &second), 'B');
                assert_eq!(consumer.payload(&first), [b'A'; INLINE]);
                consumer.release();
            },
            |producer| send(producer, 'E', SPAN),
        )
    });
}

#[test]
fn a_span_is_reused_by_a_span() {
    outcomes(None, sent_or_not("B", "BC"), || reused(&SPANS, receive, |producer| send(producer, 'C', SPAN)));
}

#[test]
fn a_span_is_reused_by_slots() {
    outcomes(None, sent_or_not("B", "BCD"), || {
        reused(&SPANS, receive, |producer| send(producer, 'C', BLOCK) && send(producer, 'D', BLOCK))
    });
}

#[test]
fn a_span_is_reused_by_a_batch() {
    outcomes(None, sent_or_not("B", "BCD"), || {
        reused(&SPANS, receive, |producer| {
            let free = producer.fits(SPAN as u64);
            if free {
                send_batch(producer, &[('C', BLOCK), ('D', INLINE)]);
            }
            free
        })
    });
}

/// Two consumers release in whatever order: a span needs both slots.
#[test]
fn slots_of_two_consumers_are_reused_by_a_span() {
    outcomes(Some(3), sent_or_not("CD", "CDE"), || {
        let ring = Ring::new(4);
        let mut producer = ring.producer(0);
        for (name, len) in FOUR {
            assert!(send(&mut producer, name, len));
        }
        let (mut first, mut second) = (ring.consumer(0), ring.consumer(1));
        let in_hand = first.find().expect("a message is there");
        let second_in_hand = second.find().expect("a message is there");
        let releasing = start(second, move |consumer| {
            assert_eq!(consumer.payload(&second_in_hand), [b'B'; BLOCK]);
            consumer.release_held(&second_in_hand);
        });
        let producing = start(producer, |producer| send(producer, 'E', SPAN));
        assert_eq!(first.payload(&in_hand), [b'A'; INLINE]);
        first.release_held(&in_hand);
        releasing.join().unwrap();
        (producing.join().unwrap(), remains(&ring, &mut first))
    });
}

/// A tombstone is freed by one of two consumers that meet it, and once.
#[test]
fn a_tombstone_is_reused() {
    outcomes(Some(1), sent_or_not("A", "AB"), || {
        let ring = Ring::new(2);
        let mut producer = ring.producer(0);
        let (first, mut second) = (ring.consumer(0), ring.consumer(1));
        claim(&mut producer, 'X', BLOCK);
        producer.abort();
        assert!(send(&mut producer, 'A', INLINE));
        let passing = start(first, Consumer::is_ready);
        let sending = start(producer, |producer| send(producer, 'B', INLINE));
        assert!(second.is_ready());
        assert!(passing.join().unwrap());
        (sending.join().unwrap(), remains(&ring, &mut second))
    });
}
