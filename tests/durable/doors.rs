//! Every way into a ring, and every machine that cannot tell its boot: whoever comes alone has the ring settled first.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::Path;

use ringway::spsc::{self, Consumer, options};
use ringway::{Address, OpenError};

use crate::common::image::patch;
use crate::disk::{RECORDS, leave, lose_power};
use crate::{PAGE_LONG, Place, address, first_bytes, four_pages};

/// Joins the file at `path` by a descriptor from which no name leads back to it.
fn join_nameless(place: &Place, path: &Path) -> Result<Consumer, OpenError> {
    let file = File::options().read(true).write(true).open(path).expect("the ring");
    // The link that the descriptor was opened by is gone, and there is another.
    fs::hard_link(path, place.path("another")).expect("another name");
    fs::remove_file(path).expect("removed");
    spsc::consumer(Address::Fd(file.as_raw_fd()))
}

#[test]
fn a_plain_ring_of_an_earlier_boot_is_refused_by_descriptor_too() {
    let place = Place::new();
    let (path, left) = (place.path("ring"), place.path("left"));
    let mut tx = options().size(4096).producer(address(&path)).expect("a producer");
    tx.send(b"old").expect("sent");
    lose_power(&left, &fs::read(&path).expect("the ring"));
    let error = join_nameless(&place, &left).expect_err("it may be damaged");
    assert!(matches!(error, OpenError::EarlierBoot { .. }), "{error}");
}

#[test]
fn a_durable_ring_is_recovered_by_descriptor_too() {
    let place = Place::new();
    let (path, left) = (place.path("ring"), place.path("left"));
    let mut tx = four_pages().producer(address(&path)).expect("a producer");
    tx.send(&[b'A'; PAGE_LONG]).expect("sent");
    tx.send(&[b'B'; PAGE_LONG]).expect("sent");
    let mut image = fs::read(&path).expect("the ring");
    image[RECORDS + 4096..].fill(0);
    lose_power(&left, &image);
    let mut rx = join_nameless(&place, &left).expect("a consumer");
    let recovery = rx.recovery().expect("recovered");
    assert_eq!((recovery.kept, recovery.dropped), (1, 1));
    assert_eq!(first_bytes(&mut rx), [b'A']);
}

/// Where /proc is hidden nobody knows the boot. The control lines are newer than the records here, as after a loss of
/// power.
#[test]
fn a_boot_that_is_not_known_is_taken_for_another() {
    let place = Place::new();
    let (path, left) = (place.path("ring"), place.path("left"));
    let mut tx = four_pages().producer(address(&path)).expect("a producer");
    tx.send(&[0; PAGE_LONG]).expect("sent");
    tx.send(&[1; PAGE_LONG]).expect("sent");
    tx.sync().expect("synced");
    let mut image = fs::read(&path).expect("the ring");
    tx.send(&[2; 2000]).expect("sent");
    tx.send(&[3; 1000]).expect("sent");
    image[4096..RECORDS].copy_from_slice(&fs::read(&path).expect("the ring")[4096..RECORDS]);
    leave(&left, &image);
    patch(&left, crate::disk::BOOT, &[0; 16]);
    let mut tx = four_pages().producer(address(&left)).expect("another producer");
    let recovery = tx.recovery().expect("recovered");
    assert_eq!((recovery.kept, recovery.dropped), (2, 2));
    let mut rx = four_pages().consumer(address(&left)).expect("a consumer");
    tx.send(b"new").expect("sent");
    assert_eq!(first_bytes(&mut rx), [0, 1, b'n']);
}

/// The consumer's position may be older than what it has released, though nothing else tells.
#[test]
fn what_is_kept_over_a_boot_that_is_not_known_is_marked_as_redelivered() {
    let place = Place::new();
    let (path, left) = (place.path("ring"), place.path("left"));
    let mut tx = four_pages().producer(address(&path)).expect("a producer");
    tx.send(b"one").expect("sent");
    leave(&left, &fs::read(&path).expect("the ring"));
    patch(&left, crate::disk::BOOT, &[0; 16]);
    let mut rx = four_pages().consumer(address(&left)).expect("a consumer");
    let message = rx.recv().expect("received");
    assert!(message.redelivered());
}
