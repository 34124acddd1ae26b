//! Large messages among small ones.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ringway::mpmc::options;

use crate::common::pattern;

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
