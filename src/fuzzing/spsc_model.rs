//! What a record ring should hold: a queue in memory of one's own.

use std::collections::VecDeque;

/// A message, by what it can be told by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) tag: u16,
    pub(super) len: usize,
    pub(super) seed: u8,
}

impl Sent {
    pub(super) fn payload(self) -> Vec<u8> {
        (0..self.len).map(|at| self.seed.wrapping_add(at as u8)).collect()
    }
}

/// Messages that are committed and not released.
#[derive(Debug, Default)]
pub(super) struct Model {
    messages: VecDeque<Sent>,
    /// How many of them the consumer has taken.
    taken: usize,
    /// How many of them a consumer that died had taken.
    marked: usize,
}

impl Model {
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(super) fn commit(&mut self, sent: Sent) {
        self.messages.push_back(sent);
    }

    /// The consumer has taken a message, or found none.
    pub(super) fn took(&mut self, message: Option<(u16, &[u8], bool)>) {
        let expected = self.messages.get(self.taken);
        let Some((tag, payload, redelivered)) = message else {
            return assert_eq!(expected, None, "a message is lost");
        };
        let sent = expected.expect("no message is made up");
        assert_eq!((tag, payload), (sent.tag, &sent.payload()[..]), "a message is another");
        assert_eq!(redelivered, self.taken < self.marked, "a message is marked wrongly");
        self.taken += 1;
    }

    pub(super) fn released(&mut self) {
        self.messages.drain(..self.taken);
        self.marked = self.marked.saturating_sub(self.taken);
        self.taken = 0;
    }

    pub(super) fn consumer_died(&mut self) {
        self.marked = self.marked.max(self.taken);
        self.taken = 0;
    }
}
