//! Streams through a pipe, from one thread to another, beside a bare `write`/`read` loop with messages of the same size
//! on a pipe of the same size. In every page of a message its sender writes the message's number, and its receiver looks
//! for it; both are part of the time.

mod common;

use std::io::{self, Read, Write};
use std::time::Duration;

use common::timed;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ringway::pipe::{Options, options};

/// Bytes of a large message.
const LARGE: usize = 64 << 10;
/// Bytes of pipes: what the kernel gives, what this crate asks for, and the most that the kernel gives to everybody.
const PIPES: [usize; 3] = [64 << 10, 256 << 10, 1 << 20];
/// Bytes of a small message, and how many are in a batch.
const SMALL: usize = 64;
const BATCH: u64 = 32;
const PAGE: usize = 4096;

/// Message `number`.
fn compose(message: &mut [u8], number: u64) {
    message.chunks_mut(PAGE).for_each(|page| page[..8].copy_from_slice(&number.to_le_bytes()));
}

fn is_right(message: &[u8], number: u64) -> bool {
    message.chunks(PAGE).all(|page| page[..8] == number.to_le_bytes())
}

/// A loop of bare calls, on a pipe like those of these options.
fn bare(options: &Options, length: usize, messages: u64) -> Duration {
    let (mut reader, mut writer) = io::pipe().expect("a pipe");
    // An end of this crate asks for the size that the options say; leaked, it writes no goodbye there.
    let sized = options.producer_on(writer.try_clone().expect("a descriptor")).expect("a producer");
    std::mem::forget(sized);
    let send = move || {
        let mut message = vec![0; length];
        for number in 0..messages {
            compose(&mut message, number);
            writer.write_all(&message).expect("a reader");
        }
    };
    let receive = move || {
        let mut message = vec![0; length];
        for number in 0..messages {
            reader.read_exact(&mut message).expect("a message");
            assert!(is_right(&message, number));
        }
    };
    timed(send, receive)
}

/// The same messages by this crate, `batch` of them with one call.
fn framed(options: &Options, length: usize, batch: u64, messages: u64) -> Duration {
    let (mut tx, mut rx) = options.pair().expect("a pair");
    let send = move || {
        let mut message = vec![0; length];
        for first in (0..messages).step_by(batch as usize) {
            if batch == 1 {
                compose(&mut message, first);
                tx.send(&message).expect("a receiver");
                continue;
            }
            let mut batched = tx.batch().expect("at home");
            for number in first..messages.min(first + batch) {
                compose(&mut message, number);
                batched.push(&message).expect("room");
            }
            batched.commit().expect("a receiver");
        }
    };
    let receive = move || {
        for number in 0..messages {
            assert!(is_right(&rx.recv().expect("a message"), number));
        }
    };
    timed(send, receive)
}

fn large(criterion: &mut Criterion) {
    for pipe in PIPES {
        let options = options().pipe_size(pipe);
        let mut group =
            criterion.benchmark_group(format!("messages of 64 KiB, a pipe of {} KiB", pipe >> 10));
        group.throughput(Throughput::Bytes(LARGE as u64));
        group.bench_function("bare", |bencher| {
            bencher.iter_custom(|messages| bare(&options, LARGE, messages));
        });
        group.bench_function("pipe", |bencher| {
            bencher.iter_custom(|messages| framed(&options, LARGE, 1, messages));
        });
        group.finish();
    }
}

fn small(criterion: &mut Criterion) {
    let options = options().pipe_size(PIPES[1]);
    let mut group = criterion.benchmark_group("messages of 64 B");
    group.throughput(Throughput::Elements(1));
    group.bench_function("bare", |bencher| {
        bencher.iter_custom(|messages| bare(&options, SMALL, messages));
    });
    for batch in [1, BATCH] {
        group.bench_function(BenchmarkId::new("pipe, batches of", batch), |bencher| {
            bencher.iter_custom(|messages| framed(&options, SMALL, batch, messages));
        });
    }
    group.finish();
}

criterion_group!(benches, large, small);
criterion_main!(benches);
