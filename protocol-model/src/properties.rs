//! What must hold, and what has to be remembered to tell.
//!
//! Nothing here is visible to a process: full laps, who has exclusive use of a slot, what has become of each
//! message. Every access of a step to a word or a block passes through this file, so no step can forget a check.

use crate::config::Model;
use crate::state::{Fate, Next, State, piece};
use crate::turn::Turn;
use crate::word::Word;

/// A property that does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A claim of slots that another has.
    Overlap,
    /// A word of a live owner's span changed by another.
    Robbed,
    /// A payload written or read in a slot that is not the process's.
    Foreign,
    /// A message's pieces do not fit together.
    Torn,
    /// A message delivered that was never committed.
    Phantom,
    /// An unmarked message behind a later one of the same producer.
    OutOfOrder,
    /// An unmarked message that was delivered before.
    Duplicate,
    /// A committed message whose slots were given away before anybody had read it.
    Lost,
    /// A consumer said that nothing would come, and something did.
    GivenUp,
    /// A CAS that took a word of another lap for its own.
    WrongLap,
    /// A word stored over one of a later lap.
    Backwards,
    /// A state, without a violation so far, from which some message can no longer be delivered, some slot no
    /// longer freed, or some live process never get through.
    Stuck,
}

/// Whether this is an end as it should be: live producers have nothing left to do, every committed message was
/// delivered or dropped, every slot is free, and no live consumer stands anywhere but where the next message comes.
pub fn is_good_end(model: &Model, state: &State) -> bool {
    let Some(frontier) = state.frontier(model.config.slots) else { return false };
    let open = |fate: &Fate| matches!(fate, Fate::Committed | Fate::Marked);
    if state.fates.iter().any(open) {
        return false;
    }
    (1..=model.processes()).all(|id| {
        let process = &state.processes[usize::from(id)];
        match process.next {
            Next::Dead => true,
            _ if model.is_producer(id) => process.next == Next::Idle,
            _ => process.t == frontier,
        }
    })
}

/// Whether a good end must be within reach: some consumer lives, or one may come.
pub fn owes_a_good_end(model: &Model, state: &State) -> bool {
    model.config.replace || (1..=model.processes()).any(|id| !model.is_producer(id) && state.alive(id))
}

impl Turn<'_> {
    /// Notes the first violation of a step.
    fn violated(&mut self, violation: Violation) {
        self.violation.get_or_insert(violation);
    }

    /// Stores `word` in `slot`.
    pub fn put_word(&mut self, slot: u8, word: Word) {
        let holder = self.state.holders[usize::from(slot)];
        if holder != 0 && holder != self.me && self.state.alive(holder) {
            self.violated(Violation::Robbed);
        }
        if word.lap() < self.state.words[usize::from(slot)].lap() {
            self.violated(Violation::Backwards);
        }
        self.state.words[usize::from(slot)] = word;
    }

    /// Compares the word at `slot` with `expected`, as far as a process can tell them apart, and swaps it for
    /// `word` if they are equal.
    pub fn swap_word(&mut self, slot: u8, expected: Word, word: Word) -> bool {
        let bits = self.model.config.lap_bits;
        let found = self.state.words[usize::from(slot)];
        if found.seen(bits) != expected.seen(bits) {
            return false;
        }
        self.put_word(slot, word);
        true
    }

    /// A claim, pad or take of a span that stood at `found` begins: its slots must be nobody's, and in the lap that
    /// the walker is in.
    pub fn begins(&mut self, found: Word, lap: u8, slot: u8, span: u8, holder: u8) {
        if found.lap() != lap {
            self.violated(Violation::WrongLap);
        }
        for slot in slot..slot + span {
            if self.state.holders[usize::from(slot)] != 0 {
                self.violated(Violation::Overlap);
            }
            self.state.holders[usize::from(slot)] = holder;
        }
    }

    /// What `from` had of the span passes to `to` (0: to nobody).
    pub fn passes(&mut self, slot: u8, span: u8, from: u8, to: u8) {
        for holder in &mut self.state.holders[usize::from(slot)..usize::from(slot + span)] {
            if *holder == from {
                *holder = to;
            }
        }
    }

    /// Writes a piece of a message into a slot's block.
    pub fn put_piece(&mut self, slot: u8, message: u8, part: u8) {
        if self.state.holders[usize::from(slot)] != self.me {
            self.violated(Violation::Foreign);
        }
        self.state.blocks[usize::from(slot)] = piece(message, part);
    }

    /// Reads the piece `part` of the message that starts at `slot`; `message` is known from part 1 on.
    pub fn take_piece(&mut self, slot: u8, message: u8, part: u8) -> u8 {
        let found = self.state.blocks[usize::from(slot + part)];
        if self.state.holders[usize::from(slot + part)] != self.me {
            self.violated(Violation::Foreign);
        }
        let message = if part == 0 { found >> 3 } else { message };
        if found != piece(message, part) || message == 0 {
            self.violated(Violation::Torn);
        }
        message
    }

    /// The producer's messages are committed.
    pub fn committed(&mut self, messages: std::ops::Range<u8>) {
        for message in messages {
            self.state.fates[usize::from(message)] = Fate::Committed;
        }
    }

    /// A message of `span` slots has been read to its end.
    pub fn delivered(&mut self, message: u8, span: u8, adopted: bool) {
        if message == 0 || self.model.spans[usize::from(message) - 1] != span {
            return self.violated(Violation::Torn);
        }
        let fate = self.state.fates[usize::from(message)];
        let marked = adopted || matches!(fate, Fate::Marked | Fate::DeliveredMarked);
        match fate {
            Fate::Unsent | Fate::Dropped => self.violated(Violation::Phantom),
            Fate::Delivered if !marked => self.violated(Violation::Duplicate),
            _ => {}
        }
        self.state.fates[usize::from(message)] = Fate::Delivered;
        if !marked {
            let sender = self.model.sender(message);
            if self.process().last[sender] >= message {
                self.violated(Violation::OutOfOrder);
            }
            self.process().last[sender] = message;
        }
    }

    /// Stamps one slot free for the lap after `lap`; what it held is gone.
    pub fn free_slot(&mut self, slot: u8, lap: u8) {
        self.put_word(slot, Word::free(lap + 1));
        let message = usize::from(self.state.blocks[usize::from(slot)] >> 3);
        if matches!(self.state.fates[message], Fate::Committed | Fate::Marked) {
            if self.model.config.at_most_once && self.process().proven != 0 {
                self.state.fates[message] = Fate::Dropped;
            } else {
                self.violated(Violation::Lost);
            }
        }
        self.state.blocks[usize::from(slot)] = 0;
        self.state.holders[usize::from(slot)] = 0;
    }

    /// The process says that no message will come. (New participants may bring one, if there may be any.)
    pub fn nothing_will_come(&mut self) {
        let open = |fate: &Fate| matches!(fate, Fate::Committed | Fate::Marked);
        if !self.model.config.replace && self.state.fates.iter().any(open) {
            self.violated(Violation::GivenUp);
        }
    }

    /// Marks the message in `slot` as delivered before (a fault).
    pub fn mark(&mut self, slot: u8) {
        let message = usize::from(self.state.blocks[usize::from(slot)] >> 3);
        let fate = &mut self.state.fates[message];
        *fate = match *fate {
            Fate::Committed => Fate::Marked,
            Fate::Delivered => Fate::DeliveredMarked,
            other => other,
        };
    }
}
