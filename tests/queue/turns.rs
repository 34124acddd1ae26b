//! Large messages among small ones.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ringway::SendError;
use ringway::mpmc::options;

use crate::common::names::Name;
use crate::common::pattern;
use crate::small;
use crate::words::Words;

/// Producers of small messages keep the ring full; one large message after the other comes through all the same.
#[test]
fn a_large_message_comes_through_among_small_ones() {
    let (mut large, mut rx) = options().slots(64).slot_size(64).pair().expect("a ring");
    let small = [(); 3].map(|()| large.try_clone().expect("a producer"));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for mut tx in small {
            let done = &done;
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    tx.send(b"small").expect("a consumer that lives");
                }
            });
        }
        scope.spawn(move || {
            let largest = large.largest();
            (0..5).for_each(|seed| large.send(&pattern(seed, largest)).expect("its turn"));
        });
        for seed in 0..5 {
            let expected = pattern(seed, rx.largest());
            while rx.recv().expect("a producer that lives")[..] != expected {}
        }
        done.store(true, Ordering::Relaxed);
        while rx.recv().is_ok() {}
    });
}

/// Who was there when a turn was asked waits for it, though the ring is empty; who comes later owes nothing.
#[test]
fn a_newcomer_owes_no_turn() {
    let name = Name::new("turn");
    let mut early = small().producer(&*name).expect("a producer");
    let mut rx = small().consumer(&*name).expect("a consumer");
    let words = Words::of(&name, &early.geometry());
    // The first turn of owner 3, of the longest kind.
    words.write(words.turn(), 1 << 16 | 10 << 10 | 3);
    assert!(matches!(early.try_send(b"early"), Err(SendError::Full { .. })));
    let mut late = small().producer(&*name).expect("a newcomer");
    late.try_send(b"late").expect("room, and no turn to honour");
    assert_eq!(&rx.recv().expect("a message")[..], b"late");
}
