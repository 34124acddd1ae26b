//! The bell: a word that says whether somebody sleeps, and how to wake them.
//!
//! ```text
//!  31                                      3   2   1   0
//! +----------------------------------------+---+---+---+   S: somebody sleeps on this word (a futex)
//! |          how often it was rung         | C | F | S |   F: both sides run a full fence, since a participant
//! +----------------------------------------+---+---+---+      joined that cannot use `membarrier`
//!                                                           C: somebody wants to be called: its line says how
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
//! # Calls
//!
//! A participant that does not sleep on the word (its semaphore, or a signal, is to tell it) writes into its line how it
//! wants to be called, and then sets C in the place of S; fence and second look are the same. The waker takes C away and
//! then looks through the lines ([`call`]); it takes each call by a swap, so nobody is called twice for one asking. Whoever
//! asks while the lines are looked through sets C again after that, and is found by the next ring. A waker of some puts C back
//! if more want to be called than it calls, and before it calls anybody: one who is called and does not need it any more
//! rings for the others. A call that ends no sleep does not count, since it may be for a dead one: then another is called, too.
//!
//! | edge | from | to | carries |
//! |---|---|---|---|
//! | asleep | sleeper's S or C, then heavy fence, then its second look | waker's condition, then light fence, then its look at the word | one of the two looks sees the other's store |

use core::ops::Deref;
use core::time::Duration;

use super::Sleeps;
use crate::layout::bell::BellLine;
use crate::layout::call::{Call, SignalCall};
use crate::layout::participant::Entry;
use crate::sync::{Fence, Ordering, Woken, heavy_fence, light_fence};

/// Somebody sleeps on the word, or is about to.
const ASLEEP: u32 = 1;
/// Both sides run a full fence.
const FULL_FENCE: u32 = 2;
/// Somebody wants to be called.
const CALL: u32 = 4;
/// One ring of the bell.
const RING: u32 = 8;

/// Which fences the participants of this bell use.
pub(crate) fn fence_of(bell: &BellLine) -> Fence {
    fence_in(bell.word.load(Ordering::Relaxed))
}

fn fence_in(word: u32) -> Fence {
    if word & FULL_FENCE == 0 { Fence::Asymmetric } else { Fence::Symmetric }
}

/// How often to try to ring a bell whose word changes meanwhile. Each time somebody else has rung it, or gone to sleep, and
/// so often that only happens where somebody writes there for no reason: who sleeps looks again after an interval.
pub(crate) const ATTEMPTS: u32 = 64;

/// Says that a participant joined that cannot use `membarrier`. Who rings at this very moment may still use the
/// light fence; the bounded wait covers that.
pub(crate) fn make_symmetric(bell: &BellLine) {
    bell.word.fetch_or(FULL_FENCE, Ordering::Relaxed);
}

/// Whom a ring has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rung {
    /// Somebody said that they sleep on the word, and was woken.
    pub(crate) woke: bool,
    /// How many of those who want to be called are to be called now: see [`call`].
    pub(crate) calls: u32,
}

impl Rung {
    const NOBODY: Rung = Rung { woke: false, calls: 0 };

    /// Was anybody there to be woken?
    #[inline(always)]
    pub(crate) fn found_somebody(self) -> bool {
        self.woke || self.calls > 0
    }
}

/// May somebody wait for a condition that the caller has just made true? Then the caller rings. A load, and no system call.
#[inline(always)]
pub(crate) fn may_be_heard(bell: &BellLine) -> bool {
    light_fence(Fence::Asymmetric);
    bell.word.load(Ordering::Relaxed) & (ASLEEP | FULL_FENCE | CALL) != 0
}

/// The bell's word, read behind a full fence if that is how this bell's participants do it.
fn read_again(bell: &BellLine) -> u32 {
    let word = bell.word.load(Ordering::Relaxed);
    match fence_in(word) {
        Fence::Asymmetric => word,
        Fence::Symmetric => {
            light_fence(Fence::Symmetric);
            bell.word.load(Ordering::Relaxed)
        }
    }
}

/// Wakes whoever sleeps at a bell that [may be heard](may_be_heard).
pub(crate) fn ring(bell: &BellLine) -> Rung {
    let mut word = read_again(bell);
    for _ in 0..ATTEMPTS {
        if word & (ASLEEP | CALL) == 0 {
            break;
        }
        let rung = (word & !(ASLEEP | CALL)).wrapping_add(RING);
        // edge: call (acquire)
        match bell.word.compare_exchange(word, rung, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => {
                let woke = word & ASLEEP != 0;
                if woke {
                    bell.word.wake(i32::MAX as u32);
                }
                return Rung { woke, calls: if word & CALL == 0 { 0 } else { u32::MAX } };
            }
            Err(now) => word = now,
        }
    }
    Rung::NOBODY
}

/// Wakes up to `count` of those who sleep at a bell that [may be heard](may_be_heard), each of whom takes one of `count`
/// messages that the caller has just published.
pub(crate) fn ring_some(bell: &BellLine, count: u32) -> Rung {
    let mut word = read_again(bell);
    for _ in 0..ATTEMPTS {
        if word & (ASLEEP | CALL) == 0 {
            break;
        }
        let rung = word.wrapping_add(RING);
        match bell.word.compare_exchange(word, rung, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => {
                let woke = word & ASLEEP != 0;
                let woken = if woke { bell.word.wake(count) } else { 0 };
                if woke && woken < count {
                    clear(bell, rung);
                }
                return Rung { woke, calls: take_calls(bell, count.saturating_sub(woken)) };
            }
            Err(now) => word = now,
        }
    }
    Rung::NOBODY
}

/// Takes S away, since nobody was left to be woken. Whoever went to sleep in between is woken, to set it again.
fn clear(bell: &BellLine, rung: u32) {
    let cleared = (rung & !ASLEEP).wrapping_add(RING);
    if bell.word.compare_exchange(rung, cleared, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
        bell.word.wake(i32::MAX as u32);
    }
}

/// Takes C away, if it is there and anybody is to be called; how many are.
fn take_calls(bell: &BellLine, count: u32) -> u32 {
    // edge: call (acquire)
    let called = count > 0 && bell.word.fetch_and(!CALL, Ordering::Acquire) & CALL != 0;
    if called { count } else { 0 }
}

/// Calls up to `count` of those of `all` whose lines say that they want to be called: semaphores are posted, and signals
/// left to `signal`, which says whether somebody was told. The caller has taken C away.
pub(crate) fn call<P: Deref<Target: Deref<Target = Entry>>>(
    bell: &BellLine,
    count: u32,
    all: impl Iterator<Item = (u32, P)>,
    mut signal: impl FnMut(u32, &Entry, SignalCall) -> bool,
) {
    let wanting: Vec<_> = all.filter(|(_, line)| line.wants_call()).collect();
    if wanting.len() > count as usize {
        // Before the first is called, who may pass the call on.
        want_call(bell);
    }
    let mut left = count;
    for (id, line) in wanting {
        if left == 0 {
            return;
        }
        let told = match line.take_call() {
            // One that was not asleep may be dead: another is called, too.
            Some(Call::Semaphore) => line.semaphore().post(),
            Some(Call::Signal(call)) => signal(id, &line, call),
            None => false,
        };
        left -= u32::from(told);
    }
}

/// Does somebody want to be called?
fn wants_calls(bell: &BellLine) -> bool {
    bell.word.load(Ordering::Relaxed) & CALL != 0
}

/// Says that somebody wants to be called; its line says how already.
pub(crate) fn want_call(bell: &BellLine) {
    bell.word.fetch_or(CALL, Ordering::Release); // edge: call (release)
}

/// Somebody who waits at a bell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sleeper<'a> {
    pub(crate) bell: &'a BellLine,
    pub(crate) by: WokenBy<'a>,
    /// Nobody else ever sleeps at this bell.
    pub(crate) alone: bool,
}

/// What wakes a sleeper.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WokenBy<'a> {
    /// The bell's word.
    Word,
    /// The semaphore in its line.
    Semaphore(&'a Entry),
}

impl Sleeps for Sleeper<'_> {
    fn announce(&self) -> u32 {
        match self.by {
            WokenBy::Word => announce(self.bell),
            WokenBy::Semaphore(line) => announce_call(self.bell, line, Call::Semaphore),
        }
    }

    fn sleep(&self, announced: u32, deadline: Duration) -> Woken {
        match self.by {
            WokenBy::Word => self.bell.word.sleep(announced, deadline),
            WokenBy::Semaphore(line) => line.semaphore().sleep(deadline),
        }
    }

    /// A participant that rings its own bell, since it has repaired something, takes its announcement away and calls the
    /// others.
    fn stands(&self, announced: u32) -> bool {
        match self.by {
            WokenBy::Word => stands(self.bell, announced),
            WokenBy::Semaphore(line) => line.wants_call() && wants_calls(self.bell),
        }
    }

    /// Where several sleep on one word it stays, since it may be another's, too.
    fn withdraw(&self, announced: u32) -> bool {
        match self.by {
            WokenBy::Word if self.alone => {
                let withdrawn = (announced & !ASLEEP).wrapping_add(RING);
                // Whoever has rung in between has taken it back.
                let _ = self.bell.word.compare_exchange(
                    announced,
                    withdrawn,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
                false
            }
            WokenBy::Word => false,
            WokenBy::Semaphore(line) => line.take_call().is_none(),
        }
    }
}

/// Says that somebody is about to sleep on the bell's word, which is returned. A heavy fence must follow.
fn mark(bell: &BellLine) -> u32 {
    bell.word.fetch_or(ASLEEP, Ordering::Relaxed) | ASLEEP
}

/// Announces a sleep on the bell's word, which is returned.
pub(crate) fn announce(bell: &BellLine) -> u32 {
    let word = mark(bell);
    heavy_fence(fence_in(word));
    word
}

/// Does an announcement that returned `announced` stand: has nobody rung since?
pub(crate) fn stands(bell: &BellLine, announced: u32) -> bool {
    bell.word.load(Ordering::Relaxed) == announced
}

/// Announces a sleep on the words of all of these bells, which are returned, at the price of one fence.
pub(crate) fn announce_on_all<'a>(bells: impl Iterator<Item = &'a BellLine>) -> Vec<u32> {
    let words: Vec<u32> = bells.map(mark).collect();
    let asymmetric = words.iter().any(|word| fence_in(*word) == Fence::Asymmetric);
    heavy_fence(if asymmetric { Fence::Asymmetric } else { Fence::Symmetric });
    words
}

/// Says that the participant with `line` is about to wait for `call`.
pub(crate) fn announce_call(bell: &BellLine, line: &Entry, call: Call) -> u32 {
    line.ask_for(call);
    want_call(bell);
    let word = bell.word.load(Ordering::Relaxed);
    heavy_fence(fence_in(word));
    word
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::layout::participant::Participant;

    const ON_WORD: Rung = Rung { woke: true, calls: 0 };

    fn on_word(bell: &BellLine) -> Sleeper<'_> {
        Sleeper { bell, by: WokenBy::Word, alone: true }
    }

    fn nobody_signals(_: u32, _: &Entry, _: SignalCall) -> bool {
        panic!("nobody wants a signal")
    }

    fn all(lines: &[Participant]) -> impl Iterator<Item = (u32, &Participant)> {
        (0..).zip(lines)
    }

    #[test]
    fn a_bell_without_a_sleeper_stays_as_it_is() {
        let bell = BellLine::default();
        assert_eq!(ring(&bell), Rung::NOBODY);
        assert_eq!(bell.word.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_dead_sleeper_costs_one_wake() {
        let bell = BellLine::default();
        on_word(&bell).announce();
        assert_eq!(ring(&bell), ON_WORD);
        assert_eq!(ring(&bell), Rung::NOBODY);
    }

    #[test]
    fn a_dead_sleeper_costs_a_waker_of_some_one_wake() {
        let bell = BellLine::default();
        on_word(&bell).announce();
        assert_eq!(ring_some(&bell, 1), ON_WORD);
        assert_eq!(ring_some(&bell, 1), Rung::NOBODY);
    }

    #[test]
    fn an_announcement_that_is_withdrawn_costs_nothing() {
        let bell = BellLine::default();
        let announced = on_word(&bell).announce();
        on_word(&bell).withdraw(announced);
        assert_eq!(ring(&bell), Rung::NOBODY);
        let line = Participant::default();
        let sleeper = Sleeper { by: WokenBy::Semaphore(&line), ..on_word(&bell) };
        let announced = sleeper.announce();
        sleeper.withdraw(announced);
        call(&bell, ring(&bell).calls, [(0, &line)].into_iter(), nobody_signals);
        assert_eq!(line.semaphore().sleep(Duration::ZERO), Woken::TimedOut, "nothing was posted");
        assert_eq!(ring(&bell), Rung::NOBODY);
    }

    #[test]
    fn a_ring_between_announcement_and_sleep_is_not_slept_over() {
        let bell = BellLine::default();
        let announced = on_word(&bell).announce();
        assert_eq!(ring(&bell), ON_WORD);
        let forever = Duration::from_secs(u64::MAX / 4);
        assert_eq!(on_word(&bell).sleep(announced, forever), Woken::LookAgain);
    }

    #[test]
    fn a_sleep_ends_at_its_deadline() {
        let bell = BellLine::default();
        let announced = on_word(&bell).announce();
        assert_eq!(on_word(&bell).sleep(announced, crate::wait::now()), Woken::TimedOut);
    }

    #[test]
    fn each_who_asked_is_called_once() {
        let (bell, lines) = (BellLine::default(), [(); 3].map(|()| Participant::default()));
        announce_call(&bell, &lines[0], Call::Semaphore);
        announce_call(&bell, &lines[2], Call::Semaphore);
        let rung = ring(&bell);
        assert_eq!(rung, Rung { woke: false, calls: u32::MAX });
        call(&bell, rung.calls, all(&lines), nobody_signals);
        let posted = lines.each_ref().map(|line| line.semaphore().sleep(Duration::ZERO) == Woken::LookAgain);
        assert_eq!(posted, [true, false, true]);
        assert_eq!(ring(&bell), Rung::NOBODY);
    }

    #[test]
    fn whoever_was_called_does_not_want_it_any_more() {
        let (bell, lines) = (BellLine::default(), [(); 2].map(|()| Participant::default()));
        for line in &lines {
            announce_call(&bell, line, Call::Semaphore);
        }
        for _ in 0..2 {
            let rung = ring_some(&bell, 1);
            assert_eq!(rung.calls, 1);
            call(&bell, rung.calls, all(&lines), nobody_signals);
        }
        assert!(lines.iter().all(|line| !line.wants_call()));
        assert_eq!(ring_some(&bell, 1), Rung::NOBODY);
    }

    /// A dead one never takes what was posted, and it may be the first in line.
    #[test]
    fn whoever_does_not_sleep_at_its_semaphore_is_no_reason_not_to_call_the_next() {
        let (bell, lines) = (BellLine::default(), [(); 2].map(|()| Participant::default()));
        for line in &lines {
            announce_call(&bell, line, Call::Semaphore);
        }
        call(&bell, ring_some(&bell, 1).calls, all(&lines), nobody_signals);
        let posted = lines.each_ref().map(|line| line.semaphore().sleep(Duration::ZERO) == Woken::LookAgain);
        assert_eq!(posted, [true, true]);
    }

    #[test]
    fn whoever_cannot_be_told_is_no_reason_not_to_tell_the_next() {
        let (bell, lines) = (BellLine::default(), [(); 2].map(|()| Participant::default()));
        let signal = SignalCall::new(10, 3, 7).expect("it fits");
        announce_call(&bell, &lines[0], Call::Signal(signal));
        announce_call(&bell, &lines[1], Call::Semaphore);
        let mut seen = Vec::new();
        call(&bell, ring_some(&bell, 1).calls, all(&lines), |id, _, call| {
            seen.push((id, call));
            false
        });
        assert_eq!(seen, [(0, signal)]);
        assert_eq!(lines[1].semaphore().sleep(Duration::ZERO), Woken::LookAgain);
    }
}
