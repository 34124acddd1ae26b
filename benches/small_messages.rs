//! Small messages, sent and received: what a message costs in one thread, and how many pass from one thread to
//! another. Every message is written by its sender and compared byte by byte by its receiver, which is part of the
//! time.

mod common;

use std::hint::black_box;
use std::time::Duration;

use common::{compose, is_right, timed};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ringway::spsc::{Consumer, pair};

/// Bytes of a message.
const LENGTHS: [usize; 4] = [8, 64, 248, 1016];

fn one_thread(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one thread");
    for length in LENGTHS {
        let (mut tx, mut rx) = pair().expect("a pair");
        let (mut message, mut number) = (vec![0; length], 0);
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(BenchmarkId::from_parameter(length), |bencher| {
            bencher.iter(|| {
                compose(&mut message, number);
                tx.send(black_box(&message)).expect("room");
                let received = rx.recv().expect("a message");
                assert!(is_right(&received, length, number));
                number += 1;
            });
        });
    }
    group.finish();
}

fn two_threads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("two threads");
    for length in LENGTHS {
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(BenchmarkId::from_parameter(length), |bencher| {
            bencher.iter_custom(|messages| stream(length, messages));
        });
    }
    group.finish();
}

fn stream(length: usize, messages: u64) -> Duration {
    let (mut tx, rx) = pair().expect("a pair");
    let send = move || {
        let mut message = vec![0; length];
        for number in 0..messages {
            compose(&mut message, number);
            tx.send(black_box(&message)).expect("a receiver");
        }
    };
    timed(send, move || receive(rx, length, messages))
}

fn receive(mut rx: Consumer, length: usize, messages: u64) {
    for number in 0..messages {
        let received = rx.recv().expect("a message");
        assert!(is_right(&received, length, number));
    }
}

criterion_group!(benches, one_thread, two_threads);
criterion_main!(benches);
