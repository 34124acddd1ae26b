//! Walking: where one starts, what a word says to a walker, and how one goes on.
//!
//! A walker stands at the absolute position `t`: lap `L = t / N`, slot `i = t % N`. It keeps `t` for its next call,
//! and starts from the further of that and the hint.
//!
//! | the word at `i` | says |
//! |---|---|
//! | is of lap L | [`Place::Here`]: its phase decides |
//! | is of lap L − 1 | [`Place::Before`]: the ring has not come round yet |
//! | is anything else | [`Place::Newer`]: the walker is behind, and jumps |

use crate::config::Hints;
use crate::event::Event;
use crate::fault::Fault;
use crate::state::Next;
use crate::turn::Turn;
use crate::word::{Phase, Word};

/// What the word at a walker's position says of it.
pub enum Place {
    /// Of the walker's lap.
    Here(Phase),
    /// Of the lap before.
    Before,
    /// Newer by so many laps.
    Newer(u8),
}

impl Turn<'_> {
    /// Reads the hint and starts from there, or from further on.
    pub fn start(&mut self) {
        let hint = if self.is_producer() { self.state.tail } else { self.state.head };
        let rewound = self.model.has(Fault::RequeueRewound) && !self.is_producer();
        let process = self.process();
        process.t = if rewound { hint } else { process.t.max(hint) };
        process.next = Next::Walk;
    }

    /// The slot where the walker stands.
    pub fn slot(&self) -> u8 {
        self.me().t % self.model.config.slots
    }

    /// The lap that the walker is in.
    pub fn lap(&self) -> u8 {
        self.me().t / self.model.config.slots
    }

    /// Reads the word of `slot`.
    pub fn read_word(&self, slot: u8) -> Word {
        self.state.words[usize::from(slot)]
    }

    /// What a word says to a walker in this lap.
    pub fn place(&self, word: Word) -> Place {
        let bits = self.model.config.lap_bits;
        let before = (1 << bits) - 1;
        let signed_before = |ahead| self.model.has(Fault::SignedOlder) && ahead >= 1 << (bits - 1);
        match word.ahead(self.lap(), bits) {
            _ if self.model.has(Fault::LapIgnored) => Place::Here(word.phase()),
            0 => Place::Here(word.phase()),
            ahead if ahead == before || signed_before(ahead) => Place::Before,
            ahead => Place::Newer(ahead),
        }
    }

    /// Goes on behind a span that others are done with or work on, and may store the hint.
    pub fn help_on(&mut self, span: u8) {
        self.process().t += span;
        self.then(Next::StoreHint);
    }

    /// Goes on as if it had stood in the lap before the word's and stepped on by one slot.
    pub fn jump(&mut self, ahead: u8) {
        if self.model.has(Fault::RetryOnNewer) {
            return self.then(Next::Start);
        }
        let laps = if self.model.has(Fault::JumpTooFar) { ahead } else { ahead - 1 };
        if ahead > 1 {
            self.event = Some(Event::Jumped);
        }
        self.process().t += laps * self.model.config.slots + 1;
        self.then(Next::Walk);
    }

    /// Stores the hint.
    pub fn store_hint(&mut self) {
        let (t, is_producer) = (self.me().t, self.is_producer());
        let hint = if is_producer { &mut self.state.tail } else { &mut self.state.head };
        *hint = if self.model.config.hints == Hints::Rising { t.max(*hint) } else { t };
        self.after_hint();
    }

    /// Goes on with the span just claimed or taken, or else with the walk.
    pub fn after_hint(&mut self) {
        match self.me().word.phase() {
            Phase::Writing => self.then(Next::Write),
            Phase::Reading => self.then(Next::Read),
            Phase::Releasing => self.then(Next::Stamp),
            Phase::Free | Phase::Ready | Phase::Aborted => self.then(Next::Walk),
        }
    }
}
