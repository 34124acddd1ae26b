//! Waiting: how long to look, when to sleep, and when to look whether the peer still lives.
//!
//! A wait is a bell and closures; it knows nothing of rings.

pub(crate) mod across;
#[cfg(not(loom))]
pub(crate) mod alarm;
#[cfg(loom)]
#[path = "alarm_model.rs"]
pub(crate) mod alarm;
pub(crate) mod bell;
mod budget;
mod many;
mod pauses;

use core::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::sync::Woken;
pub(crate) use budget::Budget;
pub(crate) use many::sleep_at_any;
pub(crate) use pauses::pauses_in;

/// Polls between two looks at the clock.
pub(crate) const POLLS: u32 = 64;

/// How a blocking call waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wait {
    /// Looks again and again and never sleeps: the shortest latency, at the price of a core. Once per liveness
    /// interval it asks the kernel whether the peer lives; the `try_` calls make no system call but to wake a
    /// peer that sleeps.
    Spin,
    /// Spins for a while, then sleeps: at most for as long as a wake-up takes (25 µs unless told otherwise), at least for
    /// a sixteenth of that, and in between for as long as recent waits say that it pays. Does not spin where the other
    /// side was last seen on the same processor.
    #[default]
    Adaptive,
    /// Sleeps at once: no processor time is spent on waiting.
    Park,
}

/// What bounds a wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    pub(crate) how: Wait,
    /// When the wait began, on the monotonic clock.
    pub(crate) began: Duration,
    /// How long to spin before the first sleep, if it is to be `Adaptive`.
    pub(crate) spin: Duration,
    /// How often to look whether the peer lives, and the longest that a lost wake-up can cost.
    pub(crate) interval: Duration,
    /// When to give up, on the monotonic clock.
    pub(crate) deadline: Option<Duration>,
}

/// The time since boot on the monotonic clock, which futex deadlines count on.
pub(crate) fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map(Into::into).unwrap_or_default()
}

/// What a wait looks for.
pub(crate) trait Condition {
    /// What is found.
    type Found;
    /// A cheap look, made often.
    fn poll(&mut self) -> Option<Self::Found>;
    /// A look that misses nothing that was published before it: made before and after each sleep.
    fn look(&mut self) -> Option<Self::Found>;
    /// A look whether the peer still lives, made at `time` on the monotonic clock: once per interval.
    fn check(&mut self, time: Duration) -> Option<Self::Found>;
    /// When a wait that begins at `started` is to make its first check. Where that is at once, waits that are short make a
    /// system call each.
    fn first_check(&self, started: Duration) -> Duration {
        started
    }
    /// How long until the next check, if it is to come sooner than after `interval`.
    fn check_again(&self, interval: Duration) -> Duration {
        interval
    }
    /// Called before each sleep.
    fn before_sleep(&mut self);
    /// The last look of a wait whose time is up. Calls with short limits, one after the other, must look whether
    /// the peer lives now and then, as one long call does.
    fn last_look(&mut self) -> Option<Self::Found> {
        self.look()
    }
}

/// A way to sleep.
pub(crate) trait Sleeps {
    /// Says that the caller is about to sleep. After this it must look for its condition once more, and then either
    /// [`withdraw`](Sleeps::withdraw) or [`sleep`](Sleeps::sleep).
    fn announce(&self) -> u32;
    /// Sleeps until the bell is rung after `announced`, or until `deadline` on the monotonic clock.
    fn sleep(&self, announced: u32, deadline: Duration) -> Woken;
    /// Does an announcement that returned `announced` stand: would whoever rings now find it?
    fn stands(&self, announced: u32) -> bool;
    /// Takes an announcement back, so that nobody is woken in vain. `true`: it was answered by a call, which perhaps
    /// nobody has slept for.
    fn withdraw(&self, announced: u32) -> bool;
}

/// Waits until `condition` finds something; `None` when the deadline passed first.
pub(crate) fn wait<C: Condition>(
    sleeper: impl Sleeps,
    patience: &Patience,
    condition: &mut C,
) -> Option<C::Found> {
    let started = now();
    let mut waiting = Waiting {
        sleeper,
        patience,
        check_at: match patience.how {
            Wait::Spin => started.saturating_add(condition.check_again(patience.interval)),
            Wait::Adaptive | Wait::Park => condition.first_check(started),
        },
        spin_until: started.saturating_add(match patience.how {
            Wait::Spin => Duration::MAX,
            Wait::Adaptive => patience.spin,
            Wait::Park => Duration::ZERO,
        }),
        announced: None,
    };
    let found = waiting.until_found(condition, started);
    let was_called = waiting.withdraw();
    // A call that came after the last look was meant for one of those who wait, and this one has used it up.
    if found.is_none() && was_called { condition.look() } else { found }
}

fn poll_some<C: Condition>(condition: &mut C) -> Option<C::Found> {
    (0..POLLS).find_map(|_| condition.poll())
}

/// A wait in progress.
struct Waiting<'a, S> {
    sleeper: S,
    patience: &'a Patience,
    /// When to look next whether the peer lives.
    check_at: Duration,
    /// When to sleep.
    spin_until: Duration,
    /// What the bell's word was when this waiter last announced its sleep.
    announced: Option<u32>,
}

/// How a spell of spinning ended.
enum Over<T> {
    Found(T),
    /// The deadline passed.
    Late,
    /// It is time to sleep; the time.
    Spun(Duration),
}

impl<S: Sleeps> Waiting<'_, S> {
    /// Spins, checks and sleeps in turns.
    fn until_found<C: Condition>(&mut self, condition: &mut C, mut time: Duration) -> Option<C::Found> {
        loop {
            if time < self.spin_until {
                match self.spin(condition, time) {
                    Over::Found(found) => return Some(found),
                    Over::Late => return condition.last_look(),
                    Over::Spun(now) => time = now,
                }
            }
            if let Some(found) = self.check(condition, time) {
                return Some(found);
            }
            // What it saw since the last check may ask for an earlier one.
            let soonest = time.saturating_add(condition.check_again(self.patience.interval));
            self.check_at = self.check_at.min(soonest);
            let woken = match self.sleep(condition) {
                Ok(found) => return Some(found),
                Err(woken) => woken,
            };
            time = now();
            if self.patience.is_over(time) {
                return condition.last_look();
            }
            if woken == Woken::LookAgain && self.patience.how == Wait::Adaptive {
                self.spin_until = time.saturating_add(self.patience.spin);
            }
        }
    }

    fn spin<C: Condition>(&mut self, condition: &mut C, mut time: Duration) -> Over<C::Found> {
        while time < self.spin_until {
            if let Some(found) = poll_some(condition) {
                return Over::Found(found);
            }
            time = now();
            if self.patience.is_over(time) {
                return Over::Late;
            }
            if self.patience.how == Wait::Spin
                && let Some(found) = self.check(condition, time)
            {
                return Over::Found(found);
            }
        }
        Over::Spun(time)
    }

    /// Looks whether the peer lives, if it is time to.
    fn check<C: Condition>(&mut self, condition: &mut C, time: Duration) -> Option<C::Found> {
        if time < self.check_at {
            return None;
        }
        let found = condition.check(time);
        self.check_at = time.saturating_add(condition.check_again(self.patience.interval));
        found
    }

    /// Announces a sleep and looks, unless an announcement still stands; sleeps until the next check or the deadline;
    /// looks.
    fn sleep<C: Condition>(&mut self, condition: &mut C) -> Result<C::Found, Woken> {
        let announced = match self.announced.filter(|announced| self.sleeper.stands(*announced)) {
            Some(announced) => announced,
            None => {
                condition.before_sleep();
                let announced = self.sleeper.announce();
                self.announced = Some(announced);
                if let Some(found) = condition.look() {
                    return Ok(found);
                }
                announced
            }
        };
        let until = self.patience.deadline.map_or(self.check_at, |deadline| deadline.min(self.check_at));
        let woken = self.sleeper.sleep(announced, until);
        condition.look().ok_or(woken)
    }

    /// Takes the announcement back. `true`: it was answered by a call.
    fn withdraw(&mut self) -> bool {
        self.announced.take().is_some_and(|announced| self.sleeper.withdraw(announced))
    }
}

impl Patience {
    /// Is the time up?
    pub(crate) fn is_spent(&self) -> bool {
        self.deadline.is_some() && self.is_over(now())
    }

    fn is_over(&self, time: Duration) -> bool {
        self.deadline.is_some_and(|deadline| time >= deadline)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::layout::bell::BellLine;
    use crate::layout::participant::Participant;
    use bell::{Sleeper, WokenBy};

    /// Finds something at a certain look or check, and counts.
    #[derive(Default)]
    struct Nth {
        polls: u32,
        looks: u32,
        checks: u32,
        sleeps: u32,
        found_at_look: u32,
        found_at_check: u32,
    }

    impl Condition for Nth {
        type Found = ();

        fn poll(&mut self) -> Option<()> {
            self.polls += 1;
            None
        }

        fn look(&mut self) -> Option<()> {
            self.looks += 1;
            (self.looks == self.found_at_look).then_some(())
        }

        fn check(&mut self, _time: Duration) -> Option<()> {
            self.checks += 1;
            (self.checks == self.found_at_check).then_some(())
        }

        fn before_sleep(&mut self) {
            self.sleeps += 1;
        }
    }

    fn wait(bell: &BellLine, patience: &Patience, condition: &mut Nth) -> Option<()> {
        super::wait(Sleeper { bell, by: WokenBy::Word, alone: true }, patience, condition)
    }

    fn patience(how: Wait) -> Patience {
        let ms = Duration::from_millis;
        let (began, deadline) = (now(), Some(now() + ms(40)));
        Patience { how, began, spin: ms(2), interval: ms(5), deadline }
    }

    #[test]
    fn a_spinner_never_sleeps_and_checks_its_peer() {
        let mut condition = Nth { found_at_check: 2, ..Nth::default() };
        let patient = Patience { deadline: None, ..patience(Wait::Spin) };
        assert_eq!(wait(&BellLine::default(), &patient, &mut condition), Some(()));
        assert!(condition.sleeps == 0 && condition.polls > 0);
        let mut condition = Nth::default();
        assert_eq!(wait(&BellLine::default(), &patience(Wait::Spin), &mut condition), None);
        assert_eq!((condition.sleeps, condition.looks), (0, 1), "a last look when time is up");
    }

    #[test]
    fn a_parker_never_polls_and_looks_around_each_sleep() {
        let mut condition = Nth { found_at_check: 4, ..Nth::default() };
        let patience = Patience { deadline: None, ..patience(Wait::Park) };
        assert_eq!(wait(&BellLine::default(), &patience, &mut condition), Some(()));
        assert_eq!(condition.polls, 0);
        assert_eq!(condition.sleeps, 1, "an announcement that nobody answered stands");
        assert!(condition.looks >= condition.checks, "a check and a look after each nap");
    }

    #[test]
    fn what_appears_between_announcement_and_sleep_is_found() {
        for how in [Wait::Park, Wait::Adaptive] {
            let mut condition = Nth { found_at_look: 1, ..Nth::default() };
            assert_eq!(wait(&BellLine::default(), &patience(how), &mut condition), Some(()));
            assert_eq!(condition.sleeps, 1);
        }
    }

    /// One who waits at its semaphore, and what happens at a certain moment of its wait.
    struct Called<'a> {
        bell: &'a BellLine,
        line: &'a Participant,
        looks: u32,
        checks: u32,
        at_check: fn(&mut Called<'_>) -> Option<()>,
        at_last: fn(&mut Called<'_>),
        is_there: bool,
    }

    impl Called<'_> {
        /// Rings, and calls those of `lines`.
        fn ring(&self, lines: &[&Participant]) -> bool {
            let rung = bell::ring_some(self.bell, 1);
            bell::call(self.bell, rung.calls, (0..).zip(lines.iter().copied()), |_, _, _| false);
            rung.found_somebody()
        }
    }

    impl Condition for Called<'_> {
        type Found = ();

        fn poll(&mut self) -> Option<()> {
            None
        }

        fn look(&mut self) -> Option<()> {
            self.looks += 1;
            self.is_there.then_some(())
        }

        fn check(&mut self, _time: Duration) -> Option<()> {
            self.checks += 1;
            (self.at_check)(self)
        }

        fn before_sleep(&mut self) {}

        fn last_look(&mut self) -> Option<()> {
            let found = self.look();
            (self.at_last)(self);
            found
        }
    }

    fn at_semaphore(deadline: Option<Duration>, called: &mut Called<'_>) -> Option<()> {
        let sleeper = Sleeper { bell: called.bell, by: WokenBy::Semaphore(called.line), alone: false };
        super::wait(sleeper, &Patience { deadline, ..patience(Wait::Park) }, called)
    }

    /// Whoever sent the message has called this one, and calls no other.
    #[test]
    fn a_call_that_comes_when_the_time_is_up_is_not_lost() {
        let (bell, line) = (BellLine::default(), Participant::default());
        let send = |called: &mut Called<'_>| {
            called.is_there = true;
            assert!(called.ring(&[called.line]), "it is still announced");
        };
        let (looks, checks) = (0, 0);
        let mut called = Called {
            bell: &bell,
            line: &line,
            looks,
            checks,
            at_check: |_| None,
            at_last: send,
            is_there: false,
        };
        assert_eq!(at_semaphore(Some(now()), &mut called), Some(()));
    }

    /// A repair rings the bell that the repairer waits at.
    #[test]
    fn an_announcement_that_its_own_ring_takes_away_is_made_again() {
        let (bell, line) = (BellLine::default(), Participant::default());
        let repair = |called: &mut Called<'_>| match called.checks {
            1 => None,
            2 => {
                assert!(called.ring(&[]), "it is announced");
                None
            }
            _ => called.ring(&[]).then_some(()),
        };
        let (looks, checks) = (0, 0);
        let mut called = Called {
            bell: &bell,
            line: &line,
            looks,
            checks,
            at_check: repair,
            at_last: |_| (),
            is_there: false,
        };
        assert_eq!(at_semaphore(Some(now() + Duration::from_millis(500)), &mut called), Some(()));
    }

    /// A signal ends a sleep, or a post that nobody asked for.
    #[test]
    fn an_announcement_is_taken_back_also_if_nobody_has_answered_it() {
        let (bell, line) = (BellLine::default(), Participant::default());
        line.semaphore().post();
        let found = |called: &mut Called<'_>| {
            called.is_there = called.looks > 0;
            None
        };
        let (looks, checks) = (0, 0);
        let mut called = Called {
            bell: &bell,
            line: &line,
            looks,
            checks,
            at_check: found,
            at_last: |_| (),
            is_there: false,
        };
        assert_eq!(at_semaphore(None, &mut called), Some(()));
        assert!(!line.wants_call());
    }

    #[test]
    fn without_a_deadline_a_wait_still_ends_when_something_is_found() {
        let mut condition = Nth { found_at_look: 4, ..Nth::default() };
        let patience = Patience { deadline: None, ..patience(Wait::Park) };
        assert_eq!(wait(&BellLine::default(), &patience, &mut condition), Some(()));
        assert_eq!(condition.sleeps, 1);
    }
}
