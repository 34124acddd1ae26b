//! A consumer: takes a span, reads it, releases it.
//!
//! | `word[i]` | it does |
//! |---|---|
//! | lap L, FREE; lap L − 1 | nothing there: sweeps, starts again |
//! | lap L, WRITING | the same: it never passes one |
//! | lap L, READY | CAS: READING, reads the message |
//! | lap L, ABORTED | CAS: RELEASING, stamps it free |
//! | lap L, READING or RELEASING | goes on behind it |
//! | newer | jumps |
//!
//! What it holds it releases before it sweeps or waits; what it has adopted it delivers before it looks for more.

use crate::event::Event;
use crate::fault::Fault;
use crate::state::Next;
use crate::turn::Turn;
use crate::walk::Place;
use crate::word::{Phase, Word};

impl Turn<'_> {
    /// Reads the word where it stands.
    pub fn walk_to_take(&mut self) {
        let word = self.read_word(self.slot());
        match self.place(word) {
            Place::Here(Phase::Ready) => self.found(word, Next::Take),
            Place::Here(Phase::Aborted) if self.model.has(Fault::AbortedUntaken) => {
                self.release_untaken(word);
            }
            Place::Here(Phase::Aborted) => self.found(word, Next::Take),
            Place::Here(Phase::Reading | Phase::Releasing) => self.help_on(word.span()),
            Place::Here(Phase::Writing) if self.model.has(Fault::PassWriting) => self.help_on(word.span()),
            Place::Here(Phase::Writing) => self.blocked(word),
            Place::Here(Phase::Free) | Place::Before => self.found_nothing(word),
            Place::Newer(ahead) => self.jump(ahead),
        }
    }

    fn found(&mut self, word: Word, next: Next) {
        self.process().word = word;
        self.then(next);
    }

    fn found_nothing(&mut self, word: Word) {
        if self.model.has(Fault::NoSweepOnNothing) && self.me().held == 0 {
            return self.done(Next::Start);
        }
        self.blocked(word);
    }

    /// The fault of releasing an aborted span that it has not taken.
    fn release_untaken(&mut self, word: Word) {
        let slot = self.slot();
        self.process().at = slot;
        self.process().word = Word::new(Phase::Releasing, self.me, word.span(), word.lap());
        self.help_on(word.span());
    }

    /// CAS of the span found: to be read if it is a message, to be released if it is none.
    pub fn take(&mut self) {
        let (slot, lap, found) = (self.slot(), self.lap(), self.me().word);
        let phase = if found.phase() == Phase::Ready { Phase::Reading } else { Phase::Releasing };
        let word = Word::new(phase, self.me, found.span(), lap);
        let there = self.read_word(slot);
        if !self.swap_word(slot, found, word) {
            return self.done(Next::Walk);
        }
        self.begins(there, lap, slot, word.span(), self.me);
        self.done(Next::StoreHint);
        let process = self.process();
        process.t += word.span();
        process.word = word;
        process.at = slot;
    }

    /// Reads one slot's piece; after the last, the message has been delivered.
    pub fn read(&mut self) {
        let process = *self.me();
        let message = self.take_piece(process.at, process.count, process.part);
        self.process().count = message;
        self.process().part += 1;
        if process.part + 1 < process.word.span() {
            return;
        }
        let adopted = process.adopted & 1 << process.at != 0;
        self.event = adopted.then_some(Event::Redelivered);
        self.delivered(message, process.word.span(), adopted && !self.model.has(Fault::AdoptedUnmarked));
        let process = self.process();
        process.adopted &= !(1 << process.at);
        process.held |= 1 << process.at;
        process.count = 0;
        self.done(Next::Start);
        self.go_on();
    }

    /// Begins to release the first of the messages held: at once if it has one slot.
    pub fn release(&mut self) {
        let slot = self.me().held.trailing_zeros() as u8;
        let word = self.read_word(slot);
        self.process().held &= !(1 << slot);
        if word.span() == 1 {
            self.free_slot(slot, word.lap());
            return self.go_on();
        }
        let word = Word::new(Phase::Releasing, self.me, word.span(), word.lap());
        self.put_word(slot, word);
        self.process().word = word;
        self.process().at = slot;
        self.then(Next::Stamp);
    }

    /// What a consumer does when it is done with something: releases once it holds enough, or has begun to;
    /// delivers what it adopted; looks for more.
    pub fn go_on(&mut self) {
        let (drain, process) = (self.model.config.drain, *self.me());
        let releasing = process.next == Next::Release && process.held != 0;
        if releasing || process.held.count_ones() >= u32::from(drain) {
            return self.then(Next::Release);
        }
        if process.adopted == 0 {
            return self.done(Next::Start);
        }
        let slot = process.adopted.trailing_zeros() as u8;
        let word = self.read_word(slot);
        self.process().at = slot;
        self.process().word = word;
        self.then(Next::Read);
    }
}
