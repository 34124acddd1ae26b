//! Arming: a wait whose sleep is left to the system, which tells of its end by a descriptor or by a signal.

use core::time::Duration;
use std::io;

use super::endpoint::Seat;
use super::waiter::Waiter;
use crate::layout::call::{Call, SignalCall};
use crate::wait::Sleeps;
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
        match self.standing(&source.seat()) {
            Some(_) if self.alarm.is_armed() => Ok(true),
            Some(announced) => self.arm_again(source, announced),
            None => {
                // Before the look: a wake-up that reached it after that would be nobody's.
                self.disarm(source)?;
                arm(source, self)
            }
        }
    }

    /// Arms the descriptor for a sleep of which only the time was up: whoever rings finds its announcement still, so another one,
    /// and its fence, are saved.
    fn arm_again(&mut self, source: &mut dyn Waiter, announced: u32) -> io::Result<bool> {
        if self.alarm.disarm()? {
            source.pass_on();
        }
        let until = source.lie_down();
        let seat = source.seat();
        self.leave(&seat, announced, until).map(|()| true).inspect_err(|_| {
            self.withdraw(&seat, announced);
            source.rise();
        })
    }

    /// Was it armed, and not taken back since?
    pub(super) fn is_announced(&self) -> bool {
        self.announced.is_some()
    }

    /// The announcement of a sleep, if nobody has rung since.
    fn standing(&self, seat: &Seat) -> Option<u32> {
        self.announced.filter(|announced| bell::stands(&seat.bell, *announced))
    }

    /// Takes an arming back. A wake-up that has reached it is passed on.
    pub(super) fn disarm(&mut self, source: &mut dyn Waiter) -> io::Result<()> {
        if !source.is_home() || !self.is_announced() {
            return Ok(());
        }
        source.rise();
        if self.take_back(&source.seat())? {
            source.pass_on();
        }
        Ok(())
    }

    /// Takes an arming back. `true`: a wake-up has reached it, or may have, that another may wait for.
    pub(super) fn take_back(&mut self, seat: &Seat) -> io::Result<bool> {
        let Some(announced) = self.announced.take() else { return Ok(false) };
        self.withdraw(seat, announced);
        self.alarm.disarm()
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

#[cfg(all(test, not(loom)))]
mod tests {
    use std::os::fd::AsRawFd;
    use std::thread;
    use std::time::Instant;

    use super::*;
    use crate::channel::waiter::Waits;
    use crate::channel::{inspect, mpmc};
    use crate::sync::Ordering;
    use crate::wait::Wait;

    const HOUR: Duration = Duration::from_secs(3600);

    /// A consumer to which a message is sent just after it has looked for the second time.
    struct Overtaken {
        rx: mpmc::Consumer,
        tx: mpmc::Producer,
        looks: u32,
    }

    impl Waiter for Overtaken {
        fn is_home(&self) -> bool {
            Waiter::is_home(&self.rx)
        }

        fn look(&mut self) -> bool {
            self.looks += 1;
            let found = self.rx.look();
            if self.looks == 2 {
                self.tx.send(b"late").expect("room");
            }
            found
        }

        fn check(&mut self) -> bool {
            self.rx.check()
        }

        fn lie_down(&mut self) -> Duration {
            self.rx.lie_down()
        }

        fn is_beside(&self) -> bool {
            Waiter::is_beside(&self.rx)
        }

        fn seat(&self) -> Seat {
            self.rx.seat()
        }

        fn rise(&self) {
            Waiter::rise(&self.rx);
        }

        fn pass_on(&mut self) {
            Waiter::pass_on(&mut self.rx);
        }
    }

    fn eventually(what: &str, condition: impl Fn() -> bool) {
        let started = Instant::now();
        while !condition() {
            assert!(started.elapsed() < Duration::from_secs(120), "still waiting: {what}");
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn sleepers(tx: &mpmc::Producer) -> usize {
        let descriptor = tx.descriptor().expect("a descriptor");
        let report = inspect::inspect(&*format!("fd:{}", descriptor.as_raw_fd())).expect("a ring");
        report.participants.iter().filter(|one| one.counters.sleeps > 0).count()
    }

    /// It is armed again, for another word, when a message comes; the arming before is the first in line for its wake-up.
    #[test]
    fn a_wake_up_that_meets_an_arming_of_before_is_not_lost() {
        let options = mpmc::options().participants(2).liveness(HOUR).wait(Wait::Park);
        let (tx, rx) = options.pair().expect("a pair");
        let mut other = rx.try_clone().expect("a place");
        let segment = &rx.endpoint().segment;
        let mut armed =
            Armed::new(Alarm::new(segment.home(), segment.mapping.clone()).expect("a descriptor"));
        let mut source = Overtaken { rx, tx, looks: 0 };
        assert!(armed.arm(&mut source).expect("armed"));
        let sleeper = thread::spawn(move || other.recv_timeout(HOUR).map(|message| message.to_vec()));
        eventually("the other sleeps", || sleepers(&source.tx) == 2);
        // As if somebody else had been woken.
        let word = &source.seat().bell.word;
        let before = word.load(Ordering::Relaxed);
        word.compare_exchange(before, before + 8, Ordering::Relaxed, Ordering::Relaxed)
            .expect("nobody rings");
        assert!(armed.arm(&mut source).expect("armed again"));
        armed.disarm(&mut source).expect("disarmed");
        eventually("it is woken", || sleeper.is_finished());
        assert_eq!(sleeper.join().expect("no panic"), Ok(b"late".to_vec()));
    }
}
