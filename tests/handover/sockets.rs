//! Over a socket: both kinds, both roles, several rings, other bytes beside them.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use ringway::{Peer, RecvError, Role as Part, Shape, handover, mpmc, spsc};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::common::role::{Entry, Role, listen, say};
use crate::common::{PATIENCE, eventually};
use crate::kinds::{KINDS, kind_of, write_to_the_last_byte};
use crate::{consumer_of, give_consumer, give_producer, lone_consumer, lone_producer, producer_of};

pub const ROLES: [Entry; 2] = [("give a consumer", give_a_consumer), ("give a producer", give_a_producer)];

/// A process in `role` that has connected.
fn connected(role: &str, kind: &str) -> (Role, UnixStream) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).expect("a socket");
    let other = Role::start(role, &[kind, path.to_str().expect("text")]);
    let (socket, _) = listener.accept().expect("the giver connects");
    (other, socket)
}

fn give_a_consumer(arguments: &[&str]) {
    let mut tx = lone_producer(kind_of(arguments[0]));
    let socket = UnixStream::connect(arguments[1]).expect("the taker listens");
    give_consumer(&socket, &tx).expect("given");
    for word in std::iter::repeat_with(listen).take_while(|word| !word.is_empty()) {
        tx.send(word.as_bytes()).expect("room");
        say("sent");
    }
}

fn give_a_producer(arguments: &[&str]) {
    let mut rx = lone_consumer(kind_of(arguments[0]));
    let socket = UnixStream::connect(arguments[1]).expect("the taker listens");
    assert_eq!(rx.peer(), Peer::Absent, "nobody has taken it");
    give_producer(&socket, &rx).expect("given");
    loop {
        match rx.recv_timeout(PATIENCE) {
            Ok(message) => say(String::from_utf8(message.bytes).expect("text")),
            Err(end) => {
                assert_eq!(end, RecvError::Closed);
                return say("closed");
            }
        }
    }
}

#[test]
fn a_consumer_is_handed_to_another_process_and_notices_a_death() {
    for kind in KINDS {
        let (mut giver, socket) = connected("give a consumer", kind.as_str());
        let handed = handover::take(&socket).expect("a ring");
        assert_eq!((handed.kind().as_str(), handed.role()), (kind.as_str(), Part::Consumer));
        let mut rx = consumer_of(&handed).expect("the other end");
        drop(handed);
        giver.tell("one");
        giver.expect("sent");
        rx.expect(b"one");
        assert_eq!(rx.peer(), Peer::Attached);
        giver.kill();
        assert_eq!(rx.recv(), Err(RecvError::PeerDead));
    }
}

#[test]
fn a_producer_is_handed_to_another_process_whose_consumer_waits_for_it() {
    for kind in KINDS {
        let (taker, socket) = connected("give a producer", kind.as_str());
        let mut tx = producer_of(&handover::take(&socket).expect("a ring")).expect("the other end");
        tx.send(b"hello").expect("room");
        taker.expect("hello");
        drop(tx);
        taker.expect("closed");
        taker.finish();
    }
}

#[test]
fn every_byte_of_a_ring_that_was_handed_over_is_the_same_memory() {
    for kind in KINDS {
        let (mine, theirs) = UnixStream::pair().expect("sockets");
        let mut tx = lone_producer(kind);
        give_consumer(&mine, &tx).expect("given");
        let mut rx = consumer_of(&handover::take(&theirs).expect("a ring")).expect("the other end");
        write_to_the_last_byte(&mut tx, &mut rx);
    }
}

#[test]
fn one_socket_carries_several_rings_and_what_is_between_them() {
    let (mut mine, mut theirs) = UnixStream::pair().expect("sockets");
    let mut there = spsc::options().lone_producer().expect("a ring");
    let back = mpmc::options().lone_consumer().expect("a ring");
    handover::give(&mine, &there, Part::Consumer).expect("given");
    mine.write_all(b"and back: ").expect("room");
    handover::give(&mine, &back, Part::Producer).expect("given");
    let first = handover::take(&theirs).expect("a ring");
    let mut between = [0; 10];
    theirs.read_exact(&mut between).expect("the bytes between");
    assert_eq!(&between, b"and back: ");
    let second = handover::take(&theirs).expect("a ring");
    let mut rx = first.consumer(&spsc::options()).expect("a consumer");
    there.send(b"hello").expect("room");
    assert_eq!(&rx.recv().expect("a message")[..], b"hello");
    second.producer(&mpmc::options()).expect("a producer");
}

#[derive(Debug, PartialEq, Shape, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Sample {
    at: u64,
    value: u64,
}

#[test]
fn rings_of_a_type_are_handed_over_and_compared() {
    let (mine, theirs) = UnixStream::pair().expect("sockets");
    let mut tx = spsc::options().typed::<Sample>().lone_producer().expect("a ring");
    handover::give(&mine, &tx, Part::Consumer).expect("given");
    let handed = handover::take(&theirs).expect("a ring");
    crate::refused(handed.consumer(&spsc::options().typed::<u64>()), &["this side expects"]);
    let mut rx = handed.consumer(&spsc::options().typed::<Sample>()).expect("the same type");
    tx.send(&Sample { at: 1, value: 2 }).expect("room");
    assert_eq!(*rx.recv().expect("a message"), Sample { at: 1, value: 2 });
}

#[test]
fn the_end_that_is_not_taken_yet_is_absent_and_not_gone() {
    for kind in KINDS {
        let mut rx = lone_consumer(kind);
        assert_eq!(rx.recv_timeout(Duration::from_millis(120)), Err(RecvError::TimedOut));
        let (mine, theirs) = UnixStream::pair().expect("sockets");
        give_producer(&mine, &rx).expect("given");
        drop(mine);
        let handed = handover::take(&theirs).expect("given before the socket was closed");
        drop(producer_of(&handed).expect("a producer"));
        eventually("the producer has left", || rx.peer() == Peer::Closed);
        assert_eq!(rx.recv(), Err(RecvError::Closed));
    }
}
