//! Lap after lap: round the ring thousands of times, and round the circle of lap numbers, of which a slot's word has
//! 39 bits.

use std::collections::VecDeque;

use ringway::mpmc::{Consumer, Producer};

use crate::bed::on_every_backing;
use crate::common::image::crash_image;
use crate::common::names::Name;
use crate::common::pattern;
use crate::words::{State, Words, word};
use crate::{receive, small, take_all};

/// A number below `below` that nobody expects.
fn some(seed: u64, below: usize) -> usize {
    usize::from_ne_bytes(pattern(seed, 8).try_into().expect("eight bytes")) % below
}

/// Fills and empties the ring `rounds` times, each time by another measure; the sequences must grow.
fn go_round(producers: &mut [Producer], consumers: &mut [Consumer], rounds: u64) {
    let mut queue = VecDeque::new();
    let (mut sent, mut last) = (0, None);
    for round in 0..rounds {
        for _ in 0..some(round, 16) {
            let tx = &mut producers[some(sent, 2)];
            let bytes = pattern(sent, some(sent, if sent.is_multiple_of(9) { 513 } else { 65 }));
            if tx.try_send_tagged(sent as u16, &bytes).is_ok() {
                queue.push_back((sent as u16, bytes));
            }
            sent += 1;
        }
        for turn in 0..some(round ^ 77, 16) as u64 {
            let Some((tag, bytes)) = queue.pop_front() else { break };
            let (sequence, ..) = &received(&mut consumers[some(turn, 2)], tag, &bytes);
            assert!(last.is_none_or(|last| last < *sequence));
            last = Some(*sequence);
        }
    }
    for (tag, bytes) in queue {
        received(&mut consumers[0], tag, &bytes);
    }
    assert!(consumers[0].try_recv().is_err());
    assert_eq!(producers[0].used(), Ok(0));
}

#[track_caller]
fn received(rx: &mut Consumer, tag: u16, bytes: &[u8]) -> crate::Received {
    let received = receive(rx);
    assert_eq!((received.1, &received.2[..], received.3), (tag, bytes, false));
    received
}

#[test]
fn thousands_of_laps_change_nothing() {
    on_every_backing(&small(), |bed| {
        let mut producers = [bed.producer(), bed.producer()];
        let mut consumers = [bed.consumer(), bed.consumer()];
        go_round(&mut producers, &mut consumers, 4000);
    });
}

/// Who has not looked for many laps finds the place where the others are.
#[test]
fn a_handle_that_slept_for_laps_catches_up() {
    on_every_backing(&small(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        let (mut late_tx, mut late_rx) = (bed.producer(), bed.consumer());
        for laps in [1, 2, 3, 50] {
            for k in 0..16 * laps {
                tx.send(&pattern(k, some(k, 200))).expect("room");
                assert_eq!(receive(&mut rx).2, pattern(k, some(k, 200)));
            }
            assert!(late_rx.try_recv().is_err());
            late_tx.try_send(b"late").expect("room");
            tx.try_send(b"in time").expect("room");
            let received: Vec<_> = take_all(&mut late_rx).into_iter().map(|message| message.2).collect();
            assert_eq!(received, [&b"late"[..], b"in time"]);
        }
    });
}

/// A ring of 16 slots that has `left` laps to go until the lap numbers begin again.
fn old_ring(left: u64) -> Name {
    let name = Name::new("old");
    small().create_ring(&*name).expect("a ring");
    let geometry = ringway::inspect::inspect(&*name).expect("a report").geometry;
    let words = Words::of(&name, &geometry);
    let lap = (1 << 39) - left;
    (0..16).for_each(|index| words.write(words.slot(index), word(State::Free, lap, 0, 0)));
    [0, 128].into_iter().for_each(|hint| words.write(words.hints() + hint, lap * 16));
    name
}

#[test]
fn lap_numbers_may_begin_again() {
    for left in [1, 2, 3] {
        let name = old_ring(left);
        let mut producers = [(); 2].map(|()| small().producer(&*name).expect("a producer"));
        let mut consumers = [(); 2].map(|()| small().consumer(&*name).expect("a consumer"));
        go_round(&mut producers, &mut consumers, 100);
    }
}

/// A message that comes again has the sequence that it had, though its word has but a part of it.
#[test]
fn messages_come_again_while_lap_numbers_begin_again() {
    let name = old_ring(2);
    let mut tx = small().producer(&*name).expect("a producer");
    let mut rx = small().consumer(&*name).expect("a consumer");
    for k in 0..48 {
        tx.send(&pattern(k, 100)).expect("room");
        let message = rx.recv().expect("a message");
        assert!(message.sequence() >= ((1 << 39) - 2) * 16);
        let image = crash_image(&name);
        let mut heir = small().consumer(&*image).expect("an heir");
        assert_eq!(take_all(&mut heir), [(message.sequence(), 0, pattern(k, 100), true)]);
        let mut tx = small().producer(&*image).expect("a new producer");
        tx.send(b"goes on").expect("room");
        assert_eq!(receive(&mut heir).2, b"goes on");
    }
}
