//! When the ends sync, what that makes room for, and disks that fail.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ringway::{RecvError, SendError, SyncError};

use crate::common::PATIENCE;
use crate::disk::{POSITION, RELEASED, released_number, word};
use crate::fdatasync::{calls, failing, watched};
use crate::onlooker::Onlooker;
use crate::{Place, address, first_bytes, four_pages};

const EIO: SyncError = SyncError::System { errno: 5 };

#[test]
fn a_producer_that_syncs_every_so_often_has_on_the_disk_what_it_sent() {
    let place = Place::new();
    let mut tx = four_pages().sync_every(3).producer(address(&place.path("ring"))).expect("a producer");
    let syncs_of = |act: &mut dyn FnMut()| {
        let before = calls();
        act();
        calls() - before
    };
    assert_eq!([(); 6].map(|()| syncs_of(&mut || tx.send(b"one").expect("sent"))), [0, 0, 1, 0, 0, 1]);
    let batch_of_four = syncs_of(&mut || {
        let mut batch = tx.batch().expect("a batch");
        (0..4).for_each(|_| batch.push(b"one").expect("pushed"));
        batch.commit().expect("committed");
    });
    assert_eq!(batch_of_four, 1);
    let dropped = syncs_of(&mut || {
        let mut batch = tx.batch().expect("a batch");
        (0..4).for_each(|_| batch.push(b"one").expect("pushed"));
    });
    assert_eq!(dropped, 0, "nothing was sent");
}

/// What was released is on the disk at the next look, whether or not that finds a message.
#[test]
fn a_consumer_that_finds_nothing_has_on_the_disk_what_it_released() {
    let place = Place::new();
    let path = place.path("ring");
    let mut tx = four_pages().producer(address(&path)).expect("a producer");
    let mut rx = four_pages().sync_every(1).consumer(address(&path)).expect("a consumer");
    for wait in [None, Some(Duration::from_millis(1))] {
        tx.send(b"one").expect("sent");
        drop(rx.recv().expect("received"));
        let before = calls();
        let nothing = match wait {
            None => rx.try_recv().map(drop),
            Some(timeout) => rx.recv_timeout(timeout).map(drop),
        };
        assert!(matches!(nothing, Err(RecvError::Empty | RecvError::TimedOut)), "{nothing:?}");
        assert_eq!(calls() - before, 1, "released, and not on the disk for as long as nothing comes");
    }
}

#[test]
fn what_a_drain_released_is_on_the_disk_before_the_next_message_is_taken() {
    let place = Place::new();
    let path = place.path("ring");
    let mut tx = four_pages().producer(address(&path)).expect("a producer");
    let mut rx = four_pages().sync_every(3).consumer(address(&path)).expect("a consumer");
    for _ in 0..5 {
        tx.send(b"one").expect("sent");
    }
    let mut drain = rx.drain().expect("a drain");
    while let Some(message) = drain.next() {
        drop(message.expect("a message"));
    }
    drop(drain);
    let position = word(&fs::read(&path).expect("the ring"), POSITION);
    tx.send(b"six").expect("sent");
    let (taken, written) = watched(|| rx.recv().map(drop));
    taken.expect("received");
    let written = written.expect("five were released, and every three are to be on the disk");
    assert_eq!((word(&written, POSITION), released_number(&written)), (position, Some(5)));
}

#[test]
fn a_blocked_send_gets_room_that_is_less_than_is_worth_a_sync() {
    let place = Place::new();
    let path = place.path("ring");
    let mut tx = four_pages().producer(address(&path)).expect("a producer");
    let mut rx = four_pages().consumer(address(&path)).expect("a consumer");
    while tx.try_send(&[1; 100]).is_ok() {}
    let (sent, is_sent) = mpsc::channel();
    let consumer = thread::spawn(move || {
        for _ in 0..2 {
            drop(rx.recv().expect("received"));
        }
        // Releases no more, and stays.
        is_sent.recv_timeout(PATIENCE).is_ok()
    });
    assert_eq!(tx.send(&[1; 100]), Ok(()));
    sent.send(()).expect("the consumer is there");
    assert!(consumer.join().expect("the consumer ends well"));
}

#[test]
fn a_slow_consumer_does_not_make_the_producer_sync_for_every_message() {
    const MESSAGES: usize = 400;
    let place = Place::new();
    let path = place.path("ring");
    let mut tx = four_pages().producer(address(&path)).expect("a producer");
    let mut rx = four_pages().consumer(address(&path)).expect("a consumer");
    while tx.try_send(&[1; 100]).is_ok() {}
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let consumer = thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            let _ = rx.try_recv();
            thread::sleep(Duration::from_millis(1));
        }
    });
    let before = calls();
    for _ in 0..MESSAGES {
        tx.send(&[1; 100]).expect("sent");
    }
    let syncs = calls() - before;
    stop.store(true, Ordering::Relaxed);
    consumer.join().expect("the consumer ends well");
    assert!(syncs <= MESSAGES / 4, "{syncs} syncs for {MESSAGES} messages");
}

/// Its pages pass for written when the system failed to write them: the next sync, of whichever participant, makes
/// every page one to be written first.
#[test]
fn after_a_failure_the_next_sync_writes_everything() {
    let place = Place::new();
    let path = place.path("ring");
    let mut tx = four_pages().producer(address(&path)).expect("a producer");
    let mut rx = four_pages().consumer(address(&path)).expect("a consumer");
    tx.send(b"one").expect("sent");
    assert_eq!(failing(|| tx.sync()), Err(EIO));
    assert_eq!(failing(|| rx.sync()), Err(EIO), "the disk fails still");
    assert_eq!((rx.sync(), tx.sync()), (Ok(()), Ok(())));
    assert_eq!(first_bytes(&mut rx), [b'o']);
}

#[test]
fn after_a_failure_whoever_attaches_alone_has_everything_written_anew() {
    let place = Place::new();
    let path = place.path("ring");
    let mut tx = four_pages().producer(address(&path)).expect("a producer");
    tx.send(b"one").expect("sent");
    assert_eq!(failing(|| tx.sync()), Err(EIO));
    drop(tx);
    failing(|| four_pages().producer(address(&path))).expect_err("the disk fails still");
    let (tx, written) = watched(|| four_pages().producer(address(&path)));
    let mut tx = tx.expect("another producer");
    assert!(written.is_some(), "written before anybody relies on it");
    let mut rx = four_pages().consumer(address(&path)).expect("a consumer");
    assert_eq!((tx.sync(), rx.sync()), (Ok(()), Ok(())));
    assert_eq!(first_bytes(&mut rx), [b'o']);
}

#[test]
fn a_message_whose_sync_fails_is_sent_once_and_the_consumer_s_is_not_taken() {
    let place = Place::new();
    let path = place.path("ring");
    let mut tx = four_pages().sync_every(1).producer(address(&path)).expect("a producer");
    let mut rx = four_pages().consumer(address(&path)).expect("a consumer");
    assert_eq!(failing(|| tx.send(b"a")), Err(SendError::Sync(EIO)));
    assert_eq!(first_bytes(&mut rx), [b'a']);
    drop((tx, rx));

    let path = place.path("another");
    let mut tx = four_pages().producer(address(&path)).expect("a producer");
    let mut rx = four_pages().sync_every(1).consumer(address(&path)).expect("a consumer");
    tx.send(b"a").expect("sent");
    tx.send(b"b").expect("sent");
    drop(rx.recv().expect("received"));
    tx.send(b"c").expect("sent");
    assert_eq!(failing(|| rx.recv().map(drop)), Err(RecvError::Sync(EIO)));
    drop(rx);
    let mut rx = four_pages().consumer(address(&path)).expect("another consumer");
    assert_eq!(first_bytes(&mut rx), [b'b', b'c']);
}

/// An old number beside a new position would let records of an earlier lap pass for new ones.
#[test]
fn the_number_of_what_was_released_is_never_behind_the_position() {
    const FOOTPRINT: u64 = 64;
    /// So many positions are to be seen while they change, unless the machine is too busy for that.
    const SEEN: usize = 5_000;
    const MOST: usize = 300_000;
    let place = Place::new();
    let path = place.path("ring");
    let mut tx = four_pages().producer(address(&path)).expect("a producer");
    let mut rx = four_pages().consumer(address(&path)).expect("a consumer");
    let onlooker = Onlooker::new(&path);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let looking = thread::spawn(move || {
        let (mut seen, mut last) = (0, 0);
        while seen < SEEN && !stopped.load(Ordering::Relaxed) {
            let position = onlooker.word(POSITION);
            let noted = [RELEASED, RELEASED + 16].map(|at| (onlooker.word(at), onlooker.word(at + 8) as u32));
            if onlooker.word(POSITION) == position {
                let done = noted.into_iter().find(|(to, _)| *to == position);
                let number = done.expect("one of the last two releases went there").1;
                assert_eq!(u64::from(number), position / FOOTPRINT);
            }
            seen += usize::from(position != last);
            last = position;
        }
    });
    let mut sent = 0;
    while sent < MOST && !looking.is_finished() {
        while tx.try_send(&[1; FOOTPRINT as usize - 16]).is_ok() {
            sent += 1;
        }
        while rx.try_recv().is_ok() {}
    }
    stop.store(true, Ordering::Relaxed);
    looking.join().expect("the number is never behind");
}
