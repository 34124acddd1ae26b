//! A durable ring in ordinary use.

use std::fs;

use ringway::inspect::inspect;
use ringway::spsc::{self, options};
use ringway::{OpenError, SyncError};

use crate::common::image::patch;
use crate::common::names::Name;
use crate::disk::POSITION;
use crate::{Place, address};

#[test]
fn only_rings_in_files_are_durable() {
    let name = Name::new("durable");
    let durable = options().durable(true);
    for refused in [
        durable.producer(&*name).map(drop),
        durable.pair().map(drop),
        durable.create_ring(&*name),
        // A ring that is there, and is not durable.
        {
            let place = Place::new();
            let path = place.path("plain");
            let _tx = spsc::producer(address(&path)).expect("a producer");
            durable.consumer(address(&path)).map(drop)
        },
    ] {
        let error = refused.expect_err("not durable");
        assert!(matches!(error, OpenError::NotDurable { .. }), "{error}");
        assert!(error.to_string().contains("durable(true)"), "{error}");
    }
    assert!(!name.exists());
}

#[test]
fn whoever_opens_a_durable_ring_has_a_durable_ring() {
    let place = Place::new();
    let path = place.path("ring");
    let mut tx = options().size(4096).durable(true).producer(address(&path)).expect("a producer");
    let mut rx = spsc::consumer(address(&path)).expect("a consumer that did not ask for it");
    assert!(tx.geometry().durable && rx.geometry().durable);
    assert_eq!(tx.largest(), 2048 - 16);
    tx.send(b"one").expect("sent");
    assert_eq!(&rx.recv().expect("received")[..], b"one");
    assert_eq!((tx.sync(), rx.sync()), (Ok(()), Ok(())));
    assert_eq!((tx.recovery(), rx.recovery()), (None, None));
}

#[test]
fn a_ring_that_is_not_durable_says_so_when_it_is_to_be_synced() {
    let (mut tx, mut rx) = spsc::pair().expect("a pair");
    assert_eq!((tx.sync(), rx.sync()), (Err(SyncError::NotDurable), Err(SyncError::NotDurable)));
}

/// Messages of every size, every verb, many laps.
#[test]
fn a_durable_ring_carries_what_any_ring_carries() {
    let place = Place::new();
    let path = place.path("ring");
    let durable = options().size(4096).durable(true).sync_every(7);
    let mut tx = durable.producer(address(&path)).expect("a producer");
    let mut rx = durable.consumer(address(&path)).expect("a consumer");
    for len in (0..=tx.largest()).step_by(61).chain([tx.largest()]) {
        let message = crate::common::pattern(len as u64, len);
        tx.send_tagged(9, &message).expect("sent");
        let received = rx.recv().expect("received");
        assert_eq!((&received[..], received.tag(), received.redelivered()), (&message[..], 9, false));
        drop(received);

        let mut claim = tx.claim(len).expect("a claim");
        claim.copy_from_slice(&message);
        claim.truncate(len / 2);
        claim.commit().expect("committed");
        assert_eq!(rx.try_recv().expect("received")[..], message[..len / 2]);

        let mut batch = tx.batch().expect("a batch");
        let pushed = (0..5).filter(|_| batch.push(&message[..len / 8]).is_ok()).count();
        batch.commit().expect("committed");
        let mut drained = 0;
        while drained < pushed {
            let mut drain = rx.drain().expect("a drain");
            while let Some(message_of_batch) = drain.next() {
                assert_eq!(message_of_batch.expect("a message")[..], message[..len / 8]);
                drained += 1;
            }
        }
    }
    assert_eq!(inspect(address(&path)).expect("a report").used, Ok(0));
}

/// A full ring is synced to make room, also by those who do not wait.
#[test]
fn room_that_was_released_is_had_again_by_a_sync() {
    let place = Place::new();
    let path = place.path("ring");
    let mut tx = options().size(4096).durable(true).producer(address(&path)).expect("a producer");
    let mut rx = spsc::consumer(address(&path)).expect("a consumer");
    for _lap in 0..50 {
        while tx.try_send(&[1; 100]).is_ok() {}
        assert!(rx.try_recv().is_ok() && rx.try_recv().is_ok());
        tx.try_send(&[1; 100]).expect("what two messages took is free");
        while rx.try_recv().is_ok() {}
    }
}

#[test]
fn a_producer_and_a_consumer_in_two_threads_go_many_laps() {
    let place = Place::new();
    let path = place.path("ring");
    let mut tx = options().size(1 << 14).durable(true).producer(address(&path)).expect("a producer");
    let mut rx = spsc::consumer(address(&path)).expect("a consumer");
    let sender = std::thread::spawn(move || {
        for number in 0..5000_u64 {
            tx.send(&number.to_le_bytes().repeat(1 + number as usize % 40)).expect("sent");
        }
    });
    for number in 0..5000_u64 {
        let message = rx.recv().expect("received");
        assert_eq!(message[..], number.to_le_bytes().repeat(1 + number as usize % 40)[..]);
    }
    sender.join().expect("the sender ends well");
}

/// A process that dies loses nothing, synced or not: the kernel has its pages.
#[test]
fn a_death_without_a_loss_of_power_drops_nothing() {
    let place = Place::new();
    let (path, image) = (place.path("ring"), place.path("image"));
    let mut tx = options().size(4096).durable(true).producer(address(&path)).expect("a producer");
    let mut rx = spsc::consumer(address(&path)).expect("a consumer");
    for number in 0..5_u8 {
        tx.send(&[number; 50]).expect("sent");
    }
    drop(rx.recv().expect("received and released"));
    let in_hand = rx.recv().expect("received");
    fs::copy(&path, &image).expect("what two deaths leave");
    drop(in_hand);

    let mut rx = spsc::consumer(address(&image)).expect("a consumer");
    assert_eq!(rx.recovery(), None);
    for number in 1..5_u8 {
        let message = rx.recv_timeout(std::time::Duration::from_secs(20)).expect("received");
        assert_eq!((message[..].to_vec(), message.redelivered()), (vec![number; 50], number == 1));
    }
}

/// Damage that came otherwise than by a loss of power is found, too.
#[test]
fn a_damaged_record_ends_the_ring_when_it_is_opened_and_is_corrupt_while_in_use() {
    let place = Place::new();
    let path = place.path("ring");
    let mut tx = options().size(4096).durable(true).producer(address(&path)).expect("a producer");
    for number in 0..3_u8 {
        tx.send(&[number; 48]).expect("sent");
    }
    // A record of 48 bytes takes 64: the second one's payload begins here.
    patch(&path, 8192 + 64 + 8, &[0xff]);
    let mut rx = spsc::consumer(address(&path)).expect("a consumer; the producer lives");
    drop(rx.recv().expect("the first is whole"));
    let error = rx.recv().map(drop).expect_err("the second is not");
    assert!(error.to_string().contains("checksum"), "{error}");
    drop((tx, rx));

    let mut rx = spsc::consumer(address(&path)).expect("a consumer");
    let recovery = rx.recovery().expect("recovered");
    assert_eq!((recovery.kept, recovery.dropped), (0, 2));
    assert_eq!(inspect(address(&path)).expect("a report").dropped, 2);
    assert!(rx.try_recv().is_err());
}

/// It has noted where it goes, and not gone there.
#[test]
fn a_consumer_killed_within_its_release_has_released_nothing() {
    let place = Place::new();
    let (path, image) = (place.path("ring"), place.path("image"));
    let mut tx = options().size(4096).durable(true).producer(address(&path)).expect("a producer");
    let mut rx = spsc::consumer(address(&path)).expect("a consumer");
    for number in 0..3_u8 {
        tx.send(&[number; 50]).expect("sent");
    }
    let in_hand = rx.recv().expect("received");
    let before = fs::read(&path).expect("the ring");
    drop(in_hand);
    let mut killed = fs::read(&path).expect("the ring");
    killed[POSITION..POSITION + 8].copy_from_slice(&before[POSITION..POSITION + 8]);
    fs::copy(&path, &image).expect("a file of the same mode");
    fs::write(&image, killed).expect("what a death leaves");

    let mut rx = spsc::consumer(address(&image)).expect("a consumer");
    assert_eq!(rx.recovery(), None);
    for number in 0..3_u8 {
        assert_eq!(rx.try_recv().expect("received")[..], [number; 50]);
    }
}
