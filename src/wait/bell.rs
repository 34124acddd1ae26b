//! The bell: a futex word that says whether somebody sleeps.
//!
//! ```text
//!  31                                          2   1   0
//! +--------------------------------------------+---+---+   S: somebody sleeps
//! |            how often it was rung           | F | S |   F: both sides run a full fence, since a participant
//! +--------------------------------------------+---+---+      joined that cannot use `membarrier`
//! ```
//!
//! # Why no wake-up is lost
//!
//! The sleeper sets S, runs the heavy fence, looks for its condition once more, and sleeps only while the word
//! is what it left. The waker makes the condition true, runs the light fence, and looks at S. By the fences
//! one of the two sees the other: either the sleeper's second look finds the condition true, or the waker
//! finds S set. A waker that finds S changes the word before it wakes, so a sleeper that has not reached the
//! kernel yet finds the word changed and does not sleep.
//!
//! S clears itself. A waker of all ([`ring`]) takes it away with the same store that changes the word. A waker of
//! some ([`ring_some`], where each message is for one sleeper) leaves it, since others may sleep on, and takes it
//! away when it found fewer than it wanted to wake; then it wakes whoever has fallen asleep in between, who would
//! otherwise sleep without S. A sleeper that died costs one wake-up that finds nobody. A waker that dies between its store and the wake-up leaves a
//! sleeper, whose sleep is bounded: it looks again after the liveness interval.
//!
//! | edge | from | to | carries |
//! |---|---|---|---|
//! | asleep | sleeper's S, then heavy fence, then its second look | waker's condition, then light fence, then its look at S | one of the two looks sees the other's store |

use core::time::Duration;

use crate::layout::bell::BellLine;
use crate::sync::{Fence, Ordering, Woken, heavy_fence, light_fence};

/// Somebody sleeps, or is about to.
const ASLEEP: u32 = 1;
/// Both sides run a full fence.
const FULL_FENCE: u32 = 2;
/// One ring of the bell.
const RING: u32 = 4;

/// Which fences the participants of this bell use.
pub(crate) fn fence_of(bell: &BellLine) -> Fence {
    fence_in(bell.word.load(Ordering::Relaxed))
}

fn fence_in(word: u32) -> Fence {
    if word & FULL_FENCE == 0 { Fence::Asymmetric } else { Fence::Symmetric }
}

/// Says that a participant joined that cannot use `membarrier`. Who rings at this very moment may still use the
/// light fence; the bounded wait covers that.
pub(crate) fn make_symmetric(bell: &BellLine) {
    bell.word.fetch_or(FULL_FENCE, Ordering::Relaxed);
}

/// Wakes whoever sleeps on a condition that the caller has just made true. `true`: somebody said that they
/// sleep. Without a sleeper: a load and no system call.
#[inline(always)]
pub(crate) fn ring(bell: &BellLine) -> bool {
    light_fence(Fence::Asymmetric);
    let word = bell.word.load(Ordering::Relaxed);
    word & (ASLEEP | FULL_FENCE) != 0 && wake(bell, word)
}

/// The bell's word, read again behind a full fence if that is how this bell's participants do it.
fn read_again(bell: &BellLine, word: u32) -> u32 {
    match fence_in(word) {
        Fence::Asymmetric => word,
        Fence::Symmetric => {
            light_fence(Fence::Symmetric);
            bell.word.load(Ordering::Relaxed)
        }
    }
}

#[cold]
#[inline(never)]
fn wake(bell: &BellLine, word: u32) -> bool {
    let mut word = read_again(bell, word);
    while word & ASLEEP != 0 {
        let rung = (word & !ASLEEP).wrapping_add(RING);
        match bell.word.compare_exchange(word, rung, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => {
                bell.word.wake(i32::MAX as u32);
                return true;
            }
            Err(now) => word = now,
        }
    }
    false
}

/// Wakes up to `count` of those who sleep on a condition that the caller has just made true for as many. `true`:
/// somebody said that they sleep. Without a sleeper: a load and no system call.
#[inline(always)]
pub(crate) fn ring_some(bell: &BellLine, count: u32) -> bool {
    light_fence(Fence::Asymmetric);
    let word = bell.word.load(Ordering::Relaxed);
    word & (ASLEEP | FULL_FENCE) != 0 && wake_some(bell, word, count)
}

#[cold]
#[inline(never)]
fn wake_some(bell: &BellLine, word: u32, count: u32) -> bool {
    let mut word = read_again(bell, word);
    while word & ASLEEP != 0 {
        let rung = word.wrapping_add(RING);
        match bell.word.compare_exchange(word, rung, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => {
                if bell.word.wake(count) < count {
                    clear(bell, rung);
                }
                return true;
            }
            Err(now) => word = now,
        }
    }
    false
}

/// Takes S away, since nobody was left to be woken. Whoever went to sleep in between is woken, to set it again.
fn clear(bell: &BellLine, rung: u32) {
    let cleared = (rung & !ASLEEP).wrapping_add(RING);
    if bell.word.compare_exchange(rung, cleared, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
        bell.word.wake(i32::MAX as u32);
    }
}

/// Says that the caller is about to sleep. After this it must look for its condition once more, and then either
/// go on or [`sleep`].
pub(crate) fn announce(bell: &BellLine) -> u32 {
    let word = bell.word.fetch_or(ASLEEP, Ordering::Relaxed) | ASLEEP;
    heavy_fence(fence_in(word));
    word
}

/// Sleeps until the bell is rung after `announced`, or until `deadline` on the monotonic clock.
pub(crate) fn sleep(bell: &BellLine, announced: u32, deadline: Duration) -> Woken {
    bell.word.sleep(announced, deadline)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_bell_without_a_sleeper_stays_as_it_is() {
        let bell = BellLine::default();
        assert!(!ring(&bell));
        assert_eq!(bell.word.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_dead_sleeper_costs_one_wake() {
        let bell = BellLine::default();
        announce(&bell);
        assert!(ring(&bell));
        assert!(!ring(&bell));
    }

    #[test]
    fn a_dead_sleeper_costs_a_waker_of_some_one_wake() {
        let bell = BellLine::default();
        announce(&bell);
        assert!(ring_some(&bell, 1));
        assert!(!ring_some(&bell, 1));
    }

    #[test]
    fn a_ring_between_announcement_and_sleep_is_not_slept_over() {
        let bell = BellLine::default();
        let announced = announce(&bell);
        assert!(ring(&bell));
        assert_eq!(sleep(&bell, announced, Duration::from_secs(u64::MAX / 4)), Woken::LookAgain);
    }

    #[test]
    fn a_sleep_ends_at_its_deadline() {
        let bell = BellLine::default();
        let announced = announce(&bell);
        assert_eq!(sleep(&bell, announced, crate::wait::now()), Woken::TimedOut);
    }
}
