//! The consumer's side: find, take, read, release.

use std::collections::VecDeque;

use super::repair::{self, Leases};
use super::word::Word;
use super::{Core, Look, Span};
use crate::error::Corrupt;
use crate::frame;
use crate::seq::Seq;

/// A message that this consumer has taken and not released.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) at: Seq,
    span: u64,
    len: u64,
    pub(crate) tag: u16,
    pub(crate) redelivered: bool,
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

/// A consumer of a slot ring.
#[derive(Debug)]
pub(crate) struct Consumer {
    core: Core,
    at_most_once: bool,
    /// At most where the head is: up to here this consumer has walked.
    at: Seq,
    /// Messages that dead consumers had in hand: this one's now, to be delivered again.
    adopted: VecDeque<Span>,
    /// The message in hand.
    held: Span,
    /// Messages that are kept until a drain ends.
    kept: Vec<Span>,
    /// Has this consumer freed slots since it was last asked?
    freed: bool,
    messages: u64,
    slots: u64,
    redelivered: u64,
    dropped: u64,
    tombstones: u64,
}

impl Consumer {
    /// A consumer that holds the lease of its id, and whose line says that it is here.
    pub(crate) fn attach(core: Core, leases: &impl Leases, at_most_once: bool) -> Result<Consumer, Corrupt> {
        let at = core.further(Seq(0), &core.control.head);
        let mut consumer = Consumer {
            core,
            at_most_once,
            at,
            adopted: VecDeque::new(),
            held: Span::NONE,
            kept: Vec::new(),
            freed: false,
            messages: 0,
            slots: 0,
            redelivered: 0,
            dropped: 0,
            tombstones: 0,
        };
        let own = repair::own_of_consumer(&consumer.core, consumer.repairs_as())?;
        consumer.take_over(own);
        consumer.sweep(leases, &[])?;
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
        self.take_over(repaired);
        Ok(anything)
    }

    fn take_over(&mut self, repaired: repair::Repaired) {
        self.tombstones += repaired.tombstones;
        self.dropped += repaired.dropped;
        self.freed |= repaired.freed;
        self.adopted.extend(repaired.adopted);
        if !self.adopted.is_empty() {
            self.core.line.hold(self.at.0);
        }
    }

    /// Messages received, and bytes of the slots they took.
    pub(crate) fn received(&self) -> (u64, u64) {
        (self.messages, self.slots * self.core.slot_bytes())
    }

    /// What this consumer repaired: tombstones made, messages delivered again, messages dropped.
    pub(crate) fn repairs(&self) -> (u64, u64, u64) {
        (self.tombstones, self.redelivered, self.dropped)
    }

    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    /// Takes the next message if it is there: the short way of [`find`].
    ///
    /// [`find`]: Consumer::find
    #[inline(always)]
    pub(crate) fn find_ready(&mut self) -> Option<Found> {
        if !self.adopted.is_empty() {
            return None;
        }
        let word = self.core.load(self.at);
        let span = word.span();
        let ready = word == Word::ready(self.core.lap(self.at), span);
        if ready && span.wrapping_sub(1) < self.core.to_end(self.at) { self.take(word, span) } else { None }
    }

    /// Takes the message at this consumer's position, whose word is `word`. `None`: another consumer was faster, or
    /// the length is none that fits.
    #[inline(always)]
    fn take(&mut self, word: Word, slots: u64) -> Option<Found> {
        let span = Span { at: self.at, slots };
        // Read while the message is nobody's: if somebody takes it meanwhile, the swap fails.
        let (len, tag) = self.message(span)?;
        self.core.line.hold(span.at.0);
        let reading = Word::reading(self.core.lap(span.at), slots, self.core.me);
        if !self.core.swap(span.at, word, reading) {
            self.let_go();
            return None;
        }
        self.move_to(span.end());
        Some(self.have(span, len, tag, false))
    }

    /// Length and tag of the message in a span, if they are those of one that fits.
    #[inline(always)]
    fn message(&self, span: Span) -> Option<(u64, u16)> {
        let (len, tag) = frame::as_message(self.core.table.load_meta(span.at.0))?;
        self.core.table.fits(span.at.0, span.slots, len).then_some((len, tag))
    }

    #[inline(always)]
    fn have(&mut self, span: Span, len: u64, tag: u16, redelivered: bool) -> Found {
        self.held = span;
        self.messages += 1;
        self.slots += span.slots;
        Found { at: span.at, span: span.slots, len, tag, redelivered }
    }

    /// Takes the next message if there is one now.
    pub(crate) fn find(&mut self) -> Result<Option<Found>, Corrupt> {
        if let Some(span) = self.adopted.pop_front() {
            return self.deliver_again(span).map(Some);
        }
        for _ in 0..self.core.visits() {
            if self.seek()? != Seek::Ready {
                return Ok(None);
            }
            let word = self.core.load(self.at);
            let Look::Ready { span } = self.core.look(self.at, word)? else {
                continue;
            };
            if let Some(found) = self.take(word, span) {
                return Ok(Some(found));
            }
            self.check_message(word, Span { at: self.at, slots: span })?;
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
        let found = self.core.table.load_meta(span.at.0);
        let allowed = (span.slots * self.core.sizes.slot_size).max(self.core.sizes.inline);
        Corrupt { what: "length and tag of a message", found, allowed }
    }

    /// Walks to the next message, past what others hold, and frees tombstones on the way.
    pub(crate) fn seek(&mut self) -> Result<Seek, Corrupt> {
        if !self.adopted.is_empty() {
            return Ok(Seek::Ready);
        }
        for _ in 0..self.core.visits() {
            let word = self.core.load(self.at);
            match self.core.look(self.at, word)? {
                Look::Ready { .. } => return Ok(Seek::Ready),
                Look::Free | Look::Behind { .. } => return Ok(Seek::Empty),
                Look::Claimed { owner, .. } => return Ok(Seek::Blocked(owner)),
                Look::Aborted { span } => self.pass_tombstone(word, span),
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
        self.core.line.hold(span.at.0);
        if self.core.swap(span.at, word, Word::releasing(self.core.lap(span.at), slots, self.core.me)) {
            self.move_to(span.end());
            self.core.stamp(span);
            self.freed = true;
        }
        self.let_go();
    }

    #[inline(always)]
    fn move_to(&mut self, to: Seq) {
        self.core.hint(&self.core.control.head, self.at, to);
        self.at = to;
    }

    /// Says that nothing is in hand, unless something is. Messages that are to be delivered again count: if this
    /// consumer leaves before that, others take them over as from a dead one.
    #[inline(always)]
    fn let_go(&self) {
        if self.kept.is_empty() && self.adopted.is_empty() && self.held.slots == 0 {
            self.core.line.let_go();
        }
    }

    /// The payload of a message that is taken.
    #[inline(always)]
    pub(crate) fn payload(&self, found: &Found) -> &[u8] {
        self.core.table.bytes(found.at.0, found.span, found.len)
    }

    /// Keeps the message in hand until [`release`](Consumer::release).
    pub(crate) fn keep(&mut self) {
        if self.held.slots > 0 {
            self.kept.push(self.held);
            self.held = Span::NONE;
        }
    }

    /// Does this consumer have anything to release?
    #[inline(always)]
    pub(crate) fn holds(&self) -> bool {
        self.held.slots > 0 || !self.kept.is_empty()
    }

    /// How many messages are kept.
    pub(crate) fn kept(&self) -> u64 {
        self.kept.len() as u64
    }

    /// Releases everything that was taken.
    #[inline(always)]
    pub(crate) fn release(&mut self) {
        if self.held.slots == 1 {
            self.core.store(self.held.at, Word::free(self.core.lap(self.held.at) + 1));
        } else if self.held.slots > 0 {
            self.core.release(self.held);
        }
        self.held = Span::NONE;
        if !self.kept.is_empty() {
            self.release_kept();
        }
        self.let_go();
    }

    #[cold]
    fn release_kept(&mut self) {
        for span in &self.kept {
            self.core.release(*span);
        }
        self.kept.clear();
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
