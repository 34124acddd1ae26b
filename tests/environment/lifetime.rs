//! When a name goes away, and when it does not.

use std::fs;
use std::os::fd::AsFd;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use ringway::inspect::{inspect, list, remove};
use ringway::spsc::{Peer, options};
use ringway::{Address, OpenError, Role as End};

use crate::common::image::crash_image;
use crate::common::names::Name;
use crate::refused;

#[test]
fn the_last_one_out_of_a_drained_ring_unlinks() {
    let name = Name::new("drained");
    let mut tx = options().producer(&*name).expect("a producer");
    let mut rx = options().consumer(&*name).expect("a consumer");
    tx.send(b"x").expect("room");
    drop(tx);
    assert!(name.exists(), "the consumer is still there");
    drop(rx.recv().expect("a message"));
    drop(rx);
    assert!(!name.exists());
    drop(options().producer(&*name).expect("a producer that sends nothing"));
    assert!(!name.exists());
}

#[test]
fn a_ring_with_messages_stays_until_they_are_received() {
    let name = Name::new("undrained");
    let mut tx = options().producer(&*name).expect("a producer");
    tx.send(b"x").expect("room");
    drop(tx);
    assert!(name.exists(), "nobody has received it");
    let mut rx = options().consumer(&*name).expect("a consumer");
    drop(rx.recv().expect("a message"));
    drop(rx);
    assert!(!name.exists());
}

#[test]
fn a_persistent_ring_stays() {
    let name = Name::new("persist");
    drop(options().persist(true).producer(&*name).expect("a producer"));
    assert!(name.exists());
    drop(options().consumer(&*name).expect("one who did not ask for it"));
    assert!(name.exists(), "whoever created the ring decides");
    remove(&*name, false).expect("nobody uses it");
    assert!(!name.exists());
}

#[test]
fn a_ring_that_was_only_created_waits_for_its_first_user() {
    let name = Name::new("created");
    options().size(128).create_ring(&*name).expect("a ring");
    refused(options().create_ring(&*name), &["exists already", "remove it first"]);
    let report = inspect(&*name).expect("a report");
    assert!(report.participants.iter().all(|one| one.state == Peer::Absent && one.pid == 0));
    let tx = options().producer(&*name).expect("a producer");
    assert_eq!(tx.geometry().size, 128, "sizes are its creator's");
    drop(tx);
    assert!(!name.exists());
}

/// Both sides were killed: the next ones go on.
#[test]
fn a_stale_ring_is_taken_over() {
    let name = Name::new("stale");
    let mut tx = options().producer(&*name).expect("a producer");
    let _rx = options().consumer(&*name).expect("a consumer");
    tx.send(b"survives").expect("room");
    let stale = crash_image(&name);
    let report = inspect(&*stale).expect("a report");
    assert!(report.participants.iter().all(|one| one.state == Peer::Dead && one.pid == std::process::id()));
    let mut rx = options().consumer(&*stale).expect("a consumer");
    assert_eq!(rx.peer(), Peer::Dead);
    assert_eq!(&rx.recv().expect("a message")[..], b"survives");
    drop(rx);
    assert!(!stale.exists(), "drained, and nobody lives");
}

#[test]
fn a_ring_in_use_is_removed_only_by_force() {
    let name = Name::new("in-use");
    let mut tx = options().producer(&*name).expect("a producer");
    let parts = ["in use by its producer", &format!("process {}", std::process::id()), "with force"];
    let error = refused(remove(&*name, false), &parts);
    assert!(matches!(error, OpenError::InUse { role: End::Producer, .. }), "{error:?}");
    let mut rx = options().consumer(&*name).expect("still there");
    remove(&*name, true).expect("by force");
    assert!(!name.exists());
    tx.send(b"goes on").expect("room");
    assert_eq!(&rx.recv().expect("a message")[..], b"goes on");
}

/// Whoever has a ring keeps it; the name is another ring's now, and stays so.
#[test]
fn a_name_that_was_given_to_another_ring_is_not_taken_back() {
    let name = Name::new("twice");
    let mut old_tx = options().producer(&*name).expect("a producer");
    fs::remove_file(name.path()).expect("somebody removes the name");
    let mut new_rx = options().consumer(&*name).expect("a new ring");
    assert_ne!(new_rx.geometry().instance, old_tx.geometry().instance);
    old_tx.send(b"to nobody").expect("room in the old ring");
    assert!(new_rx.try_recv().is_err());
    drop(old_tx);
    assert!(name.exists(), "the old ring's last user left the new ring's name alone");
    let mut new_tx = options().producer(&*name).expect("the other end of the new ring");
    new_tx.send(b"to the new one").expect("room");
    assert_eq!(&new_rx.recv().expect("a message")[..], b"to the new one");
}

/// A name that somebody else's file has got by now is not unlinked.
#[test]
fn leaving_touches_no_other_file() {
    let name = Name::new("replaced");
    let tx = options().producer(&*name).expect("a producer");
    fs::remove_file(name.path()).expect("somebody removes the name");
    fs::write(name.path(), "precious").expect("and puts a file there");
    drop(tx);
    assert_eq!(fs::read_to_string(name.path()).expect("it is there"), "precious");
}

/// A process that was stopped in the middle of joining holds the membership lock.
#[test]
fn a_ring_whose_membership_is_locked_is_busy() {
    let name = Name::new("busy");
    options().create_ring(&*name).expect("a ring");
    let stopped = fs::File::options().write(true).open(name.path()).expect("the ring");
    let lock = libc::flock {
        l_type: libc::F_WRLCK as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: 1 << 48,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(stopped.as_fd(), FcntlArg::F_OFD_SETLK(&lock)).expect("locked");
    std::thread::scope(|scope| {
        for attempt in
            [scope.spawn(|| options().producer(&*name).map(drop)), scope.spawn(|| remove(&*name, false))]
        {
            let error = refused(attempt.join().expect("an answer"), &["is busy", "continue or end it"]);
            assert!(matches!(error, OpenError::Busy { .. }), "{error:?}");
        }
    });
    assert!(name.exists());
    drop(stopped);
    options().producer(&*name).expect("free again");
}

#[test]
fn rings_are_listed_and_inspected() {
    let name = Name::new("listed");
    let mut tx = options().size(4096).mode(0o640).producer(&*name).expect("a producer");
    tx.send(&[0; 24]).expect("room");
    let entries = list().expect("a list");
    let mine = Address::Shm(name.to_string());
    let entry = entries.into_iter().find(|entry| entry.address == mine).expect("it is listed");
    let report = entry.report.expect("a report");
    assert_eq!((report.mode, report.boot_current), (0o640, true));
    assert_eq!(report.used, Ok(32));
    assert!(report.created.elapsed().expect("in the past").as_secs() < 60);
    let [producer, consumer] = &report.participants[..] else { panic!("two participants") };
    assert_eq!(
        (producer.role, producer.state, producer.pid),
        (End::Producer, Peer::Attached, std::process::id())
    );
    assert_eq!((consumer.role, consumer.state, consumer.pid), (End::Consumer, Peer::Absent, 0));
}

/// An onlooker sees a sound ring, however busy it is.
#[test]
fn a_busy_ring_is_never_reported_damaged() {
    let name = Name::new("looked-at");
    let mut tx = options().size(64).producer(&*name).expect("a producer");
    let mut rx = options().consumer(&*name).expect("a consumer");
    std::thread::scope(|scope| {
        scope.spawn(move || while rx.recv().is_ok() {});
        let looked = scope.spawn(|| {
            for _ in 0..3000 {
                let used = inspect(&*name).expect("a ring").used;
                assert!(used.is_ok_and(|used| used <= 64), "{used:?}");
            }
        });
        for len in (0..25).cycle() {
            tx.send(&[0xff; 25][..len]).expect("sent");
            if looked.is_finished() {
                break;
            }
        }
        drop(tx);
    });
}
