//! Arming: a wait whose sleep is left to the system, which tells of its end by a descriptor or by a signal.

use core::time::Duration;
use std::io;

use super::endpoint::Seat;
use super::waiter::Waiter;
use crate::layout::call::{Call, SignalCall};
use crate::wait::alarm::Alarm;
use crate::wait::bell;

/// Who tells of the end of a sleep, and what it takes to have it told.
pub(super) trait Teller {
    /// Announces the sleep.
    fn announce(&mut self, seat: &Seat) -> u32;
    /// Takes that back.
    fn withdraw(&mut self, seat: &Seat, announced: u32);
    /// Has the end of the sleep told: when the bell is rung after `announced`, or at `until` if the teller knows the time.
    fn leave(&mut self, seat: &Seat, announced: u32, until: Duration) -> io::Result<()>;
}

/// Arms `source`. `false`: there is something to do already, and nothing is armed.
pub(super) fn arm(source: &mut dyn Waiter, teller: &mut dyn Teller) -> io::Result<bool> {
    let until = source.lie_down();
    let seat = source.seat();
    let announced = teller.announce(&seat);
    let left = match source.look() {
        true => Ok(false),
        false => teller.leave(&seat, announced, until).map(|()| true),
    };
    if !matches!(left, Ok(true)) {
        teller.withdraw(&seat, announced);
        source.rise();
    }
    left
}

/// A descriptor tells.
#[derive(Debug)]
pub(super) struct Armed {
    pub(super) alarm: Alarm,
    /// What the bell's word was when the sleep was announced that the alarm is set for.
    announced: Option<u32>,
}

impl Armed {
    pub(super) fn new(alarm: Alarm) -> Armed {
        Armed { alarm, announced: None }
    }

    /// Arms the descriptor for `source`. `false`: there is something to do already, and it is not armed.
    pub(super) fn arm(&mut self, source: &mut dyn Waiter) -> io::Result<bool> {
        if source.check() {
            return self.disarm(source).map(|()| false);
        }
        if self.stands(&source.seat()) {
            return Ok(true);
        }
        arm(source, self)
    }

    /// Was it armed, and not taken back since?
    pub(super) fn is_announced(&self) -> bool {
        self.announced.is_some()
    }

    /// Is it armed, and nobody has rung since?
    fn stands(&mut self, seat: &Seat) -> bool {
        self.announced.is_some_and(|word| bell::stands(&seat.bell, word)) && self.alarm.is_armed()
    }

    /// Takes an arming back. A wake-up that has reached it is passed on.
    pub(super) fn disarm(&mut self, source: &mut dyn Waiter) -> io::Result<()> {
        let Some(announced) = self.announced.take().filter(|_| source.is_home()) else { return Ok(()) };
        source.rise();
        self.withdraw(&source.seat(), announced);
        if self.alarm.disarm()? {
            source.pass_on();
        }
        Ok(())
    }
}

impl Teller for Armed {
    fn announce(&mut self, seat: &Seat) -> u32 {
        bell::announce(&seat.bell)
    }

    fn withdraw(&mut self, seat: &Seat, announced: u32) {
        seat.on_word().withdraw(announced);
    }

    fn leave(&mut self, seat: &Seat, announced: u32, until: Duration) -> io::Result<()> {
        // What the system refuses stands for nothing.
        self.announced = None;
        self.alarm.arm(&seat.bell, announced, until)?;
        self.announced = Some(announced);
        Ok(())
    }
}

/// A signal tells.
#[derive(Debug)]
pub(super) struct BySignal(pub(super) SignalCall);

impl BySignal {
    /// Asks for the signal, for `source`. `false`: there is something to do already, and nothing is asked for.
    pub(super) fn arm(&mut self, source: &mut dyn Waiter) -> bool {
        if source.check() {
            self.take_back(source);
            return false;
        }
        let armed = arm(source, self).unwrap_or(false);
        // Whoever sleeps elsewhere does not look whether others have died.
        source.rise();
        armed
    }

    /// Takes the asking back; was there any?
    pub(super) fn take_back(&self, source: &dyn Waiter) -> bool {
        source.is_home() && source.seat().line.take_call().is_some()
    }
}

impl Teller for BySignal {
    fn announce(&mut self, seat: &Seat) -> u32 {
        bell::announce_call(&seat.bell, &seat.line, Call::Signal(self.0))
    }

    fn withdraw(&mut self, seat: &Seat, _announced: u32) {
        seat.line.take_call();
    }

    fn leave(&mut self, _seat: &Seat, _announced: u32, _until: Duration) -> io::Result<()> {
        Ok(())
    }
}
