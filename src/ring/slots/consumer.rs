//! The consumer's side: find, take, read, release.

use core::cell::Cell;
use std::collections::VecDeque;

use super::repair::{self, Leases};
use super::word::Word;
use super::{Core, HINT_SHIFT, Look, Slot, Span, Visits, swap};
use crate::error::Corrupt;
use crate::frame;
use crate::ring::backoff::Backoff;
use crate::ring::lag::{Lag, Pace};
use crate::seq::Seq;
use crate::sync::Ordering;

/// A message that this consumer has taken and not released.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    pub(crate) at: Seq,
    span: u64,
    len: u64,
    pub(crate) tag: u16,
    pub(crate) redelivered: bool,
    /// The slot, and what its release makes of its word.
    slot: Slot,
    free: Word,
}

/// What a consumer meets at the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seek {
    /// A message.
    Ready,
    /// Nothing.
    Empty,
    /// A claim of this owner's that is not committed.
    Blocked(u32),
}

/// Positions that no message has: nothing is in hand; nothing is, but messages are kept.
const NOTHING: Seq = Seq(u64::MAX);
const KEPT: Seq = Seq(u64::MAX - 1);

/// A consumer of a slot ring.
#[derive(Debug)]
pub(crate) struct Consumer {
    core: Core,
    at_most_once: bool,
    /// At most where the head is: up to here this consumer has walked.
    at: Seq,
    /// The word that the short way goes on from: that of a message of one slot at `at`; [`Word::NEVER`] while there
    /// are messages to be delivered again.
    expected: Word,
    /// Bytes of the largest message of one slot.
    largest_of_one: u64,
    lag: Lag,
    /// Messages received when the ring was last found empty.
    run_began: u64,
    /// What this consumer's hold of one slot says beside the lap.
    take_one: Word,
    /// Messages that dead consumers had in hand: this one's now, to be delivered again.
    adopted: VecDeque<Span>,
    /// Where the message in hand begins, or [`NOTHING`], or [`KEPT`].
    held: Cell<Seq>,
    /// Messages that are kept until a drain ends.
    kept: Vec<Span>,
    /// Has this consumer freed slots since it was last asked?
    freed: bool,
    messages: u64,
    /// Slots that they took beyond one each.
    more_slots: u64,
    redelivered: u64,
    dropped: u64,
    tombstones: u64,
}

impl Consumer {
    /// A consumer that holds the lease of its id, and whose line says that it is here.
    pub(crate) fn attach(
        core: Core,
        leases: &impl Leases,
        suspects: &[u32],
        at_most_once: bool,
        pace: Pace,
    ) -> Result<Consumer, Corrupt> {
        let at = core.further(Seq(0), &core.control.head);
        let largest_of_one = core.slot_bytes();
        let take_one = Word::reading(0, 1, core.me);
        let mut consumer = Consumer {
            core,
            at_most_once,
            at,
            expected: Word::NEVER,
            largest_of_one,
            lag: Lag::new(pace),
            run_began: 0,
            take_one,
            adopted: VecDeque::new(),
            held: Cell::new(NOTHING),
            kept: Vec::new(),
            freed: false,
            messages: 0,
            more_slots: 0,
            redelivered: 0,
            dropped: 0,
            tombstones: 0,
        };
        let own = repair::own_of_consumer(&consumer.core, consumer.repairs_as());
        consumer.take_over(own)?;
        consumer.sweep(leases, suspects)?;
        Ok(consumer)
    }

    fn repairs_as(&self) -> repair::As {
        let near = self.at;
        if self.at_most_once { repair::As::Dropper { near } } else { repair::As::Adopter { near } }
    }

    /// Repairs what dead participants left, `suspects` included though no slot may name them. `true`: something changed.
    pub(crate) fn sweep(&mut self, leases: &impl Leases, suspects: &[u32]) -> Result<bool, Corrupt> {
        let repaired = repair::sweep(&self.core, leases, suspects, self.repairs_as())?;
        let anything = repaired.anything();
        self.take_over(repaired)?;
        Ok(anything)
    }

    fn take_over(&mut self, repaired: repair::Repaired) -> Result<(), Corrupt> {
        self.tombstones += repaired.tombstones;
        self.dropped += repaired.dropped;
        self.freed |= repaired.freed;
        let (found, allowed) = ((self.adopted.len() + repaired.adopted.len()) as u64, self.core.sizes.slots);
        let too_many = Corrupt { what: "number of messages in dead hands", found, allowed };
        // They have slots of their own, so there are no more than those.
        let adopts = found <= allowed;
        self.adopted.extend(repaired.adopted.into_iter().filter(|_| adopts));
        self.expect();
        repaired.corrupt.or((!adopts).then_some(too_many)).map_or(Ok(()), Err)
    }

    /// Expects a message of one slot next, unless there are messages to be delivered again.
    fn expect(&mut self) {
        let nothing = self.adopted.is_empty();
        self.expected = if nothing { Word::ready(self.core.lap(self.at), 1) } else { Word::NEVER };
    }

    /// Messages received, and bytes of the slots they took.
    pub(crate) fn received(&self) -> (u64, u64) {
        (self.messages, (self.messages + self.more_slots) * self.core.slot_bytes())
    }

    /// What this consumer repaired: tombstones made, messages delivered again, messages dropped.
    pub(crate) fn repairs(&self) -> (u64, u64, u64) {
        (self.tombstones, self.redelivered, self.dropped)
    }

    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    pub(crate) fn set_pace(&mut self, pace: Pace) {
        self.lag.set_pace(pace);
    }

    /// Waits a little after a look that found nothing, as `Lag` says.
    pub(crate) fn lag(&mut self) {
        let run = self.messages - self.run_began;
        if run == 0 {
            self.lag.wait_on();
        } else {
            self.run_began = self.messages;
            self.lag.end_run(run, run * self.core.sizes.stride());
        }
    }

    /// Takes the next message if it is there and takes one slot: the short way of [`find`].
    ///
    /// [`find`]: Consumer::find
    #[inline(always)]
    pub(crate) fn find_ready(&mut self) -> Option<Found> {
        let (at, ready) = (self.at, self.expected);
        if ready == Word::NEVER || self.held.get() != NOTHING {
            return None;
        }
        let slot = self.core.table.slot(at.0);
        if slot.word().load(Ordering::Relaxed) != ready.0 {
            return None;
        }
        let taken = swap(&slot, ready, ready.taken(self.take_one));
        if !taken {
            return None;
        }
        let Some((len, tag)) =
            frame::as_message(slot.load_meta()).filter(|(len, _)| *len <= self.largest_of_one)
        else {
            self.take_corrupt(at);
            return None;
        };
        let next = at.after(1);
        self.at = next;
        if (at.0 ^ next.0) >> HINT_SHIFT != 0 {
            self.pass_boundary();
        }
        self.held.set(at);
        self.messages += 1;
        Some(Found { at, span: 1, len, tag, redelivered: false, slot, free: ready.next_free() })
    }

    /// A message that cannot be one was taken: every further call meets it again, and nobody else does.
    #[cold]
    fn take_corrupt(&mut self, at: Seq) {
        self.adopted.push_back(Span { at, slots: 1 });
        self.move_to(at.after(1));
        self.expect();
    }

    /// Does what is not to be done for each message.
    #[cold]
    fn pass_boundary(&mut self) {
        self.core.control.head.store(self.at.0, Ordering::Release); // edge: hint (release)
        self.expect();
        if self.core.is_time_to_write_down(self.at) {
            self.write_down();
        }
    }

    /// Takes the message at this consumer's position, whose word is `word`. `None`: another consumer was faster, or
    /// the length is none that fits.
    fn take(&mut self, word: Word, slots: u64) -> Option<Found> {
        let span = Span { at: self.at, slots };
        let (len, tag) = self.message(span)?;
        let reading = Word::reading(self.core.lap(span.at), slots, self.core.me);
        if !self.core.swap(span.at, word, reading) {
            return None;
        }
        self.move_to(span.end());
        Some(self.have(span, len, tag, false))
    }

    /// Length and tag of the message in a span, if they are those of one that fits.
    fn message(&self, span: Span) -> Option<(u64, u16)> {
        let (len, tag) = frame::as_message(self.core.table.slot(span.at.0).load_meta())?;
        self.core.table.fits(span.at.0, span.slots, len).then_some((len, tag))
    }

    fn have(&mut self, span: Span, len: u64, tag: u16, redelivered: bool) -> Found {
        self.held.set(span.at);
        self.messages += 1;
        self.more_slots += span.slots - 1;
        let slot = self.core.table.slot(span.at.0);
        let free = Word::free(self.core.lap(span.at) + 1);
        Found { at: span.at, span: span.slots, len, tag, redelivered, slot, free }
    }

    /// Takes the next message if there is one now.
    pub(crate) fn find(&mut self) -> Result<Option<Found>, Corrupt> {
        if let Some(span) = self.adopted.pop_front() {
            return self.deliver_again(span).map(Some);
        }
        let mut backoff = Backoff::default();
        let mut visits = self.core.visits();
        while self.seek_within(&mut visits)? == Seek::Ready && visits.next() {
            let word = self.core.load(self.at);
            let Look::Ready { span } = self.core.look(self.at, word)? else {
                continue;
            };
            if let Some(found) = self.take(word, span) {
                return Ok(Some(found));
            }
            backoff.lost();
            if visits.next() {
                self.check_message(word, Span { at: self.at, slots: span })?;
            }
        }
        Ok(None)
    }

    fn deliver_again(&mut self, span: Span) -> Result<Found, Corrupt> {
        let Some((len, tag)) = self.message(span) else {
            self.adopted.push_front(span);
            return Err(self.bad_message(span));
        };
        self.redelivered += 1;
        Ok(self.have(span, len, tag, true))
    }

    /// If the message at this consumer's position was not taken by another: is it one that can be?
    fn check_message(&self, word: Word, span: Span) -> Result<(), Corrupt> {
        if self.message(span).is_none() && self.core.load(span.at) == word {
            return Err(self.bad_message(span));
        }
        Ok(())
    }

    fn bad_message(&self, span: Span) -> Corrupt {
        let found = self.core.table.slot(span.at.0).load_meta();
        let allowed = (span.slots * self.core.sizes.slot_size).max(self.core.sizes.inline);
        Corrupt { what: "length and tag of a message", found, allowed }
    }

    /// Walks to the next message, past what others hold, and frees tombstones on the way.
    pub(crate) fn seek(&mut self) -> Result<Seek, Corrupt> {
        if !self.adopted.is_empty() {
            return Ok(Seek::Ready);
        }
        self.seek_within(&mut self.core.visits())
    }

    /// As [`Consumer::seek`], where nothing is to be delivered again.
    fn seek_within(&mut self, visits: &mut Visits) -> Result<Seek, Corrupt> {
        let sought = self.walk(visits);
        self.expect();
        sought
    }

    fn walk(&mut self, visits: &mut Visits) -> Result<Seek, Corrupt> {
        while visits.next() {
            let word = self.core.load(self.at);
            match self.core.look(self.at, word)? {
                Look::Ready { .. } => return Ok(Seek::Ready),
                Look::Free | Look::Behind { .. } => return Ok(Seek::Empty),
                Look::Claimed { owner, .. } => return Ok(Seek::Blocked(owner)),
                Look::Aborted { span } if visits.spend(span - 1) => self.pass_tombstone(word, span),
                Look::Aborted { .. } => break,
                Look::Taken { span } => {
                    self.at = self.core.further(self.at.after(span), &self.core.control.head);
                }
                Look::Newer(on) => self.at = on,
            }
        }
        Ok(Seek::Empty)
    }

    fn pass_tombstone(&mut self, word: Word, slots: u64) {
        let span = Span { at: self.at, slots };
        if self.core.swap(span.at, word, Word::releasing(self.core.lap(span.at), slots, self.core.me)) {
            self.move_to(span.end());
            self.core.stamp(span);
            self.freed = true;
        }
    }

    #[inline(always)]
    fn move_to(&mut self, to: Seq) {
        self.core.hint(&self.core.control.head, self.at, to);
        if self.core.is_time_to_write_down(to) {
            self.write_down();
        }
        self.at = to;
    }

    /// The payload of a message that is taken.
    #[inline(always)]
    pub(crate) fn payload(&self, found: &Found) -> &[u8] {
        if found.span == 1 {
            return self.core.table.bytes_of_one(&found.slot, found.at.0, found.len);
        }
        self.core.table.bytes(found.at.0, found.span, found.len)
    }

    /// Takes the next message and keeps the one in hand, and those kept before, until [`release`].
    ///
    /// [`release`]: Consumer::release
    pub(crate) fn find_next(&mut self) -> Result<Option<Found>, Corrupt> {
        self.keep();
        self.held.set(NOTHING);
        let found = match self.find_ready() {
            Some(found) => Ok(Some(found)),
            None => self.find(),
        };
        if !matches!(found, Ok(Some(_))) {
            self.keep();
        }
        found
    }

    /// Keeps the message in hand until [`release`](Consumer::release).
    fn keep(&mut self) {
        self.kept.extend(self.put_down());
        if !self.kept.is_empty() {
            self.held.set(KEPT);
        }
    }

    /// The span of the message in hand, which is then no more.
    fn put_down(&self) -> Option<Span> {
        let at = self.held.replace(NOTHING);
        // It is this consumer's, so its word is as this consumer left it; unless somebody has written what is not theirs.
        let slots = || self.core.load(at).span().clamp(1, self.core.to_end(at));
        (at != NOTHING && at != KEPT).then(|| Span { at, slots: slots() })
    }

    /// Does this consumer have anything to release?
    #[inline(always)]
    pub(crate) fn holds(&self) -> bool {
        self.held.get() != NOTHING
    }

    /// How many messages are in hand or kept.
    pub(crate) fn taken(&self) -> u64 {
        let held = self.held.get();
        self.kept.len() as u64 + u64::from(held != NOTHING && held != KEPT)
    }

    /// Releases the message in hand.
    #[inline(always)]
    pub(crate) fn release_held(&self, found: &Found) {
        if found.span == 1 {
            found.slot.word().store(found.free.0, Ordering::Release); // edge: free (release)
        } else {
            self.core.release(Span { at: found.at, slots: found.span });
        }
        self.held.set(NOTHING);
    }

    /// Releases everything that was taken.
    pub(crate) fn release(&mut self) {
        if let Some(span) = self.put_down() {
            self.core.release(span);
        }
        for span in self.kept.drain(..) {
            self.core.release(span);
        }
    }

    /// Is something to be delivered again, which others must take over if this consumer leaves?
    pub(crate) fn leaves_messages(&self) -> bool {
        !self.adopted.is_empty()
    }

    /// Were slots freed that no release tells of: tombstones, and what the dead left?
    pub(crate) fn take_freed(&mut self) -> bool {
        std::mem::take(&mut self.freed)
    }

    /// Has every message been received and released, by whomever?
    pub(crate) fn is_drained(&self) -> bool {
        self.core.is_drained()
    }

    /// Writes the counters down, for inspection.
    pub(crate) fn write_down(&self) {
        let (messages, bytes) = self.received();
        self.core.line.store_traffic(messages, bytes);
        self.core.line.store_repairs(self.tombstones, self.redelivered, self.dropped);
    }
}
