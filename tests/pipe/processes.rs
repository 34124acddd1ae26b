//! Unrelated processes at a FIFO, killed in the middle of their work.

use std::path::{Path, PathBuf};

use ringway::pipe::{Consumer, Producer, options};
use ringway::{RecvError, SendError};
use tempfile::TempDir;

use crate::common::pattern;
use crate::common::role::{Entry, Role, listen, say};
use crate::{fifo, fork, signals};

pub const ROLES: [Entry; 6] = [
    ("send", send),
    ("owe", owe),
    ("receive", receive),
    ("make under umask", fifo::make_under_umask),
    ("fork with ends", fork::fork_with_ends),
    ("send to nobody", signals::send_to_nobody),
];

/// Bytes of a large message: more than a pipe holds.
const LARGE: usize = 3 << 20;

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("fifo");
    (directory, path)
}

fn producer(path: impl AsRef<Path>) -> Producer {
    options().producer(path).expect("a producer")
}

fn consumer(path: impl AsRef<Path>) -> Consumer {
    options().consumer(path).expect("a consumer")
}

/// Message `seed` of a stream.
fn message(seed: u64) -> Vec<u8> {
    let len = if seed % 8 == 7 { LARGE } else { (seed * 131 % 5000) as usize };
    pattern(seed, len)
}

/// Sends so many messages; without a number, until it is killed.
fn send(arguments: &[&str]) {
    let mut tx = producer(arguments[0]);
    let count = arguments[1].parse().unwrap_or(u64::MAX);
    for seed in 0..count {
        tx.send(&message(seed)).expect("sent");
    }
}

/// Begins a large message, says so, and waits to be killed.
fn owe(arguments: &[&str]) {
    let mut tx = producer(arguments[0]);
    tx.send(b"whole").expect("sent");
    tx.try_send(&pattern(1, LARGE)).expect("begun");
    assert!(tx.owed() > 0);
    say("owes");
    listen();
}

/// Takes one message, says so, and waits to be killed.
fn receive(arguments: &[&str]) {
    let mut rx = consumer(arguments[0]);
    assert_eq!(&rx.recv().expect("a message")[..], b"hello");
    say("received");
    listen();
}

#[test]
fn unrelated_processes_stream() {
    let (_directory, path) = place();
    let role = Role::start("send", &[&path.to_string_lossy(), "100"]);
    let mut rx = consumer(&path);
    for seed in 0..100 {
        assert!(rx.recv().expect("a message")[..] == message(seed), "message {seed}");
    }
    assert_eq!(rx.recv().map(drop), Err(RecvError::Closed));
    role.finish();
}

#[test]
fn a_producer_killed_in_a_message_leaves_none_of_it_and_a_successor_begins_anew() {
    let (directory, path) = place();
    for _ in 0..3 {
        let mut rx = consumer(&path);
        let role = Role::start("owe", &[&path.to_string_lossy()]);
        role.expect("owes");
        role.kill();
        // Nobody can write behind the half of a message that is there.
        assert!(std::fs::read_dir(directory.path()).expect("a directory").next().is_none());
        assert_eq!(&rx.recv().expect("what is whole")[..], b"whole");
        assert_eq!(rx.recv().map(drop), Err(RecvError::PeerDead));
    }
}

#[test]
fn a_producer_killed_mid_stream_leaves_no_torn_message() {
    let (_directory, path) = place();
    for taken in [0, 1, 7, 20] {
        let role = Role::start("send", &[&path.to_string_lossy(), "for ever"]);
        let mut rx = consumer(&path);
        let mut seed = 0;
        while seed < taken {
            assert!(rx.recv().expect("a message")[..] == message(seed));
            seed += 1;
        }
        rx.wait_for_message(None).expect("a message");
        role.kill();
        let end = loop {
            match rx.recv() {
                Ok(received) => assert!(received[..] == message(seed), "message {seed}"),
                Err(end) => break end,
            }
            seed += 1;
        };
        assert_eq!(end, RecvError::PeerDead);
    }
}

#[test]
fn a_killed_consumer_is_noticed_at_once() {
    let (_directory, path) = place();
    let role = Role::start("receive", &[&path.to_string_lossy()]);
    let mut tx = producer(&path);
    tx.send(b"hello").expect("sent");
    role.expect("received");
    role.kill();
    assert_eq!(tx.send(b"more"), Err(SendError::Closed));
}
