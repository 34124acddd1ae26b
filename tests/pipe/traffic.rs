//! Messages of every size, in order, whole, with their tags.

use std::io::{Read, Write};
use std::thread;

use ringway::pipe::{Consumer, options};
use ringway::{RecvError, SendError};

use crate::bed::on_every_stream;
use crate::common::pattern;

/// The largest message of these tests.
const LARGEST: usize = 3 << 20;

/// Lengths around all that is special about a length.
fn lengths() -> Vec<usize> {
    let special = [32, 4096, 65536, 131_072, 262_144, 1 << 20];
    let around = special.into_iter().flat_map(|length| (length - 9)..(length + 9));
    let small = 0..20;
    small.chain(around.filter(|length| *length < LARGEST)).chain([LARGEST, 0, LARGEST - 1]).collect()
}

fn receive_all(rx: &mut Consumer, lengths: &[usize]) {
    let mut last = None;
    for (seed, length) in (0..).zip(lengths) {
        let message = rx.recv().expect("a message");
        assert_eq!((message.len(), message.tag()), (*length, seed as u16));
        assert!(message[..] == pattern(seed, *length), "message {seed} of {length} bytes");
        assert!(last.is_none_or(|last| message.sequence() > last) && !message.redelivered());
        last = Some(message.sequence());
    }
    assert_eq!(rx.recv().map(drop), Err(RecvError::Closed));
}

#[test]
fn messages_of_every_size_arrive_in_order() {
    let lengths = lengths();
    on_every_stream(&options().largest(LARGEST), |bed| {
        let (mut tx, mut rx) = bed.ends();
        thread::scope(|scope| {
            scope.spawn(|| receive_all(&mut rx, &lengths));
            for (seed, length) in (0..).zip(&lengths) {
                tx.send_tagged(seed as u16, &pattern(seed, *length)).expect("sent");
            }
            assert_eq!(tx.owed(), 0, "a call without a limit owes nothing");
            drop(tx);
        });
    });
}

#[test]
fn batches_and_claims_arrive_in_order() {
    let lengths: Vec<usize> = (0..4000).map(|k| k * 37 % 900).collect();
    on_every_stream(&options(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        thread::scope(|scope| {
            scope.spawn(|| receive_all(&mut rx, &lengths));
            for (batch_no, chunk) in lengths.chunks(50).enumerate() {
                let seeds = (batch_no * 50) as u64..;
                let mut batch = tx.batch().expect("at home");
                for (seed, length) in seeds.clone().zip(chunk).take(49) {
                    batch.push_tagged(seed as u16, &pattern(seed, *length)).expect("room");
                }
                assert_eq!(batch.len(), 49);
                batch.commit().expect("sent");
                let (seed, length) = seeds.zip(chunk).last().expect("fifty messages");
                let mut claim = tx.claim(*length + 5).expect("room");
                claim[..*length].copy_from_slice(&pattern(seed, *length));
                claim.truncate(*length);
                claim.set_tag(seed as u16);
                claim.commit().expect("sent");
            }
            drop(tx);
        });
    });
}

/// A peer that takes its bytes one at a time, and one that gives them so.
#[test]
fn a_peer_may_be_as_slow_as_it_likes() {
    on_every_stream(&options().pipe_size(4096), |bed| {
        let (mut tx, mut bare) = bed.bare_reader();
        let messages: Vec<Vec<u8>> = [0, 1, 9, 3000, 20_000, 5].map(|length| pattern(1, length)).to_vec();
        tx.send(&messages[0]).expect("sent");
        let bytes = thread::scope(|scope| {
            let reader = scope.spawn(move || {
                let (mut bytes, mut byte) = (Vec::new(), [0]);
                while bare.read(&mut byte).expect("a byte") == 1 {
                    bytes.push(byte[0]);
                }
                bytes
            });
            messages[1..].iter().for_each(|message| tx.send(message).expect("sent"));
            drop(tx);
            reader.join().expect("a reader")
        });
        let (mut bare, mut rx) = bed.bare_writer();
        thread::scope(|scope| {
            scope.spawn(move || {
                bytes.iter().for_each(|byte| bare.write_all(&[*byte]).expect("a byte taken"));
            });
            for message in &messages {
                assert_eq!(&rx.recv().expect("a message")[..], message);
            }
            assert_eq!(rx.recv().map(drop), Err(RecvError::Closed));
        });
    });
}

#[test]
fn both_directions_of_a_socket_are_independent() {
    let [(mut questions, mut answers), (mut answering, mut asked)] =
        ringway::pipe::duplex_pair().expect("sockets");
    thread::scope(|scope| {
        scope.spawn(move || {
            while let Ok(question) = asked.recv() {
                let answer: Vec<u8> = question.iter().map(|byte| !byte).collect();
                answering.send_tagged(question.tag(), &answer).expect("sent");
            }
        });
        for seed in 0..200 {
            let question = pattern(seed, (seed * 777 % 100_000) as usize);
            questions.send_tagged(seed as u16, &question).expect("sent");
            let answer = answers.recv().expect("an answer");
            assert_eq!(answer.tag(), seed as u16);
            assert!(answer.iter().zip(&question).all(|(answer, byte)| *answer == !byte));
        }
        drop(questions);
        assert_eq!(answers.recv().map(drop), Err(RecvError::Closed));
    });
}

#[test]
fn a_message_that_is_too_large_is_refused() {
    on_every_stream(&options().largest(1000), |bed| {
        let (mut tx, mut rx) = bed.ends();
        let error = SendError::TooLarge { len: 1001, largest: 1000 };
        assert_eq!(tx.try_send(&[0; 1001]), Err(error));
        assert_eq!(tx.claim(1001).map(drop), Err(error));
        assert_eq!(tx.batch().expect("at home").push(&[0; 1001]), Err(error));
        tx.send(&[7; 1000]).expect("sent");
        assert_eq!(&rx.recv().expect("a message")[..], [7; 1000]);
    });
}

/// How often this thread has called the system to read and to write; asking takes some reads itself.
fn calls() -> (i64, i64) {
    let counts = std::fs::read_to_string("/proc/thread-self/io").expect("counts");
    let count = |name: &str| {
        let line = counts.lines().find_map(|line| line.strip_prefix(name)).expect("a count");
        line.trim().parse().expect("a number")
    };
    (count("syscr:"), count("syscw:"))
}

#[test]
fn many_small_messages_take_one_call_a_side() {
    let (mut tx, mut rx) = ringway::pipe::pair().expect("a pipe");
    let (before, asked) = (calls(), calls());
    let mut batch = tx.batch().expect("at home");
    (0..100_u64).for_each(|number| batch.push(&number.to_le_bytes()).expect("room"));
    batch.commit().expect("sent");
    for number in 0..100_u64 {
        assert_eq!(rx.recv().expect("a message")[..], number.to_le_bytes());
    }
    let after = calls();
    assert_eq!(after.1 - asked.1, 1, "one write");
    assert_eq!(after.0 - asked.0 - (asked.0 - before.0), 1, "one read");
}
