//! What framing costs, without the pipe: messages become a stream's bytes in memory (a batch that is not committed writes none), and
//! bytes become messages, beside the same bytes written and read by bare calls. The frames are compared with what the layout says, and
//! every message with what was framed.

mod common;

use std::hint::black_box;
use std::io::{self, Read, Write};
use std::time::Duration;

use common::{compose, is_right};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ringway::pipe::{Producer, options};

/// Bytes of a message.
const LENGTHS: [usize; 4] = [8, 64, 1 << 10, 16 << 10];
/// Bytes of a batch at most, of a pipe that takes two of them.
const BATCH: usize = 32 << 10;

/// What a stream begins with.
const HELLO: [u8; 8] = *b"RINGWAY\x01";

/// As many messages as make a batch.
fn messages(len: usize) -> Vec<Vec<u8>> {
    let compose = |number| {
        let mut message = vec![0; len];
        compose(&mut message, number);
        message
    };
    (0..(BATCH / (len + 8)) as u64).map(compose).collect()
}

/// These messages in a stream: before each one its length, a tag, and that it is a message.
fn frames(messages: &[Vec<u8>]) -> Vec<u8> {
    let frame = |message: &Vec<u8>| {
        let header = message.len() as u64 | 1 << 48;
        [&header.to_le_bytes()[..], message].concat()
    };
    messages.iter().flat_map(frame).collect()
}

/// A producer, and where its bytes come out.
fn producer() -> (Producer, io::PipeReader) {
    let (reader, writer) = io::pipe().expect("a pipe");
    (options().pipe_size(2 * BATCH).producer_on(writer).expect("a producer"), reader)
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("messages to a stream, in memory");
    for len in LENGTHS {
        let messages = messages(len);
        let (mut tx, mut reader) = producer();
        group.throughput(Throughput::Elements(messages.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(len), |bencher| {
            bencher.iter(|| {
                let mut batch = tx.batch().expect("at home");
                for message in black_box(&messages) {
                    batch.push(message).expect("room");
                }
                black_box(batch.len())
            });
        });
        let mut batch = tx.batch().expect("at home");
        messages.iter().for_each(|message| batch.push(message).expect("room"));
        batch.commit().expect("room in the pipe");
        let expected = [&HELLO[..], &frames(&messages)].concat();
        let mut bytes = vec![0; expected.len()];
        reader.read_exact(&mut bytes).expect("the batch");
        assert!(bytes == expected, "nothing but the last batch, as the layout says");
    }
    group.finish();
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a stream to messages, through a pipe");
    for len in LENGTHS {
        let messages = messages(len);
        let bytes = frames(&messages);
        group.throughput(Throughput::Elements(messages.len() as u64));

        let ((mut tx, mut reader), mut read) = (sized_pipe(), vec![0; bytes.len()]);
        group.bench_function(BenchmarkId::new("bare", len), |bencher| {
            bencher.iter(|| {
                tx.write_all(black_box(&bytes)).expect("room");
                reader.read_exact(&mut read).expect("all of it");
                assert!(read == bytes);
            });
        });

        let (mut tx, reader) = sized_pipe();
        let mut rx = options().consumer_on(reader).expect("a consumer");
        tx.write_all(&HELLO).expect("room");
        group.bench_function(BenchmarkId::new("parsed", len), |bencher| {
            bencher.iter(|| {
                tx.write_all(black_box(&bytes)).expect("room");
                for number in 0..messages.len() as u64 {
                    assert!(is_right(&rx.recv().expect("a message"), len, number));
                }
            });
        });
    }
    group.finish();
}

/// A pipe that takes two batches.
fn sized_pipe() -> (io::PipeWriter, io::PipeReader) {
    let (reader, writer) = io::pipe().expect("a pipe");
    // An end of this crate asks for the size; leaked, it writes no goodbye there.
    let twin = writer.try_clone().expect("a descriptor");
    std::mem::forget(options().pipe_size(2 * BATCH).producer_on(twin).expect("a producer"));
    (writer, reader)
}

fn brief() -> Criterion {
    Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2))
}

criterion_group!(name = benches; config = brief(); targets = encode, parse);
criterion_main!(benches);
