//! The producer's side: claim, write, commit.

use super::repair::{self, Leases};
use super::word::Word;
use super::{Core, HINT_SHIFT, Look, Span, Turn, Visits, swap};
use crate::error::Corrupt;
use crate::frame;
use crate::ring::backoff::Backoff;
use crate::seq::Seq;
use crate::sync::Ordering;

/// Why a claim was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// No room now: slots needed, slots that are free in a row, and who holds the next one (0: nobody does, it waits
    /// for a consumer).
    Full { need: u64, free: u64, holder: u32 },
    /// No room ever.
    TooLarge,
    /// A word is none that this protocol writes.
    Corrupt(Corrupt),
}

impl From<Corrupt> for Refused {
    fn from(corrupt: Corrupt) -> Self {
        Refused::Corrupt(corrupt)
    }
}

/// Room for a message that is not committed.
#[derive(Clone, Copy, Debug)]
pub struct Claimed {
    pub(super) at: Seq,
    pub(super) span: u64,
    /// Bytes that were claimed: they say where the payload lies.
    room: u64,
    len: u64,
}

impl Claimed {
    /// Makes the message shorter.
    pub(crate) fn truncate(&mut self, len: u64) {
        self.len = self.len.min(len);
    }
}

/// What stands in the way of a claim, or where it can be made.
enum Room {
    /// So many slots are free in a row.
    Free(u64),
    /// The end of the ring is nearer than the message is long, and the slots up to it are free.
    Pad(u64),
    /// A slot is still of the lap before.
    Full { free: u64, holder: u32 },
    /// Another producer is ahead.
    Moved,
}

/// A span that is claimed and not committed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) span: Span,
    /// In a batch: the word that its commit stores last in this span, that of the first message there.
    pub(super) first: Word,
}

/// A producer of a slot ring.
#[derive(Debug)]
pub(crate) struct Producer {
    pub(super) core: Core,
    /// At most where the tail is: up to here this producer has walked.
    at: Seq,
    /// The word that the short way goes on from: that of a free slot at `at`; [`Word::NEVER`] while something is open.
    /// (In a ring of few slots it may be that of the lap before: no slot that was passed has that word again, so the
    /// short way declines.)
    expected: Word,
    /// Bytes of the largest message of one slot.
    largest_of_one: u64,
    /// What this producer's claim of one slot says beside the lap.
    claim_one: Word,
    /// The spans that are claimed and not committed: a claim's, or a batch's.
    pub(super) open: Vec<Open>,
    messages: u64,
    /// Slots that they took beyond one each.
    more_slots: u64,
    tombstones: u64,
    /// The last turn of another that this producer has honoured.
    pub(super) honoured: Turn,
    /// Has this producer asked for the turn?
    pub(super) asked: bool,
    /// How many slots the last batch took.
    pub(super) batch_slots: u64,
}

impl Producer {
    /// A producer that holds the lease of its id, and whose line says that it is here.
    pub(crate) fn attach(core: Core, leases: &impl Leases, suspects: &[u32]) -> Result<Producer, Corrupt> {
        let at = core.further(Seq(0), &core.control.tail);
        let largest_of_one = core.slot_bytes();
        let claim_one = Word::writing(0, 1, core.me);
        let mut producer = Producer {
            core,
            at,
            expected: Word::NEVER,
            largest_of_one,
            claim_one,
            open: Vec::new(),
            messages: 0,
            more_slots: 0,
            tombstones: 0,
            honoured: Turn::default(),
            asked: false,
            batch_slots: 1,
        };
        producer.tombstones = producer.core.abort_own()?;
        producer.sweep(leases, suspects)?;
        // A turn was asked of those who were here then.
        producer.honoured = producer.turn_now();
        producer.expect();
        Ok(producer)
    }

    /// Repairs what dead participants left, `suspects` included though no slot may name them, as far as a producer may. `true`: something changed.
    pub(crate) fn sweep(&mut self, leases: &impl Leases, suspects: &[u32]) -> Result<bool, Corrupt> {
        let repaired = repair::sweep(&self.core, leases, suspects, repair::As::Producer)?;
        self.tombstones += repaired.tombstones;
        repaired.corrupt.map_or(Ok(repaired.anything()), Err)
    }

    /// Messages sent, and bytes of the slots they took.
    pub(crate) fn sent(&self) -> (u64, u64) {
        (self.messages, (self.messages + self.more_slots) * self.core.slot_bytes())
    }

    /// Claims of dead producers that this one turned into tombstones.
    pub(crate) fn tombstones(&self) -> u64 {
        self.tombstones
    }

    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    /// Copies a message that fits one slot in and commits it, if the next slot is free: the short way of
    /// [`send`]. `false`: nothing was done.
    ///
    /// [`send`]: Producer::send
    #[inline(always)]
    pub(crate) fn send_ready(&mut self, tag: u16, payload: &[u8]) -> bool {
        let (at, free) = (self.at, self.expected);
        let len = payload.len() as u64;
        if len > self.largest_of_one || free == Word::NEVER || self.must_yield() {
            return false;
        }
        let slot = self.core.table.slot(at.0);
        if slot.word().load(Ordering::Relaxed) != free.0 {
            return false;
        }
        let claimed = swap(&slot, free, free.becomes(self.claim_one));
        if !claimed {
            return false;
        }
        self.core.table.write_one(&slot, at.0, payload);
        slot.store_meta(frame::message(len, tag));
        slot.word().store(free.becomes(Word::ready(0, 1)).0, Ordering::Release); // edge: commit (release)
        self.messages += 1;
        let next = at.after(1);
        self.at = next;
        if (at.0 ^ next.0) >> HINT_SHIFT != 0 {
            self.pass_boundary();
        }
        true
    }

    /// Does what is not to be done for each message.
    #[cold]
    fn pass_boundary(&mut self) {
        self.core.control.tail.store(self.at.0, Ordering::Release); // edge: hint (release)
        self.expect();
        if self.core.is_time_to_write_down(self.at) {
            self.write_down();
        }
    }

    /// Expects the next slot to be free, unless something is open.
    fn expect(&mut self) {
        self.expected = if self.open.is_empty() { Word::free(self.core.lap(self.at)) } else { Word::NEVER };
    }

    /// Copies a message in and commits it.
    pub(crate) fn send(&mut self, tag: u16, payload: &[u8]) -> Result<(), Refused> {
        let claimed = self.claim(payload.len() as u64)?;
        self.core.table.write(claimed.at.0, claimed.span, payload);
        self.commit(claimed, tag);
        Ok(())
    }

    /// Room for a message of `len` bytes.
    pub(crate) fn claim(&mut self, len: u64) -> Result<Claimed, Refused> {
        let span = self.span(len)?;
        let found = self.claim_slots(span, span)?;
        Ok(Claimed { at: found.at, span, room: len, len })
    }

    /// How many slots a message of `len` bytes takes.
    pub(super) fn span(&self, len: u64) -> Result<u64, Refused> {
        match len {
            len if len <= self.largest_of_one => Ok(1),
            len if len <= self.core.sizes.largest() => Ok(self.core.sizes.span(len)),
            _ => Err(Refused::TooLarge),
        }
    }

    /// Claims from `need` to `most` slots in a row.
    pub(super) fn claim_slots(&mut self, need: u64, most: u64) -> Result<Span, Refused> {
        let mut backoff = Backoff::default();
        let mut visits = self.core.visits();
        loop {
            let slots = self.seek(need, most, &mut visits)?;
            let (at, lap) = (self.at, self.core.lap(self.at));
            if self.core.swap(at, Word::free(lap), Word::writing(lap, slots, self.core.me)) {
                let span = Span { at, slots };
                self.open.push(Open { span, first: Word::aborted(lap, slots) });
                self.move_to(span.end());
                return Ok(span);
            }
            backoff.lost();
        }
    }

    /// Walks to where a claim of from `need` to `most` slots can be made; how many are free there. With no visits left, or
    /// where another has the turn: full for now.
    fn seek(&mut self, need: u64, most: u64, visits: &mut Visits) -> Result<u64, Refused> {
        if self.must_yield() {
            return Err(Refused::Full { need, free: 0, holder: 0 });
        }
        self.note_turn();
        let sought = self.walk(need, most, visits);
        self.expect();
        sought
    }

    fn walk(&mut self, need: u64, most: u64, visits: &mut Visits) -> Result<u64, Refused> {
        while visits.next() {
            let word = self.core.load(self.at);
            match self.core.look(self.at, word)? {
                Look::Free => match self.room(need, most, visits)? {
                    Room::Free(slots) => return Ok(slots),
                    Room::Pad(slots) => self.pad(slots),
                    Room::Full { free, holder } => return Err(Refused::Full { need, free, holder }),
                    Room::Moved => self.at = self.core.further(self.at, &self.core.control.tail),
                },
                Look::Claimed { span, .. }
                | Look::Ready { span }
                | Look::Aborted { span }
                | Look::Taken { span } => {
                    self.at = self.core.further(self.at.after(span), &self.core.control.tail);
                }
                Look::Newer(on) => self.at = on,
                Look::Behind { owner } => return Err(Refused::Full { need, free: 0, holder: owner }),
            }
        }
        Err(Refused::Full { need, free: 0, holder: 0 })
    }

    /// Looks at the slots behind a free one, each once and in order.
    #[inline(always)]
    fn room(&self, need: u64, most: u64, visits: &mut Visits) -> Result<Room, Corrupt> {
        let to_end = self.core.to_end(self.at);
        let (need_here, most) = if need > to_end { (to_end, to_end) } else { (need, most.min(to_end)) };
        let free = Word::free(self.core.lap(self.at));
        for slots in 1..most {
            if !visits.next() {
                return Ok(Room::Full { free: slots, holder: 0 });
            }
            let at = self.at.after(slots);
            let word = self.core.load(at);
            if word == free {
                continue;
            }
            if slots >= need_here {
                return Ok(Room::Free(slots));
            }
            return Ok(match self.core.look(at, word)? {
                Look::Behind { owner } => Room::Full { free: slots, holder: owner },
                _ => Room::Moved,
            });
        }
        Ok(if need > to_end { Room::Pad(to_end) } else { Room::Free(most) })
    }

    /// Fills the rest of the ring before its end.
    fn pad(&mut self, slots: u64) {
        let lap = self.core.lap(self.at);
        if self.core.swap(self.at, Word::free(lap), Word::aborted(lap, slots)) {
            self.move_to(self.core.next_lap(self.at));
        }
    }

    fn move_to(&mut self, to: Seq) {
        self.core.hint(&self.core.control.tail, self.at, to);
        if self.core.is_time_to_write_down(to) {
            self.write_down();
        }
        self.at = to;
        self.expect();
    }

    /// The payload of a claim.
    pub(crate) fn payload(&self, claimed: &Claimed) -> &[u8] {
        let bytes = self.core.table.bytes(claimed.at.0, claimed.span, claimed.room);
        &bytes[..(claimed.len as usize).min(bytes.len())]
    }

    /// The payload of a claim, to fill.
    pub(crate) fn payload_mut(&mut self, claimed: &Claimed) -> &mut [u8] {
        let bytes = self.core.table.bytes_mut(claimed.at.0, claimed.span, claimed.room);
        let len = (claimed.len as usize).min(bytes.len());
        &mut bytes[..len]
    }

    /// Commits a claim whose payload is filled.
    pub(crate) fn commit(&mut self, claimed: Claimed, tag: u16) {
        let Claimed { at, span, room, len } = claimed;
        if span == 1 && len <= self.core.sizes.inline && room > self.core.sizes.inline {
            self.core.table.move_inline(at.0, len);
        }
        self.core.table.slot(at.0).store_meta(frame::message(len, tag));
        self.core.store(at, Word::ready(self.core.lap(at), span));
        self.close();
        self.count(1, span);
    }

    /// Nothing is open any more.
    pub(super) fn close(&mut self) {
        self.open.clear();
        self.expect();
    }

    pub(super) fn count(&mut self, messages: u64, slots: u64) {
        self.messages += messages;
        self.more_slots += slots - messages;
    }

    /// Aborts whatever is claimed and not committed: tombstones, which consumers pass over. `false`: nothing is.
    pub(crate) fn abort(&mut self) -> bool {
        if self.open.is_empty() {
            return false;
        }
        for Open { span, .. } in &self.open {
            self.core.store(span.at, Word::aborted(self.core.lap(span.at), span.slots));
        }
        self.close();
        true
    }

    /// Would a message of `len` bytes fit?
    pub(crate) fn fits(&mut self, len: u64) -> Result<(), Refused> {
        let span = self.span(len)?;
        self.seek(span, span, &mut self.core.visits()).map(drop)
    }

    /// Writes the counters down, for inspection.
    pub(crate) fn write_down(&self) {
        let (messages, bytes) = self.sent();
        self.core.line.store_traffic(messages, bytes);
        self.core.line.store_repairs(self.tombstones, 0, 0);
    }
}
