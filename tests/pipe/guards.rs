//! Claims, batches and drains: what is dropped without a commit was never there.

use ringway::pipe::{Consumer, options};
use ringway::{RecvError, SendError};

use crate::bed::on_every_stream;
use crate::common::pattern;

/// Everything that has arrived.
fn drain(rx: &mut Consumer) -> Vec<(u16, Vec<u8>)> {
    let (mut messages, mut drain) = (Vec::new(), rx.drain().expect("at home"));
    while let Some(message) = drain.next() {
        let message = message.expect("intact");
        messages.push((message.tag(), message.to_vec()));
    }
    messages
}

#[test]
fn an_aborted_claim_leaves_nothing() {
    on_every_stream(&options(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        for seed in 0..50 {
            tx.claim(4000).expect("room").fill(0xff);
            assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
            tx.send(&pattern(seed, 40)).expect("sent");
            assert_eq!(&rx.recv().expect("a message")[..], pattern(seed, 40));
        }
    });
}

#[test]
fn a_claim_sends_what_was_filled_in() {
    on_every_stream(&options(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        for seed in 0..50 {
            let mut claim = tx.try_claim(100).expect("room");
            claim.copy_from_slice(&pattern(seed, 100));
            claim.set_tag(seed as u16);
            claim.truncate(1000);
            claim.truncate(seed as usize);
            assert_eq!(claim.len(), seed as usize);
            claim.commit().expect("sent");
            let message = rx.recv().expect("a message");
            assert_eq!((&message[..], message.tag()), (&pattern(seed, 100)[..seed as usize], seed as u16));
        }
    });
}

#[test]
fn a_batch_is_sent_as_a_whole() {
    on_every_stream(&options(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        for round in 0..50 {
            let mut batch = tx.batch().expect("at home");
            assert!(batch.is_empty());
            for k in 0..20 {
                batch.push_tagged(k as u16, &pattern(k, (round + k) as usize)).expect("room");
                assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
            }
            batch.commit().expect("sent");
            let expected: Vec<_> = (0..20).map(|k| (k as u16, pattern(k, (round + k) as usize))).collect();
            assert_eq!(drain(&mut rx), expected);
        }
    });
}

#[test]
fn an_aborted_or_empty_batch_leaves_nothing() {
    on_every_stream(&options(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        for _ in 0..20 {
            tx.batch().expect("at home").push(b"never").expect("room");
            tx.batch().expect("at home").commit().expect("at home");
            assert_eq!(drain(&mut rx), []);
            tx.send(b"sent").expect("sent");
            assert_eq!(drain(&mut rx), [(0, b"sent".to_vec())]);
        }
    });
}

#[test]
fn a_full_batch_keeps_what_it_has() {
    on_every_stream(&options().largest(100), |bed| {
        let (mut tx, mut rx) = bed.ends();
        let mut batch = tx.batch().expect("at home");
        while batch.push(&[7; 56]).is_ok() {}
        assert_eq!(batch.push(&[7; 56]), Err(SendError::Full { need: 64, free: 0 }));
        assert_eq!(batch.len(), 1024);
        std::thread::scope(|scope| {
            scope.spawn(|| batch.commit().expect("sent"));
            for _ in 0..1024 {
                assert_eq!(&rx.recv().expect("a message")[..], [7; 56]);
            }
        });
        assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
    });
}

/// A guard can be leaked by safe code; the stream must go on.
#[test]
#[allow(clippy::mem_forget, clippy::forget_non_drop, reason = "that is what is tested")]
fn leaked_guards_do_no_harm() {
    on_every_stream(&options(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        std::mem::forget(tx.claim(40).expect("room"));
        tx.send(b"one").expect("sent");
        let mut batch = tx.batch().expect("at home");
        batch.push(b"leaked").expect("room");
        std::mem::forget(batch);
        let mut batch = tx.batch().expect("at home");
        batch.push(b"two").expect("room");
        batch.commit().expect("sent");
        std::mem::forget(rx.recv().expect("a message"));
        assert_eq!(&rx.recv().expect("a message")[..], b"two");
        assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
    });
}

#[test]
fn a_drain_leaves_what_it_did_not_take() {
    on_every_stream(&options(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        for word in [&b"one"[..], b"two", b"three"] {
            tx.send(word).expect("sent");
        }
        let mut some = rx.drain().expect("at home");
        assert_eq!(&some.next().expect("one").expect("intact")[..], b"one");
        assert_eq!(&some.next().expect("two").expect("intact")[..], b"two");
        drop(some);
        drop(tx);
        assert_eq!(drain(&mut rx), [(0, b"three".to_vec())]);
        assert_eq!(drain(&mut rx), []);
        assert_eq!(rx.recv().map(drop), Err(RecvError::Closed));
    });
}
