//! Recoveries that do not come to an end: killed, or on a disk that fails.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use nix::sys::signal::Signal;
use ringway::OpenError;
use ringway::inspect::inspect;

use crate::common::role::{Entry, Role};
use crate::disk::{FAILED, RECORDS, leave, lose_power};
use crate::fdatasync::{calls, cutting_to, failing_after};
use crate::{PAGE_LONG, Place, address, first_bytes, four_pages};

/// What a loss of power leaves of a ring with three messages, the second of which is lost.
fn second_is_lost(path: &Path) -> Vec<u8> {
    let mut tx = four_pages().producer(address(path)).expect("a producer");
    for number in 0..3 {
        tx.send(&[number; PAGE_LONG]).expect("sent");
    }
    let mut image = fs::read(path).expect("the ring");
    image[RECORDS + 4096..RECORDS + 2 * 4096].fill(0);
    image
}

/// A ring that was damaged while the machine stayed on: the header at its new end is cleared, and nothing else.
#[test]
fn a_recovery_that_was_killed_at_the_end_of_the_ring_is_made_again() {
    let place = Place::new();
    let (path, left) = (place.path("ring"), place.path("left"));
    let mut tx = four_pages().producer(address(&path)).expect("a producer");
    for number in 0..3 {
        tx.send(&[number; PAGE_LONG]).expect("sent");
    }
    let mut image = fs::read(&path).expect("the ring");
    image[RECORDS + 4096..RECORDS + 4096 + 8].fill(0);
    leave(&left, &image);
    let mut tx = four_pages().producer(address(&left)).expect("another producer");
    let recovery = tx.recovery().expect("recovered");
    assert_eq!((recovery.kept, recovery.dropped), (1, 2));
    let mut rx = four_pages().consumer(address(&left)).expect("a consumer");
    tx.send(b"new").expect("sent");
    assert_eq!(first_bytes(&mut rx), [0, b'n']);
}

/// What a process in this role does.
pub const ROLES: &[Entry] = &[("recover", recover)];

/// Recovers the ring at a path, and finds all but the first page of its records gone once it begins to change it: it dies of
/// SIGBUS at the first word of them that it looks at.
fn recover(arguments: &[&str]) {
    let [path] = arguments else { panic!("a path") };
    let _ = cutting_to(RECORDS as u64 + 4096, || four_pages().consumer(address(Path::new(path))).map(drop));
}

/// Until all of what is dropped is cleared, the header at the end says that the ring is damaged: a recovery that is killed
/// before is made again.
#[test]
fn the_header_at_the_end_is_cleared_last() {
    let place = Place::new();
    let (path, left) = (place.path("ring"), place.path("left"));
    let _tx = four_pages().producer(address(&path)).expect("a producer");
    let mut image = fs::read(&path).expect("the ring");
    image[RECORDS..].fill(0xee);
    leave(&left, &image);
    let status = Role::start("recover", &[left.to_str().expect("a path")]).wait();
    assert_eq!(status.signal(), Some(Signal::SIGBUS as i32), "{status}");
    let file = File::options().write(true).open(&left).expect("the ring");
    file.set_len(image.len() as u64).expect("its length again");
    let rx = four_pages().consumer(address(&left)).expect("a consumer");
    assert!(rx.recovery().is_some(), "cleared earlier than what lies behind it");
}

/// The first recovery fails at one of its syncs.
#[test]
fn what_a_failing_disk_interrupts_is_recovered_and_counted_once() {
    for successes in 0..3 {
        let place = Place::new();
        let (path, left) = (place.path("ring"), place.path("left"));
        lose_power(&left, &second_is_lost(&path));
        let failed = failing_after(successes, || four_pages().producer(address(&left)).map(drop));
        let error = failed.expect_err("the disk fails");
        assert!(matches!(error, OpenError::System { call: "fdatasync", .. }), "{error}");

        let mut rx = four_pages().consumer(address(&left)).expect("a consumer");
        if successes < 2 {
            let recovery = rx.recovery().expect("recovered");
            assert_eq!((recovery.kept, recovery.dropped), (1, 2), "after {successes} syncs");
        }
        assert_eq!(inspect(address(&left)).expect("a report").dropped, 2, "after {successes} syncs");
        assert_eq!(first_bytes(&mut rx), [0]);
    }
}

/// What a failing sync of a recovery did not write passes for written, as after any failing sync: whoever comes next has
/// everything written anew, even if the ring looks as it should.
#[test]
fn what_a_failing_recovery_did_not_write_is_written_by_the_next_to_come() {
    for successes in 0..3 {
        let place = Place::new();
        let (path, left) = (place.path("ring"), place.path("left"));
        lose_power(&left, &second_is_lost(&path));
        failing_after(successes, || four_pages().producer(address(&left)).map(drop))
            .expect_err("the disk fails");
        let noted = fs::read(&left).expect("the ring")[FAILED];
        let before = calls();
        let _tx = four_pages().producer(address(&left)).expect("a producer");
        assert!(noted != 0 && calls() > before, "failed after {successes} syncs, and not written anew");
    }
}
