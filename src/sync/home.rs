//! Which process a handle belongs to: the one that made it, not a forked child of it.

use super::{LocalU32, Ordering};

/// The process in which a handle was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Home {
    word: &'static LocalU32,
    generation: u32,
}

impl Home {
    /// The process whose generation `word` holds now. A forked child must find another value there.
    pub(crate) fn of(word: &'static LocalU32) -> Home {
        Home { word, generation: word.load(Ordering::Relaxed) }
    }

    /// Is this still the process in which the handle was made?
    #[inline(always)]
    pub(crate) fn is_here(self) -> bool {
        self.word.load(Ordering::Relaxed) == self.generation
    }
}

impl PartialEq for Home {
    fn eq(&self, other: &Home) -> bool {
        core::ptr::eq(self.word, other.word) && self.generation == other.generation
    }
}
