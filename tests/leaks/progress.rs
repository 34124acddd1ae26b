//! How far a role has come.

use std::time::{Duration, Instant};

use crate::common::role::say;

/// The last word of a role that came to its end.
pub const DONE: &str = "done";

/// Says how many cycles are done, every few seconds and at the end.
pub struct Progress {
    what: &'static str,
    of: u64,
    done: u64,
    started: Instant,
    said: Instant,
}

impl Progress {
    pub fn new(what: &'static str, of: u64) -> Progress {
        let now = Instant::now();
        Progress { what, of, done: 0, started: now, said: now }
    }

    pub fn is_done(&self) -> bool {
        self.done >= self.of
    }

    pub fn add(&mut self, cycles: u64) {
        self.done += cycles;
        if self.said.elapsed() > Duration::from_secs(5) {
            self.said = Instant::now();
            self.tell(&"");
        }
    }

    /// Says how it went, and `figures` beside.
    pub fn tell(&self, figures: &dyn std::fmt::Display) {
        let (Progress { what, of, done, .. }, seconds) = (self, self.started.elapsed().as_secs());
        say(format_args!("{what}: {done} of {of} cycles, {seconds} s{figures}"));
    }

    /// The role has come to its end.
    pub fn end(self, figures: impl std::fmt::Display) {
        self.tell(&figures);
        say(DONE);
    }
}
