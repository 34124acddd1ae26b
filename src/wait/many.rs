//! One sleep at several bells.

use core::time::Duration;

use super::bell::{Sleeper, announce_on_all};
use crate::sync::Futex;

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
        let asleep: Vec<_> =
            sleepers.iter().zip(&words).map(|(sleeper, word)| (&sleeper.bell.word, *word)).collect();
        Futex::sleep_on_any(&asleep, deadline);
        found = look();
    }
    for (sleeper, word) in sleepers.iter().zip(words) {
        sleeper.withdraw(word);
    }
    found
}
