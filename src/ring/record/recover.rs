//! Recovery of a durable ring: what of it is whole, after whatever happened to its file.
//!
//! After a loss of power each page is as it was at some moment since the last sync. From the consumer's position on, which
//! is no older than the one noted at that sync, every record up to the sync is whole. Behind it, whatever comes first
//! that is not whole ends the ring: a header of an earlier lap or none, or a seal that does not fit. Records further on
//! may be whole; they are dropped, since something between is missing, and counted.
//!
//! What is behind the end is zeroed: a record that was dropped now would fit there again later, position and all, once
//! the gap before it is filled.

use super::{Window, boundary, check_seal};
use crate::error::Corrupt;
use crate::frame::{self, HEADER, Record, UNCOMMITTED};
use crate::layout::Shared;
use crate::layout::spsc::{Control, Sizes};
use crate::seq::Seq;
use crate::sync::Ordering;

/// How many bytes of checksums a search for dropped records computes at most, in rings: a search through garbage that
/// looks like long records ends, too.
const EFFORT: u64 = 4;

/// What a recovery found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recovered {
    /// Messages that are whole, and were not released.
    pub(crate) kept: u64,
    /// Messages of which there are traces, and that are not whole, or not reached.
    pub(crate) dropped: u64,
}

/// Recovers the ring; nobody else may use it. `power_lost`: its pages may be of different moments. `None`: it is as it was
/// left, and nothing was changed.
pub(crate) fn recover(
    window: &Window,
    control: &Shared<Control>,
    sizes: Sizes,
    power_lost: bool,
) -> Result<Option<Recovered>, Corrupt> {
    // edge: handover (acquire)
    let position = control.consumer.position.load(Ordering::Acquire);
    let position = boundary("consumer position", position, sizes.align)?;
    let whole = whole_from(window, sizes, position);
    let is_clean = window.load_header(whole.end, Ordering::Relaxed) == UNCOMMITTED;
    if is_clean && !power_lost {
        return Ok(None);
    }
    let last = whole.last.unwrap_or_else(|| control.consumer.number.load(Ordering::Relaxed));
    let traced = newer(control.producer.sent.load(Ordering::Relaxed), last);
    let dropped = traced.max(highest_beyond(window, sizes, position, &whole, last));
    truncate(window, control, sizes, position, whole.end);
    control.producer.sent.store(last, Ordering::Relaxed);
    let total = control.producer.dropped.load(Ordering::Relaxed).wrapping_add(dropped);
    control.producer.dropped.store(total, Ordering::Relaxed);
    Ok(Some(Recovered { kept: whole.messages, dropped: dropped.into() }))
}

/// How many messages recoveries have dropped since the ring was created.
pub(crate) fn dropped(control: &Shared<Control>) -> u64 {
    control.producer.dropped.load(Ordering::Relaxed).into()
}

/// A run of records that are whole.
struct Whole {
    end: Seq,
    messages: u64,
    /// The number of the last one.
    last: Option<u32>,
}

/// How much newer the message `number` is than the message `last`; 0 if it is not.
fn newer(number: u32, last: u32) -> u32 {
    let distance = number.wrapping_sub(last);
    if distance <= u32::MAX / 2 { distance } else { 0 }
}

/// Walks the records that are whole, at most a lap.
fn whole_from(window: &Window, sizes: Sizes, from: Seq) -> Whole {
    let mut whole = Whole { end: from, messages: 0, last: None };
    loop {
        let at = skip_padding(window, sizes, whole.end);
        let Some((number, next)) = sound_at(window, sizes, at) else { return whole };
        if next.since(from) > sizes.size - sizes.align {
            return whole;
        }
        whole = Whole { end: next, messages: whole.messages + 1, last: Some(number) };
    }
}

/// Where the record behind padding begins, if there is padding at `at`.
fn skip_padding(window: &Window, sizes: Sizes, at: Seq) -> Seq {
    let to_end = sizes.size - at.offset(window.mask());
    match frame::parse(window.load_header(at, Ordering::Relaxed)) {
        Ok(Record::Padding { len }) if len + HEADER == to_end => at.after(to_end),
        _ => at,
    }
}

/// The number of the sealed message at `at`, and where the next one begins, if it is whole.
fn sound_at(window: &Window, sizes: Sizes, at: Seq) -> Option<(u32, Seq)> {
    let Ok(Record::Sealed { len, tag }) = frame::parse(window.load_header(at, Ordering::Relaxed)) else {
        return None;
    };
    let number = check_seal(window, sizes, at, len, tag).ok()?;
    Some((number, at.after(sizes.footprint(len))))
}

/// By how much the newest message beyond the end is newer than the `last` one that is whole.
fn highest_beyond(window: &Window, sizes: Sizes, position: Seq, whole: &Whole, last: u32) -> u32 {
    let most = (sizes.size / sizes.footprint(0)) as u32;
    let mut effort = EFFORT * sizes.size;
    let (mut at, mut highest) = (whole.end, 0);
    while at.since(position) < sizes.size && effort > 0 {
        let word = window.load_header(at, Ordering::Relaxed);
        let Ok(Record::Sealed { len, .. }) = frame::parse(word) else {
            at = at.after(sizes.align);
            continue;
        };
        effort = effort.saturating_sub(len.min(sizes.size) + sizes.align);
        at = match sound_at(window, sizes, at) {
            // Anything further ahead than a ring's worth was not sent into this gap.
            Some((number, next)) => {
                highest = highest.max(Some(newer(number, last)).filter(|by| *by <= most).unwrap_or(0));
                next
            }
            None => at.after(sizes.align),
        };
    }
    highest
}

/// Ends the ring at `end`. What is kept may have been handed out before, by a consumer whose later position is lost.
fn truncate(window: &Window, control: &Shared<Control>, sizes: Sizes, position: Seq, end: Seq) {
    let mut at = end;
    while at.since(position) < sizes.size {
        window.store_header(at, UNCOMMITTED, Ordering::Relaxed);
        at = at.after(HEADER);
    }
    control.producer.tail.store(end.0, Ordering::Relaxed);
    control.producer.synced.store(position.0, Ordering::Relaxed);
    control.head.store(position.0, Ordering::Relaxed);
    control.consumer.taken.store(end.0, Ordering::Relaxed);
}
