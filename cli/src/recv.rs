//! `ringway recv`: messages become standard output.
//!
//! A message is released once it is written, so whatever a receiver had not finished is there for the next one, and
//! nothing is reported before everything committed was written.
//!
//! A ring that outlives its streams (`--persist`) may still carry the goodbye of one that was received to its end. That
//! goodbye was heard: the next receiver waits for the next sender. After a receiver that died it was not, and ends the
//! stream.

use std::io;
use std::mem;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ringway::connect::{At, Consumer};
use ringway::inspect::{self, ParticipantReport};
use ringway::{Address, Peer, RecvError, Role, spsc};

use crate::args::{RecvArgs, StreamArgs};
use crate::connected::note_fallback;
use crate::exit::Failure;
use crate::output::Output;
use crate::progress::{Progress, note_huge_pages, note_recovery};

/// Bytes written before what they came in is released.
const RELEASE_AFTER: usize = 64 << 10;

/// The time between two looks for a sender that is awaited.
const GLANCE: Duration = Duration::from_millis(1);

/// What a message counts for beside its bytes, so that a flood of empty ones is released too.
const MESSAGE_COST: usize = 8;

/// Where messages go.
pub trait Sink {
    /// Takes one message; may keep it until [`Sink::flush`].
    fn put(&mut self, tag: u16, payload: &[u8]) -> io::Result<()>;

    /// Writes whatever was kept.
    fn flush(&mut self) -> io::Result<()>;
}

/// Why a stream stopped before its end.
#[derive(Debug)]
pub enum Stop {
    /// The ring gives no more.
    Ring(RecvError),
    /// The sink takes no more.
    Sink(io::Error),
}

impl Stop {
    /// What to report, for a stream from this address.
    pub fn at(&self, at: &At) -> Failure {
        match (self, at) {
            (Self::Ring(error), At::Ring(address)) => Failure::of_recv(address, error),
            (Self::Ring(error), at) => Failure::of_connected_recv(at, error),
            (Self::Sink(error), _) => Failure::of_output(error),
        }
    }
}

impl From<RecvError> for Stop {
    fn from(error: RecvError) -> Self {
        Self::Ring(error)
    }
}

/// Runs `ringway recv`.
pub fn run(args: &RecvArgs) -> Result<(), Failure> {
    let stream = &args.stream;
    let at = &stream.at.address;
    let mut output = Output::stdout(stream.framing.framing()).map_err(|error| Failure::of_output(&error))?;
    let (mut rx, past) = match at {
        At::Ring(address) => {
            let past = past_sender(address);
            (attach(stream, address)?.into(), past)
        }
        at => {
            stream.check_connection(at)?;
            (stream.connection().consumer(at)?, None)
        }
    };
    note_fallback(stream.quiet, at, rx.transport());
    let progress = Progress::start("received", stream.quiet);
    let awaited = match at {
        At::Ring(address) => await_sender(address, past, stream.timeout),
        _ => Ok(()),
    };
    let outcome = awaited.and_then(|()| pump(&mut rx, &mut output, stream.timeout, &progress));
    progress.finish();
    outcome.map_err(|stop| stop.at(at))
}

/// Attaches to the ring at `address`.
fn attach(stream: &StreamArgs, address: &Address) -> Result<spsc::Consumer, Failure> {
    let rx = stream.options().consumer(address)?;
    note_huge_pages(stream, &rx.geometry());
    note_recovery(stream, rx.recovery());
    Ok(rx)
}

/// Process and start time of a sender.
pub type Sender = (u32, u64);

/// The sender of the stream that the ring at `address` carried last, if that stream was received to its end.
pub fn past_sender(address: &Address) -> Option<Sender> {
    let report = inspect::inspect(address).ok()?;
    let state = |role| report.participants.iter().find(|one| one.role == role).map(|one| one.state);
    let heard = state(Role::Consumer) == Some(Peer::Closed);
    let over = matches!(state(Role::Producer), Some(Peer::Closed | Peer::Dead)) && report.used == Ok(0);
    if heard && over { sender(&report.participants) } else { None }
}

/// The sender among `participants`.
fn sender(participants: &[ParticipantReport]) -> Option<Sender> {
    participants.iter().find(|one| one.role == Role::Producer).map(|one| (one.pid, one.started))
}

/// Waits until the ring at `address` has another sender than `past`; at once if `past` is nobody.
pub fn await_sender(address: &Address, past: Option<Sender>, timeout: Option<Duration>) -> Result<(), Stop> {
    let began = Instant::now();
    while past.is_some() && inspect::inspect(address).is_ok_and(|report| sender(&report.participants) == past)
    {
        if timeout.is_some_and(|timeout| began.elapsed() >= timeout) {
            return Err(RecvError::TimedOut.into());
        }
        sleep(GLANCE);
    }
    Ok(())
}

/// Moves messages from `rx` to `sink` until the sender has closed the stream.
pub fn pump(
    rx: &mut Consumer,
    sink: &mut impl Sink,
    timeout: Option<Duration>,
    progress: &Progress,
) -> Result<(), Stop> {
    loop {
        match pump_once(rx, sink, timeout) {
            Ok(bytes) => progress.add(bytes),
            Err(Stop::Ring(RecvError::Closed)) => return Ok(()),
            Err(stop) => return Err(stop),
        }
    }
}

/// Moves what is there, or waits for one message and moves that. Returns the bytes moved.
fn pump_once(rx: &mut Consumer, sink: &mut impl Sink, timeout: Option<Duration>) -> Result<usize, Stop> {
    if let Some(bytes) = pump_available(rx, sink)? {
        return Ok(bytes);
    }
    let message = match timeout {
        Some(timeout) => rx.recv_timeout(timeout),
        None => rx.recv(),
    }?;
    let written = sink.put(message.tag(), &message).and_then(|()| sink.flush());
    if let Err(error) = written {
        mem::forget(message);
        return Err(Stop::Sink(error));
    }
    Ok(message.len())
}

/// Moves what is there, up to about [`RELEASE_AFTER`]; `None` if there is nothing. Never waits for the sender. What
/// was taken is released when the drain is dropped, so everything gathered is written before.
fn pump_available(rx: &mut Consumer, sink: &mut impl Sink) -> Result<Option<usize>, Stop> {
    let mut drain = rx.drain()?;
    let (mut messages, mut bytes) = (0, 0);
    let mut stopped = Ok(());
    while stopped.is_ok() && bytes + messages * MESSAGE_COST < RELEASE_AFTER {
        match drain.next() {
            Some(Ok(message)) => {
                stopped = sink.put(message.tag(), &message).map_err(Stop::Sink);
                messages += 1;
                bytes += message.len();
            }
            Some(Err(error)) => stopped = Err(error.into()),
            None => break,
        }
    }
    let flushed = sink.flush().map_err(Stop::Sink);
    if matches!(stopped, Err(Stop::Sink(_))) || flushed.is_err() {
        mem::forget(drain);
    }
    stopped.and(flushed).map(|()| (messages > 0).then_some(bytes))
}
