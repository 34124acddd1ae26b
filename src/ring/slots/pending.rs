//! A batch: one claim (or a few) that its commit splits into messages.

use super::producer::{Producer, Refused};
use super::word::Word;
use super::{Core, Span};
use crate::frame;

/// The most slots that a batch claims at a time.
const CLAIM_MAX: u64 = 64;

/// A batch that is not committed. What it has claimed stands in the producer's list of what is open.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// Where the next message lies, and how many slots of the last open span are left.
    next: Option<Span>,
    messages: u64,
    slots: u64,
}

impl Pending {
    /// Messages in the batch.
    pub(crate) fn messages(&self) -> u64 {
        self.messages
    }
}

impl Producer {
    /// Appends a copy of a message to a batch.
    pub(crate) fn push(&mut self, batch: &mut Pending, tag: u16, payload: &[u8]) -> Result<(), Refused> {
        let len = payload.len() as u64;
        let span = self.span(len)?;
        let left = match batch.next {
            Some(left) if left.slots >= span => left,
            _ => self.extend(batch, span)?,
        };
        self.core.table.write(left.at.0, span, payload);
        self.core.table.slot(left.at.0).store_meta(frame::message(len, tag));
        let word = Word::ready(self.core.lap(left.at), span);
        match self.open.last_mut() {
            Some(open) if open.span.at == left.at => open.first = word,
            // An inner word: nobody can stand here before the first one is stored.
            _ => self.core.store(left.at, word),
        }
        batch.next = Some(Span { at: left.at.after(span), slots: left.slots - span });
        batch.messages += 1;
        batch.slots += span;
        Ok(())
    }

    /// Claims more slots for a batch, at least `span`.
    fn extend(&mut self, batch: &mut Pending, span: u64) -> Result<Span, Refused> {
        let wanted = if batch.slots == 0 { self.batch_slots } else { batch.slots.min(CLAIM_MAX) };
        // What is left over is nobody's until a consumer passes it.
        let most = wanted.min((self.core.sizes.slots / 8).max(8)).max(span);
        let claimed = self.claim_slots(span, most)?;
        if let Some(left) = batch.next.take() {
            self.core.give_up(left);
        }
        Ok(claimed)
    }

    /// Commits a batch; how many messages it has.
    pub(crate) fn commit_batch(&mut self, batch: &mut Pending) -> u64 {
        if let Some(left) = batch.next.take() {
            self.core.give_up(left);
        }
        for open in &self.open {
            self.core.store(open.span.at, open.first);
        }
        self.batch_slots = batch.slots.clamp(1, CLAIM_MAX);
        self.close();
        self.count(batch.messages, batch.slots);
        batch.messages
    }
}

impl Core {
    /// Makes what is left of a claim a tombstone: inside the claim, so nobody stands there yet.
    fn give_up(&self, left: Span) {
        if left.slots > 0 {
            self.store(left.at, Word::aborted(self.lap(left.at), left.slots));
        }
    }
}
