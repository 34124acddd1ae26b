//! `ringway work recv`: jobs become standard output.
//!
//! A job is released once it is written. One that could not be written is another worker's.

use ringway::mpmc::Message;

use super::args::{JobFraming, WorkRecvArgs};
use super::signals::Signals;
use super::take::{self, Worker};
use crate::exit::Failure;
use crate::framing::Framing;
use crate::output::Output;
use crate::progress::Progress;
use crate::recv::Sink;

/// Runs `ringway work recv`.
pub fn run(args: &WorkRecvArgs) -> Result<(), Failure> {
    let output = Output::stdout(framing(args.framing)).map_err(|error| Failure::of_output(&error))?;
    let signals = take::hold_back_signals()?;
    let rx = take::join(&args.take)?;
    let progress = Progress::start("received", args.quiet);
    let mut writer = Writer { output, signals, progress };
    let outcome = take::take_jobs(rx, &args.take, &mut writer);
    writer.progress.finish();
    writer.signals.obey();
    outcome
}

/// How jobs are written. As they are is what a chunk is.
fn framing(framing: JobFraming) -> Framing {
    match (framing.lines, framing.length_prefixed) {
        (true, _) => Framing::Lines,
        (_, true) => Framing::LengthPrefixed,
        _ => Framing::Chunk(None),
    }
}

/// Writes jobs to standard output.
#[derive(Debug)]
struct Writer {
    output: Output,
    signals: Signals,
    progress: Progress,
}

impl Worker for Writer {
    fn is_to_end(&mut self) -> bool {
        self.signals.asked().is_some()
    }

    fn work(&mut self, job: &Message<'_>) -> Result<(), Failure> {
        // A tag is the user's here: none of its bits says how the job is to be written.
        let write = || self.output.put(0, job).and_then(|()| self.output.flush());
        // Nobody may be reading: who asks for the end then is not to wait for that.
        let written = self.signals.let_through(write).flatten();
        written.map_err(|error| Failure::of_output(&error))?;
        self.progress.add(job.len());
        Ok(())
    }
}
