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

/// The first header of a batch, which is stored last.
#[derive(Clone, Copy, Debug)]
struct Deferred {
    at: Seq,
    word: u64,
    /// For abort.
    room: u64,
    messages: u64,
    bytes: u64,
}

/// The producer of a record ring.
#[derive(Debug)]
pub(crate) struct Producer {
    window: Window,
    control: Shared<Control>,
    line: Shared<Participant>,
    sizes: Sizes,
    /// Where the next record begins.
    tail: Seq,
    /// Bytes from `tail` on that records may take without a look at anything: up to the end of the ring, the
    /// consumer's position as last seen, and the next time `tail` is to be written down. Never more than half
    /// the ring, so what fits here needs no check of its length.
    room: u64,
    /// The consumer's position; may lag behind it.
    head_seen: Seq,
    /// While a batch is open and not empty.
    batch: Option<Deferred>,
    messages: u64,
    bytes: u64,
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
        let tail = walk(&window, sizes, written)?;
        within("producer position", tail, head_seen, sizes.size)?;
        control.producer.tail.store(tail.0, Ordering::Relaxed);
        Ok(Producer {
            window,
            control,
            line,
            sizes,
            tail,
            room: 0,
            head_seen,
            batch: None,
            messages: 0,
            bytes: 0,
        })
    }

    /// Messages and bytes sent by this producer.
    pub(crate) fn sent(&self) -> (u64, u64) {
        (self.messages, self.bytes)
    }

    /// Copies a message in and commits it.
    #[inline(always)]
    pub(crate) fn send(&mut self, tag: u16, payload: &[u8]) -> Result<(), Refused> {
        let len = payload.len() as u64;
        let footprint = frame::footprint(len, self.sizes.align);
        if footprint > self.room {
            return self.send_slowly(tag, payload);
        }
        let at = self.tail;
        let next = at.after(footprint);
        self.window.write(at, payload, next);
        // edge: commit (release)
        self.window.store_header(at, frame::message(len, tag), Ordering::Release);
        self.tail = next;
        self.room -= footprint;
        self.count(len);
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn send_slowly(&mut self, tag: u16, payload: &[u8]) -> Result<(), Refused> {
        let claimed = self.look_for_room(payload.len() as u64)?;
        let next = claimed.at.after(frame::footprint(claimed.len, self.sizes.align));
        self.window.write(claimed.at, payload, next);
        self.publish(claimed, next, tag);
        Ok(())
    }

    /// Room for a record of `len` bytes.
    #[inline]
    pub(crate) fn claim(&mut self, len: u64) -> Result<Claimed, Refused> {
        if frame::footprint(len, self.sizes.align) <= self.room {
            return Ok(Claimed { at: self.tail, pad: 0, room: self.room, len });
        }
        self.look_for_room(len)
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
        let next = claimed.at.after(frame::footprint(claimed.len, self.sizes.align));
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
            self.window.store_header(self.tail, padding, Ordering::Release); // edge: commit (release)
        }
        self.advance(&claimed, next);
    }

    #[inline(always)]
    fn advance(&mut self, claimed: &Claimed, next: Seq) {
        self.tail = next;
        self.room = claimed.room - next.since(claimed.at);
        self.count(claimed.len);
    }

    #[inline(always)]
    fn count(&mut self, len: u64) {
        if !crate::BARE {
            self.messages += 1;
            self.bytes += len;
        }
    }

    /// Appends a message to the open batch: its header is stored plainly, but the batch's first is kept back.
    #[inline(always)]
    pub(crate) fn push(&mut self, tag: u16, payload: &[u8]) -> Result<(), Refused> {
        let claimed = self.claim(payload.len() as u64)?;
        let next = claimed.at.after(frame::footprint(claimed.len, self.sizes.align));
        self.window.write(claimed.at, payload, next);
        let word = frame::message(claimed.len, tag);
        match (self.batch, claimed.pad) {
            (Some(_), 0) => self.window.store_header(claimed.at, word, Ordering::Relaxed),
            (None, 0) => self.defer(claimed.at, word),
            (_, pad) => {
                self.window.store_header(claimed.at, word, Ordering::Relaxed);
                let padding = frame::padding(pad);
                match self.batch {
                    Some(_) => self.window.store_header(self.tail, padding, Ordering::Relaxed),
                    None => self.defer(self.tail, padding),
                }
            }
        }
        self.advance(&claimed, next);
        Ok(())
    }

    fn defer(&mut self, at: Seq, word: u64) {
        let (room, messages, bytes) = (self.room, self.messages, self.bytes);
        self.batch = Some(Deferred { at, word, room, messages, bytes });
    }

    /// Commits the open batch. `false`: it was empty.
    #[inline]
    pub(crate) fn commit_batch(&mut self) -> bool {
        let Some(first) = self.batch.take() else {
            return false;
        };
        self.window.store_header(first.at, first.word, Ordering::Release); // edge: commit (release)
        self.write_down();
        true
    }

    /// Forgets the open batch.
    pub(crate) fn abort_batch(&mut self) {
        if let Some(first) = self.batch.take() {
            self.tail = first.at;
            self.room = first.room;
            self.messages = first.messages;
            self.bytes = first.bytes;
        }
    }

    /// Writes the position and the counters down, for a successor and for inspection.
    pub(crate) fn write_down(&self) {
        debug_assert!(self.batch.is_none());
        self.control.producer.tail.store(self.tail.0, Ordering::Relaxed); // edge: handover (release, by the lease)
        self.line.store_traffic(self.messages, self.bytes);
    }

    /// Has the consumer released everything that is committed?
    pub(crate) fn is_drained(&self) -> bool {
        super::is_drained(&self.window, &self.control)
    }

    /// Bytes committed and not released.
    pub(crate) fn used(&mut self) -> Result<u64, Corrupt> {
        self.look_at(|control| &control.consumer.position)?;
        Ok(self.tail.since(self.head_seen))
    }

    /// Would a record of `len` bytes fit, by the head that the consumer writes down now and then? Cheap for the
    /// consumer, so it may be asked often.
    pub(crate) fn fits_by_head(&mut self, len: u64) -> Result<bool, Corrupt> {
        self.look_at(|control| &control.head)?;
        Ok(self.fits(len))
    }

    /// Would a record of `len` bytes fit, by the consumer's exact position?
    pub(crate) fn fits_by_position(&mut self, len: u64) -> Result<bool, Corrupt> {
        self.look_at(|control| &control.consumer.position)?;
        Ok(self.fits(len))
    }

    fn fits(&self, len: u64) -> bool {
        let (need, _) = self.needed(len);
        need <= self.free()
    }

    fn free(&self) -> u64 {
        self.sizes.size - self.tail.since(self.head_seen)
    }

    /// Bytes needed for a record of `len` bytes at `tail`, and how many of them are padding before it.
    fn needed(&self, len: u64) -> (u64, u64) {
        let footprint = frame::footprint(len, self.sizes.align);
        let to_end = self.sizes.size - self.tail.offset(self.window.mask());
        let pad = if footprint > to_end { to_end } else { 0 };
        (pad + footprint + HEADER, pad)
    }

    /// Makes room as far as there is some, looking at the consumer's position only when the last look does not
    /// suffice.
    #[cold]
    fn look_for_room(&mut self, len: u64) -> Result<Claimed, Refused> {
        if len > self.sizes.largest() {
            return Err(Refused::TooLarge);
        }
        let (need, pad) = self.needed(len);
        if self.free() < need && !self.fits_by_head(len)? && !self.fits_by_position(len)? {
            return Err(Refused::Full { need, free: self.free() });
        }
        if self.batch.is_none() {
            self.write_down();
        }
        let at = self.tail.after(pad);
        let to_end = self.sizes.size - at.offset(self.window.mask());
        let footprint = need - pad - HEADER;
        let room = (self.free() - pad - HEADER).min(to_end).min(stride(self.sizes.size).max(footprint));
        if pad == 0 {
            self.room = room;
        }
        Ok(Claimed { at, pad, room, len })
    }

    /// Reads a position of the consumer's and checks that it moved forwards, at most to `tail`.
    fn look_at(&mut self, word: impl FnOnce(&Control) -> &AtomicU64) -> Result<(), Corrupt> {
        // edge: reclaim (acquire)
        let raw = word(&self.control).load(Ordering::Acquire);
        let seen = boundary("consumer position", raw, self.sizes.align)?;
        // The two words of the consumer's move apart: one that is behind the other is no news.
        if self.head_seen.since(seen) <= self.sizes.size {
            return Ok(());
        }
        let used = self.tail.since(self.head_seen);
        within("consumer position", seen, self.head_seen, used)?;
        self.head_seen = seen;
        Ok(())
    }
}
