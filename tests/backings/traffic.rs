//! What goes in comes out: order, bytes, tags, sequences, alignment, over every position of the ring.

use std::time::{Duration, Instant};

use ringway::spsc::{Consumer, Producer, options};
use ringway::{RecvError, SendError, Wait};

use crate::bed::on_every_backing;
use crate::common::pattern;

/// Payload alignments and a ring size for each that gives a few records.
const ALIGNMENTS: [(usize, usize); 4] = [(8, 1024), (16, 1024), (64, 4096), (4096, 1 << 16)];

#[test]
fn messages_come_in_order_with_their_bytes_and_tags() {
    on_every_backing(&options().size(4096), |bed| {
        let (mut tx, mut rx) = bed.ends();
        let mut last = None;
        for round in 0..2000_u64 {
            let burst = round % 7;
            for k in 0..burst {
                let seed = round * 8 + k;
                tx.try_send_tagged(seed as u16, &pattern(seed, (seed % 130) as usize)).expect("room");
            }
            for k in 0..burst {
                let seed = round * 8 + k;
                let message = rx.try_recv().expect("a message");
                assert_eq!(&message[..], pattern(seed, (seed % 130) as usize), "message {seed}");
                assert_eq!(message.tag(), seed as u16);
                assert!(!message.redelivered());
                assert!(last.is_none_or(|last| message.sequence() > last), "sequences grow");
                last = Some(message.sequence());
            }
            assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
        }
    });
}

#[test]
fn every_size_up_to_the_largest_goes_through() {
    on_every_backing(&options().size(2048), |bed| {
        let (mut tx, mut rx) = bed.ends();
        assert_eq!(tx.largest(), 1016);
        for len in 0..=tx.largest() {
            pass(&mut tx, &mut rx, len);
        }
        let largest = tx.largest();
        let refused = SendError::TooLarge { len: largest + 1, largest };
        assert_eq!(tx.try_send(&vec![0; largest + 1]), Err(refused));
        assert_eq!(tx.send(&vec![0; largest + 1]), Err(refused), "it does not wait for what never comes");
        assert_eq!(tx.claim(usize::MAX).map(drop), Err(SendError::TooLarge { len: usize::MAX, largest }));
        assert_eq!(tx.wait_for_space(largest + 1, None), Err(refused));
        assert_eq!(tx.batch().expect("a batch").push(&vec![0; largest + 1]), Err(refused));
    });
}

/// Sends and receives one message.
fn pass(tx: &mut Producer, rx: &mut Consumer, len: usize) {
    let bytes = pattern(len as u64, len);
    tx.try_send(&bytes).unwrap_or_else(|error| panic!("{len} bytes into an empty ring: {error}"));
    let message = rx.try_recv().expect("a message");
    assert_eq!(&message[..], bytes);
}

/// The largest message fits into an empty ring wherever the ring stands, and is one slice.
#[test]
fn the_largest_message_fits_at_every_position() {
    for (align, size) in ALIGNMENTS {
        on_every_backing(&options().size(size).payload_align(align), |bed| {
            let (mut tx, mut rx) = bed.ends();
            for _ in 0..=2 * size / align {
                pass(&mut tx, &mut rx, 0);
                let largest = tx.largest();
                pass(&mut tx, &mut rx, largest);
            }
        });
    }
}

#[test]
fn payloads_are_aligned_in_every_lap() {
    for (align, size) in ALIGNMENTS {
        on_every_backing(&options().size(size).payload_align(align), |bed| {
            let (mut tx, mut rx) = bed.ends();
            let aligned = |bytes: &[u8]| bytes.as_ptr().addr().is_multiple_of(align);
            for seed in 0..200 {
                let len = (seed * 37) as usize % (size / 3);
                let mut claim = tx.try_claim(len).expect("room");
                assert!(aligned(&claim), "claim {seed} at {:p}", claim.as_ptr());
                claim.copy_from_slice(&pattern(seed, len));
                claim.commit().expect("at home");
                let message = rx.try_recv().expect("a message");
                assert!(aligned(&message), "message {seed} at {:p}", message.as_ptr());
                assert_eq!(&message[..], pattern(seed, len));
            }
        });
    }
}

/// With two threads, so that both sides wait for each other now and then.
#[test]
fn a_stream_arrives_whole_however_it_is_waited_for() {
    const MESSAGES: u64 = 1000;
    for wait in [Wait::Spin, Wait::Adaptive, Wait::Park] {
        on_every_backing(&options().size(1024).wait(wait), |bed| {
            let (mut tx, mut rx) = bed.ends();
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    for seed in 0..MESSAGES {
                        tx.send(&pattern(seed, (seed * 31 % 400) as usize)).expect("sent");
                    }
                });
                for seed in 0..MESSAGES {
                    let message = rx.recv().expect("received");
                    assert_eq!(&message[..], pattern(seed, (seed * 31 % 400) as usize));
                }
                assert_eq!(rx.recv().map(drop), Err(RecvError::Closed));
            });
        });
    }
}

/// The consumer writes its head down at every eighth of the ring only; what it has released since is room, too. A wait finds it on
/// the way: not only by the last look, when its time is up.
#[test]
fn whoever_waits_finds_the_room_that_the_head_does_not_tell_of() {
    const LIMIT: Duration = Duration::from_secs(30);
    for wait in [Wait::Spin, Wait::Adaptive, Wait::Park] {
        let (mut tx, mut rx) = options().size(1024).wait(wait).pair().expect("a pair");
        while tx.try_send(&[1; 8]).is_ok() {}
        drop(rx.try_recv().expect("a message"));
        let began = Instant::now();
        tx.send_timeout(&[2; 8], LIMIT).expect("room for one");
        assert!(matches!(tx.try_send(&[3; 8]), Err(SendError::Full { .. })));
        drop(rx.try_recv().expect("a message"));
        tx.claim_timeout(8, LIMIT).expect("room for one").commit().expect("at home");
        assert!(matches!(tx.try_send(&[3; 8]), Err(SendError::Full { .. })));
        assert!(began.elapsed() < LIMIT, "{wait:?}: found at the very end");
    }
}
