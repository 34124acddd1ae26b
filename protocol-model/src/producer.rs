//! A producer: claims a span, writes it, commits or aborts it.
//!
//! | `word[i]` | it does |
//! |---|---|
//! | lap L, FREE | reads the inner words in order, each of which must be FREE(L); CAS: WRITING |
//! | the same, no room before the end | the same, but the CAS makes a pad: ABORTED |
//! | lap L, anything else | goes on behind it |
//! | lap L − 1 | full: sweeps, starts again |
//! | newer | jumps |
//!
//! A batch is one claim. Its commit stores the words of the starts inside and of the rest before the first one,
//! which makes all of it seen at once.

use crate::config::Plan;
use crate::event::Event;
use crate::fault::Fault;
use crate::state::Next;
use crate::turn::Turn;
use crate::walk::Place;
use crate::word::{Phase, Word};

impl Turn<'_> {
    fn plan(&self) -> &Plan {
        &self.model.plans[usize::from(self.me) - 1][usize::from(self.me().count)]
    }

    /// Whether the claim does not fit before the end of the ring.
    fn needs_pad(&self) -> bool {
        self.slot() + self.plan().span > self.model.config.slots
    }

    /// The slots to be claimed: those of the plan, or those up to the end of the ring.
    fn wanted(&self) -> u8 {
        self.plan().span.min(self.model.config.slots - self.slot())
    }

    /// Reads the word where it stands.
    pub fn walk_to_claim(&mut self) {
        if usize::from(self.me().count) == self.model.plans[usize::from(self.me) - 1].len() {
            return self.done(Next::Idle);
        }
        let word = self.read_word(self.slot());
        match self.place(word) {
            Place::Here(Phase::Free) => self.found_free(word),
            Place::Here(_) => self.help_on(word.span()),
            Place::Before => self.blocked(word),
            Place::Newer(ahead) => self.jump(ahead),
        }
    }

    fn found_free(&mut self, word: Word) {
        let pad = self.needs_pad();
        if pad && self.model.has(Fault::PadHintOnly) {
            return self.help_on(self.wanted());
        }
        let unchecked = self.model.has(if pad { Fault::PadUnchecked } else { Fault::ClaimUnchecked });
        self.process().word = word;
        self.process().part = 1;
        let whole = self.wanted() == 1 || unchecked;
        self.then(if whole { Next::Claim } else { Next::Inner });
    }

    /// Reads one inner word of the span to be claimed.
    pub fn look_inside(&mut self) {
        let part = self.me().part;
        let word = self.read_word(self.slot() + part);
        match self.place(word) {
            Place::Here(Phase::Free) => {
                self.process().part += 1;
                let whole = part + 1 == self.wanted();
                self.then(if whole { Next::Claim } else { Next::Inner });
            }
            Place::Before => self.blocked(word),
            Place::Here(_) | Place::Newer(_) => self.done(Next::Start),
        }
    }

    /// CAS of the claim or pad.
    pub fn claim(&mut self) {
        let (slot, lap, span, pad) = (self.slot(), self.lap(), self.wanted(), self.needs_pad());
        let (phase, owner) = if pad { (Phase::Aborted, 0) } else { (Phase::Writing, self.me) };
        let word = Word::new(phase, owner, span, lap);
        let found = self.read_word(slot);
        if self.model.has(Fault::ClaimByStore) {
            self.put_word(slot, word);
        } else if !self.swap_word(slot, self.me().word, word) {
            return self.done(Next::Walk);
        }
        self.begins(found, lap, slot, span, owner);
        self.done(Next::StoreHint);
        let process = self.process();
        process.t += span;
        if pad {
            self.event = Some(Event::Padded);
        } else {
            process.word = word;
            process.at = slot;
        }
    }

    /// Writes one slot's piece; the rest of a batch is not written.
    pub fn write(&mut self) {
        let (at, part) = (self.me().at, self.me().part);
        if let Some((message, piece)) = self.plan().pieces[usize::from(part)] {
            self.put_piece(at + part, message, piece);
        }
        let pieces = self.plan().pieces.iter().flatten().count();
        let process = self.process();
        process.part += 1;
        if usize::from(process.part) == pieces {
            process.part = 0;
            process.next = Next::Commit;
        }
    }

    /// Stores one of the words of the commit or abort.
    pub fn commit(&mut self) {
        let (at, part, lap) = (self.me().at, self.me().part, self.me().word.lap());
        let (span, messages) = (self.plan().span, self.plan().messages.clone());
        let stores = self.plan().stores.len();
        let store = self.plan().stores[usize::from(part)];
        self.put_word(at + store.offset, Word::new(store.phase, 0, store.span, lap));
        if store.offset == 0 {
            self.passes(at, span, self.me, 0);
            self.committed(messages);
        }
        self.process().part += 1;
        if usize::from(part) + 1 == stores {
            self.event = (stores > 1).then_some(Event::Split);
            self.process().count += 1;
            self.done(Next::Start);
        }
    }
}
