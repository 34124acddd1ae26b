//! The slot word: who holds a span of slots, what for, and in which lap.
//!
//! From low to high: phase 3, owner 3 (0: nobody), span 3, lap 7. The model's word carries the lap in full; the
//! processes of the model only ever see its low bits (see [`Word::seen`]), as those of the ring do. So a confusion of
//! laps can happen, and the properties notice it.

/// What a span is being used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nobody's; may be claimed.
    Free,
    /// Claimed by a producer that fills it.
    Writing,
    /// Committed; may be taken.
    Ready,
    /// Taken by a consumer that reads it.
    Reading,
    /// On its way back to `Free`.
    Releasing,
    /// Holds no message: aborted, a pad, or what a batch did not need.
    Aborted,
}

const PHASES: [Phase; 6] =
    [Phase::Free, Phase::Writing, Phase::Ready, Phase::Reading, Phase::Releasing, Phase::Aborted];

const OWNER: u32 = 3;
const SPAN: u32 = 6;
const LAP: u32 = 9;
const FIELD: u16 = 7;

/// Laps that a word can carry in full.
pub const LAPS: u8 = 127;

/// One slot's word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Word(u16);

impl Word {
    /// A word with all of its fields.
    pub fn new(phase: Phase, owner: u8, span: u8, lap: u8) -> Word {
        debug_assert!(u16::from(owner) <= FIELD && u16::from(span) <= FIELD && lap <= LAPS, "fits its field");
        Word(phase as u16 | u16::from(owner) << OWNER | u16::from(span) << SPAN | u16::from(lap) << LAP)
    }

    /// The word of a free slot.
    pub fn free(lap: u8) -> Word {
        Word::new(Phase::Free, 0, 0, lap)
    }

    /// What the span is used for.
    pub fn phase(self) -> Phase {
        PHASES[usize::from(self.0 & FIELD)]
    }

    /// Who holds the span; 0: nobody.
    pub fn owner(self) -> u8 {
        (self.0 >> OWNER & FIELD) as u8
    }

    /// Slots of the span; 0 in a free word.
    pub fn span(self) -> u8 {
        (self.0 >> SPAN & FIELD) as u8
    }

    /// The lap in full, which only the properties may look at, and those who write a word next to this one.
    pub fn lap(self) -> u8 {
        (self.0 >> LAP) as u8
    }

    /// What a process can tell of the word when its lap field has `bits` bits: what a CAS compares.
    pub fn seen(self, bits: u8) -> u16 {
        let lap = self.0 >> LAP & ((1 << bits) - 1);
        self.0 & ((1 << LAP) - 1) | lap << LAP
    }

    /// How many laps the word is ahead of `lap`, as far as `bits` bits can tell: from 0 to 2^bits − 1.
    pub fn ahead(self, lap: u8, bits: u8) -> u8 {
        self.lap().wrapping_sub(lap) & ((1 << bits) - 1)
    }

    /// The word as two bytes.
    pub fn to_bytes(self) -> [u8; 2] {
        self.0.to_le_bytes()
    }

    /// The inverse of [`Word::to_bytes`].
    pub fn from_bytes(bytes: [u8; 2]) -> Word {
        Word(u16::from_le_bytes(bytes))
    }
}

impl std::fmt::Display for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}({}", self.phase(), self.lap())?;
        if self.span() > 0 {
            write!(f, ", {}", self.span())?;
        }
        if self.owner() > 0 {
            write!(f, ", {}", self.owner())?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_keeps_to_itself() {
        for phase in PHASES {
            let word = Word::new(phase, 7, 0, LAPS);
            assert_eq!((word.phase(), word.owner(), word.span(), word.lap()), (phase, 7, 0, LAPS));
            let word = Word::new(phase, 0, 7, 0);
            assert_eq!((word.phase(), word.owner(), word.span(), word.lap()), (phase, 0, 7, 0));
            assert!(word == Word::from_bytes(word.to_bytes()));
        }
    }

    #[test]
    fn a_process_sees_the_low_bits_of_the_lap() {
        let (word, later) = (Word::free(6), Word::free(14));
        assert!(word.seen(3) == later.seen(3) && word.seen(4) != later.seen(4));
        assert_eq!((word.ahead(6, 3), word.ahead(7, 3), word.ahead(0, 3), later.ahead(6, 3)), (0, 7, 6, 0));
    }
}
