//! The record ring of `spsc`: the record's header word is the commit.
//!
//! The producer writes a payload, clears the *next* header word, then stores this record's with Release; the
//! consumer polls the header at its own position. A small message travels in one cache line, and no shared
//! tail bounces between the sides. Everything here is arithmetic on sequences; `window` alone turns one into
//! memory.
//!
//! # Edges
//!
//! | edge | release | acquire | carries |
//! |---|---|---|---|
//! | commit | producer stores a record's (or batch's, or padding's first) header | consumer loads it | the payload, the cleared next header, a batch's other headers |
//! | reclaim | consumer stores `head` or `position` | producer loads it, before it overwrites | the end of the consumer's reads |
//! | handover | a participant's last stores, then its lease (the kernel) | the successor takes the lease, then loads | positions, `taken`, records |
//!
//! # Why nothing is lost or torn
//!
//! The header at the producer's position is zero before each commit: the commit before cleared it, and a claim
//! takes eight bytes more than its record so that clearing never touches a record that is not released. A
//! producer that dies before the header store left nothing; after it, everything. Padding and batches publish
//! by the header that the consumer meets first, stored last.
//!
//! `tail` in memory is a record boundary at most a lap behind; a new producer walks the committed headers from
//! there. `position` is exact, so a new consumer starts at the first record that was not released, and knows
//! by `taken` which ones the old consumer had in hand.
//!
//! # Durable rings
//!
//! Their records are sealed (see `frame::seal`), and they survive a loss of power, after which each page of the file is as
//! it was at some moment since the last sync. A sync writes everything to the disk, and then notes in `synced` where the
//! consumer stood before. The producer writes nothing over what lies behind `synced`, although the consumer has released
//! it: its position on the disk may be as old as that, and everything from there to the last sync must still be there
//! (`recover` looks for it). So a durable ring is synced once a lap at least.

mod consumer;
mod producer;
mod recover;
mod sealed;
#[cfg(not(loom))]
mod window;
#[cfg(loom)]
#[path = "window_model.rs"]
mod window;

pub(crate) use consumer::{Consumer, Found};
pub(crate) use producer::{Claimed, Look, Pending, Producer, Refused};
pub(crate) use recover::{Findings, dropped, examine};
pub(crate) use window::Window;

use crate::error::Corrupt;
use crate::frame::{self, HEADER, Record, UNCOMMITTED};
use crate::layout::Shared;
use crate::layout::spsc::{Control, Sizes};
use crate::seq::Seq;
use crate::sync::Ordering;

/// An eighth of the ring: how much may pass before `head` or `tail` is written down.
pub(crate) fn stride(size: u64) -> u64 {
    (size / 8).max(HEADER)
}

/// A position read from shared memory, checked to be a record boundary.
fn boundary(what: &'static str, raw: u64, align: u64) -> Result<Seq, Corrupt> {
    if raw.is_multiple_of(align) {
        Ok(Seq(raw))
    } else {
        Err(Corrupt { what, found: raw, allowed: raw - raw % align })
    }
}

/// Bytes from `position` to `end`, at most the ring.
fn within(what: &'static str, end: Seq, position: Seq, size: u64) -> Result<u64, Corrupt> {
    let distance = end.since(position);
    if distance <= size {
        Ok(distance)
    } else {
        Err(Corrupt { what, found: end.0, allowed: position.after(size).0 })
    }
}

/// Whichever of two positions is further. They may be more than a lap apart: a producer that died right after it
/// committed a batch has not written its position down, and the consumer may have passed the batch since.
fn further(one: Seq, other: Seq) -> Seq {
    if one.since(other) <= u64::MAX / 2 { one } else { other }
}

/// What a walk over committed records found.
struct Walked {
    /// Where a record is not committed yet.
    end: Seq,
    /// Durable rings: the number of the last message.
    last: Option<u32>,
}

/// Walks the committed records from `from`. At most a lap.
fn walk(window: &Window, sizes: Sizes, from: Seq) -> Result<Walked, Corrupt> {
    let mut walked = Walked { end: from, last: None };
    loop {
        let at = walked.end;
        let word = window.load_header(at, Ordering::Acquire); // edge: commit (acquire)
        if word == UNCOMMITTED {
            return Ok(walked);
        }
        let record = frame::parse(word)?;
        let footprint = match record {
            Record::Message { len, .. } | Record::Padding { len } | Record::Sealed { len, .. }
                if len > sizes.largest() =>
            {
                return Err(Corrupt { what: "record length", found: len, allowed: sizes.largest() });
            }
            Record::Sealed { .. } | Record::SealedPadding { .. } if !sizes.durable => {
                return Err(Corrupt {
                    what: "record of a ring that is not durable",
                    found: word,
                    allowed: 0,
                });
            }
            Record::Padding { len } => len + HEADER,
            Record::SealedPadding { .. } => sizes.size - at.offset(window.mask()),
            Record::Message { len, .. } | Record::Sealed { len, .. } => sizes.footprint(len),
        };
        walked.end = at.after(footprint);
        within("record length", walked.end, from, sizes.size)?;
        if let Record::Sealed { len, .. } = record {
            walked.last = Some(frame::number_of(load_seal(window, at, len)));
        }
    }
}

/// Checks the message that is committed at `at` of a durable ring, behind `pad` bytes of padding, against its seal; its
/// number.
fn check_seal(window: &Window, sizes: Sizes, at: Seq, pad: u64, len: u64, tag: u16) -> Result<u32, Corrupt> {
    let to_end = sizes.size - at.offset(window.mask());
    let fits = sizes.durable && len <= sizes.largest() && sizes.footprint(len) <= to_end;
    let Some(payload) = window.bytes(at, len).filter(|_| fits) else {
        return Err(Corrupt {
            what: "length of a sealed record",
            found: len,
            allowed: sizes.largest().min(to_end),
        });
    };
    let found = load_seal(window, at, len);
    let allowed = frame::seal(at.0, pad, frame::sealed(len, tag), frame::number_of(found), payload);
    if found == allowed {
        Ok(frame::number_of(found))
    } else {
        Err(Corrupt { what: "seal (checksum) of a record", found, allowed })
    }
}

/// How much newer the message `number` is than the message `last`; 0 if it is not. Numbers may begin anew.
fn newer(number: u32, last: u32) -> u32 {
    let distance = number.wrapping_sub(last);
    if distance <= u32::MAX / 2 { distance } else { 0 }
}

/// The seal of a record with `len` bytes of payload, in a durable ring.
fn load_seal(window: &Window, at: Seq, len: u64) -> u64 {
    window.load_header(at.after(frame::seal_at(len)), Ordering::Relaxed)
}

/// Looks that an onlooker takes at a ring in motion before it believes that what it sees is corrupt.
const LOOKS: u32 = 64;

/// Bytes that are committed and not released, as far as an onlooker can tell while others go on.
pub(crate) fn backlog(window: &Window, control: &Shared<Control>, sizes: Sizes) -> Result<u64, Corrupt> {
    let position = || control.consumer.position.load(Ordering::Acquire); // edge: reclaim (acquire)
    let mut seen = backlog_once(window, control, sizes);
    for _ in 0..LOOKS {
        let before = position();
        seen = backlog_once(window, control, sizes);
        // What was walked is overwritten only after the consumer has moved on.
        if seen.is_ok() || before == position() {
            break;
        }
    }
    seen
}

/// Bytes that are committed and not released, as the two sides have last written down.
pub(crate) fn backlog_written_down(control: &Shared<Control>, sizes: Sizes) -> u64 {
    let position = Seq(control.consumer.position.load(Ordering::Relaxed));
    let tail = Seq(control.producer.tail.load(Ordering::Relaxed));
    further(position, tail).since(position).min(sizes.size)
}

fn backlog_once(window: &Window, control: &Shared<Control>, sizes: Sizes) -> Result<u64, Corrupt> {
    let position =
        boundary("consumer position", control.consumer.position.load(Ordering::Acquire), sizes.align)?; // edge: reclaim (acquire)
    let tail = boundary("producer position", control.producer.tail.load(Ordering::Relaxed), sizes.align)?;
    let end = walk(window, sizes, further(position, tail))?.end;
    within("producer position", end, position, sizes.size)
}

/// Is nothing committed that is not released?
pub(crate) fn is_drained(window: &Window, control: &Shared<Control>) -> bool {
    let position = Seq(control.consumer.position.load(Ordering::Acquire)); // edge: handover (acquire)
    window.load_header(position, Ordering::Acquire) == UNCOMMITTED // edge: commit (acquire)
}
