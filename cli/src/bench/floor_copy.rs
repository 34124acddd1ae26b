//! The floor of one-way traffic: a bare copy from core to core.
//!
//! The sender copies messages into a shared area as large as a ring, at the same distances as the ring's
//! records, and hands over a whole chunk of them with one flag; the receiver reads the chunk and gives it
//! back the same way. The bytes that cross are those of the ring; the handing over, one line per chunk, is as
//! good as free.
//!
//! A chunk's flag counts: even, the sender's; odd, the receiver's.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;

use super::bytes::{copy_in, relax, view};
use super::payload::{Check, Payload};
use super::traffic::{Rx, Tx};

/// Bytes that a chunk aims for; a larger message is a chunk of its own.
const CHUNK_BYTES: usize = 16 << 10;

/// How the area is cut for messages of one size.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// Words from one message to the next.
    stride: usize,
    /// Messages in a chunk.
    messages: usize,
    /// Chunks in the area.
    chunks: usize,
}

impl Cut {
    /// Cuts an area of `words` words with `flags` flags for messages of `size` bytes.
    fn new(words: usize, flags: usize, size: usize) -> Self {
        let stride = 1 + size.div_ceil(8);
        let chunk = (CHUNK_BYTES / 8).max(words / flags).min(words / 2);
        let messages = (chunk / stride).max(1);
        Self { stride, messages, chunks: (words / (stride * messages)).clamp(1, flags) }
    }
}

/// Where a side stands.
#[derive(Debug)]
struct Place<'a> {
    /// A flag per chunk.
    flags: &'a [&'a AtomicU64],
    /// The area.
    data: &'a [AtomicU64],
    /// How it is cut.
    cut: Cut,
    /// The chunk at hand.
    chunk: usize,
    /// The message in it that is next.
    message: usize,
    /// The value of the chunk's flag while the chunk is this side's.
    mine: u64,
}

impl<'a> Place<'a> {
    /// The first message of the first chunk, on zeroed flags.
    fn new(flags: &'a [&'a AtomicU64], data: &'a [AtomicU64], size: usize, mine: u64) -> Self {
        Self { flags, data, cut: Cut::new(data.len(), flags.len(), size), chunk: 0, message: 0, mine }
    }

    /// The words of the next message; waits until its chunk is this side's.
    #[inline(always)]
    fn words(&self) -> &'a [AtomicU64] {
        if self.message == 0 {
            // edge: chunk (acquire), pairs with Place::hand_over of the other side
            while self.flags[self.chunk].load(Ordering::Acquire) != self.mine {
                relax();
            }
        }
        &self.data[(self.chunk * self.cut.messages + self.message) * self.cut.stride + 1..]
    }

    /// Goes on to the next message; hands the chunk over after its last.
    #[inline(always)]
    fn advance(&mut self) {
        self.message += 1;
        if self.message == self.cut.messages {
            self.hand_over();
        }
    }

    /// Makes the chunk the other side's.
    fn hand_over(&mut self) {
        // edge: chunk (release), pairs with Place::words
        self.flags[self.chunk].store(self.mine + 1, Ordering::Release);
        self.message = 0;
        self.chunk += 1;
        if self.chunk == self.cut.chunks {
            self.chunk = 0;
            self.mine += 2;
        }
    }
}

/// Zeroes the flags: both sides start over. To be done before both start.
pub fn reset(flags: &[&AtomicU64]) {
    for flag in flags {
        flag.store(0, Ordering::Relaxed); // edge: none, the barrier that follows orders it
    }
}

/// The sender.
#[derive(Debug)]
pub struct CopyTx<'a>(Place<'a>);

impl<'a> CopyTx<'a> {
    /// The sender of messages of `size` bytes over reset flags.
    pub fn new(flags: &'a [&'a AtomicU64], data: &'a [AtomicU64], size: usize) -> Self {
        Self(Place::new(flags, data, size, 0))
    }
}

impl Tx for CopyTx<'_> {
    #[inline(always)]
    fn send(&mut self, payload: &mut Payload, number: u64) -> Result<()> {
        copy_in(self.0.words(), payload.numbered(number));
        self.0.advance();
        Ok(())
    }

    fn finish(&mut self) {
        if self.0.message > 0 {
            self.0.hand_over();
        }
    }
}

/// The receiver.
#[derive(Debug)]
pub struct CopyRx<'a>(Place<'a>);

impl<'a> CopyRx<'a> {
    /// The receiver of messages of `size` bytes over reset flags.
    pub fn new(flags: &'a [&'a AtomicU64], data: &'a [AtomicU64], size: usize) -> Self {
        Self(Place::new(flags, data, size, 1))
    }
}

impl Rx for CopyRx<'_> {
    #[inline(always)]
    fn recv(&mut self, check: &mut Check) -> Result<()> {
        check.take(view(self.0.words(), check.size()))?;
        self.0.advance();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cut_fits_the_area() {
        for words in [512, 8192, 1 << 17] {
            for size in (8..=(words * 4)).step_by(1000) {
                let cut = Cut::new(words, 64, size);
                assert!(cut.stride * cut.messages * cut.chunks <= words, "{words} {size} {cut:?}");
            }
        }
    }

    #[test]
    fn messages_arrive_over_many_laps_and_a_partial_chunk() {
        let data: Vec<AtomicU64> = (0..1 << 13).map(|_| AtomicU64::new(0)).collect();
        let lines: Vec<AtomicU64> = (0..8).map(|_| AtomicU64::new(9)).collect();
        let flags: Vec<&AtomicU64> = lines.iter().collect();
        reset(&flags);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut tx = CopyTx::new(&flags, &data, 200);
                let mut payload = Payload::new(200);
                for number in 0..5003 {
                    tx.send(&mut payload, number).unwrap();
                }
                tx.finish();
            });
            let mut rx = CopyRx::new(&flags, &data, 200);
            let mut check = Check::new(200, 0);
            while check.next() < 5003 {
                rx.recv(&mut check).unwrap();
            }
        });
    }
}
