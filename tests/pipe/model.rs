//! Random operations against a queue: whatever is accepted comes out, in order, once.

use std::collections::VecDeque;

use proptest::prelude::*;
use ringway::pipe::{Consumer, Producer, options};
use ringway::{RecvError, SendError};

use crate::bed::on_every_stream;
use crate::common::pattern;

#[derive(Clone, Debug)]
enum Operation {
    Send(usize),
    Claim { len: usize, used: usize, commit: bool },
    Batch { lens: Vec<usize>, commit: bool },
    Flush,
    Receive,
    Drain,
}

fn operation() -> impl Strategy<Value = Operation> {
    let len = || prop_oneof![4 => 0..100_usize, 2 => 0..9000_usize, 1 => 0..200_000_usize];
    prop_oneof![
        3 => len().prop_map(Operation::Send),
        2 => (len(), len(), any::<bool>()).prop_map(|(len, used, commit)| Operation::Claim { len, used, commit }),
        1 => (prop::collection::vec(0..40_usize, 0..20), any::<bool>())
            .prop_map(|(lens, commit)| Operation::Batch { lens, commit }),
        1 => Just(Operation::Flush),
        4 => Just(Operation::Receive),
        1 => Just(Operation::Drain),
    ]
}

/// A stream and what must come out of it.
struct Model {
    tx: Producer,
    rx: Consumer,
    sent: u64,
    queue: VecDeque<Vec<u8>>,
}

impl Model {
    fn accept(&mut self, result: Result<(), SendError>, message: Vec<u8>) {
        match result {
            Ok(()) => self.queue.push_back(message),
            Err(SendError::Full { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn run(&mut self, operation: &Operation) {
        self.sent += 1;
        match operation {
            Operation::Send(len) => {
                let message = pattern(self.sent, *len);
                let result = self.tx.try_send(&message);
                self.accept(result, message);
            }
            Operation::Claim { len, used, commit } => {
                let message = pattern(self.sent, *len.min(used));
                let result = self.tx.try_claim(*len).and_then(|mut claim| {
                    claim[..message.len()].copy_from_slice(&message);
                    claim.truncate(message.len());
                    if *commit { claim.commit().map(|()| true) } else { Ok(false) }
                });
                if result != Ok(false) {
                    self.accept(result.map(drop), message);
                }
            }
            // A batch's commit waits for room, which nobody would make.
            Operation::Batch { lens, commit } if self.queue.is_empty() && self.tx.owed() == 0 => {
                let messages: Vec<_> = lens.iter().map(|len| pattern(self.sent, *len)).collect();
                let mut batch = self.tx.batch().expect("at home");
                messages.iter().for_each(|message| batch.push(message).expect("room"));
                if *commit {
                    batch.commit().expect("sent");
                    self.queue.extend(messages);
                }
            }
            Operation::Batch { .. } => {}
            Operation::Flush => {
                let result = self.tx.flush(Some(std::time::Duration::ZERO));
                assert!(matches!(result, Ok(()) | Err(SendError::TimedOut)), "{result:?}");
            }
            Operation::Receive => self.receive(),
            Operation::Drain => {
                let mut drain = self.rx.drain().expect("at home");
                while let Some(message) = drain.next() {
                    assert_eq!(Some(message.expect("intact").to_vec()), self.queue.pop_front());
                }
            }
        }
    }

    fn receive(&mut self) {
        match self.rx.try_recv() {
            Ok(message) => assert_eq!(Some(message.to_vec()), self.queue.pop_front()),
            Err(RecvError::Empty) => assert!(self.tx.owed() > 0 || self.queue.is_empty()),
            Err(error) => panic!("{error}"),
        }
    }

    /// Takes all that is left, on both sides of the pipe.
    fn finish(mut self) {
        while !self.queue.is_empty() {
            let _ = self.tx.flush(Some(std::time::Duration::ZERO));
            self.receive();
        }
        drop(self.tx);
        assert_eq!(self.rx.recv().map(drop), Err(RecvError::Closed));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_accepted_comes_out(operations in prop::collection::vec(operation(), 1..200)) {
        on_every_stream(&options().pipe_size(8192), |bed| {
            let (tx, rx) = bed.ends();
            let mut model = Model { tx, rx, sent: 0, queue: VecDeque::new() };
            operations.iter().for_each(|operation| model.run(operation));
            model.finish();
        });
    }
}
