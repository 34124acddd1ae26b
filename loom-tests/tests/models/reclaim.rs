//! Edge `reclaim`: nothing is written over that the consumer may still read.

use loom::thread;
use ringway::model::record::{Producer, Ring};
use ringway_loom_tests::outcomes;
use ringway_loom_tests::record::{find, look, read, receive_until, send};

/// A ring of 64 bytes with A and B in it, and less room than another one takes. The producer waits with `fits`
/// until there is room for C, which ends at the ring's end and clears A's header, and then for D, which lies
/// where A did and clears B's.
fn reused(fits: fn(&mut Producer, u64) -> bool) -> String {
    let ring = Ring::new(64);
    let (mut producer, mut consumer) = (ring.producer(), ring.consumer());
    assert!(send(&mut producer, 'A', 16));
    assert!(send(&mut producer, 'B', 16));
    let producing = thread::spawn(move || {
        for (name, len) in [('C', 8), ('D', 16)] {
            while !fits(&mut producer, len) {
                thread::yield_now();
            }
            assert!(send(&mut producer, name, len as usize));
        }
    });
    let received = receive_until(&mut consumer, 'D');
    producing.join().unwrap();
    received
}

#[test]
fn room_seen_by_the_exact_position() {
    outcomes(None, ["ABCD".to_owned()], || reused(Producer::fits_by_position));
}

#[test]
fn room_seen_by_the_lazy_head() {
    outcomes(None, ["ABCD".to_owned()], || reused(Producer::fits_by_head));
}

/// No payload is written here: E's commit clears the header behind it, which was A's payload.
#[test]
fn a_header_is_cleared_where_a_payload_lay() {
    outcomes(Some(3), ["ABCDE".to_owned()], || {
        let ring = Ring::new(64);
        let (mut producer, mut consumer) = (ring.producer(), ring.consumer());
        assert!(send(&mut producer, 'Z', 0));
        assert_eq!(look(&mut consumer), 'Z');
        // A lies at 8, and C ends at the ring's end.
        for (name, len) in [('A', 8), ('B', 16), ('C', 8)] {
            assert!(send(&mut producer, name, len));
        }
        let producing = thread::spawn(move || {
            for name in ['D', 'E'] {
                while !producer.fits_by_position(0) {
                    thread::yield_now();
                }
                assert!(send(&mut producer, name, 0));
            }
        });
        let received = receive_until(&mut consumer, 'E');
        producing.join().unwrap();
        received
    });
}

/// Three records of 16 bytes fill a ring of 64: a fourth would leave no room for the header behind it.
#[test]
fn a_full_ring_refuses() {
    outcomes(None, [(false, "ABC".to_owned()), (true, "ABCD".to_owned())], || {
        let ring = Ring::new(64);
        let (mut producer, mut consumer) = (ring.producer(), ring.consumer());
        for name in ['A', 'B', 'C'] {
            assert!(send(&mut producer, name, 8));
        }
        let producing = thread::spawn(move || send(&mut producer, 'D', 8));
        let mut received = String::from(look(&mut consumer));
        let sent = producing.join().unwrap();
        received.push_str(&receive_until(&mut consumer, if sent { 'D' } else { 'C' }));
        assert_eq!(look(&mut consumer), '.');
        (sent, received)
    });
}

/// As above, for room that the producer knows from an earlier look: after D there are 16 bytes, which E would
/// fill.
#[test]
fn a_full_ring_refuses_within_known_room() {
    outcomes(None, [(false, "BCD".to_owned()), (true, "BCDE".to_owned())], || {
        let ring = Ring::new(256);
        let (mut producer, mut consumer) = (ring.producer(), ring.consumer());
        for (name, len) in [('B', 112), ('C', 96), ('D', 8)] {
            assert!(send(&mut producer, name, len));
        }
        let producing = thread::spawn(move || send(&mut producer, 'E', 8));
        let mut received = String::from(look(&mut consumer));
        let sent = producing.join().unwrap();
        received.push_str(&receive_until(&mut consumer, if sent { 'E' } else { 'D' }));
        (sent, received)
    });
}

/// A consumer that takes several messages reads all of them before it releases any.
#[test]
fn messages_released_together() {
    outcomes(None, [(false, "AB".to_owned()), (true, "ABC".to_owned())], || {
        let ring = Ring::new(64);
        let (mut producer, mut consumer) = (ring.producer(), ring.consumer());
        assert!(send(&mut producer, 'A', 16));
        assert!(send(&mut producer, 'B', 16));
        let producing = thread::spawn(move || send(&mut producer, 'C', 16));
        let first = find(&mut consumer).expect("A is there");
        let second = find(&mut consumer).expect("B is there");
        let mut received: String = [&first, &second].map(|message| read(&consumer, message)).iter().collect();
        consumer.release();
        let sent = producing.join().unwrap();
        received.extend(Some(look(&mut consumer)).filter(|name| *name != '.'));
        (sent, received)
    });
}

/// Whether a ring is drained, asked by either side while the other goes on: the last one to leave decides by it
/// whether the name may go.
#[test]
fn drained_is_seen_by_both_sides() {
    outcomes(None, [(false, true), (true, true)], || {
        let ring = Ring::new(64);
        let (mut producer, mut consumer) = (ring.producer(), ring.consumer());
        assert!(send(&mut producer, 'A', 8));
        let asking = thread::spawn(move || (producer.is_drained(), producer));
        assert_eq!(look(&mut consumer), 'A');
        let drained_for_consumer = consumer.is_drained();
        let (drained_for_producer, _) = asking.join().unwrap();
        (drained_for_producer, drained_for_consumer)
    });
}
