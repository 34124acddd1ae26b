//! The producer's side of the ring.

use super::{Poison, Window, advance, is_closed};
use crate::error::Corrupt;
use crate::frame::{self, HEADER};
use crate::layout::Shared;
use crate::layout::halves::{Control, largest};
use crate::seq::Seq;
use crate::sync::Ordering;

/// The producer of a ring in two halves.
#[derive(Debug)]
pub(crate) struct Producer {
    own: Shared<Control>,
    theirs: Shared<Control>,
    window: Window,
    tail: Seq,
    /// The consumer's position; may lag.
    head_seen: Seq,
    poison: Poison,
}

/// Why nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    TooLarge,
    Full { need: u64, free: u64 },
    Corrupt(Corrupt),
}

impl Producer {
    /// The producer of a new ring. `own` and the window are this side's half.
    pub(crate) fn new(own: Shared<Control>, theirs: Shared<Control>, window: Window) -> Producer {
        Producer { own, theirs, window, tail: Seq(0), head_seen: Seq(0), poison: None }
    }

    /// Bytes of the ring.
    pub(crate) fn size(&self) -> u64 {
        self.window.size()
    }

    /// Copies `message` in and publishes it, if there is room now.
    #[inline(always)]
    pub(crate) fn send(&mut self, tag: u16, message: &[u8]) -> Result<(), Refused> {
        let len = message.len() as u64;
        if len > largest(self.size()) {
            return Err(Refused::TooLarge);
        }
        let need = frame::footprint(len, HEADER);
        if need > self.free() || self.poison.is_some() {
            self.look_for_room(need)?;
        }
        self.window.write(self.tail.after(HEADER), message);
        self.window.store(self.tail, frame::message(len, tag));
        self.tail = self.tail.after(need);
        self.own.position.store(self.tail.0, Ordering::Release); // edge: fill (release)
        Ok(())
    }

    /// Is there room for a message of `len` bytes now? The largest, if it is larger.
    pub(crate) fn has_room(&mut self, len: u64) -> Result<bool, Corrupt> {
        let need = frame::footprint(len.min(largest(self.size())), HEADER);
        match self.look_for_room(need) {
            Ok(()) => Ok(true),
            Err(Refused::Corrupt(corrupt)) => Err(corrupt),
            Err(_) => Ok(false),
        }
    }

    /// Has the consumer said goodbye?
    pub(crate) fn is_left(&mut self) -> Result<bool, Corrupt> {
        is_closed(&self.theirs).map_err(|corrupt| *self.poison.get_or_insert(corrupt))
    }

    /// Bytes free, as far as this side has seen.
    #[inline(always)]
    fn free(&self) -> u64 {
        self.size() - self.tail.since(self.head_seen)
    }

    fn look_for_room(&mut self, need: u64) -> Result<(), Refused> {
        if let Some(corrupt) = self.poison {
            return Err(Refused::Corrupt(corrupt));
        }
        let head = self.theirs.position.load(Ordering::Acquire); // edge: room (acquire)
        match advance("the consumer's `head`", head, self.head_seen, self.tail) {
            Ok(step) => self.head_seen = self.head_seen.after(step),
            Err(corrupt) => {
                self.poison = Some(corrupt);
                return Err(Refused::Corrupt(corrupt));
            }
        }
        let free = self.free();
        if need > free { Err(Refused::Full { need, free }) } else { Ok(()) }
    }
}
