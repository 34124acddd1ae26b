//! The signals that tell of data: those that mean nothing to the kernel or to anybody else.

use core::fmt;
use core::ops::RangeInclusive;

use nix::libc;

use crate::error::SignalError;

/// A signal that can tell of data: a real-time one, which queues, `SIGUSR1`, or `SIGUSR2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Signal(i32);

impl Signal {
    /// `SIGRTMIN` + `above`. There are some thirty; C libraries and debuggers have been seen to use the first few and the
    /// last.
    pub fn realtime(above: u32) -> Result<Signal, SignalError> {
        let all = realtime_numbers();
        let number = i64::from(*all.start()) + i64::from(above);
        match i32::try_from(number) {
            Ok(number) if all.contains(&number) => Ok(Signal(number)),
            _ => Err(SignalError::NoSuchRealtime { above, last: (all.end() - all.start()).unsigned_abs() }),
        }
    }

    /// `SIGUSR1`, which does not queue.
    pub const fn user1() -> Signal {
        Signal(libc::SIGUSR1)
    }

    /// `SIGUSR2`, which does not queue.
    pub const fn user2() -> Signal {
        Signal(libc::SIGUSR2)
    }

    /// The number by which the system knows it.
    pub const fn number(self) -> i32 {
        self.0
    }

    /// The signal with this number, which was read from an inbox and so is one that the inbox was made for.
    pub(super) fn of_an_inbox(number: i32) -> Signal {
        Signal(number)
    }

    /// Does it queue, each with its token?
    pub fn queues(self) -> bool {
        realtime_numbers().contains(&self.0)
    }
}

/// The real-time signals that the C library leaves to programs.
fn realtime_numbers() -> RangeInclusive<i32> {
    libc::SIGRTMIN()..=libc::SIGRTMAX()
}

impl TryFrom<i32> for Signal {
    type Error = SignalError;

    /// The signal with this number, if it is one that can tell of data.
    fn try_from(number: i32) -> Result<Signal, SignalError> {
        let signal = Signal(number);
        let serves = [Signal::user1(), Signal::user2()].contains(&signal) || signal.queues();
        serves.then_some(signal).ok_or(SignalError::Reserved { number })
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            signal if signal == Signal::user1() => f.write_str("SIGUSR1"),
            signal if signal == Signal::user2() => f.write_str("SIGUSR2"),
            Signal(number) => write!(f, "SIGRTMIN+{}", number - realtime_numbers().start()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_tell_of_data_and_what_cannot() {
        let named = |signal: Signal| (signal.to_string(), signal.queues(), Signal::try_from(signal.number()));
        for (signal, name, queues) in [
            (Signal::user1(), "SIGUSR1", false),
            (Signal::user2(), "SIGUSR2", false),
            (Signal::realtime(0).expect("the first"), "SIGRTMIN+0", true),
            (Signal::realtime(7).expect("one of thirty"), "SIGRTMIN+7", true),
        ] {
            assert_eq!(named(signal), (name.to_owned(), queues, Ok(signal)));
        }
        for number in [i32::MIN, -1, 0, libc::SIGKILL, libc::SIGTERM, libc::SIGRTMAX() + 1, i32::MAX] {
            assert_eq!(Signal::try_from(number), Err(SignalError::Reserved { number }));
        }
    }

    #[test]
    fn a_real_time_signal_that_does_not_exist_is_refused_with_the_last_that_does() {
        let last = (libc::SIGRTMAX() - libc::SIGRTMIN()).unsigned_abs();
        assert_eq!(Signal::realtime(last).map(Signal::number), Ok(libc::SIGRTMAX()));
        for above in [last + 1, u32::MAX] {
            let error = Signal::realtime(above).expect_err("there is none");
            assert_eq!(error, SignalError::NoSuchRealtime { above, last });
            assert!(error.to_string().contains(&format!("SIGRTMIN+{last}")), "{error}");
        }
    }
}
