//! The producer of a durable ring: records that end with a seal, and room that a sync makes.
//!
//! A number is noted as given before the record is sealed with it, and is never given again, by whichever producer: what a
//! dropped batch, or a dead producer, left sealed in the ring has a lower number than what is committed in its place.

use super::producer::{Claimed, Look, Pending, Producer, Refused};
use super::{newer, stride};
use crate::frame;
use crate::layout::Shared;
use crate::layout::spsc::Control;
use crate::seq::Seq;
use crate::sync::Ordering;

/// The number of the last message before the consumer's `position`. A release writes down where it goes before it does:
/// of the last two, one is the last that was done.
pub(super) fn released_number(control: &Shared<Control>, position: Seq) -> Option<u32> {
    let mut releases = control.consumer.released.iter();
    let done = releases.find(|release| release.position.load(Ordering::Relaxed) == position.0)?;
    Some(done.number.load(Ordering::Relaxed))
}

/// The highest number that was ever given, as far as can be told. `walked`: that of the last message in the ring.
pub(super) fn highest_number(control: &Shared<Control>, walked: Option<u32>) -> u32 {
    let own = &control.producer;
    let [one, other] = &control.consumer.released;
    let words = [&own.number, &own.sent, &one.number, &other.number].map(|word| word.load(Ordering::Relaxed));
    let newest = |one: u32, other: u32| if newer(one, other) == 0 { other } else { one };
    words.into_iter().chain(walked).reduce(newest).unwrap_or_default()
}

impl Producer {
    /// Copies a message in and commits it.
    pub(crate) fn send_sealed(&mut self, tag: u16, payload: &[u8]) -> Result<(), Refused> {
        let claimed = self.claim(payload.len() as u64, Look::Position)?;
        self.window.write(claimed.at, payload, self.sealed_end_of(&claimed));
        self.publish_sealed(claimed, tag);
        Ok(())
    }

    /// Commits a claim whose payload is filled.
    pub(crate) fn commit_sealed(&mut self, claimed: Claimed, tag: u16) {
        self.window.store_header(self.sealed_end_of(&claimed), frame::UNCOMMITTED, Ordering::Relaxed);
        self.publish_sealed(claimed, tag);
    }

    /// Appends a message to a batch.
    pub(crate) fn push_sealed(
        &mut self,
        batch: &mut Pending,
        tag: u16,
        payload: &[u8],
    ) -> Result<(), Refused> {
        let tail = batch.progress.tail;
        let claimed = self.look_for_room(tail, payload.len() as u64, Look::Position)?;
        let next = self.sealed_end_of(&claimed);
        self.window.write(claimed.at, payload, next);
        let word = self.seal(&claimed, tag);
        if claimed.pad != 0 {
            self.store_or_keep(batch, tail, frame::sealed_padding(self.last_number));
        }
        self.store_or_keep(batch, claimed.at, word);
        batch.progress.pass(next);
        batch.progress.bound = next;
        Ok(())
    }

    /// Commits a batch. `false`: it is empty.
    pub(crate) fn commit_sealed_batch(&mut self, batch: &Pending) -> bool {
        let committed = self.commit_batch(batch);
        if committed {
            self.note_sent();
        }
        committed
    }

    /// Where the record after a claimed one begins.
    fn sealed_end_of(&self, claimed: &Claimed) -> Seq {
        claimed.at.after(self.sizes.footprint(claimed.len))
    }

    /// Stores the seal and the headers of a record whose payload and cleared next header are written.
    fn publish_sealed(&mut self, claimed: Claimed, tag: u16) {
        let next = self.sealed_end_of(&claimed);
        let word = self.seal(&claimed, tag);
        if claimed.pad == 0 {
            self.window.store_header(claimed.at, word, Ordering::Release); // edge: commit (release)
        } else {
            self.window.store_header(claimed.at, word, Ordering::Relaxed);
            let padding = frame::sealed_padding(self.last_number);
            self.window.store_header(self.progress.tail, padding, Ordering::Release); // edge: commit (release)
        }
        self.progress.pass(next);
        // No room is known beforehand, so the short ways, which do not seal, find none.
        self.progress.bound = next;
        self.note_sent();
    }

    /// Seals a record whose payload is written; its header word.
    fn seal(&mut self, claimed: &Claimed, tag: u16) -> u64 {
        self.last_number = self.last_number.wrapping_add(1);
        self.control.producer.number.store(self.last_number, Ordering::Relaxed);
        let Claimed { at, pad, len, .. } = *claimed;
        let word = frame::sealed(len, tag);
        let payload = self.window.bytes(at, len).expect("a claimed record lies within the ring");
        let seal = frame::seal(at.0, pad, word, self.last_number, payload);
        // edge: handover (release, by the lease; no seal before its number is noted)
        self.window.store_header(at.after(frame::seal_at(len)), seal, Ordering::Release);
        word
    }

    /// Writes down which message was committed last, so that a recovery can tell how many are missing.
    fn note_sent(&self) {
        self.control.producer.sent.store(self.last_number, Ordering::Relaxed);
    }

    /// Where the consumer stands: what it has released may be written over once that is on the disk.
    pub(crate) fn released(&self) -> Seq {
        // edge: reclaim (acquire)
        Seq(self.control.consumer.position.load(Ordering::Acquire))
    }

    /// Notes that the consumer's position was `released` or further, and everything committed was there, when the
    /// segment was written to the disk.
    pub(crate) fn note_synced(&self, released: Seq) {
        self.control.producer.synced.store(released.0, Ordering::Relaxed);
    }

    /// Would a sync make room for a record of `len` bytes? If not `at_once`, only if it is worth it: an eighth of the
    /// ring is released, or all of it.
    pub(crate) fn gains_by_sync(&self, len: u64, at_once: bool) -> bool {
        let (released, tail) = (self.released(), self.progress.tail);
        let is_worth_it = || released.since(self.head_seen) >= stride(self.sizes.size) || released == tail;
        self.gains(tail, len, released) && (at_once || is_worth_it())
    }

    /// Would a sync make room for a record of `len` bytes at the end of a batch?
    pub(crate) fn batch_gains_by_sync(&self, batch: &Pending, len: u64) -> bool {
        self.gains(batch.progress.tail, len, self.released())
    }

    /// Would a record of `len` bytes fit at `tail`, if what is `released` were on the disk, and does it not now?
    fn gains(&self, tail: Seq, len: u64, released: Seq) -> bool {
        let gain = released.since(self.head_seen);
        let need = self.needed(tail, len).0;
        gain <= self.sizes.size && self.free(tail) < need && need <= self.free(tail) + gain
    }
}
