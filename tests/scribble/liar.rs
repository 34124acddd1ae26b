//! The process that lies: in between it takes part as it should, so that there is something to lie about.
#![allow(unsafe_code)]

use std::fs::File;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::mman::{MapFlags, ProtFlags, mmap};

use crate::album::Album;
use crate::common::random::Random;
use crate::common::role::say;
use crate::ends::{End, Place, Play};
use crate::{Mode, halves};

/// Lies between two times that everything is as it was at first.
const RESTORED_EVERY: u64 = 512;
const PATH: &str = "/dev/shm/ringway.";
/// Words of the header, which is read by newcomers only.
const HEADER: usize = 512;
/// Words before payload, or some of it.
const CONTROL: usize = 768;

/// Lies until it is killed.
pub fn role(arguments: &[&str]) {
    let (mode, address) = (Mode::parse(arguments[0]), arguments[1]);
    if mode.is_untrusted() {
        return halves::lie(mode.other(), address);
    }
    let words = map(&format!("{PATH}{address}"));
    let sound: Vec<u64> = words.iter().map(|word| word.load(Ordering::Relaxed)).collect();
    let (place, mut play) = (Place::new(mode.other(), address), Play::new());
    let (mut peer, mut album) = (None, Album::new());
    say("lying");
    loop {
        for _ in 0..RESTORED_EVERY {
            if play.random.once_in(4) {
                take_part(&mut peer, &place, &mut play);
            }
            match play.random.below(16) {
                0 => album.take(words, HEADER..words.len(), &mut play.random),
                1 => album.take(words, HEADER..CONTROL, &mut play.random),
                2 | 3 => album.replay(words, &mut play.random, pause),
                _ => lie(words, &sound, &mut play.random),
            }
        }
        for (word, sound) in words.iter().zip(&sound) {
            word.store(*sound, Ordering::Relaxed);
        }
        // Its position is another now.
        peer = None;
        for _ in 0..play.random.below(64) {
            take_part(&mut peer, &place, &mut play);
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

/// For as long as a lie stands.
fn pause(random: &mut Random) {
    for _ in 0..random.below(256) {
        std::hint::spin_loop();
    }
}

/// One lie; most are taken back after a while, so that the rest goes on.
fn lie(words: &[AtomicU64], sound: &[u64], random: &mut Random) {
    // Most of it is payload: what is in front is worth more lies.
    let end = if random.once_in(2) { CONTROL } else { words.len() };
    let some = if random.once_in(64) { 0..HEADER } else { HEADER..end };
    let at = some.start + random.below(some.len() as u64) as usize;
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
    pause(random);
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
fn take_part(peer: &mut Option<Box<dyn End>>, place: &Place, play: &mut Play) {
    match peer {
        Some(end) if !play.random.once_in(64) => {
            end.operate(play);
        }
        _ if play.random.once_in(16) => {
            *peer = None;
            *peer = place.attach(false, &mut play.random).ok();
        }
        _ => {}
    }
}
