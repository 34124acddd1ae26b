//! The price of a sleep: a question and its answer between two threads that both park in the kernel while they
//! wait, so that each message has to wake its receiver. Every answer is checked.

use std::thread;

use criterion::{Criterion, criterion_group, criterion_main};
use ringway::spsc::{Consumer, Producer, options};
use ringway::{RecvError, Wait};

/// What the other thread makes of a question.
fn answer_to(question: u64) -> u64 {
    !question
}

fn number(message: &[u8]) -> u64 {
    u64::from_le_bytes(message.try_into().expect("eight bytes"))
}

fn round_trip(criterion: &mut Criterion) {
    let parking = options().wait(Wait::Park);
    let (mut questions, asked) = parking.pair().expect("a pair");
    let (answering, mut answers) = parking.pair().expect("a pair");
    let other = thread::spawn(|| answer_all(asked, answering));
    let mut question = 0;
    criterion.bench_function("round trip, both parked", |bencher| {
        bencher.iter(|| {
            questions.send(&u64::to_le_bytes(question)).expect("room");
            assert_eq!(number(&answers.recv().expect("an answer")), answer_to(question));
            question += 1;
        });
    });
    questions.close();
    other.join().expect("a thread that answered until the goodbye");
}

fn answer_all(mut asked: Consumer, mut answering: Producer) {
    loop {
        let question = match asked.recv() {
            Ok(message) => number(&message),
            Err(end) => return assert_eq!(end, RecvError::Closed),
        };
        answering.send(&answer_to(question).to_le_bytes()).expect("room");
    }
}

criterion_group!(benches, round_trip);
criterion_main!(benches);
