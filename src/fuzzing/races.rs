//! Threads that share one mapping, as ThreadSanitizer wants them: it relates accesses by address, and the handles of the public
//! API each have a mapping of their own. Messages are written and read by ordinary instructions, so an edge that is missing
//! between commit and receipt, or release and reuse, is a data race that it reports.

use core::fmt;
use std::sync::Arc;
use std::thread;

use super::memory::Memory;
use super::spsc;
use super::spsc_model::Sent;
use crate::channel::window::table_of;
use crate::layout::mpmc::Sizes;
use crate::layout::participant::line_at;
use crate::ring::Pace;
use crate::ring::record::Look;
use crate::ring::slots::{self, Core, Pending};
use crate::sync::{AtomicU64, Ordering};

/// Lengths of messages run from nothing to this; some take several slots.
const LENGTHS: usize = 200;
/// How many send, and how many receive, in a ring of slots.
const EACH: usize = 2;
/// Attempts at a call; each lets others run.
const PATIENCE: u32 = 10_000_000;

/// Nobody dies here.
struct Immortal;

impl slots::Leases for Immortal {
    fn try_take(&self, _id: u32) -> bool {
        false
    }

    fn give_back(&self, _id: u32, _repaired: bool) {}
}

fn message(nth: usize) -> Sent {
    Sent { tag: nth as u16, len: nth * 37 % LENGTHS, seed: nth as u8 }
}

/// Makes a call until the ring is no longer full.
///
/// # Panics
/// When it stays so, or is refused for another reason, for very long.
fn until<T, E: fmt::Debug>(mut call: impl FnMut() -> Result<T, E>) -> T {
    for _ in 0..PATIENCE {
        match call() {
            Ok(done) => return done,
            Err(_) => thread::yield_now(),
        }
    }
    call().expect("room")
}

/// One thread sends so many messages, each in one of three ways; this one receives them.
///
/// # Panics
/// When a message is not what was sent.
pub fn record_ring(count: usize) {
    let ring = spsc::Ring::new(1024, 8, false).expect("a size");
    let (mut producer, mut consumer) = (ring.producer().expect("new"), ring.consumer().expect("new"));
    let sender = thread::spawn(move || {
        for nth in 0..count {
            let (tag, payload) = (message(nth).tag, message(nth).payload());
            match nth % 3 {
                0 => until(|| producer.send(tag, &payload, Look::Position)),
                1 => {
                    let claimed = until(|| producer.claim(payload.len() as u64, Look::Position));
                    producer.payload_mut(&claimed).copy_from_slice(&payload);
                    producer.commit(claimed, tag);
                }
                _ => {
                    let mut batch = producer.batch();
                    until(|| producer.push(&mut batch, tag, &payload));
                    producer.commit_batch(&batch);
                }
            }
        }
    });
    let mut next = 0;
    while next < count {
        let Some(found) = consumer.find().expect("sound") else {
            thread::yield_now();
            continue;
        };
        assert_eq!(found.tag, message(next).tag);
        assert_eq!(consumer.hand_out(&found), message(next).payload());
        consumer.release();
        next += 1;
    }
    sender.join().expect("no panic");
}

/// Two threads send so many messages each, and two receive them.
///
/// # Panics
/// When a message is not what was sent, or not received once.
pub fn slot_ring(count: usize) {
    let sizes = Sizes::new(16, 64, 48, EACH as u32).expect("sizes");
    let memory = Memory::new(sizes.total());
    let mapping = memory.mapping();
    let core = |id| {
        let (control, line) = (mapping.part(sizes.control_at()), mapping.part(line_at(id)));
        Core::new(table_of(&mapping, sizes), control, line, sizes, id)
    };
    let received = Arc::new(AtomicU64::default());
    let senders = (0..EACH as u32).map(|id| {
        let mut producer = slots::Producer::attach(core(id), &Immortal, &[]).expect("new");
        thread::spawn(move || {
            for nth in 0..count {
                let (tag, payload) = (message(nth).tag, message(nth).payload());
                match nth % 3 {
                    0 => until(|| producer.send(tag, &payload)),
                    1 => {
                        let claimed = until(|| producer.claim(payload.len() as u64));
                        producer.payload_mut(&claimed).copy_from_slice(&payload);
                        producer.commit(claimed, tag);
                    }
                    _ => {
                        let mut batch = Pending::default();
                        until(|| producer.push(&mut batch, tag, &payload));
                        producer.commit_batch(&mut batch);
                    }
                }
            }
        })
    });
    let senders: Vec<_> = senders.collect();
    let receivers = (0..EACH as u32).map(|id| {
        let pace = Pace { most: 1, probe: 1 };
        let core = core(EACH as u32 + id);
        let mut consumer = slots::Consumer::attach(core, &Immortal, &[], false, pace).expect("new");
        let received = Arc::clone(&received);
        thread::spawn(move || {
            let mut seeds = 0_u64;
            while received.load(Ordering::Relaxed) < (EACH * count) as u64 {
                let Some(found) = consumer.find().expect("sound") else {
                    thread::yield_now();
                    continue;
                };
                let nth = usize::from(found.tag);
                assert_eq!(consumer.payload(&found), message(nth).payload());
                seeds += nth as u64;
                consumer.release_held(&found);
                received.fetch_add(1, Ordering::Relaxed);
            }
            seeds
        })
    });
    let receivers: Vec<_> = receivers.collect();
    senders.into_iter().for_each(|sender| sender.join().expect("no panic"));
    let numbers: u64 = receivers.into_iter().map(|receiver| receiver.join().expect("no panic")).sum();
    let all: u64 = (0..count as u64).sum();
    assert_eq!(numbers, EACH as u64 * all, "each once");
}
