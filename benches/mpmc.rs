//! What a queue of many costs where there are few: messages in one thread, and from one producer to one consumer, with slots as they
//! are unless told otherwise and slots that fit, beside the ring of one producer and one consumer. Every byte of a message is written by
//! its sender and looked at by its receiver, which is part of the time.

mod common;

use std::hint::black_box;
use std::time::Duration;

use common::{compose, is_right, timed};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ringway::{mpmc, spsc};

/// Bytes of a message: a number, one beside its slot's word, one in a slot, one in several.
const LENGTHS: [usize; 4] = [8, 48, 248, 1016];
const SLOTS: usize = 1024;

/// A queue each of whose messages takes one slot, and no more memory than it needs.
fn fitted(len: usize) -> mpmc::Options {
    let options = mpmc::options().slots(SLOTS);
    if len <= 64 { options.inline(len).slot_size(0) } else { options.inline(8).slot_size(len) }
}

/// One thread sends and receives, by turns.
macro_rules! alone {
    ($group:expr, $name:expr, $len:expr, $pair:expr) => {{
        let ((mut tx, mut rx), len) = ($pair, $len);
        let (mut message, mut number) = (vec![0; len], 0);
        $group.bench_function(BenchmarkId::new($name, len), |bencher| {
            bencher.iter(|| {
                compose(&mut message, number);
                tx.send(black_box(&message)).expect("room");
                assert!(is_right(&rx.recv().expect("a message"), len, number));
                number += 1;
            });
        });
    }};
}

/// One thread sends, and another receives.
macro_rules! one_to_one {
    ($group:expr, $name:expr, $len:expr, $pair:expr) => {{
        let len = $len;
        $group.bench_function(BenchmarkId::new($name, len), |bencher| {
            bencher.iter_custom(|messages| {
                let (mut tx, mut rx) = $pair;
                let send = move || {
                    let mut message = vec![0; len];
                    for number in 0..messages {
                        compose(&mut message, number);
                        tx.send(&message).expect("a receiver");
                    }
                };
                let receive = move || {
                    for number in 0..messages {
                        assert!(is_right(&rx.recv().expect("a message"), len, number));
                    }
                };
                timed(send, receive)
            });
        });
    }};
}

macro_rules! measure {
    ($criterion:expr, $title:expr, $how:ident) => {{
        let mut group = $criterion.benchmark_group($title);
        group.sample_size(30).warm_up_time(Duration::from_millis(500));
        group.measurement_time(Duration::from_secs(2)).throughput(Throughput::Elements(1));
        for len in LENGTHS {
            $how!(group, "default slots", len, mpmc::pair().expect("a pair"));
            $how!(group, "fitted slots", len, fitted(len).pair().expect("a pair"));
            $how!(group, "spsc", len, spsc::pair().expect("a pair"));
        }
        group.finish();
    }};
}

fn queue(criterion: &mut Criterion) {
    measure!(criterion, "mpmc, alone", alone);
    measure!(criterion, "mpmc, one to one", one_to_one);
}

criterion_group!(benches, queue);
criterion_main!(benches);
