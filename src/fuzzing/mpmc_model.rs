//! What a slot ring should hold: a queue in memory of one's own, and what dead consumers had in hand.

use std::collections::VecDeque;

use super::spsc_model::Sent;

/// Messages that are committed and not released.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// Those that nobody has taken.
    waiting: VecDeque<Sent>,
    /// Those that consumers have in hand, by place.
    in_hand: [Vec<Sent>; 2],
    /// Those that consumers which are gone had in hand.
    orphans: Vec<Sent>,
    /// Did a producer die with a claim that nobody has repaired?
    pub(super) is_blocked: bool,
    at_most_once: bool,
}

impl Model {
    pub(super) fn new(at_most_once: bool) -> Model {
        Model { at_most_once, ..Model::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        let nothing = self.in_hand.iter().all(Vec::is_empty);
        nothing && self.waiting.is_empty() && self.orphans.is_empty() && !self.is_blocked
    }

    pub(super) fn commit(&mut self, sent: Sent) {
        self.waiting.push_back(sent);
    }

    /// A consumer has taken a message, or found none.
    pub(super) fn took(&mut self, place: usize, message: Option<(u16, &[u8], bool)>) {
        let Some((tag, payload, redelivered)) = message else {
            return assert!(self.waiting.is_empty() || self.is_blocked, "a message is lost");
        };
        let matches = |sent: &Sent| (tag, payload) == (sent.tag, &sent.payload()[..]);
        let sent = if redelivered {
            let which = self.orphans.iter().position(matches).expect("what comes again was in dead hands");
            self.orphans.remove(which)
        } else {
            let first = self.waiting.pop_front().expect("no message is made up");
            assert!(matches(&first), "messages come in order");
            first
        };
        self.in_hand[place].push(sent);
    }

    pub(super) fn released(&mut self, place: usize) {
        self.in_hand[place].clear();
    }

    pub(super) fn consumer_died(&mut self, place: usize) {
        let left = std::mem::take(&mut self.in_hand[place]);
        if !self.at_most_once {
            self.orphans.extend(left);
        }
    }
}
