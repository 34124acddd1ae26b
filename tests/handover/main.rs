//! Rings handed over: by a socket to whoever may have them, and to children. What is not to be taken is refused, each for its
//! own reason, and every descriptor that came is closed.

#[path = "../common/mod.rs"]
mod common;
#[path = "../hostile/filter.rs"]
mod filter;
#[allow(dead_code, reason = "another binary's, of which this one uses a part")]
#[path = "../hostile/kinds.rs"]
mod kinds;
#[allow(dead_code, reason = "another binary's, of which this one uses a part")]
#[path = "../hostile/mounts.rs"]
mod mounts;

mod children;
mod refused;
mod sandbox;
mod sockets;
mod users;

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;

use common::role;
use ringway::{HandoverError, OpenError, Role, handover, mpmc, spsc};

use kinds::{Kind, Rx, Tx};

/// The entry of processes that these tests start; see `common::role`.
#[test]
fn role() {
    let roles = [
        children::ROLES.as_slice(),
        refused::ROLES.as_slice(),
        sandbox::ROLES.as_slice(),
        sockets::ROLES.as_slice(),
        users::ROLES.as_slice(),
    ];
    role::enter(&roles.concat());
}

/// An end of a new ring of which the other is yet to be given.
fn lone_producer(kind: Kind) -> Tx {
    match kind {
        Kind::Spsc => spsc::options().size(4096).lone_producer().map(Tx::Spsc),
        Kind::Mpmc => mpmc::options().slots(64).slot_size(64).participants(4).lone_producer().map(Tx::Mpmc),
    }
    .expect("a ring")
}

fn lone_consumer(kind: Kind) -> Rx {
    match kind {
        Kind::Spsc => spsc::options().size(4096).lone_consumer().map(Rx::Spsc),
        Kind::Mpmc => mpmc::options().slots(64).slot_size(64).participants(4).lone_consumer().map(Rx::Mpmc),
    }
    .expect("a ring")
}

fn give_consumer(socket: &UnixStream, tx: &Tx) -> Result<(), HandoverError> {
    match tx {
        Tx::Spsc(tx) => handover::give(socket, tx, Role::Consumer),
        Tx::Mpmc(tx) => handover::give(socket, tx, Role::Consumer),
    }
}

fn give_producer(socket: &UnixStream, rx: &Rx) -> Result<(), HandoverError> {
    match rx {
        Rx::Spsc(rx) => handover::give(socket, rx, Role::Producer),
        Rx::Mpmc(rx) => handover::give(socket, rx, Role::Producer),
    }
}

/// The producer that `handed` is to be; its kind is the one that was announced.
fn producer_of(handed: &handover::Handed) -> Result<Tx, OpenError> {
    match handed.kind() {
        ringway::Kind::Spsc => handed.producer(&spsc::options()).map(Tx::Spsc),
        _ => handed.producer(&mpmc::options()).map(Tx::Mpmc),
    }
}

fn consumer_of(handed: &handover::Handed) -> Result<Rx, OpenError> {
    match handed.kind() {
        ringway::Kind::Spsc => handed.consumer(&spsc::options()).map(Rx::Spsc),
        _ => handed.consumer(&mpmc::options()).map(Rx::Mpmc),
    }
}

/// The error of a refused attempt, whose text must have these parts.
#[track_caller]
fn refused<T, E: std::fmt::Display>(attempt: Result<T, E>, parts: &[&str]) -> E {
    let error = attempt.map(drop).expect_err("refused");
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{part:?} in: {text}");
    }
    error
}

/// How many descriptors this process has. Only for roles: other tests of one process open and close theirs meanwhile.
fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("/proc").count()
}

/// Says that something was not tested, past the harness, which would keep it from being seen.
fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}
