//! Repair: what a dead participant left is finished by whoever takes its lease.
//!
//! A lease proves death and excludes everybody else, other repairers and a successor with the same id, until it is
//! given back. Nothing is ever decided from a word that was read before. A repairer that dies in the middle leaves
//! words that name the dead one, or itself; its locks go with it.

use super::word::{State, Word};
use super::{Core, Span};
use crate::error::Corrupt;
use crate::seq::Seq;

/// The leases of the ring's participants.
pub(crate) trait Leases {
    /// Takes the lease of participant `id`, which is then proved dead; never the caller's own.
    fn try_take(&self, id: u32) -> bool;
    /// Gives it back. `repaired`: nothing of what that participant left is to be repaired any more.
    fn give_back(&self, id: u32, repaired: bool);
}

/// As whom a participant repairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum As {
    /// A producer, who leaves dead consumers' messages to consumers.
    Producer,
    /// A consumer, who takes one dead consumer's messages over and leaves those of others to other consumers. `near`: a position less than half the numbers' circle
    /// from the ring's, to tell the whole lap from the part in a word.
    Adopter { near: Seq },
    /// A consumer of a ring that delivers at most once: it drops them.
    Dropper { near: Seq },
}

/// What a repair did.
#[derive(Debug, Default)]
pub(super) struct Repaired {
    /// Claims that became tombstones.
    pub(super) tombstones: u64,
    /// Messages that are now the repairer's.
    pub(super) adopted: Vec<Span>,
    /// Messages that were dropped.
    pub(super) dropped: u64,
    /// Slots were freed.
    pub(super) freed: bool,
    /// From whom they are.
    adopted_from: u32,
    /// Whose messages were left to other consumers.
    left: Owners,
    /// What ended the repair early.
    pub(super) corrupt: Option<Corrupt>,
}

impl Repaired {
    pub(super) fn anything(&self) -> bool {
        self.tombstones > 0 || !self.adopted.is_empty() || self.freed
    }
}

/// A set of owners.
#[derive(Clone, Copy, Debug, Default)]
struct Owners([u64; 16]);

impl Owners {
    fn insert(&mut self, owner: u32) {
        self.0[(owner / 64) as usize & 15] |= 1 << (owner % 64);
    }

    fn contains(&self, owner: u32) -> bool {
        self.0[(owner / 64) as usize & 15] & 1 << (owner % 64) != 0
    }

    fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0..16 * 64).filter(|owner| self.contains(*owner))
    }

    fn is_empty(&self) -> bool {
        self.0 == [0; 16]
    }
}

/// Looks at every slot, takes the leases of owners that are dead, and repairs everything that they hold.
/// `suspects`: participants whose leases are tried, too, though no slot names them.
pub(super) fn sweep(
    core: &Core,
    leases: &impl Leases,
    suspects: &[u32],
    repairer: As,
) -> Result<Repaired, Corrupt> {
    let mut candidates = owners(core, repairer)?;
    suspects.iter().for_each(|id| candidates.insert(id + 1));
    let mut dead = Owners::default();
    for owner in candidates.iter() {
        if leases.try_take(owner - 1) {
            dead.insert(owner);
        }
    }
    if dead.is_empty() {
        return Ok(Repaired::default());
    }
    let repaired = repair(core, dead, repairer);
    for owner in dead.iter() {
        core.end_turn_of(owner);
        let all = repaired.corrupt.is_none() && !repaired.left.contains(owner);
        leases.give_back(owner - 1, all);
    }
    Ok(repaired)
}

/// Whoever else holds a slot now, and something that `repairer` may repair.
fn owners(core: &Core, repairer: As) -> Result<Owners, Corrupt> {
    let mut owners = Owners::default();
    for index in 0..core.sizes.slots {
        let word = core.load(Seq(index));
        let others = word.is_held() && word.owner() != core.me;
        if others && !(repairer == As::Producer && word.state() == Some(State::Reading)) {
            core.check_owner(word.owner())?;
            owners.insert(word.owner());
        }
    }
    Ok(owners)
}

/// What an earlier consumer with the caller's id left, whose lease the caller has.
pub(super) fn own_of_consumer(core: &Core, repairer: As) -> Repaired {
    let mut own = Owners::default();
    own.insert(core.me);
    repair(core, own, repairer)
}

/// Repairs everything that `dead` owners hold, up to the first word that no protocol writes. The caller has their
/// leases.
fn repair(core: &Core, dead: Owners, repairer: As) -> Repaired {
    let mut repaired = Repaired::default();
    for index in 0..core.sizes.slots {
        let word = core.load(Seq(index));
        if word.is_held()
            && dead.contains(word.owner())
            && let Err(corrupt) = core.repair_slot(index, word, repairer, &mut repaired)
        {
            repaired.corrupt = Some(corrupt);
            break;
        }
    }
    // In the order in which they were sent.
    repaired.adopted.sort_by_key(|span| span.at.0);
    repaired
}

impl Core {
    fn repair_slot(
        &self,
        index: u64,
        word: Word,
        repairer: As,
        repaired: &mut Repaired,
    ) -> Result<(), Corrupt> {
        let (near, adopts) = match repairer {
            As::Producer => (Seq(0), false),
            As::Adopter { near } => (near, true),
            As::Dropper { near } => (near, false),
        };
        let at = self.position(index, word, near);
        self.look_now(at, word)?;
        let span = Span { at, slots: word.span() };
        let lap = word.lap();
        match word.state() {
            Some(State::Writing) => {
                self.store(at, Word::aborted(lap, span.slots));
                repaired.tombstones += 1;
            }
            Some(State::Releasing) => {
                self.stamp(span);
                repaired.freed = true;
            }
            Some(State::Reading) if adopts && [0, word.owner()].contains(&repaired.adopted_from) => {
                repaired.adopted_from = word.owner();
                self.store(at, Word::reading(lap, span.slots, self.me));
                repaired.adopted.push(span);
            }
            Some(State::Reading) if !adopts && repairer != As::Producer => {
                self.store(at, Word::releasing(lap, span.slots, word.owner()));
                self.stamp(span);
                repaired.dropped += 1;
                repaired.freed = true;
            }
            Some(State::Reading) => repaired.left.insert(word.owner()),
            _ => {}
        }
        Ok(())
    }

    /// The position of a word at `index`: its lap has fewer bits than a position's, the others are those of `near`.
    fn position(&self, index: u64, word: Word, near: Seq) -> Seq {
        let lap = self.lap(near);
        let ahead = word.laps_ahead(lap);
        let circle = super::LAP_MASK + 1;
        let whole =
            if ahead < circle / 2 { lap.wrapping_add(ahead) } else { lap.wrapping_sub(circle - ahead) };
        Seq(whole << self.shift | index)
    }

    /// Aborts what an earlier producer with the caller's id had claimed; how much that was.
    pub(super) fn abort_own(&self) -> Result<u64, Corrupt> {
        let mut own = Owners::default();
        own.insert(self.me);
        let repaired = repair(self, own, As::Producer);
        repaired.corrupt.map_or(Ok(repaired.tombstones), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_a_set() {
        let mut owners = Owners::default();
        assert!(owners.is_empty());
        for owner in [1, 63, 64, 1022] {
            owners.insert(owner);
        }
        assert_eq!(owners.iter().collect::<Vec<_>>(), [1, 63, 64, 1022]);
        assert!(!owners.contains(2));
    }
}
