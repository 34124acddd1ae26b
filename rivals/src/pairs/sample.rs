//! Samples of pairs.

use serde::Serialize;

use super::control::Outcome;
use super::field::Rival;
use super::plan::Pattern;
use crate::plan::Place;
use crate::sample::{Flaw, OFF_CORE, Regime, classify};

/// Where a sample belongs.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Key {
    /// Process start it was taken in, from 0.
    pub start: usize,
    /// Round within the run, from 0.
    pub round: usize,
    /// How messages followed one another.
    pub pattern: Pattern,
    /// Payload bytes.
    pub size: usize,
}

/// One sample.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// Where it belongs.
    #[serde(flatten)]
    pub key: Key,
    /// What carried the messages: its number in the field.
    #[serde(skip)]
    pub number: usize,
    /// Its name.
    pub rival: &'static str,
    /// Where its users were.
    pub place: Place,
    /// The regime, or why the sample does not count.
    pub verdict: Result<Regime, Flaw>,
    /// Probe results before and after, nanoseconds per round trip.
    pub probe: [f64; 2],
    /// Messages, or round trips.
    pub count: u64,
    /// From the sender's start to the end of the last message, nanoseconds.
    pub wall: u64,
    /// Nanoseconds per message or round trip.
    pub ns: f64,
    /// CPU time of sender and receiver, nanoseconds.
    pub cpu: [u64; 2],
}

impl Sample {
    /// A sample out of what both sides measured.
    pub fn new(key: Key, (number, rival): (usize, &Rival), count: u64, sides: [Outcome; 2]) -> Self {
        let [sender, receiver] = sides;
        let end = if key.pattern == Pattern::RoundTrip { sender.end } else { receiver.end };
        let wall = end.saturating_sub(sender.start);
        let lost = !rival.sleeps && sides.iter().any(lost_core);
        Self {
            key,
            number,
            rival: rival.name,
            place: rival.place(),
            verdict: if lost { Err(Flaw::CoreLost) } else { classify(sender.probe) },
            probe: sender.probe,
            count,
            wall,
            ns: wall as f64 / count as f64,
            cpu: sides.map(|side| side.cpu),
        }
    }
}

/// Did a side that never sleeps have its core for less than it should?
fn lost_core(side: &Outcome) -> bool {
    (side.cpu as f64) < side.end.saturating_sub(side.start) as f64 * (1.0 - OFF_CORE)
}

#[cfg(test)]
mod tests {
    use super::super::field::Field;
    use super::*;

    fn sample(pattern: Pattern, cpu: u64) -> Sample {
        let sender = Outcome { start: 100, end: 150, cpu: 50, probe: [90.0, 92.0] };
        let receiver = Outcome { start: 90, end: 300, cpu, ..Outcome::default() };
        let field = Field::new(&[]);
        let rival = field.find("ringway").expect("in the field");
        Sample::new(Key { start: 0, round: 0, pattern, size: 8 }, rival, 10, [sender, receiver])
    }

    #[test]
    fn the_time_of_a_stream_ends_with_the_receiver() {
        assert_eq!((sample(Pattern::Single, 210).ns, sample(Pattern::RoundTrip, 210).ns), (20.0, 5.0));
    }

    #[test]
    fn a_side_that_lost_its_core_spoils_the_sample() {
        assert_eq!(sample(Pattern::Single, 210).verdict, Ok(Regime::Near));
        assert_eq!(sample(Pattern::Single, 150).verdict, Err(Flaw::CoreLost));
    }
}
