//! Bytes one way, from one thread to another: what a copy costs that filling in place does without, and what batches save. Every
//! byte of a message is written by its sender and looked at by its receiver, which is part of the time.

mod common;

use std::time::Duration;

use common::{compose, is_right, timed};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ringway::SendError;
use ringway::spsc::{Consumer, Producer, options};

/// Bytes of a ring: room for four of the largest messages.
const SIZE: usize = 4 << 20;
/// Bytes of a message.
const LENGTHS: [usize; 6] = [64, 1 << 10, 8 << 10, 64 << 10, 256 << 10, 1 << 20];
/// Messages of a batch, where so many are half of the ring at most.
const BATCH: u64 = 32;

/// How messages are sent.
#[derive(Clone, Copy)]
enum How {
    /// Composed beside the ring.
    Copied,
    /// Composed in the ring.
    InPlace,
    /// Copied, and so many published together; received by drains.
    Batches(u64),
}

impl How {
    fn name(self) -> &'static str {
        match self {
            How::Copied => "copied",
            How::InPlace => "in place",
            How::Batches(_) => "copied, in batches",
        }
    }

    fn send(self, tx: &mut Producer, len: usize, messages: u64) -> Result<(), SendError> {
        let mut message = vec![0; len];
        match self {
            How::Copied => (0..messages).try_for_each(|number| {
                compose(&mut message, number);
                tx.send(&message)
            }),
            How::InPlace => (0..messages).try_for_each(|number| {
                let mut claim = tx.claim(len)?;
                compose(&mut claim, number);
                claim.commit()
            }),
            How::Batches(batch) => (0..messages).step_by(batch as usize).try_for_each(|first| {
                let count = batch.min(messages - first);
                tx.wait_for_space(count as usize * (len + 8), None)?;
                let mut batched = tx.batch()?;
                (first..first + count).try_for_each(|number| {
                    compose(&mut message, number);
                    batched.push(&message)
                })?;
                batched.commit()
            }),
        }
    }

    fn receive(self, rx: &mut Consumer, len: usize, messages: u64) {
        let mut number = 0;
        while number < messages {
            let How::Batches(_) = self else {
                assert!(is_right(&rx.recv().expect("a message"), len, number));
                number += 1;
                continue;
            };
            rx.wait_for_message(None).expect("a message");
            let mut drain = rx.drain().expect("at home");
            while let Some(message) = drain.next() {
                assert!(is_right(&message.expect("a message"), len, number));
                number += 1;
            }
        }
    }

    fn stream(self, len: usize, messages: u64) -> Duration {
        let (mut tx, mut rx) = options().size(SIZE).pair().expect("a pair");
        timed(
            move || self.send(&mut tx, len, messages).expect("a receiver"),
            move || self.receive(&mut rx, len, messages),
        )
    }
}

fn one_way(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one way");
    group.sample_size(20).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    for len in LENGTHS {
        group.throughput(Throughput::Bytes(len as u64));
        let batch = BATCH.min((SIZE / 2 / (len + 8)) as u64);
        for how in [How::Copied, How::InPlace, How::Batches(batch)] {
            group.bench_function(BenchmarkId::new(how.name(), len), |bencher| {
                bencher.iter_custom(|messages| how.stream(len, messages));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, one_way);
criterion_main!(benches);
