//! Sleeping for a while.

use core::time::Duration;

use nix::errno::Errno;
use nix::time::{ClockId, ClockNanosleepFlags, clock_gettime, clock_nanosleep};

/// Sleeps for `time`, however many signals come meanwhile.
///
/// The standard library's sleep asks again for what is left after each signal, and what is left, as Linux counts it, has the
/// timer's slack (50 µs) added each time: where signals come faster than that, it never ends.
pub(crate) fn nap(time: Duration) {
    let clock = ClockId::CLOCK_MONOTONIC;
    let Ok(now) = clock_gettime(clock) else { return };
    let until = now + time.into();
    while let Err(Errno::EINTR) = clock_nanosleep(clock, ClockNanosleepFlags::TIMER_ABSTIME, &until) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_nap_is_not_shorter_than_asked() {
        let started = Instant::now();
        nap(Duration::from_millis(3));
        assert!(started.elapsed() >= Duration::from_millis(3));
    }
}
