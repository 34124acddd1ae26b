//! Waiting for whichever of several rings has something first.

use core::time::Duration;

use super::endpoint::Seat;
use super::waiter::Waiter;
use crate::wait::{POLLS, Wait, now, sleep_at_any};

/// How long an adaptive wait spins.
const SPIN: Duration = Duration::from_micros(25);

/// Something that can be waited for together with others: a consumer, or room in a ring ([`spsc::Producer::room`],
/// [`mpmc::Producer::room`]).
///
/// [`spsc::Producer::room`]: crate::spsc::Producer::room
/// [`mpmc::Producer::room`]: crate::mpmc::Producer::room
pub trait Source: Waiter {}

impl<W: Waiter> Source for W {}

/// Waits for whichever of several rings has something to do first. Dropping it does nothing.
///
/// ```
/// use ringway::{Select, spsc};
///
/// let (mut gps_tx, mut gps) = spsc::pair()?;
/// let (_imu_tx, mut imu) = spsc::pair()?;
/// gps_tx.send(b"48.2 N")?;
/// let mut select = Select::fair();
/// match select.wait(&mut [&mut gps, &mut imu]) {
///     0 => assert_eq!(&gps.try_recv()?[..], b"48.2 N"),
///     _ => drop(imu.try_recv()?),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A ring is ready when the call that does not wait (`try_recv`, `try_send`) would do something, or tell of an end: that its
/// peer has said goodbye or died. Other consumers of an `mpmc` ring may be quicker; then that call says `Empty`.
///
/// Up to 128 rings are slept for together (`futex_waitv`, Linux 5.16). Where there are more, or where the system refuses, it
/// looks at them once a millisecond; descriptors ([`Pollable`](crate::Pollable)) have no such limit.
#[derive(Debug)]
pub struct Select {
    order: Order,
    wait: Wait,
    /// Where the next look begins.
    next: usize,
}

/// Which of several ready rings comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Fair,
    Priority,
}

impl Select {
    /// The ring after the one that was served last comes first, so that none is starved by the others.
    pub fn fair() -> Select {
        Select::new(Order::Fair)
    }

    /// The ring that stands first in the list comes first.
    pub fn priority() -> Select {
        Select::new(Order::Priority)
    }

    fn new(order: Order) -> Select {
        Select { order, wait: Wait::default(), next: 0 }
    }

    /// How to wait, whatever the rings' own handles would do; [`Wait::Adaptive`] spins for at most 25 µs here, and
    /// not at all where everybody who is waited for was last seen on this processor.
    #[must_use]
    pub fn how(mut self, wait: Wait) -> Select {
        self.wait = wait;
        self
    }

    /// Blocks until one of `rings` is ready; its place in the list.
    ///
    /// # Panics
    /// When the list is empty.
    pub fn wait(&mut self, rings: &mut [&mut dyn Source]) -> usize {
        self.within(rings, Duration::MAX).expect("a wait without a deadline ends with a ring")
    }

    /// Blocks until one of `rings` is ready, for at most `timeout`; its place in the list, or `None` when the time was up.
    ///
    /// # Panics
    /// When the list is empty.
    pub fn wait_timeout(&mut self, rings: &mut [&mut dyn Source], timeout: Duration) -> Option<usize> {
        self.within(rings, now().saturating_add(timeout))
    }

    /// One of `rings` that is ready now; its place in the list.
    pub fn ready(&mut self, rings: &mut [&mut dyn Source]) -> Option<usize> {
        self.first(rings, |ring| ring.look())
    }

    /// The first of `rings` that is `ready`, in the order of this select.
    fn first(
        &mut self,
        rings: &mut [&mut dyn Source],
        ready: impl Fn(&mut dyn Source) -> bool,
    ) -> Option<usize> {
        let count = rings.len();
        let first = if self.order == Order::Fair { self.next } else { 0 };
        let ready = (0..count).map(|nth| (first + nth) % count).find(|at| ready(&mut *rings[*at]))?;
        self.next = ready + 1;
        Some(ready)
    }

    fn within(&mut self, rings: &mut [&mut dyn Source], deadline: Duration) -> Option<usize> {
        assert!(!rings.is_empty(), "a wait for none of no rings would never end");
        let seats: Vec<Seat> = rings.iter().map(|ring| ring.seat()).collect();
        loop {
            if let Some(ready) = self.spin(rings, deadline) {
                return Some(ready);
            }
            if let Some(ready) = self.sleep(rings, &seats, deadline) {
                return Some(ready);
            }
            if now() >= deadline {
                return self.ready(rings);
            }
        }
    }

    /// Looks for a while.
    fn spin(&mut self, rings: &mut [&mut dyn Source], deadline: Duration) -> Option<usize> {
        let spin = match self.wait {
            Wait::Spin => Duration::MAX,
            Wait::Adaptive if rings.iter().any(|ring| ring.is_beside()) => SPIN,
            Wait::Adaptive | Wait::Park => return self.check(rings),
        };
        let until = now().saturating_add(spin).min(deadline);
        loop {
            if let Some(ready) = (0..POLLS).find_map(|_| self.ready(rings)) {
                return Some(ready);
            }
            if let Some(ready) = self.check(rings) {
                return Some(ready);
            }
            if now() >= until {
                return None;
            }
        }
    }

    /// One that is ready, or whose peer is found to be gone.
    fn check(&mut self, rings: &mut [&mut dyn Source]) -> Option<usize> {
        self.first(rings, |ring| ring.check())
    }

    /// Sleeps until one of the rings is rung, or is to be checked.
    fn sleep(&mut self, rings: &mut [&mut dyn Source], seats: &[Seat], deadline: Duration) -> Option<usize> {
        let until = rings.iter_mut().map(|ring| ring.lie_down()).fold(deadline, Duration::min);
        let sleepers: Vec<_> = seats.iter().map(Seat::on_word).collect();
        let ready = sleep_at_any(&sleepers, until, || self.ready(rings));
        for ring in rings {
            ring.rise();
            // The wake-up may have been meant for one of many.
            ring.pass_on();
        }
        ready
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::endpoint::Seat;
    use super::super::spsc;
    use super::super::waiter::Waiter;
    use super::*;

    /// A consumer that counts how often it is looked at before it lies down for the first time.
    struct Counted {
        rx: spsc::Consumer,
        is_beside: bool,
        looks: u32,
        looks_before_sleep: Option<u32>,
    }

    impl Waiter for Counted {
        fn is_home(&self) -> bool {
            self.rx.is_home()
        }

        fn look(&mut self) -> bool {
            self.looks += 1;
            self.rx.look()
        }

        fn check(&mut self) -> bool {
            self.rx.check()
        }

        fn lie_down(&mut self) -> Duration {
            self.looks_before_sleep.get_or_insert(self.looks);
            self.rx.lie_down()
        }

        fn is_beside(&self) -> bool {
            self.is_beside
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

    fn looks_before_sleep(is_beside: bool, how: Wait) -> u32 {
        let (_tx, rx) = spsc::pair().expect("a pair");
        let mut counted = Counted { rx, is_beside, looks: 0, looks_before_sleep: None };
        let ready = Select::fair().how(how).wait_timeout(&mut [&mut counted], Duration::from_millis(2));
        assert_eq!(ready, None);
        counted.looks_before_sleep.expect("it slept")
    }

    #[test]
    fn it_spins_only_for_whom_runs_elsewhere() {
        assert!(looks_before_sleep(true, Wait::Adaptive) >= POLLS);
        assert_eq!(looks_before_sleep(false, Wait::Adaptive), 0);
        assert_eq!(looks_before_sleep(true, Wait::Park), 0);
    }
}
