//! How long `Wait::Adaptive` spins before it sleeps, learned from recent waits.
//!
//! Spinning pays when what is waited for comes sooner than a sleep and a wake-up take, which is what the bound is. So the
//! budget moves towards twice the length of a wait that was shorter than the bound, and towards a sixteenth of the bound
//! when waits are longer, since then all of it is spent in vain. A wait that slept does not tell how short it could have
//! been: every sixteenth spins for all of the bound. (The rule of two is that of ski rental and of adaptive mutexes:
//! Karlin et al., "Empirical studies of competitive spinning for a shared-memory multiprocessor", 1991.)

use core::cell::Cell;
use core::time::Duration;

/// The bound is so many times the least budget.
const RANGE: u32 = 16;
/// Every so many waits one spins for all of the bound.
const PROBE: u32 = 16;
/// A wait moves the budget by one part of so many.
const WEIGHT: u32 = 4;

/// How long to spin.
#[derive(Debug)]
pub(crate) struct Budget {
    most: Duration,
    learned: Cell<Duration>,
    waits: Cell<u32>,
}

impl Budget {
    /// A budget of at most so much, which is also what it begins with.
    pub(crate) fn new(most: Duration) -> Budget {
        Budget { most, learned: Cell::new(most), waits: Cell::new(0) }
    }

    /// How long the next wait is to spin.
    pub(crate) fn next(&self) -> Duration {
        let waits = self.waits.get().wrapping_add(1);
        self.waits.set(waits);
        if waits.is_multiple_of(PROBE) { self.most } else { self.learned.get() }
    }

    /// Notes how long a wait took.
    pub(crate) fn note(&self, took: Duration) {
        let least = self.most / RANGE;
        let aim = if took <= self.most { (took * 2).clamp(least, self.most) } else { least };
        self.learned.set((self.learned.get() * (WEIGHT - 1) + aim) / WEIGHT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: Duration = Duration::from_micros(32);

    fn after(waits: u32, took: Duration) -> Duration {
        let budget = Budget::new(MOST);
        (0..waits).for_each(|_| budget.note(took));
        budget.learned.get()
    }

    /// The budget comes nearer and nearer, and stays a few nanoseconds away.
    #[track_caller]
    fn assert_about(found: Duration, expected: Duration) {
        assert!(found.abs_diff(expected) < Duration::from_nanos(10), "{found:?}, expected {expected:?}");
    }

    #[test]
    fn long_waits_are_not_spun_for_and_short_ones_are() {
        assert_eq!(after(0, MOST), MOST);
        assert_about(after(100, MOST * 100), MOST / RANGE);
        assert_about(after(100, Duration::from_micros(4)), Duration::from_micros(8));
        assert_about(after(100, Duration::ZERO), MOST / RANGE);
        assert_about(after(100, MOST), MOST);
    }

    #[test]
    fn it_comes_back_when_waits_become_short() {
        let budget = Budget::new(MOST);
        (0..100).for_each(|_| budget.note(MOST * 2));
        let probes = (0..PROBE * 8).filter(|_| budget.next() == MOST);
        assert_eq!(probes.count(), 8);
        (0..100).for_each(|_| budget.note(MOST / 2));
        assert_about(budget.next(), MOST);
    }

    #[test]
    fn without_a_bound_nothing_is_spun() {
        let budget = Budget::new(Duration::ZERO);
        budget.note(Duration::from_micros(1));
        assert_eq!(budget.next(), Duration::ZERO);
    }
}
