//! Random operations against a queue: the ring does what the queue does, to the byte, and is full exactly when
//! arithmetic on positions says so.

use std::collections::VecDeque;

use proptest::prelude::*;
use ringway::spsc::{Consumer, Producer, options};
use ringway::{RecvError, SendError};

use crate::bed::{Bed, on_every_backing};
use crate::common::pattern;

#[derive(Clone, Debug)]
enum Step {
    Send { len: u64, tag: u16 },
    Claim { len: u64, sent: u64, commit: bool },
    Batch { lens: Vec<u64>, commit: bool },
    Recv,
    Drain { most: usize },
    NewProducer,
    NewConsumer,
}

fn steps(size: u64) -> impl Strategy<Value = Vec<Step>> {
    // Mostly small messages, now and then up to and beyond the largest.
    let len = prop_oneof![3 => 0..size / 16, 1 => 0..=size / 2];
    let step = prop_oneof![
        6 => (len.clone(), any::<u16>()).prop_map(|(len, tag)| Step::Send { len, tag }),
        3 => (len.clone(), len.clone(), any::<bool>())
            .prop_map(|(len, sent, commit)| Step::Claim { len, sent, commit }),
        3 => (prop::collection::vec(len, 0..12), any::<bool>())
            .prop_map(|(lens, commit)| Step::Batch { lens, commit }),
        6 => Just(Step::Recv),
        3 => (0..10_usize).prop_map(|most| Step::Drain { most }),
        1 => Just(Step::NewProducer),
        1 => Just(Step::NewConsumer),
    ];
    prop::collection::vec(step, 1..150)
}

/// Positions and messages, by the book.
#[derive(Clone)]
struct Model {
    size: u64,
    align: u64,
    tail: u64,
    /// Where each message begins and ends, its tag and bytes.
    queue: VecDeque<(u64, u64, u16, Vec<u8>)>,
    head: u64,
    sent: u64,
}

impl Model {
    /// Appends a message of which `sent` bytes are kept, or says why not.
    fn push(&mut self, len: u64, sent: u64, tag: u16) -> Result<Vec<u8>, SendError> {
        let largest = self.size / 2 - 8;
        if len > largest {
            return Err(SendError::TooLarge { len: len as usize, largest: largest as usize });
        }
        let footprint = |len: u64| (len + 8).next_multiple_of(self.align);
        let to_end = self.size - self.tail % self.size;
        let pad = if footprint(len) > to_end { to_end } else { 0 };
        let (need, free) = (pad + footprint(len) + 8, self.size - (self.tail - self.head));
        if need > free {
            return Err(SendError::Full { need, free });
        }
        let bytes = pattern(self.sent, sent.min(len) as usize);
        let at = self.tail + pad;
        self.tail = at + footprint(sent.min(len));
        self.queue.push_back((at, self.tail, tag, bytes.clone()));
        self.sent += 1;
        Ok(bytes)
    }
}

struct Run<'a> {
    bed: &'a Bed,
    tx: Producer,
    rx: Consumer,
    model: Model,
}

impl Run<'_> {
    fn step(self, step: &Step) -> Self {
        match step {
            Step::Send { len, tag } => self.send(*len, *tag),
            Step::Claim { len, sent, commit } => self.claim(*len, *sent, *commit),
            Step::Batch { lens, commit } => self.batch(lens, *commit),
            Step::Recv => self.receive(),
            Step::Drain { most } => self.drain(*most),
            Step::NewProducer => {
                let Run { bed, tx, rx, model } = self;
                drop(tx);
                Run { bed, tx: bed.producer(), rx, model }
            }
            Step::NewConsumer => {
                let Run { bed, tx, rx, model } = self;
                drop(rx);
                Run { bed, tx, rx: bed.consumer(), model }
            }
        }
    }

    fn send(mut self, len: u64, tag: u16) -> Self {
        let expected = self.model.push(len, len, tag);
        let bytes = expected.clone().unwrap_or(vec![0; len as usize]);
        assert_eq!(self.tx.try_send_tagged(tag, &bytes), expected.map(drop));
        self
    }

    fn claim(mut self, len: u64, sent: u64, commit: bool) -> Self {
        let before = self.model.clone();
        match (self.tx.try_claim(len as usize), self.model.push(len, sent, 5)) {
            (Ok(mut claim), Ok(bytes)) => {
                claim.truncate(sent as usize);
                claim.copy_from_slice(&bytes);
                claim.set_tag(5);
                if commit {
                    claim.commit().expect("at home");
                } else {
                    drop(claim);
                    self.model = before;
                }
            }
            (claim, expected) => assert_eq!(claim.map(drop), expected.map(drop)),
        }
        self
    }

    fn batch(mut self, lens: &[u64], commit: bool) -> Self {
        let before = self.model.clone();
        let mut batch = self.tx.batch().expect("at home");
        for len in lens {
            let expected = self.model.push(*len, *len, 9);
            let bytes = expected.clone().unwrap_or(vec![0; *len as usize]);
            assert_eq!(batch.push_tagged(9, &bytes), expected.map(drop));
        }
        assert_eq!(batch.len(), self.model.queue.len() - before.queue.len());
        if commit {
            batch.commit().expect("at home");
        } else {
            drop(batch);
            self.model = before;
        }
        self
    }

    fn receive(mut self) -> Self {
        match (self.rx.try_recv(), self.model.queue.pop_front()) {
            (Ok(message), Some((at, end, tag, bytes))) => {
                assert_eq!((message.sequence(), message.tag(), &message[..]), (at, tag, &bytes[..]));
                assert!(!message.redelivered());
                self.model.head = end;
            }
            (received, expected) => {
                assert_eq!(received.map(drop), Err(RecvError::Empty));
                assert_eq!(expected, None);
            }
        }
        self
    }

    fn drain(mut self, most: usize) -> Self {
        let mut drain = self.rx.drain().expect("at home");
        for taken in 0..most {
            let message = drain.next().map(|message| {
                let message = message.expect("intact");
                (message.sequence(), message.tag(), message.to_vec())
            });
            if message.is_none() && taken > 0 {
                // Empty, or an eighth of the ring is taken.
                break;
            }
            let expected = self.model.queue.pop_front();
            self.model.head = expected.as_ref().map_or(self.model.head, |(_, end, ..)| *end);
            assert_eq!(message, expected.map(|(at, _, tag, bytes)| (at, tag, bytes)));
        }
        drop(drain);
        self
    }

    fn check(&mut self) {
        let used = (self.model.tail - self.model.head) as usize;
        assert_eq!(self.tx.used(), Ok(used));
        assert_eq!(self.rx.used(), Ok(used));
    }
}

fn run(bed: &Bed, size: u64, align: u64, steps: &[Step]) {
    let (tx, rx) = bed.ends();
    let model = Model { size, align, tail: 0, queue: VecDeque::new(), head: 0, sent: 0 };
    let mut run = Run { bed, tx, rx, model };
    for step in steps {
        run = run.step(step);
        run.check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_small_ring_is_a_queue(steps in steps(256)) {
        on_every_backing(&options().size(256), |bed| run(bed, 256, 8, &steps));
    }

    #[test]
    fn a_ring_of_aligned_records_is_a_queue(steps in steps(2048)) {
        on_every_backing(&options().size(2048).payload_align(64), |bed| run(bed, 2048, 64, &steps));
    }
}
