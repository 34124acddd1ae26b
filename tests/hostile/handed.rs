//! Rings handed over as descriptors through a socket: whoever gives and whoever takes live and die apart.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use ringway::{OpenError, Peer, RecvError};

use crate::common::names::Name;
use crate::common::role::{Entry, Role, listen, say};
use crate::common::{PATIENCE, eventually};
use crate::kinds::{KINDS, Kind, Plan, Received, kind_of};
use crate::rights::{give, take};

pub const ROLES: [Entry; 1] = [("give", give_role)];

/// Makes a ring, hands its descriptor over, produces, and lives on with the ring in hand.
fn give_role(arguments: &[&str]) {
    let &[kind, socket, address] = arguments else { panic!("three arguments") };
    let plan = Plan::new(kind_of(kind));
    let (mut tx, rx) = match address {
        "" => plan.pair().map(|(tx, rx)| (tx, Some(rx))),
        name => plan.producer(name).map(|tx| (tx, None)),
    }
    .expect("a ring");
    let socket = UnixStream::connect(socket).expect("the taker listens");
    give(&socket, &tx.descriptor().expect("a descriptor"));
    drop(rx);
    say("given");
    for word in std::iter::repeat_with(listen).take_while(|word| !word.is_empty()) {
        tx.send(word.as_bytes()).expect("room");
        say("sent");
    }
}

/// A process that gives, and what it has given.
fn giver(kind: Kind, directory: &Path, address: &str) -> (Role, OwnedFd) {
    let path = directory.join("socket");
    let listener = UnixListener::bind(&path).expect("a socket");
    let giver = Role::start("give", &[kind.as_str(), path.to_str().expect("text"), address]);
    let (socket, _) = listener.accept().expect("the giver connects");
    let descriptor = take(&socket);
    giver.expect("given");
    (giver, descriptor)
}

fn address(descriptor: &OwnedFd) -> String {
    format!("fd:{}", descriptor.as_raw_fd())
}

/// Runs `body` with a giver of a memfd and with one of a named ring.
fn with_each(body: impl Fn(Kind, Role, OwnedFd)) {
    for kind in KINDS {
        for name in [None, Some(Name::new("given"))] {
            let directory = tempfile::tempdir().expect("a directory");
            let (giver, descriptor) = giver(kind, directory.path(), name.as_deref().unwrap_or(""));
            body(kind, giver, descriptor);
        }
    }
}

#[test]
fn the_taker_of_a_ring_outlives_its_giver() {
    with_each(|kind, mut giver, descriptor| {
        let plan = Plan::new(kind);
        let mut rx = plan.consumer(&address(&descriptor)).expect("the other end");
        giver.tell("one");
        giver.expect("sent");
        rx.expect(b"one");
        giver.tell("two");
        giver.expect("sent");
        giver.kill();
        assert_eq!(rx.peer(), Peer::Dead, "no lease came with the descriptor");
        rx.expect(b"two");
        assert_eq!(rx.recv(), Err(RecvError::PeerDead));
        let mut tx = plan.producer(&address(&descriptor)).expect("the giver's place is free");
        tx.send(b"three").expect("room");
        rx.expect(b"three");
    });
}

#[test]
fn the_taker_of_a_descriptor_holds_no_lease_of_its_giver() {
    with_each(|kind, mut giver, descriptor| {
        let plan = Plan::new(kind);
        let rx = plan.consumer(&address(&descriptor)).expect("the other end");
        if kind == Kind::Spsc {
            let error = plan.producer(&address(&descriptor)).map(drop).expect_err("the giver lives");
            assert!(matches!(error, OpenError::AlreadyAttached { pid, .. } if pid == giver.pid()), "{error}");
        }
        // Closing what was handed over ends nobody's lease.
        let again = descriptor.try_clone().expect("a descriptor");
        drop(descriptor);
        assert_eq!(rx.peer(), Peer::Attached);
        giver.tell("still here");
        giver.expect("sent");
        drop(rx);
        let mut rx = plan.consumer(&address(&again)).expect("the place is free");
        assert_eq!(rx.recv_timeout(PATIENCE), Ok(Received::new(b"still here")));
        giver.finish();
        eventually("the giver has left", || rx.peer() == Peer::Closed);
        assert_eq!(rx.recv(), Err(RecvError::Closed));
    });
}
