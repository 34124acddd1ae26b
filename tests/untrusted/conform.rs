//! What both sides promise one another when both keep to the protocol.

use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use ringway::untrusted::options;
use ringway::{OpenError, RecvError, SendError, Wait};

use crate::common::random::Random;
use crate::common::{eventually, pattern};
use crate::pair;

const WAYS: [Wait; 3] = [Wait::Spin, Wait::Adaptive, Wait::Park];

#[test]
fn every_size_arrives_whole_wherever_the_ring_ends() {
    for size in [64, 256, 4096] {
        let (mut tx, mut rx) = pair(&options(), size);
        assert_eq!((tx.largest(), rx.largest()), (size - 8, size - 8));
        for lap in 0..3 {
            for len in (0..=size - 8).step_by(if size == 4096 { 61 } else { 1 }) {
                let message = pattern((lap * size + len) as u64, len);
                tx.try_send_tagged(len as u16, &message).expect("room");
                let received = rx.try_recv().expect("a message");
                assert_eq!((&received[..], received.tag()), (&message[..], len as u16));
            }
        }
        assert_eq!(
            tx.send(&vec![0; size - 7]),
            Err(SendError::TooLarge { len: size - 7, largest: size - 8 })
        );
        let largest = pattern(1, size - 8);
        tx.send(&largest).expect("room");
        assert_eq!(&rx.recv().expect("a message")[..], largest);
    }
}

#[test]
fn messages_arrive_once_and_in_order_however_both_wait() {
    for (how, other) in WAYS.into_iter().flat_map(|how| WAYS.map(|other| (how, other))) {
        let (mut tx, mut rx) = pair(&options(), 1 << 12);
        tx.set_wait(how);
        rx.set_wait(other);
        let sender = thread::spawn(move || {
            let mut random = Random::new(7);
            for number in 0..3000_u64 {
                let message = pattern(number, random.below(600) as usize);
                tx.send_tagged(number as u16, &message).expect("sent");
            }
        });
        let mut random = Random::new(7);
        for number in 0..3000_u64 {
            let received = rx.recv().expect("a message");
            assert_eq!(received.tag(), number as u16, "{how:?} {other:?}");
            assert_eq!(&received[..], pattern(number, random.below(600) as usize));
        }
        assert_eq!(rx.recv().map(drop), Err(RecvError::Closed));
        sender.join().expect("no panic");
    }
}

#[test]
fn a_full_ring_takes_nothing_and_room_comes_with_each_message() {
    let (mut tx, mut rx) = pair(&options(), 64);
    for number in 0..4_u64 {
        tx.try_send(&number.to_ne_bytes()).expect("room");
    }
    assert_eq!(tx.try_send(&[]), Err(SendError::Full { need: 8, free: 0 }));
    assert_eq!(&rx.try_recv().expect("a message")[..], 0_u64.to_ne_bytes());
    tx.try_send(&4_u64.to_ne_bytes()).expect("room");
    for number in 1..5_u64 {
        assert_eq!(&rx.try_recv().expect("a message")[..], number.to_ne_bytes());
    }
    assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
}

#[test]
fn timed_calls_end_in_time_and_not_before() {
    for how in WAYS {
        let (mut tx, mut rx) = pair(&options().wait(how), 64);
        let limit = Duration::from_millis(30);
        let began = Instant::now();
        assert_eq!(rx.recv_timeout(limit).map(drop), Err(RecvError::TimedOut));
        assert!(began.elapsed() >= limit);
        tx.send(&[0; 56]).expect("room");
        let began = Instant::now();
        assert_eq!(tx.send_timeout(b"", limit), Err(SendError::TimedOut));
        assert!(began.elapsed() >= limit);
        assert_eq!(rx.recv_timeout(Duration::ZERO).expect("a message").len(), 56);
        assert_eq!(rx.recv_timeout(Duration::ZERO).map(drop), Err(RecvError::TimedOut));
        tx.send_timeout(b"", Duration::MAX).expect("room");
    }
}

/// The liveness interval is so long that only a wake-up ends the sleep.
#[test]
fn sleepers_are_woken() {
    let far = Duration::from_secs(3600);
    let (mut tx, mut rx) = pair(&options().wait(Wait::Park).liveness(far), 64);
    let (mut back, mut answers) = pair(&options().wait(Wait::Park).liveness(far), 64);
    let echo = thread::spawn(move || {
        while let Ok(message) = rx.recv() {
            back.send(&message).expect("sent");
        }
    });
    for number in 0..2000_u64 {
        tx.send(&number.to_ne_bytes()).expect("sent");
        assert_eq!(&answers.recv().expect("an answer")[..], number.to_ne_bytes());
    }
    drop(tx);
    assert_eq!(answers.recv().map(drop), Err(RecvError::Closed));
    echo.join().expect("no panic");
}

#[test]
fn a_producer_that_left_is_told_after_everything_it_sent() {
    for how in WAYS {
        let (mut tx, mut rx) = pair(&options().wait(how), 1 << 12);
        tx.send(b"last").expect("room");
        let sleeping = thread::spawn(move || {
            assert_eq!(&rx.recv().expect("a message")[..], b"last");
            (rx.recv().map(drop), rx.try_recv().map(drop), rx.peer())
        });
        tx.close();
        let ends = sleeping.join().expect("no panic");
        assert_eq!(ends, (Err(RecvError::Closed), Err(RecvError::Closed), ringway::Peer::Closed));
    }
}

#[test]
fn a_consumer_that_left_is_told_when_nothing_more_fits() {
    let (mut tx, rx) = pair(&options(), 64);
    assert_eq!(tx.peer(), ringway::Peer::Attached);
    drop(rx);
    tx.try_send(&[0; 56]).expect("room");
    assert_eq!(tx.try_send(b""), Err(SendError::Closed));
    assert_eq!(tx.send(b""), Err(SendError::Closed));
    assert_eq!(tx.send_timeout(b"", Duration::MAX), Err(SendError::Closed));
    assert_eq!(tx.peer(), ringway::Peer::Closed);
}

#[test]
fn one_socket_carries_several_rings_and_other_bytes() {
    use std::io::{Read, Write};
    let (mut mine, mut theirs) = UnixStream::pair().expect("sockets");
    let other = thread::spawn(move || {
        let mut first = options().consumer(&theirs).expect("a consumer");
        let mut second = options().producer(&theirs).expect("a producer");
        let mut word = [0; 5];
        theirs.read_exact(&mut word).expect("a word");
        second.send(&first.recv().expect("a message")).expect("sent");
        word
    });
    let mut first = options().producer(&mine).expect("a producer");
    let mut second = options().consumer(&mine).expect("a consumer");
    mine.write_all(b"hello").expect("a word");
    first.send(b"there and back").expect("sent");
    assert_eq!(&second.recv().expect("a message")[..], b"there and back");
    assert_eq!(&other.join().expect("no panic"), b"hello");
    // What is left unread on the socket does not hide that the other side is gone.
    eventually("both ends are closed", || first.peer() == ringway::Peer::Closed);
}

#[test]
fn sizes_are_rounded_up_and_bounded() {
    let (tx, rx) = pair(&options(), 5000);
    assert_eq!((tx.largest(), rx.largest()), (8184, 8184));
    let (mine, _theirs) = UnixStream::pair().expect("sockets");
    let error = options().size((4 << 30) + 1).producer(&mine).map(drop).expect_err("too large");
    assert!(
        matches!(error, ringway::HandoverError::Open(OpenError::Option { option: "ring size", .. })),
        "{error}"
    );
}
