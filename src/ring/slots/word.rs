//! The slot word: what a slot is at this moment, in 64 bits.
//!
//! ```text
//!  63            25 24        13 12       3 2     0
//! +----------------+------------+----------+-------+
//! |      lap       |    span    |  owner   | state |
//! +----------------+------------+----------+-------+
//! ```
//!
//! The zero word is a free slot of lap 0, so a zeroed segment is an empty ring. Laps are compared by equality and
//! by distance on the circle of 2^39, never by size.

/// Bits of the owner field: 0 is nobody.
const OWNER_BITS: u32 = 10;
const SPAN_BITS: u32 = 12;
const LAP_BITS: u32 = 39;

const OWNER_SHIFT: u32 = 3;
const SPAN_SHIFT: u32 = OWNER_SHIFT + OWNER_BITS;
const LAP_SHIFT: u32 = SPAN_SHIFT + SPAN_BITS;

const STATE_MASK: u64 = (1 << OWNER_SHIFT) - 1;
const OWNER_MASK: u64 = (1 << OWNER_BITS) - 1;
const SPAN_MASK: u64 = (1 << SPAN_BITS) - 1;
/// The circle of laps.
pub(crate) const LAP_MASK: u64 = (1 << LAP_BITS) - 1;

static_assertions::const_assert!(LAP_SHIFT + LAP_BITS == 64);
static_assertions::const_assert!(SPAN_MASK == crate::layout::mpmc::SPAN_MAX);
static_assertions::const_assert!(2 * crate::layout::mpmc::PLACES_MAX as u64 <= OWNER_MASK);

/// What a slot can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nobody's; its lap says whose turn it is.
    Free,
    /// Claimed by a producer.
    Writing,
    /// Committed.
    Ready,
    /// Taken by a consumer.
    Reading,
    /// On its way to be free.
    Releasing,
    /// A tombstone, to be passed over: aborted, padding, or a dead producer's.
    Aborted,
}

/// A slot word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) u64);

impl Word {
    #[inline(always)]
    fn new(state: State, lap: u64, span: u64, owner: u32) -> Word {
        let owner = u64::from(owner) << OWNER_SHIFT;
        Word(state as u64 | owner | span << SPAN_SHIFT | lap << LAP_SHIFT)
    }

    /// A word that no slot ever has.
    pub(crate) const NEVER: Word = Word(u64::MAX);

    #[inline(always)]
    pub(crate) fn free(lap: u64) -> Word {
        Word::new(State::Free, lap, 0, 0)
    }

    #[inline(always)]
    pub(crate) fn writing(lap: u64, span: u64, owner: u32) -> Word {
        Word::new(State::Writing, lap, span, owner)
    }

    #[inline(always)]
    pub(crate) fn ready(lap: u64, span: u64) -> Word {
        Word::new(State::Ready, lap, span, 0)
    }

    #[inline(always)]
    pub(crate) fn reading(lap: u64, span: u64, owner: u32) -> Word {
        Word::new(State::Reading, lap, span, owner)
    }

    #[inline(always)]
    pub(crate) fn releasing(lap: u64, span: u64, owner: u32) -> Word {
        Word::new(State::Releasing, lap, span, owner)
    }

    #[inline(always)]
    pub(crate) fn aborted(lap: u64, span: u64) -> Word {
        Word::new(State::Aborted, lap, span, 0)
    }

    /// This free word, with what `other`, of lap 0, says beside the lap.
    #[inline(always)]
    pub(crate) fn becomes(self, other: Word) -> Word {
        Word(self.0 | other.0)
    }

    /// This ready word with the owner and state of `taken`, a reading word of lap 0 and as many slots.
    #[inline(always)]
    pub(crate) fn taken(self, taken: Word) -> Word {
        Word(self.0 & !STATE_MASK | taken.0)
    }

    /// What the release of the slot makes of this word.
    #[inline(always)]
    pub(crate) fn next_free(self) -> Word {
        Word::free(self.lap() + 1)
    }

    /// `None`: this protocol writes no such state.
    #[inline(always)]
    pub(crate) fn state(self) -> Option<State> {
        match self.0 & STATE_MASK {
            0 => Some(State::Free),
            1 => Some(State::Writing),
            2 => Some(State::Ready),
            3 => Some(State::Reading),
            4 => Some(State::Releasing),
            5 => Some(State::Aborted),
            _ => None,
        }
    }

    #[inline(always)]
    pub(crate) fn owner(self) -> u32 {
        (self.0 >> OWNER_SHIFT & OWNER_MASK) as u32
    }

    #[inline(always)]
    pub(crate) fn span(self) -> u64 {
        self.0 >> SPAN_SHIFT & SPAN_MASK
    }

    /// How many slots the word stands for: its span, or itself.
    pub(crate) fn slots(self) -> u64 {
        if self.state() == Some(State::Free) { 1 } else { self.span().max(1) }
    }

    #[inline(always)]
    pub(crate) fn lap(self) -> u64 {
        self.0 >> LAP_SHIFT
    }

    /// By how many laps this word is ahead of lap `lap`, on the circle: 0, the same; `LAP_MASK`, one behind.
    #[inline(always)]
    pub(crate) fn laps_ahead(self, lap: u64) -> u64 {
        self.lap().wrapping_sub(lap) & LAP_MASK
    }

    /// Does somebody hold the slot, a claim or a message?
    pub(crate) fn is_held(self) -> bool {
        matches!(self.state(), Some(State::Writing | State::Reading | State::Releasing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_gives_back_what_it_was_made_of() {
        let word = Word::reading(LAP_MASK, SPAN_MASK, OWNER_MASK as u32);
        assert_eq!(word.state(), Some(State::Reading));
        assert_eq!((word.lap(), word.span(), u64::from(word.owner())), (LAP_MASK, SPAN_MASK, OWNER_MASK));
        assert_eq!(word.0, u64::MAX - STATE_MASK + State::Reading as u64);
        assert_eq!(Word(6).state(), None);
        assert_eq!(Word::free(0).0, 0);
    }

    #[test]
    fn a_lap_too_long_for_the_word_is_cut() {
        assert_eq!(Word::free(LAP_MASK + 3), Word::free(2));
    }

    #[test]
    fn laps_are_compared_on_the_circle() {
        assert_eq!(Word::free(7).laps_ahead(7), 0);
        assert_eq!(Word::free(7).laps_ahead(8), LAP_MASK);
        assert_eq!(Word::free(0).laps_ahead(LAP_MASK), 1);
    }
}
