//! How long a consumer that has caught up waits before it looks again.
//!
//! A consumer that sees a stream lags behind on purpose: then cache lines move once each and in sequence
//! instead of being fought over while they are filled. All of it happens when the ring was found empty, so a
//! message on its own is never delayed by more than one wait, and a sparse sender by one `pause`.
//!
//! When a run of messages has ended: if it had at least two messages and 16 bytes for each pause waited before
//! it, a run under 4 KiB doubles the wait and one over 16 KiB halves it; any other run halves it. Now and then
//! a wait probes with a little more, to find a stream that a wait of one pause cannot see.

use crate::sync::pause;

/// Bytes of a run, per pause waited before it, that make it dense.
const DENSE: u64 = 16;
/// A dense run shorter than this asks for a longer wait.
const SHORT_RUN: u64 = 4 << 10;
/// A run longer than this asks for a shorter one.
const LONG_RUN: u64 = 16 << 10;
/// How often to probe.
const PROBE_EVERY: u32 = 128;

/// How far the wait may go, in pauses of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// The longest wait.
    pub(crate) most: u32,
    /// The wait of a probe.
    pub(crate) probe: u32,
}

/// The wait of one consumer.
#[derive(Debug)]
pub(crate) struct Lag {
    pace: Pace,
    pauses: u32,
    waits: u32,
    /// Pauses since the last run ended.
    waited: u64,
}

impl Lag {
    pub(crate) fn new(pace: Pace) -> Lag {
        Lag { pace, pauses: 1, waits: 0, waited: 0 }
    }

    pub(crate) fn set_pace(&mut self, pace: Pace) {
        *self = Lag::new(pace);
    }

    /// Waits after an empty poll that followed another.
    #[inline(always)]
    pub(crate) fn wait_on(&mut self) {
        self.waited += 1;
        pause();
    }

    /// Waits after the empty poll that ended a run of messages.
    pub(crate) fn end_run(&mut self, messages: u64, bytes: u64) {
        let pauses = self.after_run(messages, bytes);
        self.waited = u64::from(pauses);
        (0..pauses).for_each(|_| pause());
    }

    /// Pauses to wait now that a run has ended.
    fn after_run(&mut self, messages: u64, bytes: u64) -> u32 {
        let dense = messages >= 2 && bytes >= DENSE * self.waited;
        if dense && bytes < SHORT_RUN {
            self.pauses = (self.pauses * 2).min(self.pace.most);
        } else if !dense || bytes > LONG_RUN {
            self.pauses = (self.pauses / 2).max(1);
        }
        self.waits = (self.waits + 1) % PROBE_EVERY;
        if self.waits == 0 { self.pauses.max(self.pace.probe) } else { self.pauses }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const PACE: Pace = Pace { most: 16, probe: 4 };

    fn settle(lag: &mut Lag, messages: u64, bytes: u64) -> u32 {
        (0..20).for_each(|_| lag.end_run(messages, bytes));
        lag.pauses
    }

    #[test]
    fn a_dense_stream_is_given_a_head_start_and_a_sparse_one_is_not() {
        let mut lag = Lag::new(PACE);
        assert_eq!(settle(&mut lag, 8, 1024), 16, "short dense runs");
        assert_eq!(settle(&mut lag, 64, 8 << 10), 16, "runs of the wanted length");
        assert_eq!(settle(&mut lag, 1024, 64 << 10), 1, "long runs");
        assert_eq!(settle(&mut lag, 1, 72), 1, "single messages");
    }

    #[test]
    fn pauses_of_an_empty_ring_make_the_next_run_sparse() {
        let mut lag = Lag::new(PACE);
        settle(&mut lag, 8, 1024);
        (0..100).for_each(|_| lag.wait_on());
        lag.end_run(2, 128);
        assert_eq!(lag.pauses, 8);
    }

    #[test]
    fn a_probe_comes_every_so_often() {
        let mut lag = Lag::new(PACE);
        let probes = (0..2 * PROBE_EVERY).filter(|_| lag.after_run(1, 16) == PACE.probe).count();
        assert_eq!(probes, 2);
    }

    #[test]
    fn a_latency_setting_never_waits_longer_than_a_pause() {
        let mut lag = Lag::new(Pace { most: 1, probe: 1 });
        assert_eq!(settle(&mut lag, 8, 1024), 1);
    }
}
