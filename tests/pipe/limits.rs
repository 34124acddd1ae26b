//! Calls that may not wait, or not for long: nothing is torn, whatever was written or read when their time was up.

use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

use ringway::pipe::{Options, Producer, options};
use ringway::{RecvError, SendError};

use crate::bed::on_every_stream;
use crate::common::pattern;

/// More than a pipe of the size asked for, or a socket, takes at once.
const LARGE: usize = 4 << 20;
const SHORT: Duration = Duration::from_millis(5);

fn small() -> Options {
    options().pipe_size(4096)
}

/// A header as the layout draws it: length, tag, kind.
fn header(len: u32, tag: u16) -> Vec<u8> {
    [&len.to_le_bytes()[..], &tag.to_le_bytes(), &[1, 0]].concat()
}

/// Sends small messages until the stream takes no more; how many it took.
fn fill(tx: &mut Producer) -> u64 {
    (0..).find(|number: &u64| tx.try_send(&number.to_le_bytes()).is_err()).expect("a stream gets full")
}

#[test]
fn a_full_stream_takes_nothing_and_loses_nothing() {
    on_every_stream(&small(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        let sent = fill(&mut tx);
        assert!(sent > 0);
        assert!(matches!(tx.try_send(b"more"), Err(SendError::Full { .. })));
        assert_eq!(tx.send_timeout(b"more", SHORT), Err(SendError::TimedOut));
        for number in 0..sent {
            assert_eq!(rx.recv().expect("a message")[..], number.to_le_bytes());
        }
        assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
        tx.send(b"more").expect("room");
        assert_eq!(&rx.recv().expect("a message")[..], b"more");
    });
}

#[test]
fn the_rest_of_a_message_is_owed_and_written_first() {
    let large = pattern(1, LARGE);
    on_every_stream(&small(), |bed| {
        for timeout in [None, Some(SHORT)] {
            let (mut tx, mut rx) = bed.ends();
            match timeout {
                None => tx.try_send(&large).expect("begun"),
                Some(timeout) => tx.send_timeout(&large, timeout).expect("begun"),
            }
            assert!(tx.owed() > 0 && tx.owed() < LARGE);
            assert!(matches!(tx.try_send(b"next"), Err(SendError::Full { .. })));
            assert_eq!(tx.claim_timeout(4, SHORT).map(drop), Err(SendError::TimedOut));
            assert_eq!(tx.flush(Some(SHORT)), Err(SendError::TimedOut));
            thread::scope(|scope| {
                scope.spawn(|| {
                    tx.send_tagged(9, b"next").expect("sent");
                    assert_eq!(tx.owed(), 0);
                });
                assert!(rx.recv().expect("the large one")[..] == large);
                let next = rx.recv().expect("the next one");
                assert_eq!((&next[..], next.tag()), (&b"next"[..], 9));
            });
        }
    });
}

#[test]
fn a_claim_that_may_not_wait_owes_what_does_not_fit() {
    let large = pattern(2, LARGE);
    on_every_stream(&small(), |bed| {
        for timeout in [None, Some(Duration::from_millis(50))] {
            let (mut tx, mut rx) = bed.ends();
            let claim = match timeout {
                None => tx.try_claim(LARGE),
                Some(timeout) => tx.claim_timeout(LARGE, timeout),
            };
            let mut claim = claim.expect("room");
            claim.copy_from_slice(&large);
            claim.commit().expect("begun");
            assert!(tx.owed() > 0);
            thread::scope(|scope| {
                scope.spawn(|| tx.flush(None).expect("written"));
                assert!(rx.recv().expect("a message")[..] == large);
            });
            assert_eq!(tx.owed(), 0);
        }
    });
}

#[test]
fn a_receiver_whose_time_is_up_in_a_message_goes_on_in_it() {
    on_every_stream(&options(), |bed| {
        let (mut bare, mut rx) = bed.bare_writer();
        assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
        assert_eq!(rx.recv_timeout(SHORT).map(drop), Err(RecvError::TimedOut));
        let stream = [&b"RINGWAY\x01"[..], &header(5, 3), b"hello"].concat();
        for byte in &stream[..stream.len() - 1] {
            bare.write_all(&[*byte]).expect("a byte taken");
            assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
            assert_eq!(rx.recv_timeout(Duration::from_micros(10)).map(drop), Err(RecvError::TimedOut));
            assert_eq!(rx.wait_for_message(Some(Duration::ZERO)), Err(RecvError::TimedOut));
            assert!(rx.drain().expect("at home").next().is_none());
        }
        bare.write_all(b"o").expect("a byte taken");
        rx.wait_for_message(None).expect("a message");
        let message = rx.try_recv().expect("a message");
        assert_eq!((&message[..], message.tag()), (&b"hello"[..], 3));
    });
}

/// What a producer writes, byte by byte, whatever it was interrupted in.
#[test]
fn the_bytes_are_those_of_the_layout() {
    on_every_stream(&small(), |bed| {
        let (mut tx, mut bare) = bed.bare_reader();
        let large = pattern(3, 300_000);
        tx.try_send(&large).expect("begun");
        let reader = thread::spawn(move || {
            let mut bytes = Vec::new();
            bare.read_to_end(&mut bytes).expect("bytes");
            bytes
        });
        while tx.send_timeout(b"next", Duration::from_micros(50)).is_err() {}
        tx.close();
        let expected = [
            &b"RINGWAY\x01"[..],
            &header(300_000, 0),
            &large,
            &header(4, 0),
            b"next",
            &[0, 0, 0, 0, 0, 0, 5, 0],
        ];
        assert!(reader.join().expect("a reader") == expected.concat());
    });
}

/// A producer that owes something and is dropped waits for room as long as it was told to.
#[test]
fn a_producer_lingers_for_its_goodbye() {
    let large = pattern(4, LARGE);
    on_every_stream(&small(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        tx.try_send(&large).expect("begun");
        thread::scope(|scope| {
            scope.spawn(|| drop(tx));
            assert!(rx.recv().expect("a message")[..] == large);
            assert_eq!(rx.recv().map(drop), Err(RecvError::Closed));
        });
    });
    on_every_stream(&small().linger(Duration::ZERO), |bed| {
        let (mut tx, mut rx) = bed.ends();
        tx.try_send(&large).expect("begun");
        drop(tx);
        assert_eq!(rx.recv().map(drop), Err(RecvError::PeerDead), "it did not get round to its goodbye");
    });
}
