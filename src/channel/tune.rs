//! How a consumer polls a stream.

use core::time::Duration;

use crate::ring::Pace;
use crate::wait::pauses_in;

/// How a consumer polls a stream of messages.
///
/// A consumer that sees a dense stream lags a little behind the producer on purpose: cache lines then move
/// once each instead of being fought over. This says how far it may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tune {
    /// Never lag.
    Latency,
    /// Lag at most 1.4 µs, and only behind a dense stream.
    #[default]
    Balanced,
    /// Lag at most 5.5 µs, and only behind a dense stream.
    Throughput,
}

impl Tune {
    pub(crate) fn pace(self) -> Pace {
        let ns = |ns| pauses_in(Duration::from_nanos(ns));
        match self {
            Tune::Latency => Pace { most: 1, probe: 1 },
            Tune::Balanced => Pace { most: ns(1380), probe: ns(86) },
            Tune::Throughput => Pace { most: ns(4 * 1380), probe: ns(86) },
        }
    }
}
