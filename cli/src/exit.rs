//! How a command ends: the exit codes, and the one line that goes with each failure.
//!
//! A line says what happened, in the library's words, and then what to do about it.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use ringway::connect::At;
use ringway::{Address, ConnectError, OpenError, RecvError, SendError};
use thiserror::Error;

/// The exit codes, as `ringway --help` lists them.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done; recv: the sender closed the stream and all of it was written; workers: no job is left
  1  any other error
  2  bad usage
  3  closed: the receiver said goodbye while the sender still had data
  4  peer dead: the other side ended without a goodbye
  5  timed out: nothing moved for as long as --timeout allows
  6  the ring cannot be opened, created or removed
  7  recv's standard output was closed by its reader
  8  the ring's contents break the protocol
  9  work run: the command failed for a job";

/// What to do about a wait that was too short.
const RAISE: &str = "raise --timeout, or leave it out to wait for ever";

/// An exit code other than success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Anything that has no code of its own.
    Error = 1,
    /// The arguments do not fit together or do not fit the ring.
    Usage = 2,
    /// The receiver said goodbye while the sender still had data.
    Closed = 3,
    /// The other side ended without a goodbye.
    PeerDead = 4,
    /// Nothing moved for as long as `--timeout` allows.
    TimedOut = 5,
    /// The ring cannot be opened, created or removed.
    Ring = 6,
    /// Whoever read this command's output went away.
    OutputClosed = 7,
    /// The ring's contents break the protocol.
    Corrupt = 8,
    /// The command failed for a job.
    JobFailed = 9,
}

/// Why a command ended early: the exit code and the line for the person who started it.
#[derive(Debug, Error)]
#[error("{line}")]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    line: String,
}

impl Failure {
    /// A failure that says `line`.
    pub fn new(exit: Exit, line: impl Into<String>) -> Self {
        Self { exit, line: line.into() }
    }

    /// Why a stream into `address` stopped.
    pub fn of_send(address: &Address, error: &SendError) -> Self {
        match error {
            SendError::Closed => Self::new(
                Exit::Closed,
                format!(
                    "{address}: the receiver said goodbye before the end of the stream; \
                     what it left unread waits for `ringway recv {address}`, or goes with `ringway rm {address}`"
                ),
            ),
            SendError::PeerDead => Self::new(
                Exit::PeerDead,
                format!(
                    "{address}: the receiver died before the end of the stream; \
                     `ringway recv {address}` goes on from the first message it had not released"
                ),
            ),
            SendError::TimedOut => Self::new(Exit::TimedOut, format!("{address}: {error}; {RAISE}")),
            SendError::Corrupt(_) => Self::new(Exit::Corrupt, corrupt(address, error)),
            _ => Self::new(Exit::Error, format!("{address}: {error}")),
        }
    }

    /// Why a stream out of `address` stopped before its end.
    pub fn of_recv(address: &Address, error: &RecvError) -> Self {
        match error {
            RecvError::PeerDead => Self::new(
                Exit::PeerDead,
                format!(
                    "{address}: the sender died before the end of the stream; all it had sent was written; \
                     for the rest start both sides again"
                ),
            ),
            RecvError::TimedOut => Self::new(Exit::TimedOut, format!("{address}: {error}; {RAISE}")),
            RecvError::Corrupt(_) => Self::new(Exit::Corrupt, corrupt(address, error)),
            _ => Self::new(Exit::Error, format!("{address}: {error}")),
        }
    }

    /// Why a stream into a connection stopped.
    pub fn of_connected_send(at: &At, error: &SendError) -> Self {
        match (at, error) {
            (At::Ring(address), _) => Self::of_send(address, error),
            (_, SendError::Closed) => {
                Self::new(Exit::Closed, format!("{at}: the receiver left before the end of the stream"))
            }
            (_, SendError::PeerDead) => {
                let line =
                    format!("{at}: the receiver died before the end of the stream; start both sides again");
                Self::new(Exit::PeerDead, line)
            }
            (_, SendError::TimedOut) => Self::new(Exit::TimedOut, format!("{at}: {error}; {RAISE}")),
            (_, SendError::Corrupt(_)) => Self::new(Exit::Corrupt, format!("{at}: {error}")),
            _ => Self::new(Exit::Error, format!("{at}: {error}")),
        }
    }

    /// Why a stream out of a connection stopped before its end.
    pub fn of_connected_recv(at: &At, error: &RecvError) -> Self {
        match (at, error) {
            (At::Ring(address), _) => Self::of_recv(address, error),
            (_, RecvError::PeerDead) => {
                let line = format!(
                    "{at}: the sender died before the end of the stream; all that came was written; start both sides again"
                );
                Self::new(Exit::PeerDead, line)
            }
            (_, RecvError::TimedOut) => Self::new(Exit::TimedOut, format!("{at}: {error}; {RAISE}")),
            (_, RecvError::Corrupt(_)) => Self::new(Exit::Corrupt, format!("{at}: {error}")),
            _ => Self::new(Exit::Error, format!("{at}: {error}")),
        }
    }

    /// An option that a connection cannot have.
    pub fn only_for_rings(option: &str, at: &At) -> Self {
        let line =
            format!("{option} is for rings with a name (shm:, file:, fd:), and {at} is none; leave it out");
        Self::new(Exit::Usage, line)
    }

    /// A bridge from an address to itself.
    pub fn same_address(at: &At) -> Self {
        Self::new(
            Exit::Usage,
            format!("{at} is where messages come from and where they go; name two addresses"),
        )
    }

    /// Why the queue at `address` took no more jobs.
    pub fn of_work_send(address: &Address, error: &SendError) -> Self {
        match error {
            SendError::Stalled { pid, .. } => Self::new(
                Exit::TimedOut,
                format!(
                    "{address}: timed out: the queue is full behind a slot that process {pid} has in hand; \
                     create it with more --slots, end that process, or {RAISE}"
                ),
            ),
            _ => Self::of_send(address, error),
        }
    }

    /// The queue at `address` is full, and for as long as `--timeout` allows no worker was there.
    pub fn no_worker(address: &Address) -> Self {
        Self::new(
            Exit::TimedOut,
            format!(
                "{address}: timed out: the queue is full and no worker is there; \
                 start one (`ringway work run {address} -- COMMAND`), or {RAISE}"
            ),
        )
    }

    /// Why the queue at `address` gave no more jobs.
    pub fn of_worker(address: &Address, error: &RecvError) -> Self {
        match error {
            RecvError::PeerDead => Self::new(
                Exit::PeerDead,
                format!(
                    "{address}: a sender died before it had sent all its jobs; those that it had sent are done; \
                     for the rest start it again; with --stay workers wait for that"
                ),
            ),
            RecvError::Stalled { .. } => Self::new(Exit::TimedOut, format!("{address}: {error}, or {RAISE}")),
            _ => Self::of_recv(address, error),
        }
    }

    /// Why a queue cannot be opened or created.
    pub fn of_queue(error: OpenError) -> Self {
        let flag = match &error {
            OpenError::NoSpace { .. } | OpenError::Limit { .. } => "--slots N, --slot-size BYTES",
            OpenError::NoPlace { .. } => "--participants N",
            OpenError::NotFound { place } => {
                let line = format!(
                    "no queue at {place}; `ringway ls` lists those there are; without --no-create this makes one"
                );
                return Self::new(Exit::Ring, line);
            }
            _ => return error.into(),
        };
        Self::new(Exit::Ring, format!("{error} ({flag})"))
    }

    /// Standard input was idle for `timeout`.
    pub fn idle_input(timeout: Duration) -> Self {
        let idle = humantime::format_duration(timeout);
        Self::new(Exit::TimedOut, format!("standard input gave nothing for {idle}; {RAISE}"))
    }

    /// Reading standard input failed.
    pub fn of_input(error: &io::Error) -> Self {
        Self::new(Exit::Error, format!("cannot read standard input: {error}"))
    }

    /// Writing standard output failed. A reader that went away is ordinary, as at the head of a pipeline, and says nothing.
    pub fn of_output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Exit::OutputClosed, ""),
            _ => Self::new(Exit::Error, format!("cannot write standard output: {error}")),
        }
    }

    /// Prints the line, if there is one, and turns into the exit code.
    pub fn report(self) -> ExitCode {
        if !self.line.is_empty() {
            let label = console::style("error:").red().bold().for_stderr();
            eprintln!("{label} {}", self.line);
        }
        ExitCode::from(self.exit as u8)
    }
}

/// Says something that went wrong and ends nothing.
pub fn warn(line: &str) {
    let label = console::style("warning:").yellow().bold().for_stderr();
    eprintln!("{label} {line}");
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let exit = match error {
            ConnectError::Open(error) => return error.into(),
            ConnectError::Nobody { .. } => Exit::TimedOut,
            _ => Exit::Ring,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let line = match (&error, flag(&error)) {
            (OpenError::NotFound { place }, _) => {
                format!(
                    "no ring at {place}; `ringway ls` lists those there are, send and recv make one unless told --no-create"
                )
            }
            (OpenError::Kind { place, found, .. }, _) => wrong_kind(place, found),
            (_, Some(flag)) => format!("{error} ({flag})"),
            (_, None) => error.to_string(),
        };
        let exit = if matches!(error, OpenError::Option { .. } | OpenError::Address(_)) {
            Exit::Usage
        } else {
            Exit::Ring
        };
        Self::new(exit, line)
    }
}

/// The option of this command that does what the library's text advises.
fn flag(error: &OpenError) -> Option<String> {
    match error {
        OpenError::InUse { .. } => Some("--force".to_owned()),
        OpenError::NoSpace { .. } | OpenError::Limit { .. } => Some("--size BYTES".to_owned()),
        OpenError::ForeignOwner { found, .. } => Some(format!("--owner {found}")),
        OpenError::EarlierBoot { .. } => Some("--earlier-boot".to_owned()),
        OpenError::Mode { found, .. } => Some(format!("--mode {found:o}")),
        _ => None,
    }
}

/// The line for a ring of the kind `found` that the command is not for.
fn wrong_kind(place: &str, found: &str) -> String {
    match found {
        "mpmc" => format!(
            "{place} is a queue (mpmc); use `ringway work send`, `work recv` or `work run`, or another name"
        ),
        "spsc" => {
            format!("{place} is a stream (spsc); use `ringway send` and `ringway recv`, or another name")
        }
        "duplex" => format!(
            "{place} is a duplex, which two programs talk through (ringway::duplex); use another name"
        ),
        _ => format!("{place} is of the unknown kind {found}; use the ringway that made it, or another name"),
    }
}

/// The line for a ring whose contents break the protocol.
fn corrupt(address: &Address, error: &dyn Display) -> String {
    format!("{address}: {error} (`ringway inspect {address}`, then `ringway rm --force {address}`)")
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        error.downcast().unwrap_or_else(|error| Self::new(Exit::Error, format!("{error:#}")))
    }
}
