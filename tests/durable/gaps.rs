//! Gaps: what is sound in itself and must not be delivered, since something before it is missing or since it was never
//! sent.

use std::fs;

use ringway::spsc;

use crate::disk::{POSITION, RECORDS, SENT, TAIL, leave, lose_power, word};
use crate::{PAGE_LONG, Place, address, first_bytes, four_pages};

/// The pages of the ring's records from `first` to before `end`.
fn pages(first: usize, end: usize) -> std::ops::Range<usize> {
    RECORDS + first * 4096..RECORDS + end * 4096
}

/// A ring after a loss of power, in which padding of the lap before lies where a record should be. X, Y and Z were sent in
/// its last lap, and the page with Y in it is as it was before; `released`: X was released before.
fn stale_padding(released: bool) -> (Vec<u8>, u64) {
    let place = Place::new();
    let (path, left) = (place.path("ring"), place.path("left"));
    let mut tx = four_pages().producer(address(&path)).expect("a producer");
    let mut rx = spsc::consumer(address(&path)).expect("a consumer");
    for _ in 0..3 {
        tx.send(&[1; PAGE_LONG]).expect("sent");
        drop(rx.recv().expect("received"));
    }
    // Does not fit into the last page: padding, and a record that begins the second lap.
    tx.send(&[2; 6000]).expect("sent");
    drop(rx.recv().expect("received"));
    tx.sync().expect("synced");
    let synced = fs::read(&path).expect("the ring");
    tx.send(&vec![b'X'; 3 * 4096 - (6000 + 16) - 16]).expect("up to the last page");
    if released {
        drop(rx.recv().expect("received"));
    }
    tx.send(&[b'Y'; PAGE_LONG]).expect("in the last page");
    tx.send(&[b'Z'; 100]).expect("where the padding leads");
    let mut image = fs::read(&path).expect("the ring");
    image[pages(3, 4)].copy_from_slice(&synced[pages(3, 4)]);
    lose_power(&left, &image);
    let mut rx = four_pages().consumer(address(&left)).expect("a consumer");
    let dropped = rx.recovery().expect("recovered").dropped;
    (first_bytes(&mut rx), dropped)
}

#[test]
fn padding_of_an_earlier_lap_does_not_hide_a_gap() {
    assert_eq!(stale_padding(false), (vec![b'X'], 2));
}

#[test]
fn padding_of_an_earlier_lap_does_not_hide_a_gap_at_the_consumer_s_position() {
    assert_eq!(stale_padding(true), (vec![], 2));
}

/// A and B were pushed and dropped; C is sent in the place of A, and the page behind it, with the header cleared by C, is
/// as it was.
#[test]
fn a_message_of_a_dropped_batch_is_not_delivered_behind_one_that_was_sent_in_its_place() {
    let place = Place::new();
    let (path, left) = (place.path("ring"), place.path("left"));
    let mut tx = four_pages().producer(address(&path)).expect("a producer");
    let mut batch = tx.batch().expect("a batch");
    batch.push(&[b'A'; PAGE_LONG]).expect("pushed");
    batch.push(&[b'B'; PAGE_LONG]).expect("pushed");
    drop(batch);
    tx.sync().expect("synced");
    let aborted = fs::read(&path).expect("the ring");
    tx.send(&[b'C'; PAGE_LONG]).expect("sent");
    let mut image = fs::read(&path).expect("the ring");
    image[pages(1, 2)].copy_from_slice(&aborted[pages(1, 2)]);
    lose_power(&left, &image);
    let mut rx = four_pages().consumer(address(&left)).expect("a consumer");
    assert_eq!(first_bytes(&mut rx), [b'C'], "B was never sent; {:?}", rx.recovery());
}

/// The same, with a producer that was killed with its batch, and another one.
#[test]
fn a_message_of_a_killed_producer_s_batch_is_not_delivered_behind_another_one_s() {
    let place = Place::new();
    let (path, left) = (place.path("ring"), place.path("left"));
    let mut tx = four_pages().producer(address(&path)).expect("a producer");
    let mut batch = tx.batch().expect("a batch");
    batch.push(&[b'A'; PAGE_LONG]).expect("pushed");
    batch.push(&[b'B'; PAGE_LONG]).expect("pushed");
    leave(&left, &fs::read(&path).expect("the ring"));

    let mut tx = four_pages().producer(address(&left)).expect("another producer");
    assert_eq!(tx.recovery(), None);
    let before = fs::read(&left).expect("the ring");
    tx.send(&[b'C'; PAGE_LONG]).expect("sent");
    let mut image = fs::read(&left).expect("the ring");
    image[pages(1, 2)].copy_from_slice(&before[pages(1, 2)]);
    drop(tx);
    lose_power(&left, &image);
    let mut rx = four_pages().consumer(address(&left)).expect("a consumer");
    assert_eq!(first_bytes(&mut rx), [b'C'], "B was never sent");
}

/// The batch began with padding at the end of the ring, and so does what is sent in its place: the padding is new, and
/// what it leads to is as the batch left it.
#[test]
fn a_message_of_a_dropped_batch_is_not_delivered_behind_padding_of_a_later_one() {
    let place = Place::new();
    let (path, left) = (place.path("ring"), place.path("left"));
    let mut tx = four_pages().producer(address(&path)).expect("a producer");
    let mut rx = four_pages().consumer(address(&path)).expect("a consumer");
    for _ in 0..3 {
        tx.send(&[1; PAGE_LONG]).expect("sent");
        drop(rx.recv().expect("received"));
    }
    tx.sync().expect("synced");
    let mut batch = tx.batch().expect("a batch");
    batch.push(&[b'A'; 5000]).expect("pushed behind padding");
    batch.push(&[b'B'; 1000]).expect("pushed");
    drop(batch);
    let aborted = fs::read(&path).expect("the ring");
    tx.send(&[b'C'; 5001]).expect("sent behind the same padding");
    let mut image = fs::read(&path).expect("the ring");
    image[pages(0, 3)].copy_from_slice(&aborted[pages(0, 3)]);
    lose_power(&left, &image);
    let mut rx = four_pages().consumer(address(&left)).expect("a consumer");
    assert_eq!(rx.recovery().expect("recovered").kept, 0, "A and B were never sent");
    assert_eq!(first_bytes(&mut rx), []);
}

/// A and B were pushed and dropped, C and D sent in their places. The consumer is killed when it has noted that it releases
/// D, and the page of D is as the batch left it: that C was released must still be known.
#[test]
fn a_message_of_a_dropped_batch_is_not_delivered_after_a_release_that_was_not_done() {
    let place = Place::new();
    let (path, left) = (place.path("ring"), place.path("left"));
    let mut tx = four_pages().producer(address(&path)).expect("a producer");
    let mut rx = four_pages().consumer(address(&path)).expect("a consumer");
    let mut batch = tx.batch().expect("a batch");
    batch.push(&[b'A'; PAGE_LONG]).expect("pushed");
    batch.push(&[b'B'; PAGE_LONG]).expect("pushed");
    drop(batch);
    let aborted = fs::read(&path).expect("the ring");
    tx.send(&[b'C'; PAGE_LONG]).expect("sent");
    tx.send(&[b'D'; PAGE_LONG]).expect("sent");
    drop(rx.recv().expect("received"));
    let in_hand = rx.recv().expect("received");
    let before = fs::read(&path).expect("the ring");
    drop(in_hand);
    let mut image = fs::read(&path).expect("the ring");
    image[POSITION..POSITION + 8].copy_from_slice(&before[POSITION..POSITION + 8]);
    image[pages(1, 2)].copy_from_slice(&aborted[pages(1, 2)]);
    lose_power(&left, &image);
    let mut rx = four_pages().consumer(address(&left)).expect("a consumer");
    assert_eq!(first_bytes(&mut rx), [], "B was never sent");
}

#[test]
fn what_was_in_hand_and_is_lost_is_counted() {
    let place = Place::new();
    let (path, left) = (place.path("ring"), place.path("left"));
    let mut tx = four_pages().producer(address(&path)).expect("a producer");
    let mut rx = four_pages().consumer(address(&path)).expect("a consumer");
    for number in 0..3 {
        tx.send(&[number; PAGE_LONG]).expect("sent");
    }
    let in_hand = rx.recv().expect("received");
    let mut image = fs::read(&path).expect("the ring");
    image[pages(0, 4)].fill(0);
    lose_power(&left, &image);
    drop(in_hand);
    let rx = four_pages().consumer(address(&left)).expect("a consumer");
    assert_eq!(rx.recovery().expect("recovered").dropped, 3, "sent, not released, and lost");
}

/// No loss of power, and no count to tell by: only the producer's position says that there was more.
#[test]
fn a_gap_before_the_producer_s_position_ends_the_ring() {
    let place = Place::new();
    let (path, left) = (place.path("ring"), place.path("left"));
    let mut tx = four_pages().producer(address(&path)).expect("a producer");
    tx.send(&[b'A'; PAGE_LONG]).expect("sent");
    let count = word(&fs::read(&path).expect("the ring"), SENT) as u32;
    let mut batch = tx.batch().expect("a batch");
    batch.push(&[b'B'; PAGE_LONG]).expect("pushed");
    batch.push(&[b'C'; PAGE_LONG]).expect("pushed");
    batch.commit().expect("committed");
    let mut image = fs::read(&path).expect("the ring");
    assert_eq!(word(&image, TAIL), 3 * 4096, "a batch writes the position down");
    image[SENT..SENT + 4].copy_from_slice(&count.to_ne_bytes());
    image[pages(1, 2)].fill(0);
    leave(&left, &image);

    let mut tx = four_pages().producer(address(&left)).expect("another producer");
    let recovery = tx.recovery().expect("recovered");
    assert_eq!((recovery.kept, recovery.dropped), (1, 2));
    let mut rx = four_pages().consumer(address(&left)).expect("a consumer");
    tx.send(b"new").expect("sent");
    assert_eq!(first_bytes(&mut rx), [b'A', b'n']);
}

/// A message carries a copy of another ring's record, which a page of an earlier lap lays bare where a header should be.
#[test]
fn a_record_within_a_message_is_no_record_of_the_ring() {
    let place = Place::new();
    let (path, other, left) = (place.path("ring"), place.path("other"), place.path("left"));
    let mut tx = four_pages().producer(address(&other)).expect("a producer");
    for number in 0..9 {
        tx.send(&[number; 1000]).expect("sent");
    }
    let record = &fs::read(&other).expect("another ring")[RECORDS + 8 * 1016..RECORDS + 9 * 1016];

    let mut tx = four_pages().producer(address(&path)).expect("a producer");
    let mut rx = four_pages().consumer(address(&path)).expect("a consumer");
    let mut carrier = vec![1; 2 * 4096 - 16];
    carrier[4096 - 8..4096 - 8 + 1016].copy_from_slice(record);
    for message in [&carrier, &vec![2; 2 * 4096 - 16]] {
        tx.send(message).expect("sent");
        drop(rx.recv().expect("received"));
    }
    tx.sync().expect("synced");
    let synced = fs::read(&path).expect("the ring");
    tx.send(&[b'X'; PAGE_LONG]).expect("sent");
    tx.send(&[b'Y'; PAGE_LONG]).expect("sent");
    let mut image = fs::read(&path).expect("the ring");
    image[pages(1, 2)].copy_from_slice(&synced[pages(1, 2)]);
    lose_power(&left, &image);
    let mut rx = four_pages().consumer(address(&left)).expect("a consumer");
    assert_eq!(first_bytes(&mut rx), [b'X']);
}
