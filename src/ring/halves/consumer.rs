//! The consumer's side of the ring.

use super::{Poison, Window, advance, is_closed};
use crate::error::Corrupt;
use crate::frame::{self, HEADER};
use crate::layout::Shared;
use crate::layout::halves::Control;
use crate::seq::Seq;
use crate::sync::Ordering;

/// The consumer of a ring in two halves, and the memory that it copies messages to.
#[derive(Debug)]
pub(crate) struct Consumer {
    own: Shared<Control>,
    theirs: Shared<Control>,
    window: Window,
    head: Seq,
    /// The producer's position; may lag.
    tail_seen: Seq,
    /// The last message, and room for the next one; grows with them.
    buffer: Vec<u64>,
    poison: Poison,
}

/// A message that was copied out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Copied {
    pub(crate) len: usize,
    pub(crate) tag: u16,
}

impl Consumer {
    /// The consumer of a new ring. `own` is this side's half.
    pub(crate) fn new(own: Shared<Control>, theirs: Shared<Control>, window: Window) -> Consumer {
        let (head, tail_seen) = (Seq(0), Seq(0));
        Consumer { own, theirs, window, head, tail_seen, buffer: Vec::new(), poison: None }
    }

    /// Bytes of the ring.
    pub(crate) fn size(&self) -> u64 {
        self.window.size()
    }

    /// Copies the next message out and releases its room, if there is one now.
    #[inline(always)]
    pub(crate) fn recv(&mut self) -> Result<Option<Copied>, Corrupt> {
        if (self.head == self.tail_seen || self.poison.is_some()) && !self.look()? {
            return Ok(None);
        }
        let header = self.window.load(self.head);
        let there = self.tail_seen.since(self.head);
        let Some((len, tag)) = frame::as_message(header) else {
            return Err(self.poisoned("a record's header", header, frame::message(there - HEADER, 0)));
        };
        let footprint = frame::footprint(len, HEADER);
        if footprint > there {
            return Err(self.poisoned("a record's length", len, there - HEADER));
        }
        let words = ((footprint - HEADER) / HEADER) as usize;
        if self.buffer.len() < words {
            self.buffer.resize(words, 0);
        }
        self.window.read(self.head.after(HEADER), &mut self.buffer[..words]);
        self.head = self.head.after(footprint);
        self.own.position.store(self.head.0, Ordering::Release); // edge: room (release)
        Ok(Some(Copied { len: len as usize, tag }))
    }

    /// The words of the message that was copied out last, padded.
    #[inline(always)]
    pub(crate) fn words(&self) -> &[u64] {
        &self.buffer
    }

    /// Is there a message now?
    pub(crate) fn look(&mut self) -> Result<bool, Corrupt> {
        if let Some(corrupt) = self.poison {
            return Err(corrupt);
        }
        let tail = self.theirs.position.load(Ordering::Acquire); // edge: fill (acquire)
        let end = self.head.after(self.size());
        match advance("the producer's `tail`", tail, self.tail_seen, end) {
            Ok(step) => self.tail_seen = self.tail_seen.after(step),
            Err(Corrupt { what, found, allowed }) => return Err(self.poisoned(what, found, allowed)),
        }
        Ok(self.head != self.tail_seen)
    }

    /// Has the producer said goodbye?
    pub(crate) fn is_left(&mut self) -> Result<bool, Corrupt> {
        is_closed(&self.theirs).map_err(|corrupt| *self.poison.get_or_insert(corrupt))
    }

    #[cold]
    fn poisoned(&mut self, what: &'static str, found: u64, allowed: u64) -> Corrupt {
        *self.poison.insert(Corrupt { what, found, allowed })
    }
}
