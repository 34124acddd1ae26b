//! What the loom models share; empty unless built with `--cfg loom`.
//!
//! A model is a closure that loom runs in every order of its threads' steps, and with every stale value that
//! the orderings permit. What one run shows is its *outcome*; a model states the exact set of them: nothing
//! illegal happens, and everything legal does.
#![cfg(loom)]

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use loom::model::Builder;

pub mod record;
pub mod slots;

/// Runs `model` in every execution with at most `preemptions` of them (`None`: in every execution), and compares
/// the outcomes with `expected`.
pub fn outcomes<T, M>(preemptions: Option<usize>, expected: impl IntoIterator<Item = T>, model: M)
where
    T: Ord + Debug + Send + 'static,
    M: Fn() -> T + Send + Sync + 'static,
{
    let seen = Arc::new(Mutex::new((BTreeSet::new(), 0_u64)));
    let all = Arc::clone(&seen);
    let mut builder = Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(move || {
        let outcome = model();
        let mut all = all.lock().expect("one execution at a time");
        all.0.insert(outcome);
        all.1 += 1;
    });
    let (seen, executions) = std::mem::take(&mut *seen.lock().expect("one execution at a time"));
    println!("{executions} executions, {} outcomes", seen.len());
    assert_eq!(seen, expected.into_iter().collect(), "outcomes seen (left), expected (right)");
}

/// A message of `len` bytes, each of them `letter`, and the tag that lets the receiver check both.
fn letter(letter: char, len: usize) -> (u16, Vec<u8>) {
    let byte = u8::try_from(letter).expect("an ASCII letter");
    (u16::from(byte) << 8 | u16::try_from(len).expect("a short message"), vec![byte; len])
}
