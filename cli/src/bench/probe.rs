//! The barrier that starts both sides together, and the ping-pong over two cache lines: probe of the distance
//! between the cores, and floor of every round trip.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::yield_now;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::bytes::relax;
use super::control::Side;
use super::payload::{Check, Payload};
use super::traffic::{Rx, Tx};

/// How long a side waits for the other at the barrier.
const PATIENCE: Duration = Duration::from_secs(5);

/// Looks at the barrier before a side lets others have its core.
const LOOKS: u32 = 1 << 14;

/// Round trips of one stretch of the probe.
const STRETCH: u64 = 128;

/// Stretches of the probe; their median is its result, so one interruption does not spoil it.
const STRETCHES: usize = 9;

/// A barrier for two.
#[derive(Debug)]
pub struct Barrier<'a> {
    /// Written by this side: how often it has arrived.
    mine: &'a AtomicU64,
    /// Written by the other side.
    theirs: &'a AtomicU64,
    /// How often this side has arrived.
    arrived: u64,
}

impl<'a> Barrier<'a> {
    /// The barrier of `side` on the words of the sender and the receiver.
    pub fn new(side: Side, [sender, receiver]: [&'a AtomicU64; 2]) -> Self {
        let (mine, theirs) = match side {
            Side::Sender => (sender, receiver),
            Side::Receiver => (receiver, sender),
        };
        Self { mine, theirs, arrived: 0 }
    }

    /// Waits until both sides have come here.
    pub fn wait(&mut self) -> Result<()> {
        self.arrived += 1;
        // edge: arrival (release), pairs with the load below
        self.mine.store(self.arrived, Ordering::Release);
        let mut deadline = None;
        loop {
            for _ in 0..LOOKS {
                // edge: arrival (acquire), pairs with the store above
                if self.theirs.load(Ordering::Acquire) >= self.arrived {
                    return Ok(());
                }
                relax();
            }
            if Instant::now() > *deadline.get_or_insert_with(|| Instant::now() + PATIENCE) {
                bail!("the other side did not come to the start");
            }
            yield_now();
        }
    }
}

/// The writing half of a ping-pong: a line of one's own.
#[derive(Debug)]
pub struct Ping<'a> {
    /// The line.
    line: &'a AtomicU64,
    /// What was last written.
    last: u64,
}

/// The reading half: the other side's line.
#[derive(Debug)]
pub struct Pong<'a> {
    /// The line.
    line: &'a AtomicU64,
    /// What was last read.
    last: u64,
}

/// Both halves of `side` on the lines of the sender and the receiver.
pub fn ping_pong<'a>(side: Side, [sender, receiver]: [&'a AtomicU64; 2]) -> (Ping<'a>, Pong<'a>) {
    let (mine, theirs) = match side {
        Side::Sender => (sender, receiver),
        Side::Receiver => (receiver, sender),
    };
    (Ping { line: mine, last: 0 }, Pong { line: theirs, last: 0 })
}

impl Ping<'_> {
    /// Writes the next number.
    #[inline(always)]
    fn hit(&mut self) {
        self.last += 1;
        self.line.store(self.last, Ordering::Release); // edge: ball (release), pairs with Pong::wait
    }
}

impl Pong<'_> {
    /// Waits for the next number.
    #[inline(always)]
    fn wait(&mut self) {
        self.last += 1;
        // edge: ball (acquire), pairs with Ping::hit
        while self.line.load(Ordering::Acquire) != self.last {
            relax();
        }
    }
}

/// Measures the distance between the cores; both sides must call it. Nanoseconds per round trip, on the
/// sender's side.
pub fn probe(side: Side, ping: &mut Ping<'_>, pong: &mut Pong<'_>) -> f64 {
    let mut stretches = [0.0; STRETCHES];
    for stretch in &mut stretches {
        let start = Instant::now();
        for _ in 0..STRETCH {
            match side {
                Side::Sender => {
                    ping.hit();
                    pong.wait();
                }
                Side::Receiver => {
                    pong.wait();
                    ping.hit();
                }
            }
        }
        *stretch = start.elapsed().as_nanos() as f64 / STRETCH as f64;
    }
    stretches.sort_by(f64::total_cmp);
    stretches[STRETCHES / 2]
}

impl Tx for Ping<'_> {
    #[inline(always)]
    fn send(&mut self, _payload: &mut Payload, _number: u64) -> Result<()> {
        self.hit();
        Ok(())
    }
}

impl Rx for Pong<'_> {
    #[inline(always)]
    fn recv(&mut self, check: &mut Check) -> Result<()> {
        self.wait();
        check.take_number(check.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_play() {
        let lines = [AtomicU64::new(0), AtomicU64::new(0)];
        let words = [&lines[0], &lines[1]];
        let barriers = [AtomicU64::new(0), AtomicU64::new(0)];
        std::thread::scope(|scope| {
            for side in Side::BOTH {
                let barriers = [&barriers[0], &barriers[1]];
                scope.spawn(move || {
                    let mut barrier = Barrier::new(side, barriers);
                    let (mut ping, mut pong) = ping_pong(side, words);
                    for _ in 0..3 {
                        barrier.wait().unwrap();
                        assert!(probe(side, &mut ping, &mut pong) > 0.0);
                    }
                });
            }
        });
    }
}
