//! What the user of the library has been told, written down by the process that was told, in a page that outlives
//! it. A message counts as in hand from the moment the library returned it to its caller.

use std::ops::Range;

use anyhow::Result;

use crate::page::Page;

const PHASE: usize = 0;
const OUTCOME: usize = 1;
const SENT: usize = 2;
const TOLD: usize = 3;
const RELEASING: usize = 4;
const RELEASED: usize = 5;
const DESCRIPTORS: usize = 6;
const MAPPINGS: usize = 7;
const MESSAGES: Range<usize> = 16..48;
const TEXT_LEN: usize = 63;
const TEXT: usize = 64;
const TEXT_MAX: usize = 600;

const MARKED: u32 = 1 << 16;
const TORN: u32 = 1 << 17;

/// How far a child is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Phase {
    /// It prepares.
    Preparing,
    /// It is prepared, and stops or waits.
    Ready,
    /// It is in the operation.
    Begun,
    /// The operation has returned.
    Over,
    /// What came after it is done, too.
    Done,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Outcome {
    /// It has not ended.
    None,
    /// As its user wishes.
    Ok,
    /// There was no room.
    Full,
    /// There was no message.
    Empty,
    /// The time was up.
    TimedOut,
    /// The time was up, and somebody held what was needed.
    Stalled,
    /// The other side has left.
    Closed,
    /// The other side has died.
    PeerDead,
    /// The ring is in use.
    InUse,
    /// Any other error: see the text.
    Failed,
}

/// A message that somebody has received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its number.
    pub number: u16,
    /// Did it say that it is redelivered?
    pub marked: bool,
    /// Was it other than it was sent?
    pub torn: bool,
}

/// One process's account.
#[derive(Debug)]
pub struct Account(Page);

impl Account {
    /// An empty account.
    pub fn new() -> Result<Account> {
        Page::new().map(Account)
    }

    /// How far the process is.
    pub fn phase(&self) -> Phase {
        const PHASES: [Phase; 5] = [Phase::Preparing, Phase::Ready, Phase::Begun, Phase::Over, Phase::Done];
        PHASES[(self.0.get(PHASE) as usize).min(4)]
    }

    /// Says how far it is.
    #[inline(always)]
    pub fn set_phase(&self, phase: Phase) {
        self.0.set(PHASE, phase as u32);
    }

    /// How the operation ended.
    pub fn outcome(&self) -> Outcome {
        const OUTCOMES: [Outcome; 10] = [
            Outcome::None,
            Outcome::Ok,
            Outcome::Full,
            Outcome::Empty,
            Outcome::TimedOut,
            Outcome::Stalled,
            Outcome::Closed,
            Outcome::PeerDead,
            Outcome::InUse,
            Outcome::Failed,
        ];
        OUTCOMES[(self.0.get(OUTCOME) as usize).min(9)]
    }

    /// Says how it ended.
    pub fn set_outcome(&self, outcome: Outcome) {
        self.0.set(OUTCOME, outcome as u32);
    }

    /// Was it told that what it sent is sent?
    pub fn sent(&self) -> bool {
        self.0.get(SENT) != 0
    }

    /// It was told so.
    #[inline(always)]
    pub fn set_sent(&self) {
        self.0.set(SENT, 1);
    }

    /// The messages that it was told of, in order.
    pub fn told(&self) -> Vec<Received> {
        let count = (self.0.get(TOLD) as usize).min(MESSAGES.len());
        let words = MESSAGES.take(count).map(|at| self.0.get(at));
        words
            .map(|word| Received { number: word as u16, marked: word & MARKED != 0, torn: word & TORN != 0 })
            .collect()
    }

    /// It was told of a message.
    #[inline(always)]
    pub fn tell(&self, received: Received) {
        let at = self.0.get(TOLD) as usize;
        if at < MESSAGES.len() {
            let marks = if received.marked { MARKED } else { 0 } | if received.torn { TORN } else { 0 };
            self.0.set(MESSAGES.start + at, u32::from(received.number) | marks);
            self.0.set(TOLD, at as u32 + 1);
        }
    }

    /// How many of its messages it has begun to release.
    pub fn releasing(&self) -> usize {
        self.0.get(RELEASING) as usize
    }

    /// How many it has released.
    pub fn released(&self) -> usize {
        self.0.get(RELEASED) as usize
    }

    /// It begins to release what it was told of.
    #[inline(always)]
    pub fn begin_release(&self) {
        self.0.set(RELEASING, self.0.get(TOLD));
    }

    /// It has released that.
    #[inline(always)]
    pub fn end_release(&self) {
        self.0.set(RELEASED, self.0.get(RELEASING));
    }

    /// What the process still had open after it was done: descriptors, and mappings of the ring.
    pub fn open(&self) -> (u32, u32) {
        (self.0.get(DESCRIPTORS), self.0.get(MAPPINGS))
    }

    /// Says what it has open.
    pub fn set_open(&self, (descriptors, mappings): (u32, u32)) {
        self.0.set(DESCRIPTORS, descriptors);
        self.0.set(MAPPINGS, mappings);
    }

    /// Leaves a text for people.
    pub fn set_text(&self, text: &str) {
        let words = text.bytes().take(TEXT_MAX).enumerate();
        words.for_each(|(at, byte)| self.0.set(TEXT + at, byte.into()));
        self.0.set(TEXT_LEN, text.len().min(TEXT_MAX) as u32);
    }

    /// The text that it left.
    pub fn text(&self) -> String {
        let len = (self.0.get(TEXT_LEN) as usize).min(TEXT_MAX);
        let bytes: Vec<u8> = (0..len).map(|at| self.0.get(TEXT + at) as u8).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A number that changes when the account does, but for how far the process is.
    pub fn version(&self) -> u32 {
        [SENT, TOLD, RELEASING, RELEASED].iter().map(|at| self.0.get(*at)).sum()
    }
}
