//! The journal of a soak: memory of the test's, in which every process notes what it is about to do and has done.
//!
//! A note costs a store and no system call, and what a killed process had noted stays: see `queue_processes`.
//!
//! ```text
//! the stage, the last kill | for each place: what its processes count | for each stream: tried, sent, next | marks of the messages
//! ```
#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering, compiler_fence};

use memmap2::MmapRaw;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::time::{ClockId, clock_gettime};

use crate::figures::Waits;

/// Processes at a time: those that send, then those that receive.
const PLACES: usize = 4;
/// Streams of messages: one for each sender's ring, and one of the test's.
const STREAMS: usize = 7;
/// Messages of a stream.
const MOST: usize = 1 << 20;
/// Words of a place and of a stream, and where the parts begin, in words.
const PLACE: usize = 8;
const STREAM: usize = 4;
const PLACES_AT: usize = 8;
const STREAMS_AT: usize = PLACES_AT + PLACES * PLACE;
const WORDS: usize = STREAMS_AT + STREAMS * STREAM;

/// What is marked of a message.
const RECEIVED: u8 = 1;
const RELEASED: u8 = 2;
/// Its sender was killed, and may have sent it or not.
const DOUBTFUL: u8 = 4;

/// Nanoseconds on the monotonic clock, which is the same in every process.
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("a clock");
    time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64
}

/// What everybody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Sends and receives, and sleeps where there is nothing to do.
    Run,
    /// Nothing is sent: receivers sleep.
    Drought,
    /// Nobody sleeps.
    Awake,
    /// Receivers end once everything is received.
    Over,
}

/// The journal, mapped.
#[derive(Debug)]
pub struct Journal {
    map: MmapRaw,
    file: File,
}

impl Journal {
    pub fn create() -> Journal {
        let file: File = memfd_create("wakes", MFdFlags::MFD_CLOEXEC).expect("a memfd").into();
        file.set_len((8 * WORDS + STREAMS * MOST) as u64).expect("length");
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

    /// The marks of a message.
    fn marks(&self, stream: usize, number: u64) -> &AtomicU8 {
        assert!(stream < STREAMS && number < MOST as u64, "message {number} of stream {stream}");
        // SAFETY: within the mapping, as just checked.
        let marks = unsafe { self.map.as_ptr().add(8 * WORDS + stream * MOST + number as usize) };
        // SAFETY: the mapping lives as long as `self`, and its marks are used as atomics only.
        unsafe { &*marks.cast::<AtomicU8>() }
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
        [Stage::Run, Stage::Drought, Stage::Awake, Stage::Over][self.load(0) as usize]
    }

    pub fn set_stage(&self, stage: Stage) {
        self.note(0, stage as u64);
    }

    /// When somebody was killed last.
    pub fn killed(&self) -> u64 {
        self.load(1)
    }

    pub fn set_killed(&self) {
        self.note(1, now());
    }

    /// What the processes of a place have counted.
    pub fn waits(&self, place: usize) -> Waits {
        let at = PLACES_AT + place * PLACE;
        let [messages, sleeps, wakes, longest, after_kill, held_up] =
            [0, 1, 2, 3, 4, 5].map(|word| self.load(at + word));
        Waits { messages, sleeps, wakes, longest, after_kill, held_up }
    }

    pub fn set_waits(&self, place: usize, waits: &Waits) {
        let Waits { messages, sleeps, wakes, longest, after_kill, held_up } = *waits;
        let words = [messages, sleeps, wakes, longest, after_kill, held_up];
        let at = PLACES_AT + place * PLACE;
        words.into_iter().enumerate().for_each(|(word, value)| self.note(at + word, value));
    }

    fn stream_at(stream: usize) -> usize {
        STREAMS_AT + stream * STREAM
    }

    /// So many messages may have been sent after what the sender does next.
    pub fn set_tried(&self, stream: usize, messages: u64) {
        self.note(Journal::stream_at(stream), messages);
    }

    pub fn tried(&self, stream: usize) -> u64 {
        self.load(Journal::stream_at(stream))
    }

    pub fn set_sent(&self, stream: usize, messages: u64) {
        self.note(Journal::stream_at(stream) + 1, messages);
    }

    pub fn sent(&self, stream: usize) -> u64 {
        self.load(Journal::stream_at(stream) + 1)
    }

    /// The next message that is expected of a stream that has one receiver.
    pub fn next(&self, stream: usize) -> u64 {
        self.load(Journal::stream_at(stream) + 2)
    }

    pub fn set_next(&self, stream: usize, number: u64) {
        self.note(Journal::stream_at(stream) + 2, number);
    }

    /// A successor of a killed sender goes on behind what that one may have sent.
    pub fn succeed(&self, stream: usize) {
        let tried = self.tried(stream);
        for number in self.sent(stream)..tried {
            self.marks(stream, number).fetch_or(DOUBTFUL, Ordering::Relaxed);
        }
        self.set_sent(stream, tried);
    }

    /// Marks a message in hand. An error: it must not come again, or not so.
    pub fn receive(&self, stream: usize, number: u64, redelivered: bool) -> Result<(), String> {
        let before = self.marks(stream, number).fetch_or(RECEIVED, Ordering::Relaxed);
        let wrong = match (before & RECEIVED != 0, before & RELEASED != 0, redelivered) {
            (false, _, _) | (true, false, true) => return Ok(()),
            (true, true, _) => "it was released",
            (true, false, false) => "it has no mark",
        };
        Err(format!("message {number} of stream {stream} came again: {wrong}"))
    }

    pub fn release(&self, stream: usize, number: u64) {
        self.marks(stream, number).fetch_or(RELEASED, Ordering::Relaxed);
    }

    /// Messages of a stream that were sent and that nobody received.
    pub fn lost(&self, stream: usize) -> Vec<u64> {
        let is_lost =
            |number: &u64| self.marks(stream, *number).load(Ordering::Relaxed) & (RECEIVED | DOUBTFUL) == 0;
        (0..self.sent(stream)).filter(is_lost).collect()
    }
}
