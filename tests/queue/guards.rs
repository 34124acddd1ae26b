//! Claims, messages and drains: what their drop does, and what happens to one that is leaked.

use std::mem::forget;

use ringway::{RecvError, SendError};

use crate::bed::on_every_backing;
use crate::common::pattern;
use crate::{SHORT, small, take, take_all};

#[test]
fn an_aborted_claim_is_passed_over() {
    on_every_backing(&small(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        for round in 0..100 {
            let len = round as usize * 37 % 513;
            tx.claim(len).expect("room").fill(0xff);
            tx.send(&pattern(round, 40)).expect("room");
            assert_eq!(take(&mut rx), pattern(round, 40));
            assert_eq!(tx.used(), Ok(0));
        }
        tx.claim(64).expect("room").fill(0xff);
        assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
        assert_eq!(tx.used(), Ok(0), "the consumer has freed it on its way");
        assert_eq!((tx.counters().messages, rx.counters().messages), (100, 100));
    });
}

/// The claim of a message that was never sent fills the ring like any other, until a consumer passes it.
#[test]
fn aborted_claims_do_not_clog_the_ring() {
    on_every_backing(&small(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        for _ in 0..16 {
            drop(tx.try_claim(64).expect("room"));
        }
        assert!(matches!(tx.try_claim(64).map(drop), Err(SendError::Full { .. })));
        assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
        assert_eq!(tx.used(), Ok(0));
        tx.try_send(b"room again").expect("room");
        assert_eq!(take(&mut rx), b"room again");
    });
}

#[test]
fn what_is_sent_after_a_claim_waits_behind_it() {
    on_every_backing(&small(), |bed| {
        let (mut one, mut rx) = bed.ends();
        let mut other = bed.producer();
        for commit in [true, false] {
            let mut claim = one.claim(3).expect("room");
            claim.copy_from_slice(b"one");
            other.send(b"other").expect("room");
            assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
            if commit {
                claim.commit().expect("at home");
                assert_eq!(take(&mut rx), b"one");
            } else {
                drop(claim);
            }
            assert_eq!(take(&mut rx), b"other");
        }
    });
}

#[test]
fn a_leaked_claim_is_aborted_by_the_next_call() {
    on_every_backing(&small(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        for len in [10, 60, 300] {
            forget(tx.claim(len).expect("room"));
            assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
            tx.send(b"next").expect("room");
            assert_eq!(take(&mut rx), b"next");
            forget(tx.claim(len).expect("room"));
            tx.wait_for_space(64, None).expect("room");
            drop(tx.try_claim(len).expect("room"));
            forget(tx.claim(len).expect("room"));
            tx.batch().expect("at home").commit().expect("at home");
            assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
            assert_eq!(tx.used(), Ok(0));
        }
        forget(tx.claim(100).expect("room"));
        drop(tx);
        assert_eq!(rx.recv().map(drop), Err(RecvError::Closed));
    });
}

#[test]
fn a_leaked_batch_is_aborted_by_the_next_call() {
    on_every_backing(&small(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        for messages in [1, 3, 10] {
            let mut batch = tx.batch().expect("at home");
            (0..messages).for_each(|k| batch.push(&[k; 50]).expect("room"));
            forget(batch);
            assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
            drop(tx.batch().expect("at home"));
            assert_eq!(take_all(&mut rx), []);
            tx.send(b"next").expect("room");
            assert_eq!(take(&mut rx), b"next");
            assert_eq!(tx.used(), Ok(0));
        }
    });
}

#[test]
fn a_leaked_message_is_released_by_the_next_call() {
    on_every_backing(&small(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        for len in [10, 60, 300] {
            tx.send(&pattern(1, len)).expect("room");
            tx.send(&pattern(2, len)).expect("room");
            let used = tx.used().expect("intact");
            forget(rx.recv().expect("a message"));
            assert_eq!(tx.used(), Ok(used), "it is not released");
            assert_eq!(take(&mut rx), pattern(2, len));
            assert_eq!(tx.used(), Ok(0));
            tx.send(&pattern(3, len)).expect("room");
            forget(rx.try_recv().expect("a message"));
            assert_eq!(rx.wait_for_message(Some(SHORT)), Err(RecvError::TimedOut));
            assert_eq!(tx.used(), Ok(0));
        }
        tx.send(b"x").expect("room");
        forget(rx.recv().expect("a message"));
        drop(rx);
        assert_eq!(tx.used(), Ok(0));
    });
}

#[test]
fn a_leaked_drain_is_released_by_the_next_call() {
    on_every_backing(&small(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        for k in 0..4 {
            tx.send(&[k; 50]).expect("room");
        }
        let mut drain = rx.drain().expect("at home");
        forget(drain.next().expect("a message").expect("intact"));
        forget(drain.next().expect("a message").expect("intact"));
        forget(drain);
        assert_eq!(tx.used(), Ok(4));
        assert_eq!(take(&mut rx), [2; 50]);
        assert_eq!(tx.used(), Ok(1));
        let mut drain = rx.drain().expect("at home");
        assert!(drain.next().is_some_and(|message| message.is_ok()));
        forget(drain);
        drop(rx);
        assert_eq!(tx.used(), Ok(0));
    });
}

#[test]
fn a_drain_releases_together() {
    on_every_backing(&small().slots(32), |bed| {
        let (mut tx, mut rx) = bed.ends();
        for round in 0..20 {
            for k in 0..8 {
                tx.send_tagged(k, &pattern(round, 8 * usize::from(k))).expect("room");
            }
            let mut drain = rx.drain().expect("at home");
            for k in 0..4 {
                let message = drain.next().expect("a message").expect("intact");
                assert_eq!((message.tag(), &message[..]), (k, &pattern(round, 8 * usize::from(k))[..]));
                assert_eq!(message.as_ref().len(), message.len());
                drop(message);
                assert_eq!(tx.used(), Ok(8));
            }
            assert!(drain.next().is_none(), "an eighth of the slots, in messages");
            assert!(drain.next().is_none());
            assert_eq!(tx.used(), Ok(8));
            drop(drain);
            assert_eq!(tx.used(), Ok(4));
            // What a drain did not take stays for everybody.
            let mut drain = rx.drain().expect("at home");
            assert_eq!(drain.next().expect("a message").expect("intact").tag(), 4);
            drop(drain);
            let tags: Vec<u16> = take_all(&mut rx).iter().map(|message| message.1).collect();
            assert_eq!(tags, [5, 6, 7]);
            assert_eq!(tx.used(), Ok(0));
        }
        assert_eq!(rx.counters().messages, 160);
    });
}

#[test]
fn a_drain_takes_one_message_at_least() {
    on_every_backing(&small().slots(2), |bed| {
        let (mut tx, mut rx) = bed.ends();
        tx.send(b"x").expect("room");
        let mut drain = rx.drain().expect("at home");
        assert!(drain.next().is_some());
        assert!(drain.next().is_none());
    });
}

/// What one consumer has in hand is nobody else's; the others go on behind it.
#[test]
fn a_message_is_given_to_one() {
    on_every_backing(&small(), |bed| {
        let (mut tx, mut one) = bed.ends();
        let mut other = bed.consumer();
        for round in 0..50 {
            (0..3).for_each(|k| tx.send(&pattern(round, 20 + 40 * k)).expect("room"));
            let held = one.recv().expect("a message");
            assert_eq!(take_all(&mut other).len(), 2);
            assert_eq!(&held[..], pattern(round, 20), "it did not change");
            drop(held);
            assert_eq!(one.try_recv().map(drop), Err(RecvError::Empty));
            assert_eq!(tx.used(), Ok(0));
        }
    });
}
