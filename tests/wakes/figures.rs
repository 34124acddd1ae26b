//! What is counted of waits, and what they may take.

use std::fmt;

use crate::journal::{Journal, now};
use crate::plan::{LIMIT, Plan};

/// A wait that begins so soon after a kill may be held up by it.
const SOON: u64 = 300_000_000;
/// A wait that is held up takes longer than this.
const HELD_UP: u64 = 1_000_000_000;

/// What the processes of one place, or of all, have counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Waits {
    pub messages: u64,
    pub sleeps: u64,
    pub wakes: u64,
    /// The longest wait beside something to do, in nanoseconds.
    pub longest: u64,
    /// The same, of those that a kill may have held up: the dead one may have been about to wake somebody.
    pub after_kill: u64,
    /// How many of the latter were held up.
    pub held_up: u64,
}

impl Waits {
    /// Notes a wait for something that was there `since` then.
    pub fn note(&mut self, since: u64, journal: &Journal) {
        let wait = now().saturating_sub(since);
        if journal.killed() + SOON < since {
            self.longest = self.longest.max(wait);
        } else {
            self.after_kill = self.after_kill.max(wait);
            self.held_up += u64::from(wait > HELD_UP);
        }
    }

    pub fn add(&mut self, other: &Waits) {
        self.messages += other.messages;
        self.sleeps += other.sleeps;
        self.wakes += other.wakes;
        self.longest = self.longest.max(other.longest);
        self.after_kill = self.after_kill.max(other.after_kill);
        self.held_up += other.held_up;
    }

    /// Somebody slept beside something to do for longer than a wake-up takes.
    pub fn check(&self, plan: &Plan) {
        let (limit, interval) = (LIMIT.as_nanos() as u64, plan.liveness().as_nanos() as u64);
        assert!(self.longest < limit, "a wake-up was lost, and nobody had been killed: {self}");
        assert!(self.after_kill < interval + limit, "a kill cost more than a liveness interval: {self}");
    }
}

/// What both sides have counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Total {
    pub kills: u64,
    pub senders: Waits,
    pub receivers: Waits,
}

impl Total {
    pub fn add(&mut self, other: &Total) {
        self.kills += other.kills;
        self.senders.add(&other.senders);
        self.receivers.add(&other.receivers);
    }
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Waits { sleeps, wakes, held_up, .. } = self;
        let [longest, after_kill] = [self.longest, self.after_kill].map(|wait| wait as f64 / 1e6);
        write!(f, "{sleeps} sleeps, {wakes} wakes, longest wait {longest:.1} ms; ")?;
        write!(f, "after a kill {after_kill:.1} ms, {held_up} of more than a second")
    }
}
