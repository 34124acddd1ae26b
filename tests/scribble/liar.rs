//! The process that lies: in between it takes part as it should, so that there is something to lie about.
#![allow(unsafe_code)]

use std::fs::File;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use ringway::{mpmc, spsc};

use crate::Mode;
use crate::common::random::Random;
use crate::common::role::say;
use crate::victim::{mpmc_options, spsc_options};

/// Lies between two times that everything is as it was at first.
const RESTORED_EVERY: u64 = 512;
const PATH: &str = "/dev/shm/ringway.";

/// The victim's peer.
enum Peer {
    SpscProducer(spsc::Producer),
    SpscConsumer(spsc::Consumer),
    MpmcProducer(mpmc::Producer),
    MpmcConsumer(mpmc::Consumer),
}

/// Lies until it is killed.
pub fn role(arguments: &[&str]) {
    let (mode, name) = (Mode::parse(arguments[0]), arguments[1]);
    let words = map(&format!("{PATH}{name}"));
    let sound: Vec<u64> = words.iter().map(|word| word.load(Ordering::Relaxed)).collect();
    let mut random = Random::any();
    let mut peer = None;
    say("lying");
    loop {
        for _ in 0..RESTORED_EVERY {
            if random.once_in(4) {
                take_part(&mut peer, mode, name, &mut random);
            }
            lie(words, &sound, &mut random);
        }
        for (word, sound) in words.iter().zip(&sound) {
            word.store(*sound, Ordering::Relaxed);
        }
        // Its position is another now.
        peer = None;
        for _ in 0..random.below(64) {
            take_part(&mut peer, mode, name, &mut random);
        }
    }
}

fn map(path: &str) -> &'static [AtomicU64] {
    let file = File::options().read(true).write(true).open(path).expect("the ring's file");
    let len = file.metadata().expect("a length").len() as usize;
    let size = NonZeroUsize::new(len).expect("a ring");
    // SAFETY: a new mapping, which stays until the process ends.
    let memory = unsafe {
        mmap(None, size, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED, &file, 0)
    };
    let start = memory.expect("a mapping").cast::<AtomicU64>();
    // SAFETY: so many words are mapped, at a page, for ever, and everybody uses them as atomics or copies bytes.
    unsafe { std::slice::from_raw_parts(start.as_ptr(), len / 8) }
}

/// One lie; most are taken back after a while, so that the rest goes on.
fn lie(words: &[AtomicU64], sound: &[u64], random: &mut Random) {
    // Most of it is payload: what is in front is worth more lies.
    let some = if random.once_in(2) { 768 } else { words.len() as u64 };
    // The header is read by newcomers only; without one there are none.
    let at = if random.once_in(64) { random.below(512) } else { 512 + random.below(some - 512) } as usize;
    let before = words[at].load(Ordering::Relaxed);
    let lie = match random.below(8) {
        0 => random.next(),
        1 | 2 => before ^ 1 << random.below(64),
        3 => before.wrapping_add(random.below(33)).wrapping_sub(16),
        4 => sound[at],
        5 => words[random.below(words.len() as u64) as usize].load(Ordering::Relaxed),
        6 => slot_word(random),
        _ => random.below(4097) | random.below(6) << 48,
    };
    words[at].store(lie, Ordering::Relaxed);
    for _ in 0..random.below(256) {
        std::hint::spin_loop();
    }
    if !random.once_in(16) {
        words[at].store(before, Ordering::Relaxed);
    }
}

/// A word such as slots have.
fn slot_word(random: &mut Random) -> u64 {
    let span = if random.once_in(4) { random.below(4096) } else { random.below(66) };
    random.below(8) | random.below(6) << 3 | span << 13 | random.below(3) << 25
}

/// The peer does a thing or two; whatever comes of it.
fn take_part(peer: &mut Option<Peer>, mode: Mode, name: &str, random: &mut Random) {
    let len = random.below(100) as usize;
    let refused = match peer {
        Some(Peer::SpscProducer(tx)) => tx.try_send(&[6; 100][..len]).is_err(),
        Some(Peer::SpscConsumer(rx)) => rx.try_recv().is_err(),
        Some(Peer::MpmcProducer(tx)) => tx.try_send(&[6; 100][..len]).is_err(),
        Some(Peer::MpmcConsumer(rx)) => rx.try_recv().is_err(),
        None => true,
    };
    if refused && random.once_in(16) {
        *peer = None;
        *peer = attach(mode, name);
    }
}

fn attach(mode: Mode, name: &str) -> Option<Peer> {
    match (mode.is_mpmc(), mode.is_producer()) {
        (false, true) => spsc_options().create(false).consumer(name).ok().map(Peer::SpscConsumer),
        (false, false) => spsc_options().create(false).producer(name).ok().map(Peer::SpscProducer),
        (true, true) => mpmc_options().create(false).consumer(name).ok().map(Peer::MpmcConsumer),
        (true, false) => mpmc_options().create(false).producer(name).ok().map(Peer::MpmcProducer),
    }
}
