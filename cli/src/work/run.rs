//! `ringway work run`: a command for each job.
//!
//! | the command | the job | the worker |
//! |---|---|---|
//! | succeeds | done | goes on |
//! | fails | done, and reported | goes on, or ends with `--fail-fast` |
//! | cannot be given this job | done, and reported | the same |
//! | cannot be started | another worker's | ends |
//! | fails after the worker was asked to end | another worker's | ends |

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use ringway::Address;
use ringway::mpmc::Message;

use super::args::WorkRunArgs;
use super::command::Template;
use super::signals::Signals;
use super::take::{self, Worker};
use crate::exit::{Exit, Failure, warn};

/// Runs `ringway work run`.
pub fn run(args: &WorkRunArgs) -> Result<(), Failure> {
    let address = &args.take.end.at.address;
    let template = Template::new(&args.command)
        .ok_or_else(|| Failure::new(Exit::Usage, "no command; give one after --"))?;
    let signals = take::hold_back_signals()?;
    let rx = take::join(&args.take)?;
    let mut runner = Runner { address, template, signals, fail_fast: args.fail_fast, done: 0, failed: 0 };
    let outcome = take::take_jobs(rx, &args.take, &mut runner).and_then(|()| runner.verdict());
    if let (Err(failure), Some(_)) = (&outcome, runner.signals.asked()) {
        warn(&failure.to_string());
    }
    runner.signals.obey();
    outcome
}

/// Runs the command.
#[derive(Debug)]
struct Runner<'a> {
    address: &'a Address,
    template: Template,
    signals: Signals,
    fail_fast: bool,
    /// Jobs whose command has ended.
    done: u64,
    /// How many of them failed.
    failed: u64,
}

impl Worker for Runner<'_> {
    fn is_to_end(&mut self) -> bool {
        self.signals.asked().is_some() || (self.fail_fast && self.failed > 0)
    }

    fn work(&mut self, job: &Message<'_>) -> Result<(), Failure> {
        match self.template.start(job, self.signals.mask_before()) {
            Ok(mut child) => {
                let status =
                    self.signals.await_end(&mut child).map_err(|error| self.cannot("wait for", &error))?;
                self.judge(job, status)
            }
            Err(error) if is_of_the_job(&error) => {
                self.note_failure(job, &format!("cannot be an argument: {error}"));
                Ok(())
            }
            Err(error) => Err(self.cannot("run", &error)),
        }
    }
}

impl Runner<'_> {
    /// What the end of the command means for its job.
    fn judge(&mut self, job: &Message<'_>, status: ExitStatus) -> Result<(), Failure> {
        if status.success() {
            self.done += 1;
            return Ok(());
        }
        let program = self.template.program();
        let how = how_it_ended(status);
        if let Some(signal) = self.signals.asked() {
            let line =
                format!("{}: `{program}` {how} after {signal}; another worker gets its job", self.address);
            return Err(Failure::new(Exit::Error, line));
        }
        self.note_failure(job, &format!("`{program}` {how}"));
        Ok(())
    }

    /// Reports a job that failed.
    fn note_failure(&mut self, job: &Message<'_>, why: &str) {
        self.done += 1;
        self.failed += 1;
        warn(&format!("{}: job {}: {why}", self.address, job.sequence()));
    }

    /// The failure of a worker that cannot do with its command what it should.
    fn cannot(&self, verb: &str, error: &io::Error) -> Failure {
        let program = self.template.program();
        let line = format!(
            "cannot {verb} `{program}`: {error}; another worker of {} gets the job, so check the command and start this one again",
            self.address
        );
        Failure::new(Exit::Error, line)
    }

    /// What to report at the end.
    fn verdict(&self) -> Result<(), Failure> {
        if self.failed == 0 {
            return Ok(());
        }
        let line = format!(
            "{}: {} of {} jobs failed; they are not tried again: send those named above anew",
            self.address, self.failed, self.done
        );
        Err(Failure::new(Exit::JobFailed, line))
    }
}

/// Is it the job that no command could be given: too long for an argument, or with a zero byte?
fn is_of_the_job(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidInput || error.raw_os_error() == Some(Errno::E2BIG as i32)
}

/// How a command ended that did not succeed.
fn how_it_ended(status: ExitStatus) -> String {
    match (status.code(), status.signal().and_then(|signal| Signal::try_from(signal).ok())) {
        (Some(code), _) => format!("exited with {code}"),
        (None, Some(signal)) => format!("was killed by {signal}"),
        (None, None) => status.to_string(),
    }
}
