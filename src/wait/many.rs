//! One sleep at several bells.

use core::time::Duration;

use super::Sleeps;
use super::bell::{Sleeper, announce_on_all};
use crate::sync::{Awaited, nap, sleep_on_any};

/// How often to look where there is no such sleep, or not on so many words.
const PACE: Duration = Duration::from_millis(1);

/// Announces a sleep at all of these bells' words, looks, sleeps until one of them is rung or until `deadline` on the
/// monotonic clock, and looks again. May sleep for less.
pub(crate) fn sleep_at_any<T>(
    sleepers: &[Sleeper<'_>],
    deadline: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> Option<T> {
    let words = announce_on_all(sleepers.iter().map(|sleeper| sleeper.bell));
    let mut found = look();
    if found.is_none() {
        let bells = sleepers.iter().map(|sleeper| sleeper.bell);
        let awaited: Vec<_> = bells.zip(&words).map(|(bell, word)| Awaited::new(&bell.word, *word)).collect();
        if !sleep_on_any(&awaited, deadline) {
            nap(PACE);
        }
        found = look();
    }
    for (sleeper, word) in sleepers.iter().zip(words) {
        sleeper.withdraw(word);
    }
    found
}
