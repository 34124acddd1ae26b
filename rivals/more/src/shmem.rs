//! shmem-ipc: its ring of words over memory that both sides have; what it offers besides, a memory file and eventfds to
//! sleep on, does not matter to sides that are polled. A whole number of messages fits, so each lies in one piece. The
//! receiver copies it out, since no reference into memory that others write is given out.
#![allow(unsafe_code)]

use std::ptr;

use anyhow::Result;
use ringway_rivals::pairs::field::{Duplex, Ends};
use ringway_rivals::pairs::ground::Ground;
use ringway_rivals::pairs::payload::{Check, Payload};
use ringway_rivals::pairs::plan::{BATCH, slots};
use ringway_rivals::pairs::sized::{ForWords, for_size};
use ringway_rivals::pairs::traffic::{Offer, Poll, Polled};
use shmem_ipc::ringbuf::{Receiver, Sender, channel_bufsize};

/// Opens a side.
pub fn polled(ground: &Ground) -> Result<Box<dyn Ends>> {
    for_size(ground.size, Opens(ground))
}

/// Opens a side's ends.
struct Opens<'a>(&'a Ground);

/// Sends messages of `W` words.
struct Words<const W: usize>(Sender<u64>);

/// Receives them.
struct Taken<const W: usize>(Receiver<u64>);

impl ForWords for Opens<'_> {
    type Made = Box<dyn Ends>;

    fn make<const W: usize>(self) -> Result<Box<dyn Ends>> {
        let bytes = channel_bufsize::<u64>(slots(self.0.size) * W);
        let [towards, back] = self.0.ways();
        let memory = |name: &str| self.0.words(name, bytes / size_of::<u64>());
        let [towards, back] =
            [memory(&towards)?, memory(&back)?].map(|words| words.as_ptr().cast_mut().cast());
        // SAFETY: the memory is as long as said, mapped for ever, and zeroed at first; this is its only sender.
        let tx = unsafe { Sender::attach(towards, bytes) }?;
        // SAFETY: likewise, and its only receiver.
        let rx = unsafe { Receiver::attach(back, bytes) }?;
        Ok(Box::new(Duplex(Polled::new(Words::<W>(tx)), Polled::new(Taken::<W>(rx)))))
    }
}

impl<const W: usize> Offer for Words<W> {
    #[inline(always)]
    fn offer(&mut self, payload: &mut Payload, number: u64) -> Result<bool> {
        Ok(self.offer_batch(payload, number, 1)? > 0)
    }

    #[inline(always)]
    fn offer_batch(&mut self, payload: &mut Payload, first: u64, count: u64) -> Result<u64> {
        // A full ring would write to the shared word, too.
        if self.0.write_count()? < W {
            return Ok(0);
        }
        let mut sent = 0;
        self.0.send(|room, words| {
            while sent < count && (sent as usize + 1) * W <= words {
                let message: &[u64; W] = payload.value(first + sent);
                // SAFETY: there is room for so many words, which are this side's until `send` returns.
                let slot = unsafe { room.add(sent as usize * W) };
                // SAFETY: likewise; a payload lies elsewhere.
                unsafe { ptr::copy_nonoverlapping(message.as_ptr(), slot, W) };
                sent += 1;
            }
            sent as usize * W
        })?;
        Ok(sent)
    }
}

impl<const W: usize> Taken<W> {
    /// Receives up to `most` messages.
    #[inline(always)]
    fn take(&mut self, check: &mut Check, most: u64) -> Result<bool> {
        // An empty ring would write to the shared word, too.
        if self.0.read_count()? < W {
            return Ok(false);
        }
        let mut checked = Ok(());
        self.0.recv(|there, words| {
            let messages = (words / W).min(most as usize);
            for index in 0..messages {
                // SAFETY: there are so many words, which are this side's until `recv` returns.
                let slot = unsafe { there.add(index * W) };
                // SAFETY: likewise; any bits are words.
                let message: [u64; W] = unsafe { ptr::read(slot.cast()) };
                checked = check.take_value(&message);
                if checked.is_err() {
                    break;
                }
            }
            messages * W
        })?;
        checked.map(|()| true)
    }
}

impl<const W: usize> Poll for Taken<W> {
    #[inline(always)]
    fn poll(&mut self, check: &mut Check) -> Result<bool> {
        self.take(check, 1)
    }

    #[inline(always)]
    fn poll_batch(&mut self, check: &mut Check) -> Result<bool> {
        self.take(check, BATCH)
    }
}
