//! What lines and pages held some time ago, to be put back as a whole: words that once belonged together.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::common::random::Random;

/// Words of a cache line, of the line that two cores contend for, and of a page.
const SPANS: [usize; 3] = [8, 16, 512];
/// Pictures that are kept.
const PICTURES: usize = 64;

/// Pictures of memory, the oldest of which are replaced.
pub struct Album {
    pictures: Vec<Picture>,
    next: usize,
}

struct Picture {
    at: usize,
    words: Vec<u64>,
}

impl Picture {
    /// Of a line or page within `range`.
    fn take(memory: &[AtomicU64], range: Range<usize>, random: &mut Random) -> Picture {
        let span = SPANS[random.below(SPANS.len() as u64) as usize].min(range.len());
        let places = range.len() / span;
        let at = range.start + span * random.below(places as u64) as usize;
        let words = memory[at..at + span].iter().map(|word| word.load(Ordering::Relaxed)).collect();
        Picture { at, words }
    }

    fn put_back(&self, memory: &[AtomicU64]) {
        for (word, value) in memory[self.at..].iter().zip(&self.words) {
            word.store(*value, Ordering::Relaxed);
        }
    }
}

impl Album {
    pub fn new() -> Album {
        Album { pictures: Vec::new(), next: 0 }
    }

    /// Takes a picture of something within `range`.
    pub fn take(&mut self, memory: &[AtomicU64], range: Range<usize>, random: &mut Random) {
        let picture = Picture::take(memory, range, random);
        if self.pictures.len() < PICTURES {
            self.pictures.push(picture);
        } else {
            self.pictures[self.next % PICTURES] = picture;
        }
        self.next += 1;
    }

    /// Puts one back; after `a_while` mostly what was there before.
    pub fn replay(&self, memory: &[AtomicU64], random: &mut Random, a_while: impl FnOnce(&mut Random)) {
        let Some(at) = self.pictures.len().checked_sub(1).map(|last| random.between(0, last as u64)) else {
            return;
        };
        let picture = &self.pictures[at as usize];
        let words = &memory[picture.at..picture.at + picture.words.len()];
        let before = words.iter().map(|word| word.load(Ordering::Relaxed)).collect();
        let before = Picture { at: picture.at, words: before };
        picture.put_back(memory);
        a_while(random);
        if !random.once_in(16) {
            before.put_back(memory);
        }
    }
}
