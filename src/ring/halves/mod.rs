//! The ring between two processes that do not trust one another: each side writes its own half only, and messages are
//! copied.
//!
//! The producer's half has the data and `tail`, the consumer's half `head`. A record is a header word and its payload,
//! padded to a multiple of eight; since messages are copied anyway, a record goes on at the beginning where the ring ends,
//! so there is no padding and a message may fill the ring.
//!
//! # What the other side writes
//!
//! Each of its words is loaded once for each decision, into a local, and must be what the protocol allows from where
//! this side stands; its own position a side keeps in its own memory and never reads back. Nothing else is believed:
//!
//! | word | allowed | so |
//! |---|---|---|
//! | `tail` | not behind what was seen, at most the ring ahead of `head`, a multiple of eight | what lies before it is inside the ring |
//! | `head` | not behind what was seen, not past `tail`, a multiple of eight | room is at most the ring |
//! | a header | a message whose record ends at `tail` or before | the copy has an end, and the buffer a bound |
//! | `closed` | 0 or 1 | |
//! | payload | anything | it is given out as a copy |
//!
//! Anything else is `Corrupt`, and stays so: the side that met it touches the ring no more. A call looks at one record at
//! most, so it takes a bounded number of steps, whatever the other side writes meanwhile.
//!
//! # Edges
//!
//! | edge | release | acquire | carries |
//! |---|---|---|---|
//! | fill | producer stores `tail` | consumer loads it | the records before it |
//! | room | consumer stores `head` | producer loads it, before it overwrites | the end of the consumer's reads |
//! | leave | either stores `closed` | the other loads it, and looks a last time | everything it did before |
//!
//! The bell between the halves is in `wait::across`.

mod consumer;
mod producer;
#[cfg(not(loom))]
mod window;
#[cfg(loom)]
#[path = "window_model.rs"]
mod window;

pub(crate) use consumer::{Consumer, Copied};
pub(crate) use producer::{Producer, Refused};
pub(crate) use window::Window;

use crate::error::Corrupt;
use crate::frame::HEADER;
use crate::layout::halves::Control;
use crate::seq::Seq;
use crate::sync::Ordering;

/// What a poisoned side keeps saying.
type Poison = Option<Corrupt>;

/// How far `found`, a position of the other side's, is past `seen`, where it may be up to `end`.
fn advance(what: &'static str, found: u64, seen: Seq, end: Seq) -> Result<u64, Corrupt> {
    let step = Seq(found).since(seen);
    if found.is_multiple_of(HEADER) && step <= end.since(seen) {
        Ok(step)
    } else {
        Err(Corrupt { what, found, allowed: end.0 })
    }
}

/// Says goodbye.
pub(crate) fn close(own: &Control) {
    own.flags.closed.store(1, Ordering::Release); // edge: leave (release)
}

/// Has the other side said goodbye?
pub(crate) fn is_closed(theirs: &Control) -> Result<bool, Corrupt> {
    let found = theirs.flags.closed.load(Ordering::Acquire); // edge: leave (acquire)
    match found {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Corrupt { what: "the other side's `closed`", found: found.into(), allowed: 1 }),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_position_stays_between_what_was_seen_and_its_end() {
        let at = |found, seen, end| advance("position", found, Seq(seen), Seq(end)).ok();
        assert_eq!(at(16, 16, 80), Some(0));
        assert_eq!(at(80, 16, 80), Some(64));
        for found in [0, 8, 17, 79, 81, 88, u64::MAX, u64::MAX - 7, 1 << 63] {
            assert_eq!(at(found, 16, 80), None, "{found}");
        }
        let late = u64::MAX - 15;
        assert_eq!(at(16, late, 48), Some(32), "past the end of the numbers");
    }
}
