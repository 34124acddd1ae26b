//! The producer's side: claim, write, commit.

use super::{Window, boundary, stride, walk, within};
use crate::error::Corrupt;
use crate::frame::{self, HEADER};
use crate::layout::Shared;
use crate::layout::participant::Participant;
use crate::layout::spsc::{Control, Sizes};
use crate::seq::Seq;
use crate::sync::{AtomicU64, Ordering};

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

/// Room for a record that is not committed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claimed {
    /// Where the record begins.
    at: Seq,
    /// Bytes of padding before it: it did not fit before the end of the ring.
    pad: u64,
    /// Bytes that may be written from `at` on without asking again.
    room: u64,
    len: u64,
}

impl Claimed {
    /// Makes the record shorter.
    pub(crate) fn truncate(&mut self, len: u64) {
        self.len = self.len.min(len);
    }
}

/// How far a producer is: what commits move on.
#[derive(Clone, Copy, Debug)]
struct Progress {
    /// Where the next record begins.
    tail: Seq,
    /// Bytes from `tail` on that records may take without a look at anything: up to the end of the ring, the
    /// consumer's position as last seen, and the next time `tail` is to be written down. Never more than half
    /// the ring, so what fits here needs no check of its length.
    room: u64,
    messages: u64,
    bytes: u64,
}

impl Progress {
    /// Moves on behind a record.
    #[inline(always)]
    fn pass(&mut self, claimed: &Claimed, next: Seq) {
        self.tail = next;
        self.room = claimed.room - next.since(claimed.at);
        self.messages += 1;
        self.bytes += claimed.len;
    }
}

/// A batch that is not committed: the producer itself stays where it is, so a batch that is dropped or
/// forgotten leaves nothing.
#[derive(Debug)]
pub(crate) struct Pending {
    progress: Progress,
    /// The header that the consumer meets first; it is stored last.
    first: Option<(Seq, u64)>,
}

/// The producer of a record ring.
#[derive(Debug)]
pub(crate) struct Producer {
    window: Window,
    control: Shared<Control>,
    line: Shared<Participant>,
    sizes: Sizes,
    progress: Progress,
    /// The consumer's position; may lag behind it.
    head_seen: Seq,
}

impl Producer {
    /// Goes on where the last producer stopped. The caller holds the producer's lease.
    pub(crate) fn attach(
        window: Window,
        control: Shared<Control>,
        line: Shared<Participant>,
        sizes: Sizes,
    ) -> Result<Producer, Corrupt> {
        // edge: handover (acquire)
        let position = control.consumer.position.load(Ordering::Acquire);
        let head_seen = boundary("consumer position", position, sizes.align)?;
        let written =
            boundary("producer position", control.producer.tail.load(Ordering::Relaxed), sizes.align)?;
        // Whichever is further: what lies before the consumer's position may be overwritten by now.
        let ahead = head_seen.since(written) <= sizes.size;
        let tail = walk(&window, sizes, if ahead { head_seen } else { written })?;
        within("producer position", tail, head_seen, sizes.size)?;
        control.producer.tail.store(tail.0, Ordering::Relaxed);
        let progress = Progress { tail, room: 0, messages: 0, bytes: 0 };
        Ok(Producer { window, control, line, sizes, progress, head_seen })
    }

    /// Messages and bytes sent by this producer.
    pub(crate) fn sent(&self) -> (u64, u64) {
        (self.progress.messages, self.progress.bytes)
    }

    /// Copies a message in and commits it.
    #[inline(always)]
    pub(crate) fn send(&mut self, tag: u16, payload: &[u8]) -> Result<(), Refused> {
        let len = payload.len() as u64;
        if frame::footprint(len, self.sizes.align) > self.progress.room {
            return self.send_slowly(tag, payload);
        }
        let claimed = Claimed { at: self.progress.tail, pad: 0, room: self.progress.room, len };
        let next = self.end_of(&claimed);
        self.window.write(claimed.at, payload, next);
        // edge: commit (release)
        self.window.store_header(claimed.at, frame::message(len, tag), Ordering::Release);
        self.progress.pass(&claimed, next);
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn send_slowly(&mut self, tag: u16, payload: &[u8]) -> Result<(), Refused> {
        let claimed = self.claim(payload.len() as u64)?;
        let next = self.end_of(&claimed);
        self.window.write(claimed.at, payload, next);
        self.publish(claimed, next, tag);
        Ok(())
    }

    /// Where the record after a claimed one begins.
    #[inline(always)]
    fn end_of(&self, claimed: &Claimed) -> Seq {
        claimed.at.after(frame::footprint(claimed.len, self.sizes.align))
    }

    /// Room for a record of `len` bytes.
    #[inline]
    pub(crate) fn claim(&mut self, len: u64) -> Result<Claimed, Refused> {
        if frame::footprint(len, self.sizes.align) <= self.progress.room {
            return Ok(Claimed { at: self.progress.tail, pad: 0, room: self.progress.room, len });
        }
        let claimed = self.look_for_room(self.progress.tail, len)?;
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
        let next = self.end_of(&claimed);
        self.window.store_header(next, frame::UNCOMMITTED, Ordering::Relaxed);
        self.publish(claimed, next, tag);
    }

    /// Stores the headers of a record whose payload and cleared next header are written. Padding before it is
    /// what the consumer meets first, so its header goes last.
    #[inline]
    fn publish(&mut self, claimed: Claimed, next: Seq, tag: u16) {
        let word = frame::message(claimed.len, tag);
        if claimed.pad == 0 {
            self.window.store_header(claimed.at, word, Ordering::Release); // edge: commit (release)
        } else {
            self.window.store_header(claimed.at, word, Ordering::Relaxed);
            let padding = frame::padding(claimed.pad);
            self.window.store_header(self.progress.tail, padding, Ordering::Release); // edge: commit (release)
        }
        self.progress.pass(&claimed, next);
    }

    /// An empty batch.
    #[inline]
    pub(crate) fn batch(&self) -> Pending {
        Pending { progress: self.progress, first: None }
    }

    /// Appends a message to a batch: the headers are stored plainly, but the batch's first is kept back.
    #[inline(always)]
    pub(crate) fn push(&mut self, batch: &mut Pending, tag: u16, payload: &[u8]) -> Result<(), Refused> {
        let len = payload.len() as u64;
        let tail = batch.progress.tail;
        let claimed = if frame::footprint(len, self.sizes.align) <= batch.progress.room {
            Claimed { at: tail, pad: 0, room: batch.progress.room, len }
        } else {
            self.look_for_room(tail, len)?
        };
        let next = self.end_of(&claimed);
        self.window.write(claimed.at, payload, next);
        if claimed.pad != 0 {
            self.store_or_keep(batch, tail, frame::padding(claimed.pad));
        }
        self.store_or_keep(batch, claimed.at, frame::message(len, tag));
        batch.progress.pass(&claimed, next);
        Ok(())
    }

    #[inline(always)]
    fn store_or_keep(&self, batch: &mut Pending, at: Seq, word: u64) {
        match batch.first {
            Some(_) => self.window.store_header(at, word, Ordering::Relaxed),
            None => batch.first = Some((at, word)),
        }
    }

    /// Commits a batch. `false`: it is empty.
    #[inline]
    pub(crate) fn commit_batch(&mut self, batch: &Pending) -> bool {
        let Some((at, word)) = batch.first else {
            return false;
        };
        self.window.store_header(at, word, Ordering::Release); // edge: commit (release)
        self.progress = batch.progress;
        self.write_down();
        true
    }

    /// Writes the position and the counters down, for a successor and for inspection.
    pub(crate) fn write_down(&self) {
        self.control.producer.tail.store(self.progress.tail.0, Ordering::Relaxed); // edge: handover (release, by the lease)
        self.line.store_traffic(self.progress.messages, self.progress.bytes);
    }

    /// Has the consumer released everything that is committed?
    pub(crate) fn is_drained(&self) -> bool {
        super::is_drained(&self.window, &self.control)
    }

    /// Bytes committed and not released.
    pub(crate) fn used(&mut self) -> Result<u64, Corrupt> {
        self.look_at(|control| &control.consumer.position)?;
        Ok(self.progress.tail.since(self.head_seen))
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

    fn free(&self, tail: Seq) -> u64 {
        self.sizes.size - tail.since(self.head_seen)
    }

    fn to_end(&self, at: Seq) -> u64 {
        self.sizes.size - at.offset(self.window.mask())
    }

    /// Bytes needed for a record of `len` bytes at `tail`, and how many of them are padding before it.
    fn needed(&self, tail: Seq, len: u64) -> (u64, u64) {
        let footprint = frame::footprint(len, self.sizes.align);
        let to_end = self.to_end(tail);
        let pad = if footprint > to_end { to_end } else { 0 };
        (pad + footprint + HEADER, pad)
    }

    /// Room for a record of `len` bytes at `tail`, looking at the consumer's position only when the last look
    /// does not suffice.
    #[cold]
    #[inline(never)]
    fn look_for_room(&mut self, tail: Seq, len: u64) -> Result<Claimed, Refused> {
        if len > self.sizes.largest() {
            return Err(Refused::TooLarge);
        }
        let (need, pad) = self.needed(tail, len);
        if self.free(tail) < need {
            self.look_at(|control| &control.head)?;
        }
        if self.free(tail) < need {
            self.look_at(|control| &control.consumer.position)?;
        }
        let free = self.free(tail);
        if free < need {
            return Err(Refused::Full { need, free });
        }
        let at = tail.after(pad);
        let footprint = need - pad - HEADER;
        let room = (free - pad - HEADER).min(self.to_end(at)).min(stride(self.sizes.size).max(footprint));
        Ok(Claimed { at, pad, room, len })
    }

    /// Reads a position of the consumer's and checks that it moved forwards, at most to the producer's.
    fn look_at(&mut self, word: impl FnOnce(&Control) -> &AtomicU64) -> Result<(), Corrupt> {
        // edge: reclaim (acquire)
        let raw = word(&self.control).load(Ordering::Acquire);
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
