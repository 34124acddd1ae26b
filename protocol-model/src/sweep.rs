//! Sweeping: what a walker does that cannot go on, and a participant that has just been given its id.
//!
//! A lease is tried, and only what is read under it counts. Trying the leases of owners that a first pass over the
//! words has found is modelled as trying the lease of any owner that some word names: a lease taken for a word
//! that has changed since lets nothing be repaired, since a dead owner's name comes into no word.
//!
//! | word of a dead owner | becomes | by |
//! |---|---|---|
//! | WRITING(L, k, dead) | ABORTED(L, k) | anyone |
//! | READING(L, k, dead) | READING(L, k, me), to be delivered again | a consumer; a producer leaves it |
//! | the same with `at_most_once` | stamped free | the same |
//! | RELEASING(L, k, dead) | stamped free | anyone |
//!
//! Stamps go to the inner words, last to first, and then to the first word.

use crate::event::Event;
use crate::fault::Fault;
use crate::state::{Next, Process};
use crate::turn::{After, Turn};
use crate::word::{Phase, Word};

impl Turn<'_> {
    /// The walk came to its end at `word`: gives what it holds, or sweeps.
    pub fn blocked(&mut self, word: Word) {
        if self.me().held != 0 {
            return self.done(Next::Release);
        }
        let slot = self.slot();
        self.done(Next::Blocked);
        if self.model.has(Fault::DecideBeforeLease) && word.owner() != 0 {
            self.process().word = word;
            self.process().at = slot;
        }
    }

    /// Tries the lease of one more owner; or goes on with what it has: the sweep, another walk, or a
    /// look for the end.
    pub fn next_lease(self, out: &mut Vec<After>) {
        let did = self.me().next;
        for owner in 1..=self.model.processes() {
            if owner != self.me && self.is_named(owner) && self.seems_dead(owner) {
                let mut turn = self.clone();
                turn.lock(owner);
                turn.finish(did, out);
            }
        }
        if did == Next::Blocked && !self.is_producer() && self.model.config.closing {
            let mut turn = self.clone();
            turn.look_for_the_end();
            turn.finish(did, out);
        }
        let mut turn = self;
        turn.done(if did == Next::Locked { Next::Sweep } else { Next::Start });
        turn.finish(did, out);
    }

    fn is_named(&self, owner: u8) -> bool {
        self.me().word.owner() == owner || self.state.words.iter().any(|word| word.owner() == owner)
    }

    fn seems_dead(&self, owner: u8) -> bool {
        let free = self.state.leases[usize::from(owner)] == 0;
        let proven = self.me().proven & 1 << owner != 0;
        !proven && (free || self.model.has(Fault::TimeoutForDeath))
    }

    fn lock(&mut self, owner: u8) {
        self.process().proven |= 1 << owner;
        if !self.model.has(Fault::RepairWithoutLease) && !self.model.has(Fault::TimeoutForDeath) {
            self.state.leases[usize::from(owner)] = self.me;
        }
        let word = self.me().word;
        if word.owner() == owner {
            return self.act(word);
        }
        self.done(Next::Locked);
    }

    /// A new participant takes the lease of a dead one's id, and begins by sweeping that id.
    pub fn attach(mut self, out: &mut Vec<After>) {
        if !self.model.config.replace || self.state.leases[usize::from(self.me)] != 0 {
            return;
        }
        self.state.leases[usize::from(self.me)] = self.me;
        let count = self.me().count;
        *self.process() = Process { count, ..Process::new(0) };
        if !self.model.has(Fault::OwnIdUnswept) {
            self.process().proven = 1 << self.me;
            self.then(Next::Sweep);
        }
        self.finish(Next::Dead, out);
    }

    /// Reads one word, and looks whether it is one to be repaired.
    pub fn sweep(&mut self) {
        let word = self.read_word(self.me().at);
        let mine = self.me().proven & 1 << word.owner() != 0;
        if word.owner() == 0 || !mine {
            return self.sweep_on();
        }
        if word.owner() == self.me {
            self.event = Some(Event::Inherited);
        }
        self.act(word);
    }

    fn act(&mut self, word: Word) {
        self.process().word = word;
        match word.phase() {
            Phase::Reading if self.is_producer() && !self.requeues() => self.sweep_on(),
            Phase::Reading if self.model.config.at_most_once => self.then(Next::Stamp),
            Phase::Releasing => self.then(Next::Stamp),
            _ => self.then(Next::Repair),
        }
    }

    fn requeues(&self) -> bool {
        let faults = [Fault::RequeueUnmarked, Fault::RequeueMarked, Fault::RequeueRewound];
        faults.iter().any(|fault| self.model.has(*fault))
    }

    /// Stores what becomes of the word: a tombstone or an adoption.
    pub fn repair(&mut self) {
        let (at, found) = (self.me().at, self.me().word);
        let (phase, owner) = match found.phase() {
            Phase::Writing => (Phase::Aborted, 0),
            _ if self.is_producer() => (Phase::Ready, 0),
            _ => (Phase::Reading, self.me),
        };
        let word = Word::new(phase, owner, found.span(), found.lap());
        if !self.model.has(Fault::RepairWithoutLease) {
            self.put_word(at, word);
        } else if !self.swap_word(at, found, word) {
            return self.sweep_on();
        }
        self.passes(at, found.span(), found.owner(), owner);
        match phase {
            Phase::Ready => self.requeued(),
            Phase::Reading => self.adopted(),
            _ => {
                self.event = Some(Event::Tombstone);
                self.sweep_on();
            }
        }
    }

    fn adopted(&mut self) {
        self.event = Some(Event::Adopted);
        let at = self.me().at;
        self.process().adopted |= 1 << at;
        if self.model.has(Fault::AdoptOnlyFirst) {
            return self.swept();
        }
        self.sweep_on();
    }

    fn requeued(&mut self) {
        if !self.model.has(Fault::RequeueUnmarked) {
            self.mark(self.me().at);
        }
        if self.model.has(Fault::RequeueRewound) {
            return self.then(Next::Rewind);
        }
        self.sweep_on();
    }

    /// The fault of leading consumers back to a message handed back.
    pub fn rewind(&mut self) {
        self.state.head = self.me().word.lap() * self.model.config.slots + self.me().at;
        self.sweep_on();
    }

    /// Stamps one word of a span as free: its own, or a dead owner's.
    pub fn stamp(&mut self) {
        let (at, part, word) = (self.me().at, self.me().part, self.me().word);
        let last = word.span() - 1;
        let offset = match part {
            _ if self.model.has(Fault::InnerUnstamped) => 0,
            part if self.model.has(Fault::FirstStampedFirst) => part,
            part => last - part,
        };
        self.free_slot(at + offset, word.lap());
        if part < last && !self.model.has(Fault::InnerUnstamped) {
            self.process().part += 1;
            return;
        }
        if self.me().proven != 0 {
            let dropped = word.phase() == Phase::Reading;
            self.event = Some(if dropped { Event::Dropped } else { Event::Finished });
            return self.sweep_on();
        }
        self.done(Next::Release);
        self.go_on();
    }

    fn sweep_on(&mut self) {
        let at = self.me().at + 1;
        self.done(Next::Sweep);
        self.process().at = at;
        if at == self.model.config.slots {
            self.swept();
        }
    }

    fn swept(&mut self) {
        self.done(Next::Unlock);
        let me = self.me;
        if self.me().proven == 1 << me {
            self.process().proven = 0;
            self.go_on();
        }
    }

    /// Drops one lease.
    pub fn unlock(&mut self) {
        let owner = self.me().proven.trailing_zeros();
        self.process().proven &= !(1 << owner);
        let lease = &mut self.state.leases[owner as usize];
        if *lease == self.me {
            *lease = 0;
        }
        if self.me().proven == 0 {
            self.go_on();
        }
    }
}
