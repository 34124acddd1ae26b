//! A bounded ring in a mapped file: slots, two cursors, and a futex on each for whoever finds it empty or full.
//!
//! | word | writer | carries |
//! |---|---|---|
//! | `written` | producer, Release per message | the slots before it |
//! | `read` | consumer, Release per eighth of the ring | the room before it |
//! | `reader_sleeps`, `writer_sleeps` | set by who is about to sleep on the cursor, taken back by its waker | where the cursor is that is slept on, and 1; 0: nobody sleeps |
//!
//! Who sleeps says so, and looks again; who moves a cursor looks whether somebody said so. Between the store and the look
//! stands a fence on both sides, so at least one sees the other. A waker takes back only what was said of a cursor that it has
//! moved since: what is said of where it left it stands, and the next move wakes. So no wake-up is lost. Cursors count the
//! messages of a sample, which are far fewer than would make them wrap; each side reads the other's only when its own copy is used up.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use anyhow::{Context, Result};

use super::bytes::{copy_in, relax, view};
use super::floor_futex::{sleep, wake};
use super::memory::Memory;
use super::payload::{Check, Payload};
use super::shared::half;
use super::slots::Slots;
use super::traffic::{Rx, Tx};

/// One cursor, and whether somebody sleeps until it moves.
#[derive(Clone, Copy, Debug)]
struct Cursor<'a> {
    /// Messages that it has passed.
    position: &'a AtomicU32,
    /// Where it was when its waiter went to sleep, and 1; 0 when nobody sleeps.
    sleeps: &'a AtomicU32,
}

impl Cursor<'_> {
    /// Moves to `position` and wakes whoever sleeps until it does.
    #[inline(always)]
    fn advance(&self, position: u32) -> Result<()> {
        self.position.store(position, Ordering::Release); // edge: cursor (release), pairs with Cursor::wait
        fence(Ordering::SeqCst); // edge: sleep (fence), pairs with Cursor::sleep
        let said = self.sleeps.load(Ordering::Relaxed);
        if said == 0 || said == position + 1 { Ok(()) } else { self.wake(said) }
    }

    /// Wakes who `said` that it sleeps, unless it has gone on by itself.
    #[cold]
    fn wake(&self, said: u32) -> Result<()> {
        if self.sleeps.compare_exchange(said, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            wake(self.position).context("cannot wake a futex's sleeper")?;
        }
        Ok(())
    }

    /// Waits until the cursor is no longer at `seen`: where it is. Sleeps after `looks`.
    #[inline(always)]
    fn wait(&self, seen: u32, looks: u32) -> Result<u32> {
        for look in 0_u32.. {
            // edge: cursor (acquire), pairs with Cursor::advance
            let position = self.position.load(Ordering::Acquire);
            if position != seen {
                return Ok(position);
            }
            if look < looks { relax() } else { self.sleep(seen)? }
        }
        Ok(seen)
    }

    /// Sleeps while the cursor is at `seen`, until a wake-up.
    #[cold]
    fn sleep(&self, seen: u32) -> Result<()> {
        self.sleeps.store(seen + 1, Ordering::Relaxed);
        fence(Ordering::SeqCst); // edge: sleep (fence), pairs with Cursor::advance
        if self.position.load(Ordering::Relaxed) == seen {
            sleep(self.position, seen).context("cannot sleep on a futex")?;
        }
        Ok(())
    }
}

/// One direction of the shared memory.
#[derive(Clone, Copy, Debug)]
pub struct Ring<'a> {
    /// How many messages were written.
    written: Cursor<'a>,
    /// How many of them were read.
    read: Cursor<'a>,
    /// The slots.
    data: &'a [AtomicU64],
    /// How often to look before sleeping.
    looks: u32,
}

impl<'a> Ring<'a> {
    /// The ring of a direction, forth (0) or back (1), whose users look so often before they sleep.
    pub fn new(memory: &'a Memory, direction: usize, looks: u32) -> Self {
        let [written, reader_sleeps, read, writer_sleeps] =
            [0, 1, 2, 3].map(|index| half(memory.line(direction, index)));
        Self {
            written: Cursor { position: written, sleeps: reader_sleeps },
            read: Cursor { position: read, sleeps: writer_sleeps },
            data: memory.data(direction),
            looks,
        }
    }

    /// Makes the ring empty. To be done before both sides start.
    pub fn reset(&self) {
        for cursor in [self.written, self.read] {
            // edge: none, the barrier that follows orders both
            cursor.position.store(0, Ordering::Relaxed);
            cursor.sleeps.store(0, Ordering::Relaxed);
        }
    }
}

/// The producer.
#[derive(Debug)]
pub struct FutexRingTx<'a> {
    /// What is shared.
    ring: Ring<'a>,
    /// Where messages go.
    slots: Slots<'a>,
    /// Messages that were written.
    written: u32,
    /// Of these, read when last looked; may lag.
    read: u32,
}

impl<'a> FutexRingTx<'a> {
    /// The producer of messages of `size` bytes on an empty ring.
    pub fn new(ring: Ring<'a>, size: usize) -> Self {
        Self { ring, slots: Slots::new(ring.data, size), written: 0, read: 0 }
    }
}

impl Tx for FutexRingTx<'_> {
    #[inline(always)]
    fn send(&mut self, payload: &mut Payload, number: u64) -> Result<()> {
        if self.written.wrapping_sub(self.read) as usize == self.slots.count() {
            self.read = self.ring.read.wait(self.read, self.ring.looks)?;
        }
        copy_in(self.slots.words(), payload.numbered(number));
        self.slots.advance();
        self.written = self.written.wrapping_add(1);
        self.ring.written.advance(self.written)
    }
}

/// The consumer.
#[derive(Debug)]
pub struct FutexRingRx<'a> {
    /// What is shared.
    ring: Ring<'a>,
    /// Where messages come.
    slots: Slots<'a>,
    /// Messages that were read.
    read: u32,
    /// Of these, told to the producer.
    released: u32,
    /// Messages that were written when last looked; may lag.
    written: u32,
}

impl<'a> FutexRingRx<'a> {
    /// The consumer of messages of `size` bytes on an empty ring.
    pub fn new(ring: Ring<'a>, size: usize) -> Self {
        Self { ring, slots: Slots::new(ring.data, size), read: 0, released: 0, written: 0 }
    }
}

impl Rx for FutexRingRx<'_> {
    #[inline(always)]
    fn recv(&mut self, check: &mut Check) -> Result<()> {
        if self.read == self.written {
            self.written = self.ring.written.wait(self.written, self.ring.looks)?;
        }
        check.take(view(self.slots.words(), check.size()))?;
        self.slots.advance();
        self.read = self.read.wrapping_add(1);
        // The producer sleeps on a full ring only: seven eighths of it are still to be read then, and come here.
        if self.read.wrapping_sub(self.released) as usize >= self.slots.count().div_ceil(8) {
            self.released = self.read;
            self.ring.read.advance(self.read)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::ends;
    use std::os::fd::IntoRawFd;

    #[test]
    fn a_ring_carries_messages_over_many_laps_asleep_and_awake() {
        let ring_bytes = 64 << 10;
        let file = ends::mapped_file(&format!("bench-{}-futex", std::process::id()), ring_bytes).unwrap();
        let memory = Memory::map(file.into_raw_fd(), ring_bytes).unwrap();
        for (direction, size, looks) in [(0, 8, 0), (1, 1016, 50), (1, 32 << 10, 0), (0, 120, 50)] {
            let ring = Ring::new(&memory, direction, looks);
            ring.reset();
            let messages = 5 * Slots::new(ring.data, size).count() as u64 + 7;
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    let (mut tx, mut payload) = (FutexRingTx::new(ring, size), Payload::new(size));
                    (0..messages).try_for_each(|number| tx.send(&mut payload, number)).unwrap();
                });
                let (mut rx, mut check) = (FutexRingRx::new(ring, size), Check::new(size, 0));
                (0..messages).try_for_each(|_| rx.recv(&mut check)).unwrap();
                assert_eq!(check.next(), messages);
            });
        }
    }
}
