//! Being told to stop (SIGINT, SIGTERM): a run ends after the sample at hand, and cleans up as it does at its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{SigSet, Signal};

/// Whether this process was told to stop.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// From now on the signals only stop the run. The pairs' processes, which a terminal sends them to as well, die of
    /// them, and are cleaned up after.
    pub fn listen() -> Result<Self> {
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGINT);
        signals.add(Signal::SIGTERM);
        signals.thread_block().context("cannot hold signals back")?;
        let stop = Self::default();
        let told = stop.clone();
        thread::spawn(move || {
            if signals.wait().is_ok() {
                told.0.store(true, Ordering::Relaxed); // edge: none, only the flag counts
            }
        });
        Ok(stop)
    }

    /// An error once it was told to stop.
    pub fn check(&self) -> Result<()> {
        ensure!(!self.0.load(Ordering::Relaxed), "stopped by a signal");
        Ok(())
    }
}
