//! Rings handed to children: they have them from the start and through every program, nobody else does.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ringway::{Address, HandoverError, Peer, RecvError, Role as Part, handover, mpmc, spsc};

use crate::common::eventually;
use crate::common::role::{Entry, Role, listen, say};
use crate::kinds::{KINDS, Kind, Rx, Tx, kind_of};
use crate::{consumer_of, lone_consumer, lone_producer, producer_of, refused, skipped};

pub const ROLES: [Entry; 7] = [
    ("child consumer", child_consumer),
    ("child producer", child_producer),
    ("become another first", become_another_first),
    ("become another after", become_another_after),
    ("two rings", two_rings),
    ("attach by the address", attach_by_the_address),
    ("child refused", child_refused),
];

const LS: &str = "/bin/ls";

/// Hands the ring of `tx` to the child.
fn hand_consumer(command: &mut Command, tx: &Tx) -> Address {
    match tx {
        Tx::Spsc(tx) => handover::to_child(command, "frames", tx, Part::Consumer),
        Tx::Mpmc(tx) => handover::to_child(command, "frames", tx, Part::Consumer),
    }
    .expect("handed")
}

fn child_consumer(_: &[&str]) {
    let mut rx = consumer_of(&handover::from_parent("frames").expect("handed")).expect("the other end");
    say("attached");
    loop {
        match rx.recv() {
            Ok(message) => say(String::from_utf8(message.bytes).expect("text")),
            Err(end) => {
                assert_eq!(end, RecvError::Closed);
                return;
            }
        }
    }
}

/// Talks to the child, and says goodbye.
fn talk(mut tx: Tx, child: Role) {
    child.expect("attached");
    assert_eq!(tx.peer(), Peer::Attached);
    tx.send(b"hello").expect("room");
    child.expect("hello");
    drop(tx);
    child.finish();
}

#[test]
fn a_child_takes_what_its_parent_has_handed_to_it() {
    for kind in KINDS {
        let tx = lone_producer(kind);
        let child = Role::start_with("child consumer", &[], |command| {
            hand_consumer(command, &tx);
        });
        talk(tx, child);
    }
}

fn child_producer(_: &[&str]) {
    let mut tx = producer_of(&handover::from_parent("back").expect("handed")).expect("the other end");
    tx.send(b"hello").expect("room");
    say("sent");
    listen();
    std::process::abort();
}

#[test]
fn a_child_may_be_the_producer_and_its_death_is_noticed() {
    for kind in KINDS {
        let mut rx = lone_consumer(kind);
        let mut child = Role::start_with("child producer", &[], |command| {
            match &rx {
                Rx::Spsc(rx) => handover::to_child(command, "back", rx, Part::Producer),
                Rx::Mpmc(rx) => handover::to_child(command, "back", rx, Part::Producer),
            }
            .expect("handed");
        });
        rx.expect(b"hello");
        child.expect("sent");
        child.tell("die");
        assert_eq!(rx.recv(), Err(RecvError::PeerDead));
    }
}

/// Every child that other threads start meanwhile lists its descriptors.
#[test]
fn children_that_other_threads_start_meanwhile_have_no_ring() {
    if !fs::exists(LS).expect("a look") {
        return skipped(&format!("there is no {LS}"));
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let end = End(&done);
        let others: Vec<_> = (0..2).map(|_| scope.spawn(|| list_until(&done))).collect();
        for _ in 0..10 {
            for kind in KINDS {
                let tx = lone_producer(kind);
                let child = Role::start_with("child consumer", &[], |command| {
                    hand_consumer(command, &tx);
                });
                talk(tx, child);
            }
        }
        drop(end);
        for other in others {
            other.join().expect("no ring among its descriptors");
        }
    });
}

/// Tells the other threads to end, also when this one panics.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn list_until(done: &AtomicBool) {
    loop {
        let listed = Command::new(LS).args(["-l", "/proc/self/fd"]).output().expect("it runs");
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        assert!(listed.contains(" -> ") && !listed.contains("memfd:ringway"), "{listed}");
        if done.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// This program again, in the role that it has, told that it is the second one.
fn again() -> ! {
    const ENTRY: [&str; 4] = ["role", "--exact", "--nocapture", "--test-threads=1"];
    let error =
        Command::new(std::env::current_exe().expect("this binary")).args(ENTRY).env(SECOND, "1").exec();
    panic!("{error}");
}

const SECOND: &str = "HANDOVER_SECOND";

fn is_second() -> bool {
    std::env::var_os(SECOND).is_some()
}

/// As a wrapper does.
fn become_another_first(arguments: &[&str]) {
    if !is_second() {
        again();
    }
    child_consumer(arguments);
}

#[test]
fn a_ring_comes_through_the_programs_that_a_child_becomes_before_it_takes_it() {
    for kind in KINDS {
        let tx = lone_producer(kind);
        let child = Role::start_with("become another first", &[], |command| {
            hand_consumer(command, &tx);
        });
        talk(tx, child);
    }
}

fn become_another_after(_: &[&str]) {
    if is_second() {
        let error = refused(
            handover::from_parent("frames"),
            &["RINGWAY_RING_frames is", "no such descriptor is open"],
        );
        assert!(matches!(error, HandoverError::Stale { .. }));
        say("refused");
        listen();
        return;
    }
    let handed = handover::from_parent("frames").expect("handed");
    let _rx = consumer_of(&handed).expect("the other end");
    if fs::exists(LS).expect("a look") {
        let listed = Command::new(LS).args(["-l", "/proc/self/fd"]).output().expect("it runs");
        assert!(
            !String::from_utf8_lossy(&listed.stdout).contains("memfd:ringway"),
            "its own children have it"
        );
    }
    say("attached");
    listen();
    again();
}

#[test]
fn a_ring_that_was_taken_ends_with_the_program_that_took_it() {
    for kind in KINDS {
        let tx = lone_producer(kind);
        let mut child = Role::start_with("become another after", &[], |command| {
            hand_consumer(command, &tx);
        });
        child.expect("attached");
        child.tell("go");
        child.expect("refused");
        eventually("the program that took it is gone", || tx.peer() == Peer::Dead);
        child.finish();
    }
}

fn two_rings(_: &[&str]) {
    let handed = ["there", "back"].map(|name| handover::from_parent(name).expect("handed"));
    let mut there = handed[0].consumer(&spsc::options()).expect("a consumer");
    let mut back = handed[1].producer(&mpmc::options()).expect("a producer");
    back.send(&there.recv().expect("a message")).expect("room");
    refused(handover::from_parent("there"), &["taken already"]);
}

#[test]
fn a_child_may_be_handed_several_rings() {
    let mut there = spsc::options().lone_producer().expect("a ring");
    let mut back = mpmc::options().lone_consumer().expect("a ring");
    there.send(b"there and back").expect("room");
    let child = Role::start_with("two rings", &[], |command| {
        handover::to_child(command, "there", &there, Part::Consumer).expect("handed");
        handover::to_child(command, "back", &back, Part::Producer).expect("handed");
    });
    assert_eq!(&back.recv().expect("a message")[..], b"there and back");
    child.finish();
}

const ADDRESS: &str = "HANDOVER_ADDRESS";

fn attach_by_the_address(arguments: &[&str]) {
    let address = std::env::var(ADDRESS).expect("an address");
    let mut rx = match kind_of(arguments[0]) {
        Kind::Spsc => spsc::consumer(address).map(Rx::Spsc),
        Kind::Mpmc => mpmc::consumer(address).map(Rx::Mpmc),
    }
    .expect("attached by the address");
    rx.expect(b"by the address");
}

#[test]
fn a_child_may_attach_by_the_address_that_it_is_told() {
    for kind in KINDS {
        let mut tx = lone_producer(kind);
        tx.send(b"by the address").expect("room");
        let child = Role::start_with("attach by the address", &[kind.as_str()], |command| {
            let address = hand_consumer(command, &tx);
            command.env(ADDRESS, address.to_string());
        });
        child.finish();
    }
}

fn child_refused(arguments: &[&str]) {
    refused(handover::from_parent("frames"), arguments);
    say("its standard output is still open");
}

#[test]
fn what_the_environment_does_not_truly_say_is_refused() {
    let error = refused(handover::from_parent("nothing"), &["no RINGWAY_RING_nothing", "to_child"]);
    assert!(matches!(error, HandoverError::NotHanded { .. }));
    let error = refused(handover::from_parent("no=name"), &["letters, digits and '_'"]);
    assert!(matches!(error, HandoverError::Name { .. }));
    for (value, part) in [
        ("nonsense", "that is not what to_child writes"),
        ("fd:1000000 spsc consumer 0", "no such descriptor is open"),
        ("fd:1 spsc consumer 0", "pipe"),
    ] {
        let child = Role::start_with("child refused", &[part], |command| {
            command.env("RINGWAY_RING_frames", value);
        });
        child.finish();
    }
}
