//! The slot ring of `mpmc`: each slot has a word that says whose it is, and names its owner in the same atomic step.
//!
//! A message takes a span of slots: a claim by compare-and-swap on the first slot's word takes all of them. Walkers,
//! producers at the tail and consumers at the head, go from span start to span start, so nobody looks inside a
//! span. `tail` and `head` in memory are hints: whoever meets a slot that is claimed goes on behind it, so a wrong
//! hint costs steps and nothing else. Commit and release are plain stores of the owner's.
//!
//! The algorithm is this project's own; the lap in the slot word is that of Dmitry Vyukov's bounded MPMC queue.
//! `protocol-model/` checks it in every interleaving with a death before every step.
//!
//! # Edges
//!
//! | edge | release | acquire | carries |
//! |---|---|---|---|
//! | claim | a claim's (or pad's) compare-and-swap | any walker loads the word | what the claimer had seen: nobody behind it sees older words |
//! | commit | the owner stores READY or ABORTED | a consumer loads the word | payload, length and tag; a batch's inner words |
//! | take | a consumer's compare-and-swap to READING or RELEASING | any walker loads the word | as claim |
//! | free | the owner stores FREE of the next lap | a producer loads the word | the end of its reads of the slot |
//! | hint | whoever passes a hint's boundary stores it | a walker that meets a claimed slot loads it | as claim |
//! | death | a participant's last stores, then the loss of its lease (the kernel) | whoever takes the lease, then loads | everything the dead one did |
//!
//! # What a death leaves behind, and who repairs it
//!
//! | killed | left behind | repaired |
//! |---|---|---|
//! | before a claim's compare-and-swap | nothing | – |
//! | between claim and commit, a batch included | WRITING(dead) | by anyone: ABORTED, which consumers pass over and free |
//! | after commit | READY | nothing to repair |
//! | between take and release | READING(dead) | by a consumer: READING(itself), delivered again and marked; `at_most_once`: freed |
//! | in the middle of a release | RELEASING(dead), some inner words free | by anyone: the same stores again |
//! | in the middle of a repair | the word of the first dead, or the repairer's own | as the row that fits; the lease of the first dead is free again |
//!
//! # Why it works
//!
//! Per slot, laps never decrease, and FREE(L) is left at most once. The claims of a lap form one chain from index 0:
//! a claim at `p` of `k` slots makes `p + k` the next start. Inner slots are reached only through `p`, so what a
//! claimer found free inside stays free until its compare-and-swap on `p`. A release frees the inner words first
//! and the first word last, so nobody passes `p` in the next lap while inner words are being stamped, and a stamp
//! that a dead one's repairer repeats hits only words of this span.
//!
//! A batch is one claim that its commit splits: the words of its inner messages are stored first, which nobody can
//! reach, then the first one, with which the whole batch appears; a death before leaves one claim to abort.

mod consumer;
mod pending;
mod producer;
mod repair;
#[cfg(not(loom))]
mod table;
#[cfg(loom)]
#[path = "table_model.rs"]
mod table;
mod turn;
mod word;

pub(crate) use consumer::{Consumer, Found, Seek};
pub(crate) use pending::Pending;
pub(crate) use producer::{Claimed, Producer, Refused};
pub(crate) use repair::Leases;
#[cfg(loom)]
pub(crate) use table::Life;
use table::Slot;
pub(crate) use table::Table;
pub(crate) use turn::Turn;

use crate::error::Corrupt;
use crate::layout::Shared;
use crate::layout::mpmc::{Control, Sizes};
use crate::layout::participant::Participant;
use crate::seq::Seq;
use crate::sync::{AtomicU64, Ordering, visit};
use word::{LAP_MASK, State, Word};

/// Slots that a call visits beyond a whole lap before it gives up for now: no walker in a sound ring needs more,
/// unless others overtake it all the time.
const MORE_VISITS: u64 = 64;
/// A hint is written by whoever passes a multiple of 2 to this power.
const HINT_SHIFT: u32 = 4;

/// What a walker sees at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Free, and this lap's turn.
    Free,
    /// Claimed by `owner`, for `span` slots.
    Claimed { span: u64, owner: u32 },
    /// Committed.
    Ready { span: u64 },
    /// A tombstone.
    Aborted { span: u64 },
    /// Taken by a consumer.
    Taken { span: u64 },
    /// Still of the lap before; `owner` holds it, or nobody does.
    Behind { owner: u32 },
    /// The ring has gone on: look there.
    Newer(Seq),
}

#[inline(always)]
fn swap(slot: &Slot, seen: Word, word: Word) -> bool {
    // edge: claim, take (release); free, commit (acquire)
    slot.word().compare_exchange(seen.0, word.0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
}

/// A span that a participant holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    at: Seq,
    /// How many slots.
    slots: u64,
}

impl Span {
    fn end(self) -> Seq {
        self.at.after(self.slots)
    }
}

/// How many slots a call may still visit, whatever it finds there.
#[derive(Debug)]
struct Visits(u64);

impl Visits {
    /// One more. `false`: none is left, and the call gives up for now.
    #[inline(always)]
    fn next(&mut self) -> bool {
        self.spend(1)
    }

    /// So many more. `false`: so many are not left.
    #[inline(always)]
    fn spend(&mut self, visits: u64) -> bool {
        let are_left = self.0 >= visits;
        self.0 = self.0.saturating_sub(visits);
        are_left
    }
}

/// What producers and consumers have in common: the slots, and who they are.
#[derive(Debug)]
pub(crate) struct Core {
    table: Table,
    control: Shared<Control>,
    line: Shared<Participant>,
    sizes: Sizes,
    /// The number of slots is 2 to this power.
    shift: u32,
    /// This participant's name in slot words.
    me: u32,
}

impl Core {
    /// The view of participant `id`, whose line is `line`.
    pub(crate) fn new(
        table: Table,
        control: Shared<Control>,
        line: Shared<Participant>,
        sizes: Sizes,
        id: u32,
    ) -> Core {
        Core { table, control, line, sizes, shift: sizes.slots.trailing_zeros(), me: id + 1 }
    }

    #[inline(always)]
    fn lap(&self, at: Seq) -> u64 {
        at.0 >> self.shift
    }

    #[inline(always)]
    fn index(&self, at: Seq) -> u64 {
        at.offset(self.sizes.slots - 1)
    }

    /// Slots from `at` to the end of the ring.
    #[inline(always)]
    fn to_end(&self, at: Seq) -> u64 {
        self.sizes.slots - self.index(at)
    }

    /// Where the next lap begins.
    fn next_lap(&self, at: Seq) -> Seq {
        at.after(self.to_end(at))
    }

    #[inline(always)]
    fn load(&self, at: Seq) -> Word {
        visit();
        Word(self.table.slot(at.0).word().load(Ordering::Acquire)) // edge: claim, commit, take, free (acquire)
    }

    /// Stores a word that is the caller's to change.
    #[inline(always)]
    fn store(&self, at: Seq, word: Word) {
        self.table.slot(at.0).word().store(word.0, Ordering::Release); // edge: commit, free (release)
    }

    #[inline(always)]
    fn swap(&self, at: Seq, seen: Word, word: Word) -> bool {
        swap(&self.table.slot(at.0), seen, word)
    }

    /// What `word`, read at `at`, means to a walker there.
    fn look(&self, at: Seq, word: Word) -> Result<Look, Corrupt> {
        match word.laps_ahead(self.lap(at)) {
            0 => self.look_now(at, word),
            LAP_MASK if word.is_held() => {
                self.check_owner(word.owner())?;
                Ok(Look::Behind { owner: word.owner() })
            }
            LAP_MASK => Ok(Look::Behind { owner: 0 }),
            ahead if ahead > LAP_MASK / 2 => {
                Err(Corrupt { what: "lap of a slot", found: word.lap(), allowed: self.lap(at) & LAP_MASK })
            }
            // As if it had walked up to the lap before the word's, and stepped on by one.
            ahead => Ok(Look::Newer(at.after(((ahead - 1) << self.shift) + 1))),
        }
    }

    /// What a word of this lap means.
    #[inline(always)]
    fn look_now(&self, at: Seq, word: Word) -> Result<Look, Corrupt> {
        let Some(state) = word.state() else {
            return Err(bad_state(word));
        };
        if state == State::Free {
            let free = Word::free(word.lap());
            let extra = Corrupt { what: "free slot", found: word.0, allowed: free.0 };
            return if word == free { Ok(Look::Free) } else { Err(extra) };
        }
        let (span, owner) = (word.span(), word.owner());
        if span.wrapping_sub(1) >= self.to_end(at) {
            return Err(Corrupt { what: "span of a slot", found: span, allowed: self.to_end(at) });
        }
        if word.is_held() {
            self.check_owner(owner)?;
        }
        Ok(match state {
            State::Writing => Look::Claimed { span, owner },
            State::Ready => Look::Ready { span },
            State::Aborted => Look::Aborted { span },
            _ => Look::Taken { span },
        })
    }

    fn check_owner(&self, owner: u32) -> Result<(), Corrupt> {
        let allowed = 2 * self.sizes.places;
        if (1..=allowed).contains(&owner) {
            return Ok(());
        }
        Err(Corrupt { what: "owner of a slot", found: owner.into(), allowed: allowed.into() })
    }

    /// The further of a position and a hint.
    fn further(&self, at: Seq, hint: &AtomicU64) -> Seq {
        let hint = Seq(hint.load(Ordering::Acquire)); // edge: hint (acquire)
        if hint.since(at) <= u64::MAX / 2 { hint } else { at }
    }

    /// Writes a hint now and then: when the way from `from` to `to` passed a boundary.
    #[inline(always)]
    fn hint(&self, hint: &AtomicU64, from: Seq, to: Seq) {
        if (from.0 ^ to.0) >> HINT_SHIFT != 0 {
            hint.store(to.0, Ordering::Release); // edge: hint (release)
        }
    }

    /// Are the counters to be written down at this position? Some eight times a lap.
    fn is_time_to_write_down(&self, at: Seq) -> bool {
        at.0.is_multiple_of((self.sizes.slots / 8).max(1 << HINT_SHIFT))
    }

    /// Bytes of a message that fills its slots, for each of them.
    pub(crate) fn slot_bytes(&self) -> u64 {
        self.sizes.slot_size.max(self.sizes.inline)
    }

    /// What one call may visit.
    #[inline(always)]
    fn visits(&self) -> Visits {
        Visits(self.sizes.slots + MORE_VISITS)
    }

    /// Frees a span that is this participant's: inner words last to first, then the first one.
    fn release(&self, span: Span) {
        if span.slots > 1 {
            let releasing = Word::releasing(self.lap(span.at), span.slots, self.me);
            self.store(span.at, releasing);
        }
        self.stamp(span);
    }

    /// The stores of a release. Whoever repeats them for a dead owner holds that owner's lease.
    fn stamp(&self, span: Span) {
        let free = Word::free(self.lap(span.at) + 1);
        for inner in (0..span.slots).rev() {
            // Whoever frees a span has been at its first slot.
            if inner > 0 {
                visit();
            }
            self.store(span.at.after(inner), free);
        }
    }

    /// How many slots are not free.
    pub(crate) fn used(&self) -> Result<u64, Corrupt> {
        used(&self.table, self.sizes)
    }

    /// Is there no message, in the ring or in anybody's hands, and no claim? Tombstones are nothing.
    pub(crate) fn is_drained(&self) -> bool {
        let mut spans = spans(&self.table, self.sizes);
        spans.all(|word| matches!(word.state(), Some(State::Free | State::Aborted)))
    }
}

/// The words of all spans, and of all slots that are free.
fn spans(table: &Table, sizes: Sizes) -> impl Iterator<Item = Word> {
    let mut index = 0;
    core::iter::from_fn(move || {
        if index >= sizes.slots {
            return None;
        }
        visit();
        let word = Word(table.slot(index).word().load(Ordering::Acquire)); // edge: claim, commit, take, free (acquire)
        index += word.slots();
        Some(word)
    })
}

/// How many slots are not free, as far as an onlooker can tell while others go on.
pub(crate) fn used(table: &Table, sizes: Sizes) -> Result<u64, Corrupt> {
    let mut used = 0;
    for word in spans(table, sizes) {
        match word.state() {
            None => return Err(bad_state(word)),
            Some(State::Free) => {}
            Some(_) => used += word.slots(),
        }
    }
    Ok(used.min(sizes.slots))
}

/// How many slots are not free, by the hints alone.
pub(crate) fn used_by_hints(control: &Shared<Control>, sizes: Sizes) -> u64 {
    let (tail, head) = (control.tail.load(Ordering::Relaxed), control.head.load(Ordering::Relaxed));
    tail.saturating_sub(head).min(sizes.slots)
}

/// Which participants hold a slot, in order of slots.
pub(crate) fn holders(table: &Table, sizes: Sizes) -> Vec<u32> {
    let held = spans(table, sizes).filter(|word| word.is_held());
    held.filter_map(|word| word.owner().checked_sub(1)).collect()
}

fn bad_state(word: Word) -> Corrupt {
    Corrupt { what: "state of a slot", found: word.0 & 7, allowed: State::Aborted as u64 }
}
