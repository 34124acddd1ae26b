//! Every word that the other side writes, with values that the protocol never writes there.

use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ringway::untrusted::{Consumer, Producer, options};
use ringway::{Corrupt, Peer, RecvError, SendError, Wait};

use crate::pair;
use crate::raw::{ASLEEP, BELL, CLOSED, CONSUMER, DATA, Half, POSITION, PRODUCER};

/// Bytes of the ring.
const SIZE: u64 = 256;
/// How long calls wait that are not to find anything.
const MOMENT: Duration = Duration::from_millis(5);

/// The header word of a message of `len` bytes.
fn header(len: u64) -> u64 {
    1 << 48 | len
}

/// A consumer whose producer is this test's to play.
fn victim_consumer(how: Wait) -> (Half, Consumer, UnixStream) {
    let (mine, theirs) = UnixStream::pair().expect("sockets");
    let half = Half::new(DATA + SIZE as usize);
    half.give(&mine, PRODUCER, SIZE);
    let rx = options().wait(how).liveness(MOMENT).consumer(&theirs).expect("a consumer");
    (half, rx, mine)
}

/// A producer whose consumer is this test's to play.
fn victim_producer(how: Wait) -> (Half, Producer, UnixStream) {
    let (mine, theirs) = UnixStream::pair().expect("sockets");
    let half = Half::new(DATA);
    half.give(&mine, CONSUMER, 0);
    let tx = options().size(SIZE as usize).wait(how).liveness(MOMENT).producer(&theirs).expect("a producer");
    (half, tx, mine)
}

fn on_every_way(test: impl Fn(Wait)) {
    [Wait::Spin, Wait::Adaptive, Wait::Park].into_iter().for_each(test);
}

/// It says that `what` is corrupt, whichever call is made, and also when the words are right again.
#[track_caller]
fn assert_poisoned(rx: &mut Consumer, what: &str, found: u64, half: &Half) {
    let expected = match rx.recv_timeout(Duration::from_secs(60)).map(drop) {
        Err(RecvError::Corrupt(corrupt)) => corrupt,
        other => panic!("{found:#x} as {what}: {other:?}"),
    };
    assert!(expected.what.contains(what) && expected.found == found, "{expected}");
    for at in [POSITION, ASLEEP] {
        half.long(at).store(0, Ordering::Release);
    }
    assert_eq!(rx.try_recv().map(drop), Err(RecvError::Corrupt(expected)));
    assert_eq!(rx.recv().map(drop), Err(RecvError::Corrupt(expected)));
}

#[test]
fn a_tail_out_of_range_is_corrupt() {
    let wrong = [1, 7, 9, 255, SIZE + 1, SIZE + 8, SIZE << 1, 1 << 32, 1 << 63, u64::MAX, u64::MAX - 7];
    on_every_way(|how| {
        for tail in wrong {
            let (half, mut rx, _socket) = victim_consumer(how);
            half.long(POSITION).store(tail, Ordering::Release);
            assert_poisoned(&mut rx, "`tail`", tail, &half);
        }
    });
}

#[test]
fn a_tail_that_goes_back_is_corrupt() {
    for back in [0, 8] {
        let (half, mut rx, _socket) = victim_consumer(Wait::Park);
        half.long(DATA).store(header(8), Ordering::Relaxed);
        half.long(POSITION).store(16, Ordering::Release);
        assert_eq!(rx.recv().expect("a message").len(), 8);
        half.long(POSITION).store(back, Ordering::Release);
        assert_poisoned(&mut rx, "`tail`", back, &half);
    }
}

#[test]
fn a_header_of_no_message_is_corrupt() {
    // A record of 8 bytes: nothing, kinds that other rings have, and every single bit beside a kind.
    let kinds = [0, 2, 3, 4, 5, 0x100, 0xffff].map(|kind: u64| kind << 48);
    for word in kinds.into_iter().chain([u64::MAX, 8, 1 << 47]) {
        let (half, mut rx, _socket) = victim_consumer(Wait::Adaptive);
        half.long(DATA).store(word, Ordering::Relaxed);
        half.long(POSITION).store(16, Ordering::Release);
        assert_poisoned(&mut rx, "header", word, &half);
    }
}

#[test]
fn a_length_beyond_the_tail_is_corrupt() {
    for tail in (8..=SIZE).step_by(8) {
        for len in [tail - 7, tail, SIZE, SIZE - 7, 1 << 31, u64::from(u32::MAX) - 7, u64::from(u32::MAX)] {
            let (half, mut rx, _socket) = victim_consumer(Wait::Adaptive);
            half.long(DATA).store(header(len), Ordering::Relaxed);
            half.long(POSITION).store(tail, Ordering::Release);
            assert_poisoned(&mut rx, "length", len, &half);
        }
    }
}

#[test]
fn a_head_out_of_range_is_corrupt() {
    on_every_way(|how| {
        // One message of 248 bytes fills the ring.
        for head in [1, 7, 255, SIZE + 1, SIZE + 8, 1 << 32, 1 << 63, u64::MAX, u64::MAX - 7] {
            let (half, mut tx, _socket) = victim_producer(how);
            tx.send(&[1; 248]).expect("room");
            half.long(POSITION).store(head, Ordering::Release);
            let Err(SendError::Corrupt(corrupt)) = tx.send(b"more") else { panic!("{head:#x} is taken") };
            assert!(corrupt.what.contains("`head`") && corrupt.found == head, "{corrupt}");
            half.long(POSITION).store(SIZE, Ordering::Release);
            assert_eq!(tx.try_send(b""), Err(SendError::Corrupt(corrupt)), "for ever");
            assert_eq!(tx.send(b""), Err(SendError::Corrupt(corrupt)));
        }
    });
}

#[test]
fn a_head_that_goes_back_is_corrupt() {
    let (half, mut tx, _socket) = victim_producer(Wait::Park);
    tx.send(&[1; 248]).expect("room");
    half.long(POSITION).store(128, Ordering::Release);
    tx.send(&[2; 120]).expect("room");
    half.long(POSITION).store(64, Ordering::Release);
    let Err(SendError::Corrupt(corrupt)) = tx.send(&[3; 8]) else { panic!("it is taken") };
    assert_eq!(corrupt, Corrupt { what: "the consumer's `head`", found: 64, allowed: 384 });
}

#[test]
fn a_goodbye_that_is_none_is_corrupt() {
    on_every_way(|how| {
        for closed in [2, 0x100, 1 << 31, u32::MAX] {
            let (half, mut rx, _socket) = victim_consumer(how);
            half.word(CLOSED).store(closed, Ordering::Release);
            assert_poisoned(&mut rx, "`closed`", closed.into(), &half);
            let (half, mut tx, _socket) = victim_producer(how);
            half.word(CLOSED).store(closed, Ordering::Release);
            tx.send(&[1; 248]).expect("room is there, and needs no look");
            assert!(matches!(tx.send(b""), Err(SendError::Corrupt(_))));
            half.word(CLOSED).store(0, Ordering::Release);
            assert!(matches!(tx.try_send(b""), Err(SendError::Corrupt(_))), "for ever");
            assert_eq!(tx.peer(), Peer::Attached);
        }
    });
}

#[test]
fn lies_about_sleep_delay_nobody_beyond_the_deadline() {
    on_every_way(|how| {
        for lie in [1, 2, 3, 0x7fff_ffff, 1 << 31, u32::MAX] {
            let (half, mut rx, _socket) = victim_consumer(how);
            half.word(BELL).store(lie, Ordering::Release);
            half.word(ASLEEP).store(lie, Ordering::Release);
            assert_eq!(rx.recv_timeout(MOMENT).map(drop), Err(RecvError::TimedOut));
            half.long(DATA).store(header(0), Ordering::Relaxed);
            half.long(POSITION).store(8, Ordering::Release);
            assert_eq!(rx.recv().expect("a message").len(), 0);
            let (half, mut tx, _socket) = victim_producer(how);
            half.word(BELL).store(lie, Ordering::Release);
            half.word(ASLEEP).store(lie, Ordering::Release);
            tx.send(&[1; 248]).expect("room");
            assert_eq!(tx.send_timeout(b"", MOMENT), Err(SendError::TimedOut));
        }
    });
}

/// It publishes and never wakes: the sleeper looks again after the liveness interval.
#[test]
fn a_message_without_a_wake_up_is_found() {
    let (half, mut rx, _socket) = victim_consumer(Wait::Park);
    let waiting = std::thread::spawn(move || rx.recv().map(|message| message.len()));
    std::thread::sleep(2 * MOMENT);
    half.long(DATA).store(header(8), Ordering::Relaxed);
    half.long(POSITION).store(16, Ordering::Release);
    assert_eq!(waiting.join().expect("no panic"), Ok(8));
}

#[test]
fn a_lie_concerns_one_end_only() {
    let (mut tx, mut rx) = pair(&options(), 4096);
    let (half, mut victim, _socket) = victim_consumer(Wait::Park);
    half.long(POSITION).store(u64::MAX, Ordering::Release);
    assert!(matches!(victim.recv().map(drop), Err(RecvError::Corrupt(_))));
    tx.send(b"sound").expect("room");
    assert_eq!(&rx.recv().expect("a message")[..], b"sound");
}
