//! When a queue's name goes away, and what is said of a queue from outside.

use std::fs;
use std::thread;
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use ringway::inspect::{inspect, list, remove};
use ringway::mpmc::{Peer, options};
use ringway::{Kind, OpenError, RecvError, Role, Wait};

use crate::common::eventually;
use crate::common::names::Name;
use crate::{small, take, take_all};

#[test]
fn the_last_one_out_of_a_drained_ring_unlinks() {
    // Every order of going, of two producers and two consumers.
    for order in 0..24 {
        let name = Name::new("order");
        let mut one = small().producer(&*name).expect("a producer");
        let other = one.try_clone().expect("another");
        let mut rx = small().consumer(&*name).expect("a consumer");
        let spare = rx.try_clone().expect("another");
        one.send(b"x").expect("room");
        assert_eq!(take(&mut rx), b"x");
        let mut going: Vec<Box<dyn FnOnce()>> = vec![
            Box::new(|| drop(one)),
            Box::new(|| drop(other)),
            Box::new(|| drop(rx)),
            Box::new(|| drop(spare)),
        ];
        let mut rest = order;
        for left in (1..=4).rev() {
            assert!(name.exists(), "{left} are still there");
            going.remove(rest % left)();
            rest /= left;
        }
        assert!(!name.exists(), "order {order}");
    }
}

#[test]
fn a_ring_with_messages_stays_until_they_are_received() {
    let name = Name::new("undrained");
    let mut tx = small().producer(&*name).expect("a producer");
    let rx = small().consumer(&*name).expect("a consumer");
    tx.send(b"one").expect("room");
    tx.send(&[2; 300]).expect("room");
    drop((tx, rx));
    assert!(name.exists(), "nobody has received them");
    let mut rx = small().consumer(&*name).expect("a consumer");
    assert_eq!(take(&mut rx), b"one");
    drop(rx);
    assert!(name.exists(), "one is left");
    let mut rx = small().consumer(&*name).expect("a consumer");
    assert_eq!(take_all(&mut rx).len(), 1);
    drop(rx);
    assert!(!name.exists());
}

#[test]
fn who_leaves_with_a_message_in_hand_has_received_it() {
    let name = Name::new("in-hand");
    let mut tx = small().producer(&*name).expect("a producer");
    let mut rx = small().consumer(&*name).expect("a consumer");
    tx.send(&[1; 200]).expect("room");
    drop(tx);
    std::mem::forget(rx.recv().expect("a message"));
    drop(rx);
    assert!(!name.exists());
}

/// A claim that came to nothing is no message, and keeps no name.
#[test]
fn a_claim_that_came_to_nothing_keeps_no_name() {
    for len in [10, 300] {
        let name = Name::new("nothing");
        let mut tx = small().producer(&*name).expect("a producer");
        drop(tx.claim(len).expect("room"));
        let mut batch = tx.batch().expect("at home");
        (0..3).for_each(|_| batch.push(b"x").expect("room"));
        drop(batch);
        drop(tx);
        assert!(!name.exists(), "{len} bytes");
    }
}

#[test]
fn a_persistent_ring_stays() {
    let name = Name::new("persist");
    let tx = small().persist(true).producer(&*name).expect("a producer");
    let rx = small().consumer(&*name).expect("one who did not ask for it");
    assert!(rx.geometry().persist);
    drop((tx, rx));
    assert!(name.exists());
    remove(&*name, false).expect("nobody uses it");
    assert!(!name.exists());
}

#[test]
fn a_ring_that_was_only_created_waits_for_its_first_user() {
    let name = Name::new("created");
    small().create_ring(&*name).expect("a ring");
    let error = small().create_ring(&*name).expect_err("there is one");
    assert!(matches!(error, OpenError::Exists { .. }), "{error:?}");
    let report = inspect(&*name).expect("a report");
    assert!(report.participants.is_empty());
    assert_eq!(report.used, Ok(0));
    let rx = options().consumer(&*name).expect("a consumer");
    assert_eq!(rx.slots(), 16, "sizes are its creator's");
    drop(rx);
    assert!(!name.exists());
}

#[test]
fn a_ring_in_use_is_removed_only_by_force() {
    let name = Name::new("in-use");
    let mut rx = small().consumer(&*name).expect("a consumer");
    let error = remove(&*name, false).expect_err("in use");
    assert!(matches!(error, OpenError::InUse { role: Role::Consumer, pid, .. } if pid == std::process::id()));
    let mut tx = small().producer(&*name).expect("still there");
    let error = remove(&*name, false).expect_err("in use");
    assert!(matches!(error, OpenError::InUse { .. }), "{error:?}");
    remove(&*name, true).expect("by force");
    assert!(!name.exists());
    let mut clone = tx.try_clone().expect("whoever has the ring can have more of it");
    tx.send(b"goes on").expect("room");
    assert_eq!(take(&mut rx), b"goes on");
    clone.send(b"and on").expect("room");
    assert_eq!(take(&mut rx), b"and on");
}

#[test]
fn a_queue_is_described_from_outside() {
    let name = Name::new("described");
    let mut tx = small().producer(&*name).expect("a producer");
    let mut rx = small().consumer(&*name).expect("a consumer");
    let mut clone = tx.try_clone().expect("another");
    tx.send(&[1; 10]).expect("room");
    tx.send(&[2; 150]).expect("room");
    let claim = clone.claim(100).expect("room");
    let message = rx.recv().expect("a message");
    let report = inspect(&*name).expect("a report");
    assert_eq!((report.geometry.kind, report.geometry.slots), (Kind::Mpmc, 16));
    assert_eq!((report.used, report.mode, report.boot_current), (Ok(1 + 3 + 2), 0o600, true));
    let who: Vec<_> =
        report.participants.iter().map(|one| (one.role, one.id, one.state, one.holds)).collect();
    let expected = [
        (Role::Producer, 0, Peer::Attached, false),
        (Role::Producer, 1, Peer::Attached, true),
        (Role::Consumer, 4, Peer::Attached, true),
    ];
    assert_eq!(who, expected);
    assert!(report.participants.iter().all(|one| one.pid == std::process::id() && one.started > 0));
    drop((claim, message));
    drop(clone);
    assert_eq!(take_all(&mut rx).len(), 1);
    drop(tx);
    drop(rx.try_recv());
    let report = inspect(&*name).expect("a report");
    let producer = report.participants[0];
    assert_eq!((producer.state, producer.counters.messages, producer.holds), (Peer::Closed, 2, false));
    assert_eq!(producer.counters.bytes, 64 + 3 * 64);
    let listed = list()
        .expect("a list")
        .into_iter()
        .find(|entry| entry.address.to_string() == format!("shm:{}", &*name));
    let listed = listed.expect("it is in the list").report.expect("a report");
    assert_eq!(listed.geometry, report.geometry);
}

#[test]
fn counters_count() {
    let (mut tx, mut rx) = small().pair().expect("a pair");
    for len in [0, 48, 49, 64, 65, 512] {
        tx.send(&vec![0; len]).expect("room");
        drop(rx.recv().expect("a message"));
    }
    let slots = 1 + 1 + 1 + 1 + 2 + 8;
    for counters in [tx.counters(), rx.counters()] {
        assert_eq!((counters.messages, counters.bytes), (6, slots * 64));
        assert_eq!((counters.tombstones, counters.redelivered, counters.dropped), (0, 0, 0));
        assert_eq!((counters.waits, counters.sleeps, counters.wakes), (0, 0, 0));
    }
    rx.recv_timeout(crate::SHORT).expect_err("nothing comes");
    assert!(rx.counters().waits == 1 && rx.counters().sleeps > 0);
}

/// Its goodbye is heard by one who was woken by it while its lease was still held, and slept again: nobody looks by itself
/// for twenty minutes.
#[test]
fn a_sleeper_hears_the_last_goodbye_once_the_lease_is_given_back() {
    let name = Name::new("goodbye");
    let options = options().slots(4).liveness(Duration::from_secs(1200)).wait(Wait::Park);
    let tx = options.producer(&*name).expect("a producer");
    let mut rx = options.consumer(&*name).expect("a consumer");
    let file = fs::File::options().read(true).write(true).open(name.path()).expect("the ring's file");
    let lock = |kind: libc::c_int| {
        let (l_type, l_whence) = (kind as i16, libc::SEEK_SET as i16);
        let lock = libc::flock { l_type, l_whence, l_start: 1 << 48, l_len: 1, l_pid: 0 };
        fcntl(&file, FcntlArg::F_OFD_SETLK(&lock)).expect("the membership lock");
    };
    let sleeps = || inspect(&*name).expect("a report").participants[1].counters.sleeps;
    let sleeper = thread::spawn(move || rx.recv().map(drop));
    eventually("it sleeps", || sleeps() > 0);
    lock(libc::F_WRLCK);
    let leaver = thread::spawn(move || drop(tx));
    eventually("it was woken by the goodbye, and sleeps again", || sleeps() > 1);
    lock(libc::F_UNLCK);
    eventually("the goodbye is heard", || sleeper.is_finished());
    assert_eq!(sleeper.join().expect("it ends"), Err(RecvError::Closed));
    leaver.join().expect("it leaves");
}
