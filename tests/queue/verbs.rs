//! Every verb, and every size of a message through each.

use std::time::Duration;

use ringway::mpmc::{Consumer, Producer, options};
use ringway::{RecvError, SendError, Wait};

use crate::bed::on_every_backing;
use crate::common::pattern;
use crate::{SHORT, receive, small, take, take_all};

const LONG: Duration = Duration::MAX;

/// A way to send a message.
type Send = fn(&mut Producer, &[u8]) -> Result<(), SendError>;

fn filled(claim: Result<ringway::mpmc::Claim, SendError>, bytes: &[u8]) -> Result<(), SendError> {
    let mut claim = claim?;
    claim.copy_from_slice(bytes);
    claim.commit()
}

fn batched(tx: &mut Producer, bytes: &[u8]) -> Result<(), SendError> {
    let mut batch = tx.batch()?;
    batch.push(bytes)?;
    batch.commit()
}

const SENDS: [Send; 9] = [
    Producer::send,
    Producer::try_send,
    |tx, bytes| tx.send_timeout(bytes, LONG),
    |tx, bytes| tx.send_tagged(0, bytes),
    |tx, bytes| tx.try_send_tagged(0, bytes),
    |tx, bytes| filled(tx.claim(bytes.len()), bytes),
    |tx, bytes| filled(tx.try_claim(bytes.len()), bytes),
    |tx, bytes| filled(tx.claim_timeout(bytes.len(), LONG), bytes),
    batched,
];

/// A way to receive a message.
type Recv = fn(&mut Consumer) -> Result<Vec<u8>, RecvError>;

const RECVS: [Recv; 5] = [
    |rx| rx.recv().map(|message| message.to_vec()),
    |rx| rx.try_recv().map(|message| message.to_vec()),
    |rx| rx.recv_timeout(LONG).map(|message| message.to_vec()),
    |rx| rx.drain()?.next().unwrap_or(Err(RecvError::Empty)).map(|message| message.to_vec()),
    |rx| rx.wait_for_message(None).and_then(|()| rx.recv().map(|message| message.to_vec())),
];

/// Lengths around every boundary of a ring with slots of `slot_size` bytes.
fn lengths(largest: usize, slot_size: usize) -> impl Iterator<Item = usize> {
    let spans = (1..=4).flat_map(move |span| [span * slot_size - 1, span * slot_size, span * slot_size + 1]);
    let fixed = [0, 1, 7, 8, 9, 47, 48, 49, 111, 112, 113, largest - 1, largest];
    fixed.into_iter().chain(spans).filter(move |len| *len <= largest)
}

#[test]
fn every_verb_carries_every_length() {
    on_every_backing(&small(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        let mut sent = 0;
        for len in lengths(tx.largest(), 64) {
            for (send, recv) in SENDS.iter().flat_map(|send| RECVS.iter().map(move |recv| (send, recv))) {
                send(&mut tx, &pattern(sent, len)).expect("room");
                assert_eq!(recv(&mut rx), Ok(pattern(sent, len)), "{len} bytes, message {sent}");
                sent += 1;
            }
            assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
            assert_eq!(tx.used(), Ok(0));
        }
        assert_eq!((tx.counters().messages, rx.counters().messages), (sent, sent));
    });
}

/// Whatever the sizes of slots and descriptors, lengths are kept: at 0 inline bytes every message is in a block, at
/// slot size 0 none is, and a descriptor may hold more than a block.
#[test]
fn every_make_of_ring_carries_every_length() {
    let makes = [(64, 0), (64, 8), (8, 48), (64, 112), (48, 48), (0, 48), (0, 8), (4096, 48)];
    for (slot_size, inline) in makes {
        for slots in [2, 4, 16] {
            let options = small().slots(slots).slot_size(slot_size).inline(inline);
            let (mut tx, mut rx) = options.pair().expect("a pair");
            assert_eq!(tx.largest(), inline.max(slots / 2 * slot_size));
            let mut sent = 0;
            for len in lengths(tx.largest(), slot_size.max(8)) {
                for send in SENDS {
                    send(&mut tx, &pattern(sent, len)).expect("room");
                    assert_eq!(take(&mut rx), pattern(sent, len), "{slots} × {slot_size}, {inline} inline");
                    sent += 1;
                }
            }
            assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
            assert_eq!(tx.used(), Ok(0));
        }
    }
}

#[test]
fn tags_arrive_beside_their_messages() {
    on_every_backing(&small(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        for (len, tag) in [(0, 1), (10, u16::MAX), (150, 0x8001)] {
            tx.send_tagged(tag, &pattern(7, len)).expect("room");
            tx.try_send_tagged(tag ^ 1, &pattern(8, len)).expect("room");
            let mut claim = tx.claim(len).expect("room");
            claim.set_tag(tag ^ 2);
            claim.commit().expect("at home");
            let mut batch = tx.batch().expect("at home");
            batch.push_tagged(tag ^ 3, &pattern(9, len)).expect("room");
            batch.commit().expect("at home");
            let tags: Vec<u16> = take_all(&mut rx).into_iter().map(|message| message.1).collect();
            assert_eq!(tags, [tag, tag ^ 1, tag ^ 2, tag ^ 3]);
        }
    });
}

/// A claim that is cut down is sent from where it was filled, a block or the descriptor.
#[test]
fn a_claim_sends_as_much_as_is_left_of_it() {
    for inline in [0, 8, 48, 112] {
        on_every_backing(&small().inline(inline), |bed| {
            let (mut tx, mut rx) = bed.ends();
            for (claimed, kept) in
                lengths(512, 64).flat_map(|len| lengths(512, 64).map(move |kept| (len, kept)))
            {
                let mut claim = tx.claim(claimed).expect("room");
                claim.copy_from_slice(&pattern(claimed as u64, claimed));
                claim.truncate(usize::MAX);
                claim.truncate(kept);
                claim.truncate(kept + 1);
                assert_eq!(claim.len(), claimed.min(kept));
                claim.set_tag(9);
                claim.commit().expect("at home");
                let expected = &pattern(claimed as u64, claimed)[..claimed.min(kept)];
                let (_, tag, bytes, _) = receive(&mut rx);
                assert_eq!((tag, &bytes[..]), (9, expected), "{claimed} cut to {kept}, {inline} inline");
            }
            assert_eq!(tx.used(), Ok(0));
        });
    }
}

#[test]
fn sequences_grow() {
    on_every_backing(&small(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        let mut next = 0;
        for round in 0..100 {
            tx.send(&pattern(round, round as usize * 5)).expect("room");
            let (sequence, ..) = receive(&mut rx);
            assert!(sequence >= next, "{sequence} after {next}");
            next = sequence + 1;
        }
    });
}

#[test]
fn a_full_ring_says_what_is_lacking() {
    on_every_backing(&small(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        for k in 0..16 {
            assert_eq!(tx.used(), Ok(k));
            tx.try_send(&[k as u8; 64]).expect("room");
        }
        assert_eq!((tx.used(), rx.used()), (Ok(16), Ok(16)));
        let full = |slots: u64| Err(SendError::Full { need: slots * 64, free: 0 });
        assert_eq!(tx.try_send(b""), full(1));
        assert_eq!(tx.try_send_tagged(1, &[0; 65]), full(2));
        assert_eq!(tx.try_claim(512).map(drop), full(8));
        assert_eq!(tx.send_timeout(b"", SHORT), Err(SendError::TimedOut));
        assert_eq!(tx.claim_timeout(0, SHORT).map(drop), Err(SendError::TimedOut));
        assert_eq!(tx.wait_for_space(0, Some(Duration::ZERO)), Err(SendError::TimedOut));
        for k in 0..3 {
            assert_eq!(take(&mut rx), [k; 64]);
        }
        assert_eq!(tx.try_send(&[0; 4 * 64]), Err(SendError::Full { need: 256, free: 192 }));
        tx.wait_for_space(3 * 64, None).expect("three slots");
        tx.try_send(&[0; 3 * 64]).expect("three slots");
        assert_eq!(tx.used(), Ok(16));
    });
}

#[test]
fn what_never_fits_is_refused_at_once() {
    on_every_backing(&small(), |bed| {
        let (mut tx, _rx) = bed.ends();
        let largest = tx.largest();
        assert_eq!(largest, 8 * 64);
        for len in [largest + 1, 10 * largest] {
            let bytes = vec![0; len];
            let refused = Err(SendError::TooLarge { len, largest });
            for send in SENDS {
                // A claim is refused before anything could be filled in.
                assert_eq!(send(&mut tx, &bytes), refused);
            }
            assert_eq!(tx.wait_for_space(len, None), refused);
        }
        let text = SendError::TooLarge { len: largest + 1, largest }.to_string();
        assert!(text.contains("513") && text.contains("512"), "{text}");
        assert_eq!(tx.claim(usize::MAX).map(drop), Err(SendError::TooLarge { len: usize::MAX, largest }));
        assert_eq!(tx.used(), Ok(0));
    });
}

#[test]
fn an_empty_ring_says_so() {
    on_every_backing(&small(), |bed| {
        let (tx, mut rx) = bed.ends();
        for wait in [Wait::Spin, Wait::Adaptive, Wait::Park] {
            rx.set_wait(wait);
            assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
            for limit in [Duration::ZERO, SHORT] {
                assert_eq!(rx.recv_timeout(limit).map(drop), Err(RecvError::TimedOut));
                assert_eq!(rx.wait_for_message(Some(limit)), Err(RecvError::TimedOut));
            }
            assert!(rx.drain().expect("at home").next().is_none());
        }
        drop(tx);
    });
}

#[test]
fn a_look_takes_nothing() {
    on_every_backing(&small(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        tx.send(b"once").expect("room");
        for _ in 0..3 {
            rx.wait_for_message(None).expect("a message");
        }
        assert_eq!(rx.counters().messages, 0);
        assert_eq!(take(&mut rx), b"once");
        assert_eq!(rx.wait_for_message(Some(SHORT)), Err(RecvError::TimedOut));
    });
}

/// The smallest ring, one message at a time: the producer waits for the consumer at every second.
#[test]
fn two_slots_are_enough() {
    on_every_backing(&options().slots(2).slot_size(64), |bed| {
        for wait in [Wait::Spin, Wait::Adaptive, Wait::Park] {
            let (mut tx, mut rx) = bed.ends();
            tx.set_wait(wait);
            rx.set_wait(wait);
            let count = if wait == Wait::Adaptive { 1000 } else { 200 };
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    (0..count).for_each(|k| tx.send(&pattern(k, k as usize % 65)).expect("room"))
                });
                (0..count).for_each(|k| assert_eq!(take(&mut rx), pattern(k, k as usize % 65)));
            });
            assert_eq!(rx.recv().map(drop), Err(RecvError::Closed));
        }
    });
}
