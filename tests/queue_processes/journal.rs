//! The journal of a soak: memory of the test's, in which every process notes what it is about to do and has done.
//!
//! What a killed process had noted stays. A note costs a store and no system call, so that it changes little about
//! when things happen. Each word has one writer. A process runs until it is killed, so its notes tell of a death's
//! moment exactly if they stand in the order in which they were written: compiler fences keep that order.
//!
//! ```text
//! the stage | for each producer: tried, committed | for each list of a consumer's: count, receipts
//! ```
#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering, compiler_fence};

use memmap2::MmapRaw;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::time::{ClockId, clock_gettime};

/// Producers that can be told apart in one run.
pub const PRODUCERS: u16 = 1 << 13;
/// Lists of receipts: one for each consumer at a time.
pub const LISTS: usize = 5;
/// Receipts in a list.
const RECEIPTS: usize = 1 << 20;
/// Words of a receipt.
const RECEIPT: usize = 5;
/// Where the parts begin, in words.
const PRODUCERS_AT: usize = 16;
const LISTS_AT: usize = PRODUCERS_AT + 2 * PRODUCERS as usize;
const LIST: usize = 1 + RECEIPTS * RECEIPT;
const WORDS: usize = LISTS_AT + LISTS * LIST;

/// Nanoseconds on the monotonic clock, which is the same in every process.
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("a clock");
    time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64
}

/// Until when workers work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Everybody works.
    Run,
    /// Producers stop.
    NoMore,
    /// Consumers stop.
    Over,
}

/// That a message was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub sequence: u64,
    pub received: u64,
    /// When it was released; 0: the consumer did not live to note it.
    pub released: u64,
    pub producer: u16,
    pub redelivered: bool,
    /// The bytes were all as they had to be.
    pub whole: bool,
    pub length: usize,
    /// As much of the serial as the message holds.
    pub head: u64,
    /// Which consumer received it.
    pub consumer: u32,
}

/// The journal, mapped.
#[derive(Debug)]
pub struct Journal {
    map: MmapRaw,
    file: File,
}

impl Journal {
    pub fn create() -> Journal {
        let file: File = memfd_create("soak", MFdFlags::MFD_CLOEXEC).expect("a memfd").into();
        file.set_len(8 * WORDS as u64).expect("length");
        Journal::of(file)
    }

    /// The journal of the test that started this process.
    pub fn open(path: &str) -> Journal {
        let file = File::options().read(true).write(true).open(path).expect("the test's journal");
        Journal::of(file)
    }

    fn of(file: File) -> Journal {
        Journal { map: MmapRaw::map_raw(&file).expect("a mapping"), file }
    }

    /// The path by which other processes open this journal, as long as this one lives.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }

    fn word(&self, at: usize) -> &AtomicU64 {
        assert!(at < WORDS);
        // SAFETY: within the mapping, as just checked.
        let word = unsafe { self.map.as_ptr().cast::<AtomicU64>().add(at) };
        // SAFETY: a page-aligned mapping is aligned for words, lives as long as `self`, and is used as atomics only.
        unsafe { &*word }
    }

    fn load(&self, at: usize) -> u64 {
        self.word(at).load(Ordering::Relaxed)
    }

    fn note(&self, at: usize, value: u64) {
        compiler_fence(Ordering::SeqCst);
        self.word(at).store(value, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
    }

    pub fn stage(&self) -> Stage {
        [Stage::Run, Stage::NoMore, Stage::Over][self.load(0) as usize]
    }

    pub fn set_stage(&self, stage: Stage) {
        self.note(0, stage as u64);
    }

    /// A producer may have sent so many messages after what it does next.
    pub fn set_tried(&self, producer: u16, messages: u64) {
        self.note(PRODUCERS_AT + 2 * producer as usize, messages);
    }

    /// A producer has sent so many messages.
    pub fn set_committed(&self, producer: u16, messages: u64) {
        self.note(PRODUCERS_AT + 2 * producer as usize + 1, messages);
    }

    pub fn tried(&self, producer: u16) -> u64 {
        self.load(PRODUCERS_AT + 2 * producer as usize)
    }

    pub fn committed(&self, producer: u16) -> u64 {
        self.load(PRODUCERS_AT + 2 * producer as usize + 1)
    }

    fn list_at(list: usize) -> usize {
        LISTS_AT + list * LIST
    }

    /// How many receipts a list has.
    pub fn count(&self, list: usize) -> usize {
        self.load(Journal::list_at(list)) as usize
    }

    /// How many messages were received by anybody, repetitions included.
    pub fn received(&self) -> usize {
        (0..LISTS).map(|list| self.count(list)).sum()
    }

    /// Is there little room left in some list?
    pub fn is_nearly_full(&self) -> bool {
        (0..LISTS).any(|list| self.count(list) > RECEIPTS - RECEIPTS / 8)
    }

    /// Appends a receipt; its number, to say later that the message was released.
    pub fn append(&self, list: usize, receipt: &Receipt) -> usize {
        let number = self.count(list);
        let at = Journal::list_at(list) + 1 + number * RECEIPT;
        let flags = u64::from(receipt.redelivered) | u64::from(receipt.whole) << 1;
        let identity = u64::from(receipt.producer) | flags << 16 | (receipt.length as u64) << 32;
        let words = [receipt.sequence, receipt.received, 0, identity];
        words.iter().enumerate().for_each(|(k, word)| self.note(at + k, *word));
        self.note(at + 4, receipt.head & 0xffff_ffff | u64::from(receipt.consumer) << 32);
        self.note(Journal::list_at(list), number as u64 + 1);
        number
    }

    /// Notes that a message was released.
    pub fn set_released(&self, list: usize, number: usize) {
        self.note(Journal::list_at(list) + 1 + number * RECEIPT + 2, now());
    }

    pub fn receipt(&self, list: usize, number: usize) -> Receipt {
        let at = Journal::list_at(list) + 1 + number * RECEIPT;
        let (identity, last) = (self.load(at + 3), self.load(at + 4));
        Receipt {
            sequence: self.load(at),
            received: self.load(at + 1),
            released: self.load(at + 2),
            producer: identity as u16,
            redelivered: identity >> 16 & 1 == 1,
            whole: identity >> 17 & 1 == 1,
            length: (identity >> 32) as usize,
            head: last & 0xffff_ffff,
            consumer: (last >> 32) as u32,
        }
    }
}
