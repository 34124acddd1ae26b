//! A name that is taken away from a ring in use: nobody goes on for ever in a ring that others cannot find.

use std::fs;
use std::time::Duration;

use ringway::inspect::remove;
use ringway::{OpenError, RecvError, SendError, mpmc, spsc};

use crate::common::names::Name;

/// Longer than any test waits.
const LONG: Duration = Duration::from_secs(20);
const SOON: Duration = Duration::from_millis(5);

/// Options that look after their peer and their name often.
fn spsc_options() -> spsc::Options {
    spsc::options().size(4096).liveness(SOON)
}

fn mpmc_options() -> mpmc::Options {
    mpmc::options().slots(4).slot_size(64).participants(4).liveness(SOON)
}

#[test]
fn two_rings_under_one_name_are_noticed_by_all_who_wait_in_the_first() {
    let name = Name::new("split");
    let mut tx = spsc_options().producer(&*name).expect("a producer");
    let mut rx = spsc_options().consumer(&*name).expect("a consumer");
    remove(&*name, true).expect("removed in use");
    let other = spsc_options().producer(&*name).expect("a second ring under the name");
    assert!(!tx.is_linked() && !rx.is_linked() && other.is_linked());

    tx.send(b"last").expect("there is room");
    assert_eq!(&rx.recv_timeout(LONG).expect("what was sent is received")[..], b"last");
    assert_eq!(rx.recv_timeout(LONG).map(drop), Err(RecvError::Unlinked));
    while tx.try_send(b"fill").is_ok() {}
    assert_eq!(tx.send_timeout(b"more", LONG), Err(SendError::Unlinked));

    drop((tx, rx));
    assert!(
        name.exists() && other.is_linked(),
        "those who leave the first ring leave the second one's name alone"
    );
}

#[test]
fn a_queue_s_participants_notice_it_too() {
    let name = Name::new("split-queue");
    let mut tx = mpmc_options().producer(&*name).expect("a producer");
    let mut rx = mpmc_options().consumer(&*name).expect("a consumer");
    remove(&*name, true).expect("removed in use");
    let other = mpmc_options().consumer(&*name).expect("a second queue under the name");
    assert!(!tx.is_linked() && !rx.is_linked() && other.is_linked());

    tx.send(b"last").expect("there is room");
    assert_eq!(&rx.recv_timeout(LONG).expect("what was sent is received")[..], b"last");
    assert_eq!(rx.recv_timeout(LONG).map(drop), Err(RecvError::Unlinked));
    while tx.try_send(b"fill").is_ok() {}
    assert_eq!(tx.send_timeout(b"more", LONG), Err(SendError::Unlinked));
}

#[test]
fn whoever_waits_for_the_first_peer_hears_that_none_can_come() {
    let name = Name::new("alone");
    let mut rx = spsc_options().consumer(&*name).expect("a consumer");
    let queue = Name::new("alone-queue");
    let mut worker = mpmc_options().consumer(&*queue).expect("a consumer");
    fs::remove_file(name.path()).expect("removed");
    fs::remove_file(queue.path()).expect("removed");
    assert_eq!(rx.recv_timeout(LONG).map(drop), Err(RecvError::Unlinked));
    assert_eq!(worker.recv_timeout(LONG).map(drop), Err(RecvError::Unlinked));
}

#[test]
fn a_name_that_is_merely_gone_does_not_disturb_two_who_have_met() {
    let name = Name::new("met");
    let mut tx = spsc_options().producer(&*name).expect("a producer");
    let mut rx = spsc_options().consumer(&*name).expect("a consumer");
    fs::remove_file(name.path()).expect("removed");
    assert_eq!(rx.recv_timeout(20 * SOON).map(drop), Err(RecvError::TimedOut));
    tx.send(b"still here").expect("sent");
    assert_eq!(&rx.recv().expect("received")[..], b"still here");
    assert!(!tx.is_linked() && !rx.is_linked());
}

#[test]
fn rings_without_a_name_and_rings_that_were_renamed_have_kept_what_they_had() {
    let (tx, mut rx) = spsc_options().pair().expect("a pair");
    assert!(tx.is_linked() && rx.is_linked());
    assert_eq!(rx.recv_timeout(20 * SOON).map(drop), Err(RecvError::TimedOut));

    let (name, moved) = (Name::new("old-name"), Name::new("new-name"));
    let mut rx = spsc_options().consumer(&*name).expect("a consumer");
    fs::rename(name.path(), moved.path()).expect("renamed");
    assert_eq!(rx.recv_timeout(20 * SOON).map(drop), Err(RecvError::TimedOut));
    let mut tx = spsc_options().create(false).producer(&*moved).expect("it is found under its new name");
    tx.send(b"moved").expect("sent");
    assert_eq!(&rx.recv().expect("received")[..], b"moved");
    assert!(matches!(spsc_options().create(false).producer(&*name), Err(OpenError::NotFound { .. })));
}
