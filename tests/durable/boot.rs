//! Rings of an earlier boot that are not durable: nothing tells whether what they hold is whole.

use std::fs;
use std::path::Path;

use ringway::{OpenError, mpmc, spsc};

use crate::disk::{RECORDS, TAIL, leave, reboot};
use crate::{Place, address};

/// A ring at `path` of an earlier boot with a message in it, or with none.
fn spsc_of_earlier_boot(path: &Path, message: Option<&[u8]>) {
    let mut tx = spsc::options().size(4096).persist(true).producer(address(path)).expect("a producer");
    for _ in 0..100 {
        tx.send(&[3; 100]).expect("sent");
        drop(spsc::consumer(address(path)).expect("a consumer").recv().expect("received"));
    }
    message.into_iter().for_each(|message| tx.send(message).expect("sent"));
    drop(tx);
    reboot(path);
}

fn mpmc_of_earlier_boot(path: &Path, message: Option<&[u8]>) {
    let options = mpmc::options().slots(4).slot_size(64).persist(true);
    let mut tx = options.producer(address(path)).expect("a producer");
    let mut rx = options.consumer(address(path)).expect("a consumer");
    for _ in 0..100 {
        tx.send(&[3; 100]).expect("sent");
        drop(rx.recv().expect("received"));
    }
    message.into_iter().for_each(|message| tx.send(message).expect("sent"));
    drop((tx, rx));
    reboot(path);
}

#[test]
fn an_empty_ring_of_an_earlier_boot_is_as_good_as_new() {
    let place = Place::new();
    let path = place.path("ring");
    spsc_of_earlier_boot(&path, None);
    let mut rx = spsc::consumer(address(&path)).expect("a consumer");
    let mut tx = spsc::producer(address(&path)).expect("a producer");
    assert!(ringway::inspect::inspect(address(&path)).expect("a report").boot_current);
    tx.send(b"new").expect("sent");
    let message = rx.recv().expect("received");
    assert_eq!((&message[..], message.sequence()), (&b"new"[..], 0));

    let path = place.path("queue");
    mpmc_of_earlier_boot(&path, None);
    let mut rx = mpmc::consumer(address(&path)).expect("a consumer");
    let mut tx = mpmc::producer(address(&path)).expect("a producer");
    tx.send(b"new").expect("sent");
    let message = rx.recv().expect("received");
    assert_eq!((&message[..], message.sequence()), (&b"new"[..], 0));
}

#[test]
fn messages_of_an_earlier_boot_are_refused_unless_they_are_accepted() {
    let place = Place::new();
    let path = place.path("ring");
    spsc_of_earlier_boot(&path, Some(b"old"));
    let error = spsc::consumer(address(&path)).expect_err("they may be damaged");
    assert!(matches!(error, OpenError::EarlierBoot { .. }), "{error}");
    let mut rx = spsc::options().earlier_boot(true).consumer(address(&path)).expect("accepted");
    assert_eq!(&rx.recv().expect("received")[..], b"old");
    let _tx = spsc::producer(address(&path)).expect("whoever comes later comes to a ring of this boot");

    let path = place.path("queue");
    mpmc_of_earlier_boot(&path, Some(b"old"));
    let error = mpmc::producer(address(&path)).expect_err("they may be damaged");
    assert!(matches!(error, OpenError::EarlierBoot { .. }), "{error}");
    let mut rx = mpmc::options().earlier_boot(true).consumer(address(&path)).expect("accepted");
    assert_eq!(&rx.recv().expect("received")[..], b"old");
}

/// Another id with living participants is no earlier boot: a sandbox may have ids of its own.
#[test]
fn a_ring_in_use_is_of_this_boot_whatever_its_header_says() {
    let place = Place::new();
    let path = place.path("ring");
    let mut tx = spsc::producer(address(&path)).expect("a producer");
    tx.send(b"here").expect("sent");
    reboot(&path);
    let mut rx = spsc::consumer(address(&path)).expect("its producer lives");
    assert_eq!(&rx.recv().expect("received")[..], b"here");
}

/// Whoever clears an empty ring of an earlier boot may be killed anywhere: first the records are cleared, and then the
/// control lines from the producer's on.
#[test]
fn an_empty_ring_that_was_cleared_in_part_is_still_empty() {
    let place = Place::new();
    let path = place.path("ring");
    spsc_of_earlier_boot(&path, None);
    let mut image = fs::read(&path).expect("the ring");
    let control = (TAIL..TAIL + 5 * 128).step_by(8);
    for (at, len) in (RECORDS..image.len()).step_by(64).map(|at| (at, 64)).chain(control.map(|at| (at, 8))) {
        image[at..at + len].fill(0);
        leave(&path, &image);
        let mut tx = spsc::producer(address(&path)).expect("a producer");
        let mut rx = spsc::consumer(address(&path)).expect("a consumer");
        tx.send(b"new").expect("sent");
        let message = rx.recv().expect("received");
        assert_eq!((&message[..], message.sequence()), (&b"new"[..], 0), "cleared up to {at}");
    }
}
