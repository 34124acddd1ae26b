//! Samples: how each is classed, and how many become a median with its quartiles.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use serde::Serialize;

use crate::control::{Job, Outcome, Seat};
use crate::plan::{Crowd, Rival};

/// Probe results below this are *siblings*, nanoseconds per round trip; from there to [`NEAR`] *near*; from there to
/// [`FAR`] *far*; beyond, the scheduler had a hand in it.
const SIBLINGS: f64 = 75.0;
/// See [`SIBLINGS`].
const NEAR: f64 = 200.0;
/// See [`SIBLINGS`].
const FAR: f64 = 1000.0;

/// How far the probes before and after a sample may lie apart, relative to the smaller.
const DISAGREEMENT: f64 = 0.3;

/// The share of a core's time that others may take.
pub const OFF_CORE: f64 = 0.1;

/// How far apart the two cores are. Virtual machines change between these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Regime {
    /// One worker: there is no distance.
    Alone,
    /// Below 75 ns per round trip: two threads of one core.
    Siblings,
    /// From 75 to 200 ns.
    Near,
    /// From 200 ns to 1 µs.
    Far,
}

/// Why a sample does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flaw {
    /// The probes before and after differ, or were disturbed.
    Probes,
    /// A core was taken away by somebody else.
    CoreLost,
}

/// The regime of one probe result.
fn regime(probe: f64) -> Option<Regime> {
    match probe {
        0.0 => Some(Regime::Alone),
        _ if probe < SIBLINGS => Some(Regime::Siblings),
        _ if probe < NEAR => Some(Regime::Near),
        _ if probe < FAR => Some(Regime::Far),
        _ => None,
    }
}

/// The regime of a sample between two probes.
pub fn classify([before, after]: [f64; 2]) -> Result<Regime, Flaw> {
    let apart = (before - after).abs() > DISAGREEMENT * before.min(after);
    match (regime(before), regime(after)) {
        (Some(one), Some(other)) if one == other && !apart => Ok(one),
        _ => Err(Flaw::Probes),
    }
}

/// One sample.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// Process start it was taken in, from 0.
    pub start: usize,
    /// Round within the run, from 0.
    pub round: usize,
    /// The team.
    pub crowd: Crowd,
    /// Payload bytes.
    pub size: usize,
    /// What carried the messages, and where.
    #[serde(flatten)]
    pub rival: Rival,
    /// The regime, or why the sample does not count.
    pub verdict: Result<Regime, Flaw>,
    /// Probe results before and after, nanoseconds per round trip.
    pub probe: [f64; 2],
    /// Messages.
    pub messages: u64,
    /// From the first start until a worker knew that all was received, nanoseconds.
    pub wall: u64,
    /// Nanoseconds per message.
    pub ns: f64,
    /// CPU time of all workers, nanoseconds.
    pub cpu: u64,
    /// The least and the most that a consumer received.
    pub shares: [u64; 2],
}

impl Sample {
    /// A sample out of what the workers measured, whose sums are checked.
    pub fn new(
        (start, round): (usize, usize),
        (crowd, rival): (Crowd, Rival),
        job: Job,
        probe: [f64; 2],
        outcomes: &[(Seat, Outcome)],
    ) -> Result<Self> {
        let receivers =
            || outcomes.iter().filter(|(seat, _)| seat.part.receives()).map(|(_, outcome)| outcome);
        let messages: u64 = outcomes.iter().map(|(_, outcome)| outcome.sent).sum();
        let received: u64 = receivers().map(|outcome| outcome.received).sum();
        let sum: u64 = receivers().map(|outcome| outcome.sum).sum();
        ensure!(received == messages, "{messages} messages were sent, {received} received");
        let expected: u64 = outcomes.iter().map(|(_, o)| o.sent * o.sent.saturating_sub(1) / 2).sum();
        ensure!(sum == expected, "the serial numbers add up to {sum}, not {expected}");
        let began = outcomes.iter().map(|(_, outcome)| outcome.start).min().unwrap_or(0);
        let known = receivers().map(|outcome| outcome.end).min().unwrap_or(0);
        let wall = known.saturating_sub(began);
        let lost = !job.queue.blocks() && lost_core(outcomes, wall);
        let shares = [receivers().map(|o| o.received).min(), receivers().map(|o| o.received).max()];
        Ok(Self {
            start,
            round,
            crowd,
            size: job.size,
            rival,
            verdict: if lost { Err(Flaw::CoreLost) } else { classify(probe) },
            probe,
            messages,
            wall,
            ns: wall as f64 / messages.max(1) as f64,
            cpu: outcomes.iter().map(|(_, outcome)| outcome.cpu).sum(),
            shares: shares.map(Option::unwrap_or_default),
        })
    }
}

/// Did the workers of a core, who never sleep, have it for less than they should in `wall` nanoseconds?
fn lost_core(outcomes: &[(Seat, Outcome)], wall: u64) -> bool {
    let used = |core: usize| -> u64 {
        outcomes.iter().filter(|(seat, _)| seat.core == core).map(|(_, outcome)| outcome.cpu).sum()
    };
    let cores: BTreeSet<usize> = outcomes.iter().map(|(seat, _)| seat.core).collect();
    let least = wall as f64 * (1.0 - OFF_CORE);
    cores.into_iter().any(|core| (used(core) as f64) < least)
}

/// A median and the quartiles around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// A quarter of the values lie below.
    pub low: f64,
    /// Half of them do.
    pub median: f64,
    /// A quarter of the values lie above.
    pub high: f64,
    /// How many values there are.
    pub values: usize,
}

impl Spread {
    /// The spread of `values`; `None` of none.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let last = values.len().checked_sub(1)?;
        let [low, median, high] = [0.25, 0.5, 0.75].map(|share| {
            let at = share * last as f64;
            let (below, above) = (values[at.floor() as usize], values[at.ceil() as usize]);
            below + (above - below) * at.fract()
        });
        Some(Self { low, median, high, values: values.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_that_disagree_spoil_a_sample() {
        assert_eq!(classify([100.0, 110.0]), Ok(Regime::Near));
        assert_eq!(classify([0.0, 0.0]), Ok(Regime::Alone));
        assert_eq!(classify([100.0, 140.0]), Err(Flaw::Probes));
        assert_eq!(classify([190.0, 210.0]), Err(Flaw::Probes));
        assert_eq!(classify([2000.0, 2000.0]), Err(Flaw::Probes));
    }

    #[test]
    fn quartiles_lie_between_the_values() {
        let spread = Spread::of(vec![4.0, 1.0, 2.0, 3.0, 5.0]);
        assert_eq!(spread, Some(Spread { low: 2.0, median: 3.0, high: 4.0, values: 5 }));
        assert_eq!(Spread::of(Vec::new()), None);
    }
}
