//! One state of the whole system: the ring, the leases, every process, and what the properties remember.
//!
//! A state is stored as a fixed run of bytes, one per field in use, so two states are equal exactly if their bytes
//! are. Fields that a process no longer needs are cleared by the step that ends their use, so that histories that
//! make no difference meet in one state.

use crate::config::Model;
use crate::word::{Phase, Word};

/// Slots that a ring may have.
pub const MOST_SLOTS: usize = 6;
/// Producers that there may be.
pub const MOST_PRODUCERS: usize = 3;
/// Processes, with room for the id 0 that is nobody's.
pub const MOST_IDS: usize = 7;
/// Messages, with room for the number 0 that is none's.
pub const MOST_MESSAGES: usize = 24;

/// What a process does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Killed or closed; its leases are free.
    Dead,
    /// Reads the hint.
    Start,
    /// Reads the word where it stands.
    Walk,
    /// Reads an inner word of the span that it is about to claim.
    Inner,
    /// CAS of the claim or pad.
    Claim,
    /// Stores the hint.
    StoreHint,
    /// Writes one slot's piece of the payload.
    Write,
    /// Stores one word of the commit or abort.
    Commit,
    /// CAS of the span that it takes.
    Take,
    /// Reads one slot's piece of the payload.
    Read,
    /// Gives the first of the messages it holds back.
    Release,
    /// Stamps one word of a span as free.
    Stamp,
    /// Could not go on: tries a lease, or starts again.
    Blocked,
    /// Holds one dead owner's lease: tries another, or sweeps.
    Locked,
    /// Reads one word under the leases.
    Sweep,
    /// Stores what becomes of a dead owner's word.
    Repair,
    /// Stores the head that leads back to a message handed back (a fault).
    Rewind,
    /// Drops one lease.
    Unlock,
    /// A producer that has done all it had to do; may close.
    Idle,
    /// Looks whether one producer lives.
    Probe,
    /// Reads one word to see whether it is free.
    Survey,
}

const NEXTS: [Next; 21] = [
    Next::Dead,
    Next::Start,
    Next::Walk,
    Next::Inner,
    Next::Claim,
    Next::StoreHint,
    Next::Write,
    Next::Commit,
    Next::Take,
    Next::Read,
    Next::Release,
    Next::Stamp,
    Next::Blocked,
    Next::Locked,
    Next::Sweep,
    Next::Repair,
    Next::Rewind,
    Next::Unlock,
    Next::Idle,
    Next::Probe,
    Next::Survey,
];

/// A process's own memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// What it does next.
    pub next: Next,
    /// Where it stands: an absolute position, kept from one call to the next.
    pub t: u8,
    /// The slot of the span that it works on.
    pub at: u8,
    /// The word it read last, or wrote there.
    pub word: Word,
    /// Counts the parts of what it does step by step.
    pub part: u8,
    /// The owners, a bit each, that it holds to be dead and is repairing; its own bit while it attaches.
    pub proven: u8,
    /// A producer: how many of its claims are behind it. A consumer: the message that it reads.
    pub count: u8,
    /// The slots, a bit each, whose messages it has read and not released.
    pub held: u8,
    /// The slots, a bit each, whose messages it has adopted and not read.
    pub adopted: u8,
    /// For the properties: the last message of each producer that it was given unmarked.
    pub last: [u8; MOST_PRODUCERS],
}

impl Process {
    /// A process that is about to begin at this position.
    pub fn new(t: u8) -> Process {
        let word = Word::from_bytes([0, 0]);
        let next = Next::Start;
        Process {
            next,
            t,
            at: 0,
            word,
            part: 0,
            proven: 0,
            count: 0,
            held: 0,
            adopted: 0,
            last: [0; MOST_PRODUCERS],
        }
    }
}

/// What has become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Not committed.
    Unsent,
    /// Committed, and not read to the end by anybody.
    Committed,
    /// The same, and marked as delivered before by one who handed it back (a fault).
    Marked,
    /// Read to the end at least once.
    Delivered,
    /// The same, and marked (a fault).
    DeliveredMarked,
    /// Given up on purpose (`at_most_once`).
    Dropped,
}

const FATES: [Fate; 6] =
    [Fate::Unsent, Fate::Committed, Fate::Marked, Fate::Delivered, Fate::DeliveredMarked, Fate::Dropped];

/// One state of the whole system.
#[derive(Clone, Copy)]
pub struct State {
    /// Each slot's word.
    pub words: [Word; MOST_SLOTS],
    /// Each slot's block: message and piece, as [`piece`] puts them together; 0 in a free slot.
    pub blocks: [u8; MOST_SLOTS],
    /// For the properties: who has exclusive use of each slot.
    pub holders: [u8; MOST_SLOTS],
    /// The producers' hint.
    pub tail: u8,
    /// The consumers' hint.
    pub head: u8,
    /// Who holds the lease of each id; 0: nobody.
    pub leases: [u8; MOST_IDS],
    /// How many kills there may still be.
    pub kills: u8,
    /// What has become of each message.
    pub fates: [Fate; MOST_MESSAGES],
    /// Each process, the one with id 1 at index 1.
    pub processes: [Process; MOST_IDS],
}

/// Message and piece as a block holds them.
pub fn piece(message: u8, piece: u8) -> u8 {
    message << 3 | piece
}

impl State {
    /// The empty ring, everybody about to begin.
    pub fn first(model: &Model) -> State {
        let config = &model.config;
        let start = config.first_lap * config.slots;
        let mut state = State {
            words: [Word::free(config.first_lap); MOST_SLOTS],
            blocks: [0; MOST_SLOTS],
            holders: [0; MOST_SLOTS],
            tail: start,
            head: start,
            leases: [0; MOST_IDS],
            kills: config.crashes,
            fates: [Fate::Unsent; MOST_MESSAGES],
            processes: [Process::new(start); MOST_IDS],
        };
        for id in 1..=model.processes() {
            state.leases[usize::from(id)] = id;
        }
        state
    }

    /// Whether the process with this id lives.
    pub fn alive(&self, id: u8) -> bool {
        self.processes[usize::from(id)].next != Next::Dead
    }

    /// The position at which the next claim must start, if every slot is free; the one thing that a free ring
    /// still says.
    pub fn frontier(&self, slots: u8) -> Option<u8> {
        let words = &self.words[..usize::from(slots)];
        if words.iter().any(|word| word.phase() != Phase::Free) {
            return None;
        }
        let passed = words.iter().filter(|word| word.lap() > words[usize::from(slots) - 1].lap()).count();
        Some(words[usize::from(slots) - 1].lap() * slots + passed as u8)
    }

    /// Bytes of a stored state.
    pub fn stored_len(model: &Model) -> usize {
        let mut len = 0;
        State::first(model).each_byte(model, |_| len += 1);
        len
    }

    /// Writes the state to `bytes`.
    pub fn store(mut self, model: &Model, bytes: &mut [u8]) {
        let mut bytes = bytes.iter_mut();
        self.each_byte(model, |byte| {
            if let Some(stored) = bytes.next() {
                *stored = *byte;
            }
        });
    }

    /// Reads a state from what [`State::store`] wrote.
    pub fn load(model: &Model, bytes: &[u8]) -> State {
        let mut state = State::first(model);
        let mut bytes = bytes.iter();
        state.each_byte(model, |byte| {
            if let Some(stored) = bytes.next() {
                *byte = *stored;
            }
        });
        state
    }

    /// Passes every byte that distinguishes states, each of which `visit` may replace.
    fn each_byte(&mut self, model: &Model, mut visit: impl FnMut(&mut u8)) {
        let slots = usize::from(model.config.slots);
        let last = usize::from(model.processes());
        self.words[..slots].iter_mut().for_each(|word| each_byte_of_word(word, &mut visit));
        self.blocks[..slots].iter_mut().for_each(&mut visit);
        self.holders[..slots].iter_mut().for_each(&mut visit);
        visit(&mut self.tail);
        visit(&mut self.head);
        self.leases[1..=last].iter_mut().for_each(&mut visit);
        visit(&mut self.kills);
        for fate in &mut self.fates[1..=model.spans.len()] {
            let mut byte = *fate as u8;
            visit(&mut byte);
            *fate = FATES[usize::from(byte)];
        }
        for (id, process) in self.processes.iter_mut().enumerate().take(last + 1).skip(1) {
            each_byte_of_process(process, model, model.is_producer(id as u8), &mut visit);
        }
    }
}

fn each_byte_of_word(word: &mut Word, visit: &mut impl FnMut(&mut u8)) {
    let mut bytes = word.to_bytes();
    bytes.iter_mut().for_each(visit);
    *word = Word::from_bytes(bytes);
}

fn each_byte_of_process(
    process: &mut Process,
    model: &Model,
    is_producer: bool,
    visit: &mut impl FnMut(&mut u8),
) {
    let mut next = process.next as u8;
    visit(&mut next);
    process.next = NEXTS[usize::from(next)];
    each_byte_of_word(&mut process.word, visit);
    visit(&mut process.t);
    visit(&mut process.at);
    visit(&mut process.part);
    visit(&mut process.proven);
    visit(&mut process.count);
    if !is_producer {
        visit(&mut process.held);
        visit(&mut process.adopted);
        process.last[..model.plans.len()].iter_mut().for_each(visit);
    }
}
