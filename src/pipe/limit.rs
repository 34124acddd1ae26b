//! How long a call may take.

use core::time::Duration;
use std::time::Instant;

/// When a call has to give up.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// At once: it waits for nothing.
    Now,
    /// At this time.
    At(Instant),
    /// Never.
    Never,
}

impl Limit {
    /// In so long a time. One that no clock shows is never.
    pub(crate) fn after(time: Duration) -> Limit {
        Instant::now().checked_add(time).map_or(Limit::Never, Limit::At)
    }

    /// In so long a time, if any was given.
    pub(crate) fn within(time: Option<Duration>) -> Limit {
        time.map_or(Limit::Never, Limit::after)
    }

    /// The earlier of this limit and so long a time.
    pub(crate) fn but_after(self, time: Duration) -> Limit {
        match (self, Limit::after(time)) {
            (Limit::At(own), Limit::At(other)) => Limit::At(own.min(other)),
            (Limit::Never, other) => other,
            (own, _) => own,
        }
    }

    /// The time that is left: `None` if that is for ever.
    pub(crate) fn left(self) -> Option<Duration> {
        match self {
            Limit::Now => Some(Duration::ZERO),
            Limit::At(time) => Some(time.saturating_duration_since(Instant::now())),
            Limit::Never => None,
        }
    }

    /// Is the time up?
    pub(crate) fn is_over(self) -> bool {
        self.left() == Some(Duration::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earlier_limit_counts() {
        let (hour, day) = (Duration::from_secs(3600), Duration::from_secs(86_400));
        assert!(Limit::after(day).but_after(hour).left() <= Some(hour));
        assert!(Limit::after(hour).but_after(day).left() <= Some(hour));
        assert!(Limit::Never.but_after(hour).left() <= Some(hour));
        assert!(Limit::Now.but_after(hour).is_over());
        assert!(!Limit::after(hour).is_over() && !Limit::Never.is_over());
    }

    #[test]
    fn a_time_beyond_all_clocks_is_for_ever() {
        assert_eq!(Limit::after(Duration::MAX).left(), None);
        assert_eq!(Limit::within(None).left(), None);
    }
}
