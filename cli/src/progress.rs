//! What is said to a person while a stream runs: rate, total and time on standard error, and nothing anywhere else.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ringway::Geometry;
use ringway::spsc::Recovery;

use crate::args::StreamArgs;

/// How often the line is drawn.
const TICK: Duration = Duration::from_millis(100);

/// A progress line, or none. Counting is an addition; a thread of its own draws.
#[derive(Debug)]
pub struct Progress(Option<ProgressBar>);

impl Progress {
    /// A line that begins with `verb`, when standard error is a terminal and nobody asked for quiet.
    pub fn start(verb: &'static str, quiet: bool) -> Self {
        if quiet || !io::stderr().is_terminal() {
            return Self(None);
        }
        let template = "{prefix} {decimal_bytes} in {elapsed}, {decimal_bytes_per_sec}";
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
            .with_style(style)
            .with_prefix(verb);
        bar.enable_steady_tick(TICK);
        Self(Some(bar))
    }

    /// No line.
    pub fn none() -> Self {
        Self(None)
    }

    /// Counts `bytes` that moved.
    pub fn add(&self, bytes: usize) {
        if let Some(bar) = &self.0 {
            bar.inc(bytes as u64);
        }
    }

    /// Leaves the last state of the line standing.
    pub fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.abandon();
        }
    }
}

/// Says so if huge pages were asked for and none were obtained.
pub fn note_huge_pages(stream: &StreamArgs, geometry: &Geometry) {
    if stream.ring.huge_pages && geometry.huge_bytes == 0 && !stream.quiet {
        eprintln!(
            "note: {} is on ordinary pages; for huge ones set transparent_hugepage/shmem_enabled to advise, or drop --huge-pages",
            stream.at.address
        );
    }
}

/// Says what a loss of power has left of the stream.
pub fn note_recovery(stream: &StreamArgs, recovery: Option<Recovery>) {
    if let Some(recovery) = recovery.filter(|_| !stream.quiet) {
        eprintln!(
            "note: {} was recovered: {} messages are whole, at least {} are lost",
            stream.at.address, recovery.kept, recovery.dropped
        );
    }
}
