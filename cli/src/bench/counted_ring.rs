//! The textbook's bounded ring: slots in shared memory, and two semaphores, one that counts messages and one that
//! counts room. The semaphores order memory; nothing else is shared.

use std::sync::atomic::AtomicU64;

use anyhow::Result;

use super::bytes::{copy_in, view};
use super::payload::{Check, Payload};
use super::slots::Slots;
use super::traffic::{Rx, Tx};

/// A counting semaphore.
pub trait Semaphore {
    /// Takes one; sleeps while there is none.
    fn down(&self) -> Result<()>;

    /// Adds one, and wakes a sleeper.
    fn up(&self) -> Result<()>;
}

/// The semaphores of one direction.
#[derive(Clone, Copy, Debug)]
pub struct Counts<S> {
    /// Messages that are there.
    pub messages: S,
    /// Slots that are free.
    pub room: S,
}

/// One end of a ring; both begin at the first slot of an empty one.
#[derive(Debug)]
pub struct CountedRing<'a, S> {
    /// Where messages lie.
    slots: Slots<'a>,
    /// What is there.
    counts: Counts<S>,
}

impl<'a, S: Semaphore> CountedRing<'a, S> {
    /// An end of a ring in `area` for messages of `size` bytes.
    pub fn new(area: &'a [AtomicU64], size: usize, counts: Counts<S>) -> Self {
        Self { slots: Slots::new(area, size), counts }
    }
}

impl<S: Semaphore> Tx for CountedRing<'_, S> {
    #[inline(always)]
    fn send(&mut self, payload: &mut Payload, number: u64) -> Result<()> {
        self.counts.room.down()?;
        copy_in(self.slots.words(), payload.numbered(number));
        self.slots.advance();
        self.counts.messages.up()
    }
}

impl<S: Semaphore> Rx for CountedRing<'_, S> {
    #[inline(always)]
    fn recv(&mut self, check: &mut Check) -> Result<()> {
        self.counts.messages.down()?;
        check.take(view(self.slots.words(), check.size()))?;
        self.slots.advance();
        self.counts.room.up()
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Both sides play over many laps of `area`, whose semaphores count no message and every slot.
    pub fn play<S: Semaphore + Copy + Send>(area: &[AtomicU64], size: usize, counts: Counts<S>) {
        let messages = 3 * Slots::new(area, size).count() as u64 + 7;
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut tx = CountedRing::new(area, size, counts);
                let mut payload = Payload::new(size);
                (0..messages).try_for_each(|number| tx.send(&mut payload, number)).unwrap();
            });
            let mut rx = CountedRing::new(area, size, counts);
            let mut check = Check::new(size, 0);
            (0..messages).try_for_each(|_| rx.recv(&mut check)).unwrap();
            assert_eq!(check.next(), messages);
        });
    }
}
