//! Bells, and the shipped ways to wait at them.

use core::time::Duration;

use crate::layout::bell::BellLine;
use crate::layout::participant::Participant;
use crate::layout::{Shared, mpmc, spsc};
use crate::sync::Ticket;
use crate::wait::bell::{self, Rung, Sleeper, WokenBy};
use crate::wait::{self, Condition, Patience, Sleeps, Wait};

#[derive(Clone, Debug)]
pub(super) enum BellOf {
    RecordData(Shared<spsc::Control>),
    RecordSpace(Shared<spsc::Control>),
    SlotsData(Shared<mpmc::Control>),
    SlotsSpace(Shared<mpmc::Control>),
}

/// A bell of a ring, seen by one who rings it or waits at it.
#[derive(Clone, Debug)]
pub struct Bell {
    of: BellOf,
    /// The lines of those who can be called.
    lines: Vec<Shared<Participant>>,
    /// Which of them is the caller's own: it waits at its semaphore.
    own: Option<usize>,
    alone: bool,
}

impl Bell {
    pub(super) fn new(of: BellOf) -> Bell {
        Bell { of, lines: Vec::new(), own: None, alone: false }
    }

    /// The same bell, where so many participants can wait at their semaphores.
    pub fn with_semaphores(mut self, count: usize) -> Bell {
        self.lines = (0..count).map(|_| Shared::on_heap(Participant::default())).collect();
        self
    }

    /// The same bell, at which the caller waits by its semaphore.
    pub fn by_semaphore(&self, own: usize) -> Bell {
        Bell { own: Some(own), ..self.clone() }
    }

    /// The same bell, at which nobody but the caller ever waits.
    pub fn alone(&self) -> Bell {
        Bell { alone: true, ..self.clone() }
    }

    fn line(&self) -> &BellLine {
        match &self.of {
            BellOf::RecordData(control) => &control.data_bell,
            BellOf::RecordSpace(control) => &control.space_bell,
            BellOf::SlotsData(control) => &control.data.bell,
            BellOf::SlotsSpace(control) => &control.space_bell,
        }
    }

    fn sleeper(&self) -> Sleeper<'_> {
        let by = self.own.map_or(WokenBy::Word, |own| WokenBy::Semaphore(&self.lines[own]));
        Sleeper { bell: self.line(), by, alone: self.alone }
    }

    /// Wakes whoever sleeps; `true`: somebody said that they do.
    pub fn ring(&self) -> bool {
        bell::may_be_heard(self.line()) && self.call(bell::ring(self.line()))
    }

    /// Wakes up to `count` of those who sleep; `true`: somebody said that they do.
    pub fn ring_some(&self, count: u32) -> bool {
        bell::may_be_heard(self.line()) && self.call(bell::ring_some(self.line(), count))
    }

    fn call(&self, rung: Rung) -> bool {
        if rung.calls > 0 {
            let lines = (0..).zip(self.lines.iter().cloned());
            bell::call(self.line(), rung.calls, lines, |_, _, _| false);
        }
        rung.found_somebody()
    }

    /// Says that the caller is about to sleep.
    pub fn announce(&self) -> u32 {
        self.sleeper().announce()
    }

    /// Sleeps until the bell is rung after `announced`.
    pub fn sleep(&self, announced: u32) {
        self.sleeper().sleep(announced, Duration::MAX);
    }

    /// The shipped wait without a deadline: parks until `look` finds something.
    pub fn wait<T>(&self, look: impl FnMut() -> Option<T>) -> T {
        let patience = Patience {
            how: Wait::Park,
            began: Duration::ZERO,
            spin: Duration::ZERO,
            interval: Duration::MAX,
            deadline: None,
        };
        wait::wait(self.sleeper(), &patience, &mut Looking(look))
            .expect("a wait without a deadline finds something")
    }

    /// The shipped wait at several bells: parks until `look` finds something.
    pub fn wait_at_any<T>(bells: &[Bell], mut look: impl FnMut() -> Option<T>) -> T {
        let sleepers: Vec<_> = bells.iter().map(Bell::sleeper).collect();
        loop {
            if let Some(found) = look().or_else(|| wait::sleep_at_any(&sleepers, Duration::MAX, &mut look)) {
                return found;
            }
        }
    }

    /// A wait by a descriptor, which the system makes readable: announces, and leaves the rest to the system unless
    /// `look` finds something.
    pub fn arm<T>(&self, mut look: impl FnMut() -> Option<T>) -> Result<T, Armed> {
        let announced = self.announce();
        match look() {
            Some(found) => Ok(found),
            None => Err(Armed(Ticket::draw(&[(&self.line().word, announced)]))),
        }
    }
}

/// A descriptor that is readable at once if the bell was rung before the system saw it.
#[derive(Debug)]
pub struct Armed(Option<Ticket>);

impl Armed {
    /// Waits until it is readable.
    pub fn wait(self) {
        if let Some(ticket) = self.0 {
            ticket.wait();
        }
    }
}

/// From now on, in this execution of a model, the waker's fence is one of the compiler's only, as it is where the
/// sleepers use `membarrier`.
pub fn no_fence_for_wakers() {
    crate::sync::no_fence_for_wakers();
}

/// A condition of one closure.
pub(super) struct Looking<F>(pub(super) F);

impl<T, F: FnMut() -> Option<T>> Condition for Looking<F> {
    type Found = T;

    fn poll(&mut self) -> Option<T> {
        (self.0)()
    }

    fn look(&mut self) -> Option<T> {
        (self.0)()
    }

    /// The peer of a model lives.
    fn check(&mut self, _time: Duration) -> Option<T> {
        None
    }

    fn before_sleep(&mut self) {}
}
