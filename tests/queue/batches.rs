//! Batches: what is committed appears as a whole, what is dropped was never there.

use std::collections::VecDeque;

use proptest::prelude::*;
use ringway::mpmc::{Batch, options};
use ringway::{RecvError, SendError};

use crate::bed::on_every_backing;
use crate::common::pattern;
use crate::{small, take_all};

/// Message `k` of a batch in which all sizes occur, spans included.
fn mixed(round: u64, k: u64) -> Vec<u8> {
    pattern(round << 32 | k, ((round + 3 * k) * 41 % 200) as usize)
}

/// Pushes messages until the ring is full; how many went in.
fn fill(batch: &mut Batch, len: usize) -> usize {
    let refused = loop {
        if let Err(refused) = batch.push(&vec![7; len]) {
            break refused;
        }
    };
    assert!(matches!(refused, SendError::Full { need, free } if free < need), "{refused:?}");
    batch.len()
}

#[test]
fn a_batch_appears_as_a_whole_and_in_order() {
    on_every_backing(&small().slots(64), |bed| {
        let (mut tx, mut rx) = bed.ends();
        let mut sent = 0;
        // Batches of up to twelve messages go round the end of the ring again and again, with and without padding.
        for round in 0..300 {
            let count = round % 13;
            let mut batch = tx.batch().expect("at home");
            assert!(batch.is_empty());
            for k in 0..count {
                batch.push_tagged(k as u16, &mixed(round, k)).expect("room");
                assert_eq!(batch.len() as u64, k + 1);
                assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
            }
            batch.commit().expect("at home");
            let received = take_all(&mut rx).into_iter().map(|(_, tag, bytes, _)| (tag, bytes));
            let expected = (0..count).map(|k| (k as u16, mixed(round, k)));
            assert!(received.eq(expected), "round {round}");
            assert_eq!(tx.used(), Ok(0));
            sent += count;
        }
        assert_eq!((tx.counters().messages, rx.counters().messages), (sent, sent));
    });
}

#[test]
fn a_dropped_batch_leaves_nothing() {
    on_every_backing(&small().slots(64), |bed| {
        let (mut tx, mut rx) = bed.ends();
        for round in 0..200 {
            let mut batch = tx.batch().expect("at home");
            (0..round % 13).for_each(|k| batch.push(&mixed(round, k)).expect("room"));
            drop(batch);
            tx.send(&pattern(round, 24)).expect("room");
            let received: Vec<_> = take_all(&mut rx).into_iter().map(|message| message.2).collect();
            assert_eq!(received, [pattern(round, 24)]);
            assert_eq!(tx.used(), Ok(0));
        }
        assert_eq!(tx.counters().messages, 200);
    });
}

/// More slots than one claim of a batch takes.
#[test]
fn a_long_batch_is_complete() {
    on_every_backing(&options().slots(512).slot_size(64).participants(2), |bed| {
        let (mut tx, mut rx) = bed.ends();
        for _ in 0..20 {
            for (count, commit) in [(150, true), (65, false), (64, true), (200, false)] {
                let mut batch = tx.batch().expect("at home");
                (0..count).for_each(|k| batch.push(&pattern(k, k as usize % 49)).expect("room"));
                assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
                if commit {
                    batch.commit().expect("at home");
                } else {
                    drop(batch);
                }
                assert_eq!(take_all(&mut rx).len() as u64, if commit { count } else { 0 });
                assert_eq!(tx.used(), Ok(0));
            }
        }
    });
}

/// A refused message leaves the batch as it was: it can be committed, or get a smaller one.
#[test]
fn a_batch_that_meets_the_end_of_the_room_keeps_what_it_has() {
    on_every_backing(&small(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        for round in 0..40 {
            let mut batch = tx.batch().expect("at home");
            let count = fill(&mut batch, 40);
            assert_eq!(count, 16, "round {round}: every slot can be used");
            assert_eq!(fill(&mut batch, 0), count);
            batch.commit().expect("at home");
            assert_eq!(take_all(&mut rx).len(), count);
            assert_eq!(tx.used(), Ok(0));
            // The next round begins elsewhere.
            tx.send(b"x").expect("room");
            assert_eq!(take_all(&mut rx).len(), 1);

            let mut batch = tx.batch().expect("at home");
            batch.push(b"first").expect("room");
            let (len, largest) = (513, 512);
            assert_eq!(batch.push(&[0; 513]), Err(SendError::TooLarge { len, largest }));
            batch.push(b"last").expect("room");
            assert_eq!(batch.len(), 2);
            batch.commit().expect("at home");
            assert_eq!(take_all(&mut rx).len(), 2);
        }
    });
}

/// A batch behind messages that wait, with what is left of the ring.
#[test]
fn a_batch_fits_between_others() {
    on_every_backing(&small(), |bed| {
        let (mut one, mut rx) = bed.ends();
        let mut other = bed.producer();
        for round in 0..40 {
            one.send(b"before").expect("room");
            let mut batch = one.batch().expect("at home");
            batch.push(b"first").expect("room");
            other.send(b"between").expect("room");
            batch.push(b"second").expect("room");
            while batch.push(b"more").is_ok() {}
            let count = batch.len();
            batch.commit().expect("at home");
            assert!(matches!(other.try_send(b"full"), Err(SendError::Full { .. })));
            let received: Vec<_> = take_all(&mut rx).into_iter().map(|message| message.2).collect();
            assert_eq!(received.len(), count + 2, "round {round}");
            let ours: Vec<_> = received.iter().filter(|bytes| *bytes != b"between").collect();
            assert!(ours[0] == b"before" && ours[1] == b"first" && ours[2] == b"second", "{received:?}");
            assert_eq!(one.used(), Ok(0));
        }
    });
}

#[test]
fn an_empty_batch_takes_nothing() {
    on_every_backing(&small(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        for _ in 0..40 {
            tx.batch().expect("at home").commit().expect("at home");
            drop(tx.batch().expect("at home"));
        }
        assert_eq!(tx.used(), Ok(0));
        assert_eq!(take_all(&mut rx), []);
        assert_eq!(tx.counters().messages, 0);
    });
}

/// What is done in a turn: a batch of messages of these lengths by one of two producers, and then so many messages
/// received by one of two consumers.
type Turn = (usize, Vec<usize>, bool, usize, usize);

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let lens = prop::collection::vec(prop_oneof![4 => 0..=64_usize, 1 => 65..=512_usize], 0..20);
    prop::collection::vec((0..2_usize, lens, prop::bool::weighted(0.8), 0..2_usize, 0..24_usize), 1..60)
}

fn take_turns(turns: &[Turn]) {
    on_every_backing(&small(), |bed| {
        let mut producers = [bed.producer(), bed.producer()];
        let mut consumers = [bed.consumer(), bed.consumer()];
        let mut expected = VecDeque::new();
        for (seed, (producer, lens, commit, consumer, most)) in turns.iter().enumerate() {
            let mut batch = producers[*producer].batch().expect("at home");
            let wanted = lens.iter().map(|len| pattern(seed as u64, *len));
            let sent: Vec<Vec<u8>> = wanted.take_while(|bytes| batch.push(bytes).is_ok()).collect();
            assert_eq!(batch.len(), sent.len());
            if *commit {
                batch.commit().expect("at home");
                expected.extend(sent);
            } else {
                drop(batch);
            }
            for _ in 0..*most {
                let message = consumers[*consumer].try_recv().ok();
                assert_eq!(message.as_deref(), expected.pop_front().as_deref());
            }
        }
        let rest = take_all(&mut consumers[0]).into_iter().map(|message| message.2);
        assert!(rest.eq(expected));
        assert_eq!(consumers[1].used(), Ok(0), "nothing is left behind");
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn batches_of_all_kinds_are_a_queue(turns in turns()) {
        take_turns(&turns);
    }
}
