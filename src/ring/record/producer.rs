//! The producer's side: claim, write, commit.

use super::{Walked, Window, boundary, further, stride, walk, within};
use crate::error::Corrupt;
use crate::frame::{self, Footprint, HEADER};
use crate::layout::Shared;
use crate::layout::participant::Participant;
use crate::layout::spsc::{Control, Sizes};
use crate::seq::Seq;
use crate::sync::{AtomicU64, Ordering, pause};

/// The most pauses before a look at the consumer's position: with pauses of 4 to 50 ns, at most a microsecond and a half.
const RESPITE: u32 = 31;

/// Why a claim was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// No room now: bytes needed and bytes free.
    Full { need: u64, free: u64 },
    /// No room ever.
    TooLarge,
    /// The consumer's position is none that a consumer writes.
    Corrupt(Corrupt),
}

impl From<Corrupt> for Refused {
    fn from(corrupt: Corrupt) -> Self {
        Refused::Corrupt(corrupt)
    }
}

/// What a producer that is short of room looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// The head, which the consumer writes down now and then. For who can wait for that: a producer that follows a consumer
    /// through a full ring by its position fetches a line that the consumer writes with each message, for a few messages' room.
    Head,
    /// The consumer's exact position, too, where the head does not suffice.
    Position,
}

/// Room for a record that is not committed.
#[derive(Clone, Copy, Debug)]
pub struct Claimed {
    /// Where the record begins.
    pub(super) at: Seq,
    /// Bytes of padding before it: it did not fit before the end of the ring.
    pub(super) pad: u64,
    /// Up to here records may reach without asking again.
    bound: Seq,
    pub(super) len: u64,
}

impl Claimed {
    /// Makes the record shorter.
    pub(crate) fn truncate(&mut self, len: u64) {
        self.len = self.len.min(len);
    }
}

/// How far a producer is: what commits move on. Every store of a message's path takes a place in the store
/// buffer that a line on its way from the other core needs longer, so there are as few as possible here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    /// Where the next record begins.
    pub(super) tail: Seq,
    /// Up to here records may reach without a look at anything: to the end of the ring, the consumer's position
    /// as last seen, and the next time `tail` is to be written down. Never more than half the ring ahead, so
    /// what fits needs no check of its length.
    pub(super) bound: Seq,
    messages: u64,
}

impl Progress {
    /// Moves on behind a record.
    #[inline(always)]
    pub(super) fn pass(&mut self, next: Seq) {
        self.tail = next;
        if !crate::BARE {
            self.messages += 1;
        }
    }
}

/// A batch that is not committed: the producer itself stays where it is, so a batch that is dropped or
/// forgotten leaves nothing.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(super) progress: Progress,
    /// The header at the producer's position, which the consumer meets first; it is stored last.
    first: u64,
}

/// The producer of a record ring.
#[derive(Debug)]
pub(crate) struct Producer {
    pub(super) window: Window,
    pub(super) control: Shared<Control>,
    line: Shared<Participant>,
    pub(super) sizes: Sizes,
    footprint: Footprint,
    /// Bytes of the largest message.
    largest: u64,
    /// Where this producer began.
    began: Seq,
    pub(super) progress: Progress,
    /// The consumer's position; may lag behind it. Durable rings: what of it is on the disk.
    pub(super) head_seen: Seq,
    /// Durable rings: the highest number that a record was sealed with.
    pub(super) last_number: u32,
    /// Pauses before the next look at the consumer's position.
    respite: u32,
}

impl Producer {
    /// Goes on where the last producer stopped. The caller holds the producer's lease.
    pub(crate) fn attach(
        window: Window,
        control: Shared<Control>,
        line: Shared<Participant>,
        sizes: Sizes,
    ) -> Result<Producer, Corrupt> {
        // edge: reclaim (acquire; the consumer may be alive)
        let position = control.consumer.position.load(Ordering::Acquire);
        let position = boundary("consumer position", position, sizes.align)?;
        let own = &control.producer;
        let written = boundary("producer position", own.tail.load(Ordering::Relaxed), sizes.align)?;
        // What lies before the consumer's position may be overwritten by now.
        let Walked { end: tail, last } = walk(&window, sizes, further(position, written))?;
        let synced = boundary("synced position", own.synced.load(Ordering::Relaxed), sizes.align)?;
        let head_seen = if sizes.durable { synced } else { position };
        within("producer position", tail, head_seen, sizes.size)?;
        own.tail.store(tail.0, Ordering::Relaxed);
        let last_number = super::sealed::highest_number(&control, last);
        let progress = Progress { tail, bound: tail, messages: 0 };
        Ok(Producer {
            window,
            control,
            line,
            sizes,
            footprint: Footprint::new(sizes.align),
            largest: sizes.largest(),
            began: tail,
            progress,
            head_seen,
            last_number,
            respite: 0,
        })
    }

    /// Messages, and bytes of records, sent by this producer.
    pub(crate) fn sent(&self) -> (u64, u64) {
        (self.progress.messages, self.progress.tail.since(self.began))
    }

    /// Copies a message in and commits it, if that needs no look at anything: the short way of [`send`].
    /// `false`: nothing was done.
    ///
    /// [`send`]: Producer::send
    #[inline(always)]
    pub(crate) fn send_ready(&mut self, tag: u16, payload: &[u8]) -> bool {
        let Some(next) = self.next_if_ready(&self.progress, payload) else {
            return false;
        };
        let at = self.progress.tail;
        self.window.write(at, payload, next);
        let word = frame::message(payload.len() as u64, tag);
        self.window.store_header(at, word, Ordering::Release); // edge: commit (release)
        self.progress.pass(next);
        true
    }

    /// The end of the record of a message, if it fits without a look at anything.
    #[inline(always)]
    fn next_if_ready(&self, progress: &Progress, payload: &[u8]) -> Option<Seq> {
        let len = payload.len() as u64;
        let footprint = self.footprint.of(len);
        let ready = len <= self.largest && footprint <= progress.bound.since(progress.tail);
        ready.then_some(progress.tail.after(footprint))
    }

    /// Copies a message in and commits it.
    pub(crate) fn send(&mut self, tag: u16, payload: &[u8], look: Look) -> Result<(), Refused> {
        let claimed = self.claim(payload.len() as u64, look)?;
        self.window.write(claimed.at, payload, self.end_of(&claimed));
        self.publish(claimed, tag);
        Ok(())
    }

    /// Where the record after a claimed one begins.
    #[inline(always)]
    fn end_of(&self, claimed: &Claimed) -> Seq {
        claimed.at.after(self.footprint.of(claimed.len))
    }

    /// Room for a record of `len` bytes.
    #[inline]
    pub(crate) fn claim(&mut self, len: u64, look: Look) -> Result<Claimed, Refused> {
        if len > self.largest {
            return Err(Refused::TooLarge);
        }
        let Progress { tail, bound, .. } = self.progress;
        if self.footprint.of(len) <= bound.since(tail) {
            return Ok(Claimed { at: tail, pad: 0, bound, len });
        }
        let claimed = self.look_for_room(tail, len, look)?;
        self.write_down();
        Ok(claimed)
    }

    /// The payload of a claim.
    #[inline]
    pub(crate) fn payload(&self, claimed: &Claimed) -> &[u8] {
        self.window.bytes(claimed.at, claimed.len).expect("a claimed record lies within the ring")
    }

    /// The payload of a claim, to fill.
    #[inline]
    pub(crate) fn payload_mut(&mut self, claimed: &Claimed) -> &mut [u8] {
        self.window.bytes_mut(claimed.at, claimed.len).expect("a claimed record lies within the ring")
    }

    /// Commits a claim whose payload is filled.
    #[inline]
    pub(crate) fn commit(&mut self, claimed: Claimed, tag: u16) {
        self.window.store_header(self.end_of(&claimed), frame::UNCOMMITTED, Ordering::Relaxed);
        self.publish(claimed, tag);
    }

    /// Stores the headers of a record whose payload and cleared next header are written. Padding before it is
    /// what the consumer meets first, so its header goes last.
    #[inline]
    fn publish(&mut self, claimed: Claimed, tag: u16) {
        let word = frame::message(claimed.len, tag);
        if claimed.pad == 0 {
            self.window.store_header(claimed.at, word, Ordering::Release); // edge: commit (release)
        } else {
            self.window.store_header(claimed.at, word, Ordering::Relaxed);
            let padding = frame::padding(claimed.pad);
            self.window.store_header(self.progress.tail, padding, Ordering::Release); // edge: commit (release)
        }
        self.progress.bound = claimed.bound;
        self.progress.pass(self.end_of(&claimed));
    }

    /// An empty batch.
    #[inline]
    pub(crate) fn batch(&self) -> Pending {
        Pending { progress: self.progress, first: frame::UNCOMMITTED }
    }

    /// Appends a message to a batch if that needs no look at anything: the short way of [`push`].
    /// `false`: nothing was done.
    ///
    /// [`push`]: Producer::push
    #[inline(always)]
    pub(crate) fn push_ready(&mut self, batch: &mut Pending, tag: u16, payload: &[u8]) -> bool {
        let Some(next) = self.next_if_ready(&batch.progress, payload) else {
            return false;
        };
        self.window.fill(batch.progress.tail, payload);
        self.store_or_keep(batch, batch.progress.tail, frame::message(payload.len() as u64, tag));
        batch.progress.pass(next);
        true
    }

    /// Appends a message to a batch.
    pub(crate) fn push(&mut self, batch: &mut Pending, tag: u16, payload: &[u8]) -> Result<(), Refused> {
        let len = payload.len() as u64;
        let tail = batch.progress.tail;
        let (messages, bytes) = self.sent();
        self.line.store_traffic(messages, bytes);
        let claimed = self.look_for_room(tail, len, Look::Position)?;
        let next = self.end_of(&claimed);
        self.window.fill(claimed.at, payload);
        if claimed.pad != 0 {
            self.store_or_keep(batch, tail, frame::padding(claimed.pad));
        }
        self.store_or_keep(batch, claimed.at, frame::message(len, tag));
        batch.progress.bound = claimed.bound;
        batch.progress.pass(next);
        Ok(())
    }

    /// Stores a header of a batch plainly, but keeps the one that the consumer meets first.
    #[inline(always)]
    pub(super) fn store_or_keep(&self, batch: &mut Pending, at: Seq, word: u64) {
        if at == self.progress.tail {
            batch.first = word;
        } else {
            self.window.store_header(at, word, Ordering::Relaxed);
        }
    }

    /// Commits a batch. `false`: it is empty.
    #[inline]
    pub(crate) fn commit_batch(&mut self, batch: &Pending) -> bool {
        if batch.first == frame::UNCOMMITTED {
            return false;
        }
        // Within the batch each next header was written over by the next record; the last one is left.
        self.window.store_header(batch.progress.tail, frame::UNCOMMITTED, Ordering::Relaxed);
        self.window.store_header(self.progress.tail, batch.first, Ordering::Release); // edge: commit (release)
        self.progress = batch.progress;
        self.write_tail();
        true
    }

    /// Messages in a batch.
    pub(crate) fn messages_in(&self, batch: &Pending) -> u64 {
        batch.progress.messages - self.progress.messages
    }

    #[inline(always)]
    fn write_tail(&self) {
        self.control.producer.tail.store(self.progress.tail.0, Ordering::Relaxed); // edge: handover (release, by the lease)
    }

    /// Writes the position and the counters down, for a successor and for inspection.
    pub(crate) fn write_down(&self) {
        self.write_tail();
        let (messages, bytes) = self.sent();
        self.line.store_traffic(messages, bytes);
    }

    /// Has the consumer released everything that is committed?
    pub(crate) fn is_drained(&self) -> bool {
        super::is_drained(&self.window, &self.control)
    }

    /// Bytes committed and not released.
    pub(crate) fn used(&mut self) -> Result<u64, Corrupt> {
        self.look_at(|control| &control.consumer.position)?;
        let head = if self.sizes.durable { self.released() } else { self.head_seen };
        within("consumer position", self.progress.tail, head, self.sizes.size)
    }

    /// Would a record of `len` bytes fit, by the head that the consumer writes down now and then? Cheap for the
    /// consumer, so it may be asked often.
    pub(crate) fn fits_by_head(&mut self, len: u64) -> Result<bool, Corrupt> {
        self.look_at(|control| &control.head)?;
        Ok(self.fits(self.progress.tail, len))
    }

    /// Would a record of `len` bytes fit, by the consumer's exact position?
    pub(crate) fn fits_by_position(&mut self, len: u64) -> Result<bool, Corrupt> {
        self.look_at(|control| &control.consumer.position)?;
        Ok(self.fits(self.progress.tail, len))
    }

    fn fits(&self, tail: Seq, len: u64) -> bool {
        self.needed(tail, len).0 <= self.free(tail)
    }

    pub(super) fn free(&self, tail: Seq) -> u64 {
        self.sizes.size - tail.since(self.head_seen)
    }

    fn to_end(&self, at: Seq) -> u64 {
        self.sizes.size - at.offset(self.window.mask())
    }

    /// Bytes needed for a record of `len` bytes at `tail`, and how many of them are padding before it.
    pub(super) fn needed(&self, tail: Seq, len: u64) -> (u64, u64) {
        let footprint = self.sizes.footprint(len);
        let to_end = self.to_end(tail);
        let pad = if footprint > to_end { to_end } else { 0 };
        (pad + footprint + HEADER, pad)
    }

    /// Room for a record of `len` bytes at `tail`, looking at what the consumer writes only when the last look does not
    /// suffice.
    #[cold]
    #[inline(never)]
    pub(super) fn look_for_room(&mut self, tail: Seq, len: u64, look: Look) -> Result<Claimed, Refused> {
        if len > self.largest {
            return Err(Refused::TooLarge);
        }
        let (need, pad) = self.needed(tail, len);
        if self.free(tail) < need {
            self.look_at(|control| &control.head)?;
        }
        if self.free(tail) >= need {
            self.respite /= 2;
        } else if look == Look::Position {
            self.stand_back();
            self.look_at(|control| &control.consumer.position)?;
        }
        let free = self.free(tail);
        if free < need {
            return Err(Refused::Full { need, free });
        }
        let at = tail.after(pad);
        let footprint = need - pad - HEADER;
        let room = (free - pad - HEADER).min(self.to_end(at)).min(stride(self.sizes.size).max(footprint));
        Ok(Claimed { at, pad, bound: at.after(room), len })
    }

    /// Lets the consumer go on for a moment before its exact position is looked at, for longer the more often that is needed: else it
    /// would be for a few messages' room each time, at the price of a line that the consumer writes with each message.
    fn stand_back(&mut self) {
        (0..self.respite).for_each(|_| pause());
        self.respite = (2 * self.respite + 1).min(RESPITE);
    }

    /// Reads a position of the consumer's and checks that it moved forwards, at most to the producer's.
    fn look_at(&mut self, word: impl FnOnce(&Control) -> &AtomicU64) -> Result<(), Corrupt> {
        let word = if self.sizes.durable { &self.control.producer.synced } else { word(&self.control) };
        // edge: reclaim (acquire)
        let raw = word.load(Ordering::Acquire);
        let seen = boundary("consumer position", raw, self.sizes.align)?;
        // The two words of the consumer's move apart: one that is behind the other is no news.
        if self.head_seen.since(seen) <= self.sizes.size {
            return Ok(());
        }
        let used = self.progress.tail.since(self.head_seen);
        within("consumer position", seen, self.head_seen, used)?;
        self.head_seen = seen;
        Ok(())
    }
}
