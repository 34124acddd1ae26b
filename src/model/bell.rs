//! Bells, and the shipped wait.

use core::time::Duration;

use crate::layout::bell::BellLine;
use crate::layout::{Shared, mpmc, spsc};
use crate::wait::{self, Condition, Patience, Wait, bell};

#[derive(Clone, Debug)]
pub(super) enum BellOf {
    RecordData(Shared<spsc::Control>),
    RecordSpace(Shared<spsc::Control>),
    SlotsData(Shared<mpmc::Control>),
    SlotsSpace(Shared<mpmc::Control>),
}

/// A bell of a ring.
#[derive(Clone, Debug)]
pub struct Bell(pub(super) BellOf);

impl Bell {
    fn line(&self) -> &BellLine {
        match &self.0 {
            BellOf::RecordData(control) => &control.data_bell,
            BellOf::RecordSpace(control) => &control.space_bell,
            BellOf::SlotsData(control) => &control.data.bell,
            BellOf::SlotsSpace(control) => &control.space_bell,
        }
    }

    /// Wakes whoever sleeps; `true`: somebody said that they do.
    pub fn ring(&self) -> bool {
        bell::ring(self.line())
    }

    /// Wakes up to `count` of those who sleep; `true`: somebody said that they do.
    pub fn ring_some(&self, count: u32) -> bool {
        bell::ring_some(self.line(), count)
    }

    /// Says that the caller is about to sleep.
    pub fn announce(&self) -> u32 {
        bell::announce(self.line())
    }

    /// Sleeps until the bell is rung after `announced`.
    pub fn sleep(&self, announced: u32) {
        bell::sleep(self.line(), announced, Duration::MAX);
    }

    /// The shipped wait without a deadline: parks until `look` finds something.
    pub fn wait<T>(&self, look: impl FnMut() -> Option<T>) -> T {
        let patience =
            Patience { how: Wait::Park, spin: Duration::ZERO, interval: Duration::MAX, deadline: None };
        wait::wait(self.line(), &patience, &mut Looking(look))
            .expect("a wait without a deadline finds something")
    }
}

/// A condition of one closure.
struct Looking<F>(F);

impl<T, F: FnMut() -> Option<T>> Condition for Looking<F> {
    type Found = T;

    fn poll(&mut self) -> Option<T> {
        (self.0)()
    }

    fn look(&mut self) -> Option<T> {
        (self.0)()
    }

    /// The peer of a model lives.
    fn check(&mut self) -> Option<T> {
        None
    }

    fn before_sleep(&mut self) {}
}
