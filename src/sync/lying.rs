//! Atomics in memory that a liar shares (`--cfg fuzzing`): what each read returns is up to a script, as if a peer had
//! written that just before. And the bounds that calls are held to.
//!
//! A script is bytes. The three low bits of one say which lie is told, the five high bits how many reads more are told the same,
//! and what it takes follows; a script that is used up leaves the truth.
//!
//! | bits | the read returns |
//! |---|---|
//! | 0–2 | the truth |
//! | 3, shift, distance | the truth, and the n-th time n steps on: a peer that counts in a field of the word |
//! | 4, bit | the truth, but for one bit |
//! | 5, distance | the truth, and a little more or less |
//! | 6, eight bytes | those |
//! | 7, which | what one of the last eight reads truly found |

use core::cell::RefCell;
use core::sync::atomic::{self, Ordering};

/// Reads of shared words that a call may make for each visit that it may make: a hint, a turn or a length goes with some.
const READS_PER_VISIT: u64 = 4;
/// And so many beside.
const MORE_READS: u64 = 64;

/// What this thread's peer says, and how much this thread has looked at.
#[derive(Debug)]
struct Peer {
    script: Vec<u8>,
    at: usize,
    lie: Lie,
    /// How often it was told, and how many reads more are told it.
    told: u64,
    again: u8,
    /// What the last reads truly found.
    truths: [u64; 8],
    reads: u64,
    visits: u64,
    /// The most visits of the call that is under way.
    bound: u64,
}

/// What the peer says in place of what is there.
#[derive(Clone, Copy, Debug)]
enum Lie {
    None,
    Counts { step: u64 },
    Bit(u8),
    Near(i8),
    Word(u64),
    Earlier(u8),
}

thread_local! {
    static PEER: RefCell<Peer> = const {
        RefCell::new(Peer {
            script: Vec::new(),
            at: 0,
            lie: Lie::None,
            told: 0,
            again: 0,
            truths: [0; 8],
            reads: 0,
            visits: 0,
            bound: u64::MAX,
        })
    };
}

impl Peer {
    fn byte(&mut self) -> Option<u8> {
        let byte = self.script.get(self.at).copied();
        self.at += 1;
        byte
    }

    fn says(&mut self, truth: u64) -> u64 {
        self.reads += 1;
        let most = self.bound.saturating_mul(READS_PER_VISIT).saturating_add(MORE_READS);
        assert!(self.reads <= most, "a call reads more than {most} shared words: it may never end");
        match self.again.checked_sub(1) {
            Some(again) => (self.again, self.told) = (again, self.told + 1),
            None => self.turn(),
        }
        let said = match self.lie {
            Lie::None => truth,
            Lie::Counts { step } => truth.wrapping_add(step.wrapping_mul(self.told)),
            Lie::Bit(bit) => truth ^ 1 << (bit % 64),
            Lie::Near(distance) => truth.wrapping_add_signed(distance.into()),
            Lie::Word(word) => word,
            Lie::Earlier(which) => self.truths[usize::from(which) % self.truths.len()],
        };
        self.truths[self.reads as usize % self.truths.len()] = truth;
        said
    }

    /// Goes on to the next lie of the script.
    fn turn(&mut self) {
        let first = self.byte();
        (self.told, self.again) = (1, first.unwrap_or(0) >> 3);
        self.lie = first.and_then(|first| self.parse(first & 7)).unwrap_or(Lie::None);
    }

    fn parse(&mut self, kind: u8) -> Option<Lie> {
        Some(match kind {
            3 => {
                let (shift, distance) = (self.byte()?, self.byte()? as i8);
                Lie::Counts { step: (i64::from(distance) as u64) << (shift % 64) }
            }
            4 => Lie::Bit(self.byte()?),
            5 => Lie::Near(self.byte()? as i8),
            6 => {
                let raw = self.script.get(self.at..)?.first_chunk().copied()?;
                self.at += raw.len();
                Lie::Word(u64::from_le_bytes(raw))
            }
            7 => Lie::Earlier(self.byte()?),
            _ => Lie::None,
        })
    }
}

fn says(truth: u64) -> u64 {
    PEER.with_borrow_mut(|peer| peer.says(truth))
}

/// From now on this thread's reads are answered by `script`.
pub(crate) fn obey(script: &[u8]) {
    PEER.with_borrow_mut(|peer| {
        peer.script = script.to_vec();
        (peer.at, peer.again, peer.truths) = (0, 0, [0; 8]);
    });
}

/// Runs `call`, which may visit so many slots or records.
///
/// # Panics
/// When it visits more, or reads many more shared words than that takes.
pub(crate) fn within<T>(visits: u64, call: impl FnOnce() -> T) -> T {
    let set = |bound| {
        PEER.with_borrow_mut(|peer| {
            (peer.reads, peer.visits, peer.bound) = (0, 0, bound);
        });
    };
    set(visits);
    let result = call();
    set(u64::MAX);
    result
}

/// A look at a slot or record, or a change of one.
pub(crate) fn visit() {
    PEER.with_borrow_mut(|peer| {
        peer.visits += 1;
        assert!(peer.visits <= peer.bound, "a call visits more than {} slots", peer.bound);
    });
}

/// An atomic whose reads may be lies.
#[derive(Debug, Default)]
#[repr(transparent)]
pub(crate) struct AtomicU64(atomic::AtomicU64);

impl AtomicU64 {
    pub(crate) fn load(&self, order: Ordering) -> u64 {
        says(self.0.load(order))
    }

    pub(crate) fn store(&self, value: u64, order: Ordering) {
        self.0.store(value, order);
    }

    pub(crate) fn swap(&self, value: u64, order: Ordering) -> u64 {
        says(self.0.swap(value, order))
    }

    pub(crate) fn compare_exchange(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        match says(current) {
            said if said == current => self.0.compare_exchange(current, new, success, failure),
            said => Err(said),
        }
    }

    pub(crate) fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
        says(self.0.fetch_add(value, order))
    }

    pub(crate) fn fetch_sub(&self, value: u64, order: Ordering) -> u64 {
        says(self.0.fetch_sub(value, order))
    }

    pub(crate) fn as_ptr(&self) -> *mut u64 {
        self.0.as_ptr()
    }
}

/// As [`AtomicU64`], of half the width.
#[derive(Debug, Default)]
#[repr(transparent)]
pub(crate) struct AtomicU32(atomic::AtomicU32);

fn says_half(truth: u32) -> u32 {
    says(truth.into()) as u32
}

impl AtomicU32 {
    pub(crate) fn load(&self, order: Ordering) -> u32 {
        says_half(self.0.load(order))
    }

    pub(crate) fn store(&self, value: u32, order: Ordering) {
        self.0.store(value, order);
    }

    pub(crate) fn compare_exchange(
        &self,
        current: u32,
        new: u32,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u32, u32> {
        match says_half(current) {
            said if said == current => self.0.compare_exchange(current, new, success, failure),
            said => Err(said),
        }
    }

    pub(crate) fn fetch_max(&self, value: u32, order: Ordering) -> u32 {
        says_half(self.0.fetch_max(value, order))
    }

    pub(crate) fn fetch_or(&self, bits: u32, order: Ordering) -> u32 {
        says_half(self.0.fetch_or(bits, order))
    }

    pub(crate) fn fetch_and(&self, bits: u32, order: Ordering) -> u32 {
        says_half(self.0.fetch_and(bits, order))
    }

    pub(crate) fn as_ptr(&self) -> *mut u32 {
        self.0.as_ptr()
    }
}
