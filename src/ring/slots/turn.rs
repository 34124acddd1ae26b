//! Turns: how a message of many slots comes through where small ones keep the ring full.
//!
//! A claim of several slots needs them free in a row, and producers of small messages take each as it becomes free.
//! So a producer that is blocked with a large message takes the *turn*: a word that asks other producers to claim
//! nothing for a while. They comply once, for as long as the turn says, and then ignore it; if that was too short, the
//! blocked one asks again, for twice as long. So a stopped or dead one costs the others one such while and no more.
//!
//! The turn is a courtesy: nothing but who comes first depends on it, so its accesses carry nothing.
//!
//! ```text
//!  63                              16 15    10 9        0
//! +----------------------------------+--------+----------+
//! |              serial              | length |  owner   |   owner 0: nobody's turn
//! +----------------------------------+--------+----------+
//! ```

use core::time::Duration;

use super::{Core, Producer};
use crate::sync::Ordering;

const OWNER_BITS: u32 = 10;
const LENGTH_BITS: u32 = 6;
const SERIAL: u64 = 1 << (OWNER_BITS + LENGTH_BITS);

/// The shortest turn; the others are this times a power of two.
const SHORTEST: Duration = Duration::from_millis(1);
/// The longest turn is the shortest times 2 to this power.
const LENGTH_MAX: u64 = 10;

/// A turn: who has it, and for how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turn(u64);

impl Turn {
    #[inline(always)]
    fn owner(self) -> u32 {
        (self.0 & ((1 << OWNER_BITS) - 1)) as u32
    }

    fn length(self) -> u64 {
        (self.0 >> OWNER_BITS & ((1 << LENGTH_BITS) - 1)).min(LENGTH_MAX)
    }

    /// For how long others are asked to claim nothing.
    pub(crate) fn lasts(self) -> Duration {
        SHORTEST * (1 << self.length())
    }

    /// Nobody's turn. The serial stays, so that the next turn is not taken for one that was honoured.
    fn nobodys(self) -> Turn {
        Turn(self.0 & !(SERIAL - 1))
    }

    /// The next turn of `owner`: longer, if this one was its own.
    fn next(self, owner: u32) -> Turn {
        let length = if self.owner() == owner { (self.length() + 1).min(LENGTH_MAX) } else { 0 };
        let serial = (self.0 & !(SERIAL - 1)).wrapping_add(SERIAL);
        Turn(serial | length << OWNER_BITS | u64::from(owner))
    }
}

impl Producer {
    #[inline(always)]
    pub(super) fn turn_now(&self) -> Turn {
        self.core.turn()
    }

    /// Whether it is somebody else's turn, which this producer has not honoured yet.
    #[inline(always)]
    pub(super) fn must_yield(&self) -> bool {
        let turn = self.turn_now();
        turn != self.honoured && self.is_foreign(turn)
    }

    fn is_foreign(&self, turn: Turn) -> bool {
        turn != self.honoured && turn.owner() != 0 && turn.owner() != self.core.me
    }

    /// The turn that this producer has to honour.
    pub(crate) fn turn(&self) -> Option<Turn> {
        Some(self.turn_now()).filter(|turn| self.is_foreign(*turn))
    }

    /// Remembers that it is nobody's turn, so that the short way need not look closer.
    pub(super) fn note_turn(&mut self) {
        let turn = self.turn_now();
        if turn.owner() == 0 {
            self.honoured = turn;
        }
    }

    /// This producer has honoured `turn`, and goes on.
    pub(crate) fn honour(&mut self, turn: Turn) {
        self.honoured = turn;
    }

    /// Does a message of `len` bytes take several slots?
    pub(crate) fn takes_several(&self, len: u64) -> bool {
        self.span(len).is_ok_and(|span| span > 1)
    }

    /// Asks for the turn. `None`: another has it.
    pub(crate) fn ask_for_turn(&mut self) -> Option<Turn> {
        let turn = self.turn_now();
        if self.is_foreign(turn) {
            return None;
        }
        let next = turn.next(self.core.me);
        let asked = self.replace_turn(turn, next);
        self.asked |= asked;
        asked.then_some(next)
    }

    /// Gives the turn back, if this producer has it. `true`: others may go on.
    pub(crate) fn end_turn(&mut self) -> bool {
        if !std::mem::take(&mut self.asked) {
            return false;
        }
        let turn = self.turn_now();
        turn.owner() == self.core.me && self.replace_turn(turn, turn.nobodys())
    }

    fn replace_turn(&self, seen: Turn, turn: Turn) -> bool {
        self.core.replace_turn(seen, turn)
    }
}

impl Core {
    #[inline(always)]
    fn turn(&self) -> Turn {
        Turn(self.control.data.turn.load(Ordering::Relaxed))
    }

    fn replace_turn(&self, seen: Turn, turn: Turn) -> bool {
        let word = &self.control.data.turn;
        word.compare_exchange(seen.0, turn.0, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Takes back the turn of a producer that is dead.
    pub(super) fn end_turn_of(&self, owner: u32) {
        let turn = self.turn();
        if turn.owner() == owner {
            self.replace_turn(turn, turn.nobodys());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_again_asks_for_longer() {
        let mut turn = Turn(0).next(7);
        assert_eq!((turn.owner(), turn.lasts()), (7, SHORTEST));
        for _ in 0..20 {
            let before = turn;
            turn = turn.next(7);
            assert!(turn != before && turn.lasts() >= before.lasts());
        }
        assert_eq!(turn.lasts(), SHORTEST * 1024);
        let next = turn.nobodys().next(7);
        assert!(turn.nobodys().owner() == 0 && next != turn && next.lasts() == SHORTEST);
        assert_eq!((turn.next(8).owner(), turn.next(8).lasts()), (8, SHORTEST));
    }
}
