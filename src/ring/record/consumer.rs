//! The consumer's side: find, read, release.

use core::cell::Cell;

use super::{Window, boundary, stride, within};
use crate::error::Corrupt;
use crate::frame::{self, Footprint, Record};
use crate::layout::Shared;
use crate::layout::participant::Participant;
use crate::layout::spsc::{Control, Sizes};
use crate::ring::lag::{Lag, Pace};
use crate::seq::Seq;
use crate::sync::Ordering;

/// A committed message that this consumer has taken and not released.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) at: Seq,
    pub(crate) len: u64,
    pub(crate) tag: u16,
    pub(crate) redelivered: bool,
}

/// The consumer of a record ring.
#[derive(Debug)]
pub(crate) struct Consumer {
    window: Window,
    control: Shared<Control>,
    line: Shared<Participant>,
    sizes: Sizes,
    footprint: Footprint,
    /// Bytes of the largest message.
    largest: u64,
    /// Where the next record begins.
    next: Seq,
    /// How much is released before `head` is written again.
    stride: u64,
    /// What was last written to `head`.
    head_written: Cell<Seq>,
    /// Messages up to here were in the hands of a consumer that died.
    redelivered_to: Seq,
    lag: Lag,
    /// `next` and `messages` when the ring was last found empty.
    run_began: (Seq, u64),
    /// Where this consumer began.
    began: Seq,
    messages: u64,
    /// Durable rings: the number of the last message that was taken, or that an earlier consumer has released.
    last_number: u32,
}

impl Consumer {
    /// Goes on where the last consumer stopped. The caller holds the consumer's lease.
    pub(crate) fn attach(
        window: Window,
        control: Shared<Control>,
        line: Shared<Participant>,
        sizes: Sizes,
        pace: Pace,
    ) -> Result<Consumer, Corrupt> {
        // edge: handover (acquire)
        let position = control.consumer.position.load(Ordering::Acquire);
        let next = boundary("consumer position", position, sizes.align)?;
        let taken = Seq(control.consumer.taken.load(Ordering::Relaxed));
        // It never lies before the position, except where a `ringway_bare` build has noted nothing.
        let redelivered_to = if next.since(taken) <= sizes.size { next } else { taken };
        within("taken position", redelivered_to, next, sizes.size)?;
        control.head.store(next.0, Ordering::Release); // edge: reclaim (release)
        let last_number = super::sealed::released_number(&control, next).unwrap_or_default();
        Ok(Consumer {
            window,
            control,
            line,
            sizes,
            footprint: Footprint::new(sizes.align),
            largest: sizes.largest(),
            next,
            stride: stride(sizes.size),
            head_written: Cell::new(next),
            redelivered_to,
            lag: Lag::new(pace),
            run_began: (next, 0),
            began: next,
            messages: 0,
            last_number,
        })
    }

    /// Messages, and bytes of records, received by this consumer.
    pub(crate) fn received(&self) -> (u64, u64) {
        (self.messages, self.next.since(self.began))
    }

    /// Where the next record begins.
    #[inline(always)]
    pub(crate) fn position(&self) -> Seq {
        self.next
    }

    pub(crate) fn set_pace(&mut self, pace: Pace) {
        self.lag.set_pace(pace);
    }

    /// Takes the next message if it is there, is no padding, and is in order: the short way of [`find`].
    ///
    /// [`find`]: Consumer::find
    #[inline(always)]
    pub(crate) fn find_ready(&mut self) -> Option<Found> {
        // edge: commit (acquire)
        let word = self.window.load_header(self.next, Ordering::Acquire);
        let (len, tag) = frame::as_message(word)?;
        self.take_message(len, tag, self.footprint.of(len))
    }

    /// Is something committed at the consumer's position?
    #[inline(always)]
    pub(crate) fn is_ready(&self) -> bool {
        // Whoever takes the message loads its header again, with Acquire.
        self.window.load_header(self.next, Ordering::Relaxed) != frame::UNCOMMITTED
    }

    /// Looks whether something is there; if not, waits as `Lag` says, and looks once more.
    #[inline(always)]
    pub(crate) fn poll(&mut self) -> bool {
        if self.is_ready() {
            return true;
        }
        if self.next == self.run_began.0 {
            self.lag.wait_on();
        } else {
            self.end_run();
        }
        self.is_ready()
    }

    #[inline(never)]
    fn end_run(&mut self) {
        let (position, messages) = self.run_began;
        self.lag.end_run(self.messages - messages, self.next.since(position));
        self.run_began = (self.next, self.messages);
    }

    /// Takes the next message if there is one now.
    pub(crate) fn find(&mut self) -> Result<Option<Found>, Corrupt> {
        // edge: commit (acquire)
        let word = self.window.load_header(self.next, Ordering::Acquire);
        if word == frame::UNCOMMITTED {
            return Ok(None);
        }
        match frame::parse(word)? {
            Record::Message { len, tag } => self.take_checked(len, tag).map(Some),
            Record::Sealed { len, tag } => self.take_sealed(0, len, tag).map(Some),
            Record::Padding { len } => self.pass_padding(len).map(Some),
            Record::SealedPadding { number } => self.pass_sealed_padding(number).map(Some),
        }
    }

    /// Takes a message of a durable ring whose seal is whole.
    fn take_sealed(&mut self, pad: u64, len: u64, tag: u16) -> Result<Found, Corrupt> {
        let number = super::check_seal(&self.window, self.sizes, self.next, pad, len, tag)?;
        let found = self.take_checked(len, tag)?;
        self.last_number = number;
        Ok(found)
    }

    /// As [`Consumer::pass_padding`], in a durable ring.
    #[cold]
    fn pass_sealed_padding(&mut self, number: u32) -> Result<Found, Corrupt> {
        let at = self.next;
        let pad = self.sizes.size - at.offset(self.window.mask());
        let next = at.after(pad);
        // edge: commit (acquire)
        let word = self.window.load_header(next, Ordering::Acquire);
        let Record::Sealed { len, tag } = frame::parse(word)? else {
            return Err(Corrupt { what: "record after padding", found: word, allowed: frame::sealed(0, 0) });
        };
        self.next = next;
        let found = self.take_sealed(pad, len, tag).inspect_err(|_| self.next = at)?;
        if self.last_number == number {
            Ok(found)
        } else {
            let (found, allowed) = (self.last_number.into(), number.into());
            Err(Corrupt { what: "number of the record after padding", found, allowed })
        }
    }

    /// Releases every message taken so far, in a durable ring.
    pub(crate) fn release_sealed(&self) {
        let releases = &self.control.consumer.released;
        let last_done = releases[0].position.load(Ordering::Relaxed)
            == self.control.consumer.position.load(Ordering::Relaxed);
        let release = &releases[usize::from(last_done)];
        release.number.store(self.last_number, Ordering::Relaxed);
        // edge: handover (release, by the lease; no position before its number)
        release.position.store(self.next.0, Ordering::Release);
        self.release();
    }

    fn take_checked(&mut self, len: u64, tag: u16) -> Result<Found, Corrupt> {
        let to_end = self.sizes.size - self.next.offset(self.window.mask());
        let allowed = to_end.saturating_sub(frame::HEADER).min(self.largest);
        self.take_message(len, tag, self.sizes.footprint(len)).ok_or(Corrupt {
            what: "record length",
            found: len,
            allowed,
        })
    }

    /// Takes the message at `next`, a record of `footprint` bytes; `None` if it is longer than any message, or reaches past the end of the ring.
    #[inline(always)]
    fn take_message(&mut self, len: u64, tag: u16, footprint: u64) -> Option<Found> {
        let at = self.next;
        if len > self.largest || !self.window.holds(at, len) {
            return None;
        }
        self.next = at.after(footprint);
        self.messages += 1;
        let redelivered = self.redelivered_to.since(at).wrapping_sub(1) < self.sizes.size;
        Some(Found { at, len, tag, redelivered })
    }

    /// Padding always ends at the end of the ring, and what follows it was committed with it.
    #[cold]
    fn pass_padding(&mut self, len: u64) -> Result<Found, Corrupt> {
        let to_end = self.sizes.size - self.next.offset(self.window.mask());
        if len + frame::HEADER != to_end {
            return Err(Corrupt { what: "padding length", found: len, allowed: to_end - frame::HEADER });
        }
        let next = self.next.after(to_end);
        // edge: commit (acquire)
        match self.window.load_header(next, Ordering::Acquire) {
            frame::UNCOMMITTED => Err(Corrupt { what: "record after padding", found: 0, allowed: u64::MAX }),
            word => match frame::parse(word)? {
                Record::Message { len, tag } => {
                    self.next = next;
                    self.take_checked(len, tag)
                }
                Record::Sealed { .. } | Record::Padding { .. } | Record::SealedPadding { .. } => {
                    Err(Corrupt { what: "record after padding", found: word, allowed: frame::message(0, 0) })
                }
            },
        }
    }

    /// The payload of a message that is taken, now to be handed out: notes that for a successor.
    #[inline(always)]
    pub(crate) fn hand_out(&self, found: &Found) -> &[u8] {
        let payload = self.window.bytes(found.at, found.len).expect("a taken record lies within the ring");
        // What an earlier consumer had in hand may reach further than this message.
        if !crate::BARE && !found.redelivered {
            // edge: handover (release, by the lease)
            self.control.consumer.taken.store(self.next.0, Ordering::Relaxed);
        }
        payload
    }

    /// Is an eighth of the ring taken and not released?
    #[inline(always)]
    pub(crate) fn holds_much(&self) -> bool {
        self.next.since(self.head_written.get()) >= self.stride
    }

    /// Releases every message taken so far.
    #[inline(always)]
    pub(crate) fn release(&self) {
        self.control.consumer.position.store(self.next.0, Ordering::Release); // edge: reclaim (release)
        if self.holds_much() {
            self.control.head.store(self.next.0, Ordering::Release); // edge: reclaim (release)
            self.head_written.set(self.next);
            self.write_down();
        }
    }

    /// Writes the counters down, for inspection.
    pub(crate) fn write_down(&self) {
        let (messages, bytes) = self.received();
        self.line.store_traffic(messages, bytes);
    }

    /// Bytes committed and not released.
    pub(crate) fn backlog(&self) -> Result<u64, Corrupt> {
        super::backlog(&self.window, &self.control, self.sizes)
    }

    /// Has everything that is committed been released?
    pub(crate) fn is_drained(&self) -> bool {
        super::is_drained(&self.window, &self.control)
    }
}
