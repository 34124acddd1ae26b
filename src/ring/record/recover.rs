//! Recovery of a durable ring: what of it is whole, after whatever happened to its file.
//!
//! After a loss of power each page is as it was at some moment since the last sync. From the consumer's position on, which
//! is no older than the one noted at that sync, every record up to the sync is whole. Behind it, whatever comes first
//! that is not whole ends the ring: a header of an earlier lap or none, a seal that does not fit, or a number that is
//! not newer than the one before. Records further on may be whole; they are dropped, since something between is
//! missing, and counted.
//!
//! What is behind the end is zeroed: a record that was dropped now would fit there again later, position and all, once
//! the gap before it is filled.
//!
//! Two steps, each on the disk before the next, and each can be done again: [`Findings::truncate`] ends the ring,
//! [`Findings::note`] writes down what it cost.

use super::sealed::released_number;
use super::{Window, boundary, check_seal, further, newer};
use crate::error::Corrupt;
use crate::frame::{self, HEADER, Record, UNCOMMITTED};
use crate::layout::Shared;
use crate::layout::spsc::{Control, Sizes};
use crate::seq::Seq;
use crate::sync::Ordering;

/// What is to be done to a ring that is not as it was left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Findings {
    /// Messages that are whole, and were not released.
    pub(crate) kept: u64,
    /// Messages of which there are traces, and that are not whole, or not reached.
    pub(crate) dropped: u64,
    position: Seq,
    end: Seq,
    /// The number of the last message that is whole.
    last: u32,
}

/// Looks what of the ring is whole; nobody else may use it. `power_lost`: its pages may be of different moments. `None`:
/// it is as it was left.
pub(crate) fn examine(
    window: &Window,
    control: &Shared<Control>,
    sizes: Sizes,
    power_lost: bool,
) -> Result<Option<Findings>, Corrupt> {
    // edge: handover (acquire)
    let position = control.consumer.position.load(Ordering::Acquire);
    let position = boundary("consumer position", position, sizes.align)?;
    let whole = whole_from(window, sizes, position, released_number(control, position));
    let missing = newer(control.producer.sent.load(Ordering::Relaxed), whole.last);
    if !power_lost && missing == 0 && is_clean(window, control, position, &whole) {
        return Ok(None);
    }
    let dropped = missing.min(most(sizes)).max(highest_beyond(window, sizes, position, &whole));
    let (kept, last) = (whole.messages, whole.last);
    Ok(Some(Findings { kept, dropped: dropped.into(), position, end: whole.end, last }))
}

/// Does the ring end where its records do, and agree with what the two sides have noted?
fn is_clean(window: &Window, control: &Shared<Control>, position: Seq, whole: &Whole) -> bool {
    let tail = Seq(control.producer.tail.load(Ordering::Relaxed));
    let synced = Seq(control.producer.synced.load(Ordering::Relaxed));
    window.load_header(whole.end, Ordering::Relaxed) == UNCOMMITTED
        && further(whole.end, tail) == whole.end
        && further(position, synced) == position
}

/// How many messages recoveries have dropped since the ring was created.
pub(crate) fn dropped(control: &Shared<Control>) -> u64 {
    control.producer.dropped.load(Ordering::Relaxed).into()
}

impl Findings {
    /// Ends the ring behind what is whole. What is kept may have been handed out before, by a consumer whose later
    /// position is lost.
    pub(crate) fn truncate(&self, window: &Window, control: &Shared<Control>, sizes: Sizes) {
        let Findings { position, end, .. } = *self;
        control.producer.tail.store(end.0, Ordering::Relaxed);
        control.producer.synced.store(position.0, Ordering::Relaxed);
        control.head.store(position.0, Ordering::Relaxed);
        control.consumer.taken.store(end.0, Ordering::Relaxed);
        // The header at the end goes last: until then whoever looks finds the ring damaged. What is zero stays
        // untouched, and need not be written to the disk.
        let words = (sizes.size - end.since(position)) / HEADER;
        for at in (0..words).rev().map(|word| end.after(word * HEADER)) {
            if window.load_header(at, Ordering::Relaxed) != UNCOMMITTED {
                window.store_header(at, UNCOMMITTED, Ordering::Release); // edge: handover (release)
            }
        }
    }

    /// Writes down what was dropped.
    pub(crate) fn note(&self, control: &Shared<Control>) {
        let total = control.producer.dropped.load(Ordering::Relaxed).wrapping_add(self.dropped as u32);
        control.producer.dropped.store(total, Ordering::Relaxed);
        control.producer.sent.store(self.last, Ordering::Relaxed);
    }
}

/// A run of records that are whole.
struct Whole {
    end: Seq,
    messages: u64,
    /// The number of the last one; of the last that was released, if there is none.
    last: u32,
}

/// Walks the records that are whole, at most a lap, behind the message with the number `released`, if that is known.
fn whole_from(window: &Window, sizes: Sizes, from: Seq, released: Option<u32>) -> Whole {
    let mut whole = Whole { end: from, messages: 0, last: released.unwrap_or_default() };
    loop {
        let (pad, promised) = padding_at(window, sizes, whole.end);
        let Some((number, next)) = sound_at(window, sizes, whole.end.after(pad), pad) else { return whole };
        if whole.messages == 0 && released.is_none() {
            whole.last = number.wrapping_sub(1);
        }
        let is_next = newer(number, whole.last) != 0 && promised.is_none_or(|promised| promised == number);
        if !is_next || next.since(from) > sizes.size - sizes.align {
            return whole;
        }
        whole = Whole { end: next, messages: whole.messages + 1, last: number };
    }
}

/// Bytes of the padding at `at`, and the number of the message behind it; 0 bytes if there is none.
fn padding_at(window: &Window, sizes: Sizes, at: Seq) -> (u64, Option<u32>) {
    match frame::parse(window.load_header(at, Ordering::Relaxed)) {
        Ok(Record::SealedPadding { number }) => (sizes.size - at.offset(window.mask()), Some(number)),
        _ => (0, None),
    }
}

/// The number of the sealed message at `at`, behind `pad` bytes of padding, and where the next one begins, if it is whole.
fn sound_at(window: &Window, sizes: Sizes, at: Seq, pad: u64) -> Option<(u32, Seq)> {
    let Ok(Record::Sealed { len, tag }) = frame::parse(window.load_header(at, Ordering::Relaxed)) else {
        return None;
    };
    let number = check_seal(window, sizes, at, pad, len, tag).ok()?;
    Some((number, at.after(sizes.footprint(len))))
}

/// How many messages a ring has at most.
fn most(sizes: Sizes) -> u32 {
    u32::try_from(sizes.size / sizes.footprint(0)).unwrap_or(u32::MAX)
}

/// By how much the newest message beyond the end is newer than the last one that is whole. Messages behind padding that is
/// lost are not found. Computes the checksums of a ring's worth of bytes at most: a search through garbage that looks like long
/// records ends, too.
fn highest_beyond(window: &Window, sizes: Sizes, position: Seq, whole: &Whole) -> u32 {
    let mut effort = sizes.size;
    let (mut at, mut highest) = (whole.end, 0);
    while at.since(position) < sizes.size && effort > 0 {
        let word = window.load_header(at, Ordering::Relaxed);
        let Ok(Record::Sealed { len, .. }) = frame::parse(word) else {
            at = at.after(sizes.align);
            continue;
        };
        effort = effort.saturating_sub(len.min(sizes.size) + sizes.align);
        at = match sound_at(window, sizes, at, 0) {
            // Anything further ahead than a ring's worth was not sent into this gap.
            Some((number, next)) => {
                let by = newer(number, whole.last);
                highest = highest.max(if by <= most(sizes) { by } else { 0 });
                next
            }
            None => at.after(sizes.align),
        };
    }
    highest
}
