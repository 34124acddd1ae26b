//! What measures: starts both sides together, probes before and after, and takes the times.

use std::sync::atomic::AtomicU64;

use anyhow::Result;

use super::control::{Job, Outcome, Side};
use super::probe::{Barrier, Ping, Pong, ping_pong, probe};
use super::traffic::{Part, Rx, Tx};
use crate::stage::LINE;
use crate::worker::clocks;

/// Words that the meters of two sides share.
pub const WORDS: usize = 4 * LINE;

/// One side's meter.
#[derive(Debug)]
pub struct Meter<'a> {
    /// Which side.
    side: Side,
    /// Where both sides meet.
    barrier: Barrier<'a>,
    /// This side's line of the probe's ping-pong.
    ping: Ping<'a>,
    /// The other side's.
    pong: Pong<'a>,
}

impl<'a> Meter<'a> {
    /// The meter of a side over the [`WORDS`] shared words.
    pub fn new(side: Side, words: &'a [AtomicU64]) -> Self {
        let line = |index: usize| &words[index * LINE];
        let (ping, pong) = ping_pong(side, [line(2), line(3)]);
        Self { side, barrier: Barrier::new(side, [line(0), line(1)]), ping, pong }
    }

    /// Takes the side's part in a sample over its ends of a rival.
    pub fn measure(&mut self, job: Job, tx: &mut impl Tx, rx: &mut impl Rx) -> Result<Outcome> {
        let mut part = Part::new(self.side, job);
        tx.begin(job.pauses);
        rx.begin(job.pauses);
        let before = self.probe(job.probe)?;
        let (start, cpu) = clocks()?;
        part.play(tx, rx)?;
        let (end, cpu_end) = clocks()?;
        Ok(Outcome { start, end, cpu: cpu_end - cpu, probe: [before, self.probe(job.probe)?] })
    }

    /// Meets the other side, probes if it is wanted, and meets it again.
    fn probe(&mut self, wanted: bool) -> Result<f64> {
        self.barrier.wait()?;
        if !wanted {
            return Ok(0.0);
        }
        let distance = probe(self.side, &mut self.ping, &mut self.pong);
        self.barrier.wait()?;
        Ok(distance)
    }
}
