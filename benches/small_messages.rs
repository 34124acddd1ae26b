//! Small messages, sent and received: what a message costs in one thread, and how many pass from one thread to
//! another. Every message is written by its sender and compared byte by byte by its receiver, which is part of the
//! time.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ringway::spsc::{Consumer, pair};

/// Bytes of a message.
const LENGTHS: [usize; 4] = [8, 64, 248, 1016];

/// Message `number`: its number, and the number's lowest byte to the end.
fn compose(message: &mut [u8], number: u64) {
    message.fill(number as u8);
    message[..8].copy_from_slice(&number.to_le_bytes());
}

/// Is this message `number`, from its first byte to its last?
fn is_right(message: &[u8], number: u64, expected: &mut [u8]) -> bool {
    compose(expected, number);
    message == expected
}

fn one_thread(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one thread");
    for length in LENGTHS {
        let (mut tx, mut rx) = pair().expect("a pair");
        let (mut message, mut expected) = (vec![0; length], vec![0; length]);
        let mut number = 0;
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(BenchmarkId::from_parameter(length), |bencher| {
            bencher.iter(|| {
                compose(&mut message, number);
                tx.send(black_box(&message)).expect("room");
                let received = rx.recv().expect("a message");
                assert!(is_right(&received, number, &mut expected));
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

/// From the first send until the last message was received.
fn stream(length: usize, messages: u64) -> Duration {
    let (mut tx, rx) = pair().expect("a pair");
    let ready = Barrier::new(2);
    thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            ready.wait();
            receive(rx, length, messages);
        });
        let mut message = vec![0; length];
        ready.wait();
        let started = Instant::now();
        for number in 0..messages {
            compose(&mut message, number);
            tx.send(black_box(&message)).expect("a receiver");
        }
        receiver.join().expect("a receiver that found every message right");
        started.elapsed()
    })
}

fn receive(mut rx: Consumer, length: usize, messages: u64) {
    let mut expected = vec![0; length];
    for number in 0..messages {
        let received = rx.recv().expect("a message");
        assert!(is_right(&received, number, &mut expected));
    }
}

criterion_group!(benches, one_thread, two_threads);
criterion_main!(benches);
