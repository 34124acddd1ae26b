//! Rivals between two threads of one process.

use std::sync::Arc;

use anyhow::{Result, bail};
use crossbeam_channel::{TryRecvError, TrySendError};
use crossbeam_queue::ArrayQueue;
use ringway::Wait;
use rtrb::chunks::ChunkError;
use rtrb::{PopError, PushError};

use super::apart::{ring_options, takes_numbers};
use super::field::{Both, Duplex, Kind, Open, Rival};
use super::payload::{Check, Payload};
use super::plan::{BATCH, Pattern, slots};
use super::sized::{ForWords, for_size};
use super::traffic::{Offer, Poll, Polled, Rx, Tx};

/// Everybody here.
pub const RIVALS: [Rival; 6] = [
    Rival::new("ringway-threads", Open::Together(ring)).kind(Kind::Ring),
    Rival::new("ringway-typed-threads", Open::Together(typed_ring)).kind(Kind::Ring).takes(takes_numbers),
    Rival::new("rtrb", Open::Together(|size| for_size(size, MakeRtrb))),
    Rival::new("array-queue", Open::Together(|size| for_size(size, MakeArrayQueue))).takes(one_at_a_time),
    Rival::new("crossbeam", Open::Together(|size| for_size(size, MakeCrossbeam))).takes(one_at_a_time),
    Rival::new("kanal", Open::Together(|size| for_size(size, MakeKanal))).takes(one_at_a_time),
];

/// Queues that know no batches.
fn one_at_a_time(pattern: Pattern, _: usize) -> bool {
    pattern != Pattern::Batch
}

/// Both sides' ends of a queue forth and a queue back.
fn both<T, R>(forth: (T, R), back: (T, R)) -> Both
where
    T: Tx + Send + 'static,
    R: Rx + Send + 'static,
{
    [Box::new(Duplex(forth.0, back.1)), Box::new(Duplex(back.0, forth.1))]
}

/// Both ends of a queue, polled.
fn polled<T, R>((tx, rx): (T, R)) -> (Polled<T>, Polled<R>) {
    (Polled::new(tx), Polled::new(rx))
}

/// ringway, in memory without a name.
fn ring(_size: usize) -> Result<Both> {
    let options = ring_options(Wait::Spin);
    Ok(both(options.pair()?, options.pair()?))
}

/// ringway, typed.
fn typed_ring(_size: usize) -> Result<Both> {
    let options = ring_options(Wait::Spin).typed::<u64>();
    Ok(both(options.pair()?, options.pair()?))
}

/// Makes rtrb's rings.
struct MakeRtrb;

impl ForWords for MakeRtrb {
    type Made = Both;

    fn make<const W: usize>(self) -> Result<Both> {
        let new = || polled(rtrb::RingBuffer::<[u64; W]>::new(slots(8 * W)));
        Ok(both(new(), new()))
    }
}

impl<const W: usize> Offer for rtrb::Producer<[u64; W]> {
    #[inline(always)]
    fn offer(&mut self, payload: &mut Payload, number: u64) -> Result<bool> {
        match self.push(*payload.value(number)) {
            Ok(()) => Ok(true),
            Err(PushError::Full(_)) => Ok(false),
        }
    }

    #[inline(always)]
    fn offer_batch(&mut self, payload: &mut Payload, first: u64, count: u64) -> Result<u64> {
        let (pushed, _) = self.push_partial_slice(payload.values(first, count));
        Ok(pushed.len() as u64)
    }
}

impl<const W: usize> Poll for rtrb::Consumer<[u64; W]> {
    #[inline(always)]
    fn poll(&mut self, check: &mut Check) -> Result<bool> {
        match self.pop() {
            Ok(message) => check.take_value(&message)?,
            Err(PopError::Empty) => return Ok(false),
        }
        Ok(true)
    }

    #[inline(always)]
    fn poll_batch(&mut self, check: &mut Check) -> Result<bool> {
        let chunk = match self.read_chunk(BATCH as usize) {
            Ok(chunk) => chunk,
            Err(ChunkError::TooFewSlots(0)) => return Ok(false),
            Err(ChunkError::TooFewSlots(slots)) => self.read_chunk(slots)?,
        };
        let (one, two) = chunk.as_slices();
        one.iter().chain(two).try_for_each(|message| check.take_value(message))?;
        chunk.commit_all();
        Ok(true)
    }
}

/// Makes crossbeam's queues.
struct MakeArrayQueue;

impl ForWords for MakeArrayQueue {
    type Made = Both;

    fn make<const W: usize>(self) -> Result<Both> {
        let new = || {
            let queue = Arc::new(ArrayQueue::<[u64; W]>::new(slots(8 * W)));
            polled((queue.clone(), queue))
        };
        Ok(both(new(), new()))
    }
}

impl<const W: usize> Offer for Arc<ArrayQueue<[u64; W]>> {
    #[inline(always)]
    fn offer(&mut self, payload: &mut Payload, number: u64) -> Result<bool> {
        Ok(self.push(*payload.value(number)).is_ok())
    }
}

impl<const W: usize> Poll for Arc<ArrayQueue<[u64; W]>> {
    #[inline(always)]
    fn poll(&mut self, check: &mut Check) -> Result<bool> {
        let Some(message) = self.pop() else { return Ok(false) };
        check.take_value(&message)?;
        Ok(true)
    }
}

/// Makes crossbeam's channels.
struct MakeCrossbeam;

impl ForWords for MakeCrossbeam {
    type Made = Both;

    fn make<const W: usize>(self) -> Result<Both> {
        let new = || polled(crossbeam_channel::bounded::<[u64; W]>(slots(8 * W)));
        Ok(both(new(), new()))
    }
}

impl<const W: usize> Offer for crossbeam_channel::Sender<[u64; W]> {
    #[inline(always)]
    fn offer(&mut self, payload: &mut Payload, number: u64) -> Result<bool> {
        match self.try_send(*payload.value(number)) {
            Ok(()) => Ok(true),
            Err(TrySendError::Full(_)) => Ok(false),
            Err(TrySendError::Disconnected(_)) => bail!("the channel has no receiver"),
        }
    }
}

impl<const W: usize> Poll for crossbeam_channel::Receiver<[u64; W]> {
    #[inline(always)]
    fn poll(&mut self, check: &mut Check) -> Result<bool> {
        match self.try_recv() {
            Ok(message) => check.take_value(&message)?,
            Err(TryRecvError::Empty) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        Ok(true)
    }
}

/// Makes kanal's channels.
struct MakeKanal;

impl ForWords for MakeKanal {
    type Made = Both;

    fn make<const W: usize>(self) -> Result<Both> {
        let new = || polled(kanal::bounded::<[u64; W]>(slots(8 * W)));
        Ok(both(new(), new()))
    }
}

impl<const W: usize> Offer for kanal::Sender<[u64; W]> {
    #[inline(always)]
    fn offer(&mut self, payload: &mut Payload, number: u64) -> Result<bool> {
        Ok(self.try_send(*payload.value(number))?)
    }
}

impl<const W: usize> Poll for kanal::Receiver<[u64; W]> {
    #[inline(always)]
    fn poll(&mut self, check: &mut Check) -> Result<bool> {
        let Some(message) = self.try_recv()? else { return Ok(false) };
        check.take_value(&message)?;
        Ok(true)
    }
}
