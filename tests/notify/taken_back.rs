//! Asking is taken back: by disarming, by dropping, by finding something, and by whoever forgets to look.

use std::fs::File;
use std::thread;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use ringway::inspect::inspect;
use ringway::{Peer, Role as Side};

use crate::asker::{Asker, LEN, consumer, plan, producer};
use crate::common::names::Name;
use crate::common::{eventually, image};
use crate::kinds::{KINDS, Kind};
use crate::lines;

#[test]
fn a_consumer_that_has_taken_its_asking_back_is_not_told() {
    for kind in KINDS {
        let name = Name::new("back");
        let mut asker = Asker::of(consumer(kind, &name, 1));
        let mut tx = plan(kind).producer(&name).expect("a producer");
        asker.arms();
        asker.disarms();
        asker.disarms();
        tx.send(b"disarmed").expect("room");
        asker.is_not_told();
        asker.tries("disarmed");
        asker.arms();
        asker.drops();
        tx.try_send(b"gone").expect("room");
        asker.is_not_told();
        asker.finish();
    }
}

#[test]
fn a_producer_that_has_taken_its_asking_back_is_not_told() {
    for kind in KINDS {
        let name = Name::new("back");
        let mut asker = Asker::of(producer(kind, &name, 1));
        let mut rx = plan(kind).consumer(&name).expect("a consumer");
        asker.fills();
        asker.arms();
        asker.disarms();
        rx.expect(&[b'.'; LEN]);
        asker.is_not_told();
        asker.tries("sent");
        asker.arms();
        asker.drops();
        rx.expect(&[b'.'; LEN]);
        asker.is_not_told();
        asker.finish();
    }
}

/// One who dies sends no signal; whoever looks again finds out, and asks for nothing then.
#[test]
fn whoever_finds_something_while_it_has_asked_is_not_told_of_it_later() {
    for kind in KINDS {
        let name = Name::new("found");
        let mut asker = Asker::of(consumer(kind, &name, 1));
        let mut other = Asker::of(producer(kind, &name, 2));
        other.tries("sent");
        asker.tries(&".".repeat(LEN));
        asker.arms();
        // Without its own look: the message is there, and nobody has rung.
        let line = lines::of_consumer(kind);
        let asked = image::read_u64(&name.path(), line + lines::CALL);
        image::patch(&name.path(), line + lines::CALL, &[0; 8]);
        other.tries("sent");
        image::patch(&name.path(), line + lines::CALL, &asked.to_ne_bytes());
        asker.finds();
        assert_eq!(image::read_u64(&name.path(), line + lines::CALL), 0, "asked for");
        other.finish();
        asker.is_not_told();
        asker.finish();
    }
}

/// Who waits by a signal sleeps elsewhere, and does not look after the others while it does.
#[test]
fn whoever_has_asked_is_not_taken_for_one_who_watches_the_others() {
    let name = Name::new("watch");
    let mut asker = Asker::of(consumer(Kind::Mpmc, &name, 1));
    asker.arms();
    let marks = image::read_u64(&name.path(), lines::of_consumer(Kind::Mpmc) + lines::MARKS) as u32;
    assert_eq!(marks & lines::ASLEEP, 0);
    asker.finish();
}

/// A producer that leaves tells everybody twice: the second time those who saw, in between, that it still held its lease.
#[test]
fn whoever_asks_while_the_last_producer_leaves_is_told() {
    let name = Name::new("leaving");
    let mut asker = Asker::of(consumer(Kind::Mpmc, &name, 3));
    let tx = plan(Kind::Mpmc).producer(&name).expect("a producer");
    let stopped = File::options().write(true).open(name.path()).expect("the ring");
    fcntl(&stopped, FcntlArg::F_OFD_SETLK(&membership())).expect("locked");
    let leaving = thread::spawn(move || drop(tx));
    let said = || {
        let report = inspect(&*name).expect("a ring");
        report.participants.iter().find(|one| one.role == Side::Producer).map(|one| one.state)
    };
    eventually("it says goodbye", || said() == Some(Peer::Closed));
    asker.tries("Empty");
    asker.arms();
    drop(stopped);
    leaving.join().expect("it left");
    asker.is_told(3);
    asker.tries("Closed");
    asker.finish();
}

/// The lock that whoever leaves waits for.
fn membership() -> libc::flock {
    let (kind, whence) = (libc::F_WRLCK as i16, libc::SEEK_SET as i16);
    libc::flock { l_type: kind, l_whence: whence, l_start: 1 << 48, l_len: 1, l_pid: 0 }
}
