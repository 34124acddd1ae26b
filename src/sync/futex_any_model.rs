//! A sleep on several words at once under loom.

use core::time::Duration;

use super::{Futex, Ticket};

/// A word to sleep on, and what it is to be meanwhile.
pub(crate) struct Awaited<'a>(&'a Futex, u32);

impl<'a> Awaited<'a> {
    pub(crate) fn new(word: &'a Futex, expected: u32) -> Awaited<'a> {
        Awaited(word, expected)
    }
}

/// Sleeps while each word is what is expected of it, until a wake-up of one.
pub(crate) fn sleep_on_any(words: &[Awaited<'_>], _deadline: Duration) -> bool {
    let words: Vec<_> = words.iter().map(|Awaited(word, expected)| (*word, *expected)).collect();
    if let Some(ticket) = Ticket::draw(&words) {
        ticket.wait();
    }
    true
}
