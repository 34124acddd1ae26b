//! Who is there: goodbyes, ends without one, and one stream after the other.

use std::io::{Read, Write};
use std::thread;

use ringway::pipe::options;
use ringway::{RecvError, SendError};

use crate::bed::{Kind, on_every_stream};
use crate::common::{eventually, pattern};

#[test]
fn a_goodbye_is_heard_once_everything_is_received() {
    on_every_stream(&options(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        tx.send(b"one").expect("sent");
        tx.close();
        rx.wait_for_message(None).expect("a message");
        assert_eq!(&rx.recv().expect("one")[..], b"one");
        assert_eq!(rx.wait_for_message(None), Err(RecvError::Closed));
        assert_eq!(rx.try_recv().map(drop), Err(RecvError::Closed));
        assert_eq!(rx.recv().map(drop), Err(RecvError::Closed));
        assert_eq!(rx.wait_for_message(None), Err(RecvError::Closed));
        assert!(rx.drain().expect("at home").next().is_none());
    });
}

#[test]
fn a_producer_that_sent_nothing_says_goodbye_too() {
    on_every_stream(&options(), |bed| {
        let (tx, mut rx) = bed.ends();
        thread::scope(|scope| {
            scope.spawn(|| assert_eq!(rx.recv().map(drop), Err(RecvError::Closed)));
            scope.spawn(|| drop(tx));
        });
    });
}

/// An end without a goodbye, wherever the stream is cut.
#[test]
fn a_stream_without_a_goodbye_is_of_a_dead_producer() {
    let stream = [&b"RINGWAY\x01"[..], &[3, 0, 0, 0, 0, 0, 1, 0], b"one", &[2, 0, 0, 0, 0, 0, 1, 0], b"tw"];
    let stream = stream.concat();
    on_every_stream(&options(), |bed| {
        for cut in 0..stream.len() {
            let (mut bare, mut rx) = bed.bare_writer();
            bare.write_all(&stream[..cut]).expect("written");
            drop(bare);
            if cut >= 19 {
                assert_eq!(&rx.recv().expect("what is whole")[..], b"one");
            }
            assert_eq!(rx.recv().map(drop), Err(RecvError::PeerDead), "cut at {cut}");
            assert_eq!(rx.try_recv().map(drop), Err(RecvError::PeerDead), "and so it stays");
        }
    });
}

#[test]
fn a_producer_learns_that_nobody_reads() {
    on_every_stream(&options(), |bed| {
        let (mut tx, rx) = bed.ends();
        tx.send(b"lost").expect("sent");
        rx.close();
        assert_eq!(tx.send(b"more"), Err(SendError::Closed));
        assert_eq!(tx.try_send(b"more"), Err(SendError::Closed));
        let mut batch = tx.batch().expect("at home");
        batch.push(b"more").expect("room");
        assert_eq!(batch.commit(), Err(SendError::Closed));
        assert_eq!(tx.owed(), 0, "nobody will read it");
    });
}

#[test]
fn a_blocked_producer_learns_that_nobody_reads() {
    let large = pattern(1, 4 << 20);
    on_every_stream(&options().pipe_size(4096), |bed| {
        let (mut tx, mut bare) = bed.bare_reader();
        tx.send(b"the two have met").expect("sent");
        thread::scope(|scope| {
            scope.spawn(|| assert_eq!(tx.send(&large), Err(SendError::Closed)));
            bare.read_exact(&mut [0; 100]).expect("the beginning");
            drop(bare);
        });
    });
}

/// A socket has a way back, which tells whether the peer left or died.
#[test]
fn a_socket_s_producer_learns_of_a_death_by_the_way_back() {
    let (bare, socket) = std::os::unix::net::UnixStream::pair().expect("sockets");
    let (mut tx, mut rx) = options().duplex(socket).expect("a socket");
    drop(bare);
    assert_eq!(rx.recv().map(drop), Err(RecvError::PeerDead));
    assert_eq!(tx.send(b"nobody reads this"), Err(SendError::PeerDead));
    let [(mut tx, mut rx), other] = ringway::pipe::duplex_pair().expect("sockets");
    drop(other);
    assert_eq!(rx.recv().map(drop), Err(RecvError::Closed));
    eventually("it is known to be closed", || tx.send(b"nobody reads this") == Err(SendError::Closed));
}

/// Several producers may take turns at one pipe, as the commands of a shell's group do.
#[test]
fn one_stream_may_follow_another() {
    on_every_stream(&options(), |bed| {
        if matches!(bed.kind, Kind::Fifo | Kind::Duplex) {
            return;
        }
        let (bare, mut rx) = bed.bare_writer();
        for turn in 0..3_u8 {
            let descriptor = bare.try_clone().expect("a descriptor");
            if matches!(bed.kind, Kind::Socket | Kind::NonBlockingSocket) {
                // A socket's direction ends with its producer.
                return;
            }
            let mut tx = options().producer_on(descriptor).expect("a producer");
            tx.send(&[turn]).expect("sent");
            drop(tx);
            assert_eq!(&rx.recv().expect("a message")[..], [turn]);
            assert_eq!(rx.recv().map(drop), Err(RecvError::Closed), "also while others have the writing end");
            assert_eq!(rx.try_recv().map(drop), Err(RecvError::Closed));
        }
    });
}
