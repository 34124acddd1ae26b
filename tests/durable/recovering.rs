//! Recoveries that do not come to an end: killed, or on a disk that fails.

use std::fs;
use std::path::Path;
use std::thread;

use ringway::OpenError;
use ringway::inspect::inspect;
use ringway::spsc::options;

use crate::disk::{FAILED, RECORDS, leave, lose_power};
use crate::fdatasync::{calls, failing_after};
use crate::onlooker::Onlooker;
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

/// Until all of what is dropped is cleared, the header at the end says that the ring is damaged: a recovery that is killed
/// before is made again.
#[test]
fn the_header_at_the_end_is_cleared_last() {
    const SIZE: usize = 1 << 25;
    let place = Place::new();
    let path = place.path("ring");
    let tx = options().size(SIZE).durable(true).persist(true).producer(address(&path)).expect("a producer");
    drop(tx);
    let mut image = fs::read(&path).expect("the ring");
    image[RECORDS..].fill(0xee);
    lose_power(&path, &image);
    let onlooker = Onlooker::new(&path);
    let looking = thread::spawn(move || {
        while onlooker.word(RECORDS) != 0 {}
        (1..SIZE / 8).map(|nth| RECORDS + nth * 8).find(|at| onlooker.word(*at) != 0)
    });
    let mut rx = options().durable(true).consumer(address(&path)).expect("a consumer");
    assert_eq!(looking.join().expect("an onlooker"), None, "cleared later than the header at the end");
    assert_eq!(first_bytes(&mut rx), []);
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
