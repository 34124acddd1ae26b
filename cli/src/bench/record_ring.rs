//! T, the opponent: a bare record ring with a shared tail and cached indices, and nothing else.
//!
//! No wake-ups, no counters, no checks of what the peer wrote, no way to leave: what any ring of this format
//! costs at least when its commit is a shared tail. A record is a header word `{ len: u32, tag: u16, kind:
//! u16 }` and the payload, padded to 8 bytes; it never straddles the end, a padding record fills the rest.
//!
//! | word | writer | carries |
//! |---|---|---|
//! | `tail` | producer, Release per send or batch | the records before it |
//! | `head` | consumer, Release, once an eighth of the ring is read | the room before it |
//!
//! Each side reads the other's word only when its cached copy is used up. A record is at most half the ring,
//! so the producer never waits for what the consumer has read and not yet given back.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;

use super::bytes::{copy_in, relax, view};
use super::payload::{Check, Payload};
use super::traffic::{Rx, Tx};

/// Bytes of a header.
const HEADER: u64 = 8;

/// Kind of a record that carries a message.
const MESSAGE: u64 = 1 << 48;

/// Kind of a record that fills the rest of the ring.
const PADDING: u64 = 2 << 48;

/// Bytes of a record with `len` bytes of payload.
#[inline(always)]
fn record(len: usize) -> u64 {
    HEADER + (len as u64).next_multiple_of(8)
}

/// The producer of T.
#[derive(Debug)]
pub struct RecordTx<'a> {
    /// Shared: end of the published records.
    tail: &'a AtomicU64,
    /// Shared: end of the records that were read.
    head: &'a AtomicU64,
    /// The ring's data; a power of two of words.
    data: &'a [AtomicU64],
    /// End of the written records.
    written: u64,
    /// What `head` was when last read; may lag.
    head_seen: u64,
}

impl<'a> RecordTx<'a> {
    /// The producer of an empty, zeroed ring.
    pub fn new((tail, head, data): (&'a AtomicU64, &'a AtomicU64, &'a [AtomicU64])) -> Self {
        Self { tail, head, data, written: 0, head_seen: 0 }
    }

    /// Bytes of the ring.
    #[inline(always)]
    fn capacity(&self) -> u64 {
        self.data.len() as u64 * 8
    }

    /// Where the record at position `at` lies, in words.
    #[inline(always)]
    fn index(&self, at: u64) -> usize {
        (at / 8) as usize & (self.data.len() - 1)
    }

    /// Writes a record; it is not yet published. Blocks while there is no room.
    #[inline(always)]
    pub fn push(&mut self, bytes: &[u8]) {
        let need = record(bytes.len());
        let rest = self.capacity() - (self.written & (self.capacity() - 1));
        if need > rest {
            self.pad(need, rest);
        } else if self.capacity() - (self.written - self.head_seen) < need {
            self.wait(need);
        }
        let at = self.index(self.written);
        copy_in(&self.data[at + 1..], bytes);
        self.data[at].store(MESSAGE | bytes.len() as u64, Ordering::Relaxed);
        self.written += need;
    }

    /// Publishes all records written so far.
    #[inline(always)]
    pub fn publish(&mut self) {
        // edge: records (release), pairs with RecordRx::refill
        self.tail.store(self.written, Ordering::Release);
    }

    /// Fills the `rest` of the ring so that a record of `need` bytes starts at its beginning.
    #[cold]
    fn pad(&mut self, need: u64, rest: u64) {
        self.wait(need + rest);
        self.data[self.index(self.written)].store(PADDING | (rest - HEADER), Ordering::Relaxed);
        self.written += rest;
    }

    /// Waits until `need` bytes are free. What was written is published first: the room may depend on it.
    #[cold]
    fn wait(&mut self, need: u64) {
        self.publish();
        loop {
            // edge: room (acquire), pairs with RecordRx::release
            self.head_seen = self.head.load(Ordering::Acquire);
            if self.capacity() - (self.written - self.head_seen) >= need {
                return;
            }
            relax();
        }
    }
}

impl Tx for RecordTx<'_> {
    #[inline(always)]
    fn send(&mut self, payload: &mut Payload, number: u64) -> Result<()> {
        self.push(payload.numbered(number));
        self.publish();
        Ok(())
    }

    fn send_batch(&mut self, payload: &mut Payload, first: u64, count: u64) -> Result<()> {
        for number in first..first + count {
            self.push(payload.numbered(number));
        }
        self.publish();
        Ok(())
    }
}

/// The consumer of T.
#[derive(Debug)]
pub struct RecordRx<'a> {
    /// Shared: end of the published records.
    tail: &'a AtomicU64,
    /// Shared: end of the records that were read.
    head: &'a AtomicU64,
    /// The ring's data.
    data: &'a [AtomicU64],
    /// End of the records that were read.
    read: u64,
    /// What was last stored to `head`.
    released: u64,
    /// What `tail` was when last read; may lag.
    tail_seen: u64,
}

impl<'a> RecordRx<'a> {
    /// The consumer of an empty, zeroed ring.
    pub fn new((tail, head, data): (&'a AtomicU64, &'a AtomicU64, &'a [AtomicU64])) -> Self {
        Self { tail, head, data, read: 0, released: 0, tail_seen: 0 }
    }

    /// Hands the next message to `with`; blocks until there is one.
    #[inline(always)]
    pub fn take<R>(&mut self, with: impl FnOnce(&[u8]) -> R) -> R {
        loop {
            if self.read == self.tail_seen {
                self.refill();
            }
            let at = (self.read / 8) as usize & (self.data.len() - 1);
            let header = self.data[at].load(Ordering::Relaxed);
            let len = (header & u64::from(u32::MAX)) as usize;
            if header & PADDING != 0 {
                self.read += record(len);
                continue;
            }
            let result = with(view(&self.data[at + 1..], len));
            self.read += record(len);
            if self.read - self.released >= self.data.len() as u64 {
                self.release();
            }
            return result;
        }
    }

    /// Waits until a record is published.
    #[inline(always)]
    fn refill(&mut self) {
        loop {
            // edge: records (acquire), pairs with RecordTx::publish
            self.tail_seen = self.tail.load(Ordering::Acquire);
            if self.tail_seen != self.read {
                return;
            }
            relax();
        }
    }

    /// Gives the room of the records that were read back.
    #[inline(always)]
    fn release(&mut self) {
        self.released = self.read;
        self.head.store(self.read, Ordering::Release); // edge: room (release), pairs with RecordTx::wait
    }
}

impl Rx for RecordRx<'_> {
    #[inline(always)]
    fn recv(&mut self, check: &mut Check) -> Result<()> {
        self.take(|bytes| check.take(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ring of `words` words on the heap.
    struct Heap(AtomicU64, AtomicU64, Vec<AtomicU64>);

    impl Heap {
        fn new(words: usize) -> Self {
            Self(AtomicU64::new(0), AtomicU64::new(0), (0..words).map(|_| AtomicU64::new(0)).collect())
        }

        fn parts(&self) -> (&AtomicU64, &AtomicU64, &[AtomicU64]) {
            (&self.0, &self.1, &self.2)
        }
    }

    #[test]
    fn records_of_all_lengths_arrive_in_order_over_many_laps() {
        let heap = Heap::new(64);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut tx = RecordTx::new(heap.parts());
                for number in 0..20_000u64 {
                    let len = (number * 7 % 240) as usize;
                    tx.push(&vec![number as u8; len]);
                    if number % 5 != 0 {
                        tx.publish();
                    }
                }
                tx.publish();
            });
            let mut rx = RecordRx::new(heap.parts());
            for number in 0..20_000u64 {
                let expected = vec![number as u8; (number * 7 % 240) as usize];
                rx.take(|bytes| assert_eq!(bytes, expected, "message {number}"));
            }
        });
    }

    #[test]
    fn a_batch_is_published_with_one_store() {
        let heap = Heap::new(64);
        let mut tx = RecordTx::new(heap.parts());
        tx.push(b"one");
        tx.push(b"two");
        assert_eq!(heap.0.load(Ordering::Relaxed), 0);
        tx.publish();
        assert_eq!(heap.0.load(Ordering::Relaxed), 32);
        let mut rx = RecordRx::new(heap.parts());
        rx.take(|bytes| assert_eq!(bytes, b"one"));
        rx.take(|bytes| assert_eq!(bytes, b"two"));
    }

    #[test]
    fn a_full_ring_waits_for_the_consumer() {
        let heap = Heap::new(16);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut tx = RecordTx::new(heap.parts());
                for number in 0..1000u64 {
                    tx.send(&mut Payload::new(48), number).unwrap();
                }
            });
            let mut rx = RecordRx::new(heap.parts());
            let mut check = Check::new(48, 0);
            while check.next() < 1000 {
                rx.recv(&mut check).unwrap();
            }
        });
    }
}
