//! Claims, batches and drains: what is dropped without a commit was never there.

use ringway::spsc::{Consumer, Options, options};
use ringway::{RecvError, SendError};

use crate::bed::on_every_backing;
use crate::common::pattern;

fn small() -> Options {
    options().size(1024)
}

/// Everything that is there: one drain after the other, since each ends with an eighth of the ring.
fn drain(rx: &mut Consumer) -> Vec<(u16, Vec<u8>)> {
    let mut messages = Vec::new();
    loop {
        let before = messages.len();
        let mut drain = rx.drain().expect("at home");
        while let Some(message) = drain.next() {
            let message = message.expect("intact");
            messages.push((message.tag(), message.to_vec()));
        }
        if messages.len() == before {
            return messages;
        }
    }
}

#[test]
fn a_claim_sends_what_was_filled_in() {
    on_every_backing(&small(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        for seed in 0..100 {
            let mut claim = tx.claim(100).expect("room");
            assert_eq!(claim.len(), 100);
            claim.copy_from_slice(&pattern(seed, 100));
            claim.set_tag(seed as u16);
            claim.truncate(1000);
            claim.truncate(seed as usize);
            assert_eq!(claim.len(), seed as usize);
            claim.commit().expect("at home");
            let message = rx.recv().expect("a message");
            assert_eq!(&message[..], &pattern(seed, 100)[..seed as usize]);
            assert_eq!(message.tag(), seed as u16);
        }
    });
}

#[test]
fn an_aborted_claim_leaves_nothing() {
    on_every_backing(&small(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        for seed in 0..100 {
            tx.claim(400).expect("room").fill(0xff);
            assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
            assert_eq!(tx.used(), Ok(0));
            tx.send(&pattern(seed, 40)).expect("room");
            assert_eq!(&rx.recv().expect("a message")[..], pattern(seed, 40));
        }
        assert_eq!(tx.counters().messages, 100);
    });
}

#[test]
fn a_batch_becomes_visible_as_a_whole() {
    on_every_backing(&small(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        // Batches of 8 · 88 bytes go round the end of the ring again and again, with and without padding.
        for round in 0..200_u64 {
            let len = |k: u64| (round + 11 * k) as usize % 80;
            let mut batch = tx.batch().expect("at home");
            assert!(batch.is_empty());
            for k in 0..8 {
                batch.push_tagged(k as u16, &pattern(k, len(k))).expect("room");
                assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
            }
            assert_eq!(batch.len(), 8);
            batch.commit().expect("at home");
            let expected: Vec<_> = (0..8).map(|k| (k as u16, pattern(k, len(k)))).collect();
            assert_eq!(drain(&mut rx), expected, "round {round}");
        }
        assert_eq!(tx.counters().messages, 1600);
    });
}

#[test]
fn an_aborted_batch_leaves_nothing() {
    on_every_backing(&small(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        for round in 0..200 {
            let mut batch = tx.batch().expect("at home");
            for _ in 0..round % 10 {
                batch.push(&[0xff; 80]).expect("room");
            }
            drop(batch);
            assert_eq!(tx.used(), Ok(0));
            assert_eq!(drain(&mut rx), []);
            tx.send(&pattern(round, 24)).expect("room");
            assert_eq!(drain(&mut rx), [(0, pattern(round, 24))]);
        }
        assert_eq!(tx.counters().messages, 200);
    });
}

#[test]
fn a_full_batch_keeps_what_it_has() {
    on_every_backing(&small(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        for _ in 0..20 {
            let mut batch = tx.batch().expect("at home");
            while batch.push(&[7; 48]).is_ok() {}
            assert!(matches!(batch.push(&[7; 48]), Err(SendError::Full { .. })));
            let sent = batch.len();
            assert!(sent >= 15, "only {sent} messages of 56 bytes in 1016");
            batch.commit().expect("at home");
            assert_eq!(drain(&mut rx).len(), sent);
            // The next round begins elsewhere.
            tx.send(&[0; 8]).expect("room");
            assert_eq!(drain(&mut rx).len(), 1);
        }
    });
}

#[test]
fn an_empty_batch_is_fine() {
    on_every_backing(&small(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        tx.batch().expect("at home").commit().expect("at home");
        assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
    });
}

/// A guard can be leaked by safe code; the ring must go on.
#[test]
#[allow(clippy::forget_non_drop, reason = "whether a guard does anything on drop is its own business")]
fn leaked_guards_do_no_harm() {
    on_every_backing(&small(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        std::mem::forget(tx.claim(40).expect("room"));
        let mut batch = tx.batch().expect("at home");
        batch.push(b"leaked").expect("room");
        std::mem::forget(batch);
        tx.send(b"sent").expect("room");
        let mut batch = tx.batch().expect("at home");
        batch.push(b"leaked").expect("room");
        std::mem::forget(batch);
        let mut batch = tx.batch().expect("at home");
        batch.push(b"batched").expect("room");
        batch.commit().expect("at home");
        assert_eq!(drain(&mut rx), [(0, b"sent".to_vec()), (0, b"batched".to_vec())]);
        tx.send(b"kept").expect("room");
        std::mem::forget(rx.recv().expect("a message"));
        assert_ne!(tx.used(), Ok(0), "a message that was leaked is not released");
        tx.send(b"next").expect("room");
        assert_eq!(&rx.recv().expect("a message")[..], b"next");
        assert_eq!(tx.used(), Ok(0), "but is with the next one");
        tx.send(&[1; 400]).expect("room");
        std::mem::forget(rx.recv().expect("a message"));
        tx.send(b"drained").expect("room");
        assert_eq!(drain(&mut rx), [(0, b"drained".to_vec())]);
        assert_eq!(tx.used(), Ok(0));
    });
}

#[test]
fn a_drain_releases_what_it_took_and_leaves_the_rest() {
    on_every_backing(&small(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        for k in 0..5_u8 {
            tx.send(&[k; 8]).expect("room");
        }
        let mut drain_two = rx.drain().expect("at home");
        for k in 0..2_u8 {
            let message = drain_two.next().expect("there").expect("intact");
            assert_eq!(&message[..], [k; 8]);
            drop(message);
            assert_eq!(tx.used(), Ok(5 * 16), "nothing is released while the drain lasts");
        }
        drop(drain_two);
        assert_eq!(tx.used(), Ok(3 * 16));
        let rest: Vec<_> = (2..5).map(|k| (0, vec![k; 8])).collect();
        assert_eq!(drain(&mut rx), rest);
        assert_eq!(tx.used(), Ok(0));
    });
}

#[test]
fn a_drain_ends_with_an_eighth_of_the_ring() {
    on_every_backing(&small(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        for _ in 0..50 {
            let mut sent = 0;
            while tx.try_send(&[1; 24]).is_ok() {
                sent += 1;
            }
            let mut drain = rx.drain().expect("at home");
            let mut taken = 0;
            while drain.next().is_some() {
                taken += 1;
            }
            drop(drain);
            assert!((1..=4).contains(&taken), "{taken} records of 32 bytes where 128 are an eighth");
            assert_eq!(tx.used(), Ok((sent - taken) * 32), "what was taken is released");
            while rx.try_recv().is_ok() {}
        }
    });
}
