//! What ends a pending `recv` or `send`: a goodbye, a death, a name that is gone.

use std::fs;

use ringway::inspect::remove;
use ringway::{RecvError, SendError};

use crate::common::names::Name;
use crate::common::role::{Entry, Role, listen, say};
use crate::kinds::{FOR_EVER, KINDS, Kind, OFTEN, Plan};
use crate::runtimes::{RUNTIMES, Runtime, meanwhile};

pub const ROLES: [Entry; 2] = [("produce", produce), ("consume", consume)];

fn plan(kind: &str) -> Plan {
    let kind = if kind == "Spsc" { Kind::Spsc } else { Kind::Mpmc };
    Plan::new(kind, OFTEN)
}

/// Attaches as a producer, and waits to be killed.
fn produce(arguments: &[&str]) {
    let _tx = plan(arguments[0]).producer(arguments[1]);
    say("attached");
    listen();
}

/// Attaches as a consumer, and waits to be killed.
fn consume(arguments: &[&str]) {
    let _rx = plan(arguments[0]).consumer(arguments[1]);
    say("attached");
    listen();
}

fn start(role: &str, kind: Kind, name: &Name) -> Role {
    let role = Role::start(role, &[&format!("{kind:?}"), name]);
    role.expect("attached");
    role
}

fn each(play: impl Fn(Runtime, Kind)) {
    for runtime in RUNTIMES {
        for kind in KINDS {
            // Shown if it fails.
            println!("{runtime:?}, {kind:?}");
            play(runtime, kind);
        }
    }
}

#[test]
fn a_goodbye_ends_a_pending_recv_and_a_pending_send() {
    each(goodbyes);
}

pub fn goodbyes(runtime: Runtime, kind: Kind) {
    let plan = Plan::new(kind, FOR_EVER);
    let (tx, rx) = plan.pair();
    runtime.run(async move {
        let mut rx = rx.on(runtime);
        assert_eq!(meanwhile(rx.recv(), || drop(tx)).await, Err(RecvError::Closed));
    });
    let (mut tx, rx) = plan.pair();
    runtime.run(async move {
        let full = tx.fill();
        let mut tx = tx.on(runtime);
        assert_eq!(meanwhile(tx.send(full), || drop(rx)).await, Err(SendError::Closed));
        assert_eq!(tx.claim(full, true).await, Err(SendError::Closed));
    });
}

#[test]
fn a_death_ends_a_pending_recv_and_a_pending_send() {
    each(deaths);
}

pub fn deaths(runtime: Runtime, kind: Kind) {
    let plan = Plan::new(kind, OFTEN);
    let name = Name::new("task-death");
    let rx = plan.consumer(&name);
    let producer = start("produce", kind, &name);
    runtime.run(async move {
        let mut rx = rx.on(runtime);
        assert_eq!(meanwhile(rx.recv(), || producer.kill()).await, Err(RecvError::PeerDead));
    });
    let name = Name::new("task-death");
    let mut tx = plan.producer(&name);
    let consumer = start("consume", kind, &name);
    runtime.run(async move {
        let full = tx.fill();
        let mut tx = tx.on(runtime);
        assert_eq!(meanwhile(tx.send(full), || consumer.kill()).await, Err(SendError::PeerDead));
        assert_eq!(tx.claim(full, true).await, Err(SendError::PeerDead));
    });
}

#[test]
fn a_name_that_is_gone_ends_a_recv_and_a_send_that_wait_for_the_first_peer() {
    each(|runtime, kind| {
        let plan = Plan::new(kind, OFTEN);
        let (name, other) = (Name::new("task-gone"), Name::new("task-gone"));
        let (rx, mut tx) = (plan.consumer(&name), plan.producer(&other));
        runtime.run(async move {
            let mut rx = rx.on(runtime);
            let gone = || fs::remove_file(name.path()).expect("removed");
            assert_eq!(meanwhile(rx.recv(), gone).await, Err(RecvError::Unlinked));
            let full = tx.fill();
            let mut tx = tx.on(runtime);
            let gone = || fs::remove_file(other.path()).expect("removed");
            assert_eq!(meanwhile(tx.send(full), gone).await, Err(SendError::Unlinked));
        });
    });
}

#[test]
fn a_name_that_was_given_to_another_ring_ends_a_recv_and_a_send() {
    each(|runtime, kind| {
        let plan = Plan::new(kind, OFTEN);
        let name = Name::new("task-split");
        let (mut tx, rx) = (plan.producer(&name), plan.consumer(&name));
        runtime.run(async move {
            let mut rx = rx.on(runtime);
            let mut others = None;
            let split = || {
                remove(&*name, true).expect("removed in use");
                others = Some(plan.producer(&name));
            };
            assert_eq!(meanwhile(rx.recv(), split).await, Err(RecvError::Unlinked));
            let full = tx.fill();
            assert_eq!(tx.on(runtime).send(full).await, Err(SendError::Unlinked));
        });
    });
}
