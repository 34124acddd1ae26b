//! Streams over connections: what is no ring, or is chosen with the other side.
//!
//! As over rings, a goodbye means that the stream is complete, and a sender that fails leaves without one.

use std::mem;
use std::time::Duration;

use ringway::SendError;
use ringway::connect::{At, Producer, Transport, Why};

use crate::args::{SendArgs, StreamArgs};
use crate::exit::{Failure, warn};
use crate::framing::{Framing, Splitter};
use crate::input::{Buffer, Input};
use crate::progress::Progress;
use crate::send::{READ_AHEAD, bad_input, chunk_len};

/// The longest time between two looks at the clock while the input idles.
const PATIENCE: Duration = Duration::from_millis(500);

/// Runs `ringway send` at an address of connections.
pub fn send(args: &SendArgs, at: &At) -> Result<(), Failure> {
    let stream = &args.stream;
    stream.check_connection(at)?;
    let input = Input::stdin().map_err(|error| Failure::of_input(&error))?;
    let mut tx = stream.connection().producer(at)?;
    note_fallback(stream.quiet, at, tx.transport());
    let progress = Progress::start("sent", stream.quiet);
    let mut feed =
        Feed { tx: &mut tx, at, input, tag: args.tag, timeout: stream.timeout, progress: &progress };
    let sent = feed.stream(stream.framing.framing()).and_then(|()| feed.finish());
    progress.finish();
    match sent {
        Ok(()) => tx.close(),
        // No goodbye: that is how the receiver knows.
        Err(_) => mem::forget(tx),
    }
    sent
}

/// Says why the best transport was not to be had.
pub fn note_fallback(quiet: bool, at: &At, transport: &Transport) {
    if !quiet && matches!(transport.why, Why::NoMemory { .. }) {
        warn(&format!("{at}: connected by {transport}"));
    }
}

/// Input on its way into a connection.
struct Feed<'a> {
    tx: &'a mut Producer,
    at: &'a At,
    input: Input,
    tag: u16,
    timeout: Option<Duration>,
    progress: &'a Progress,
}

impl Feed<'_> {
    fn stream(&mut self, framing: Framing) -> Result<(), Failure> {
        let largest = self.tx.largest();
        match framing {
            Framing::Chunk(chunk) => self.stream_chunks(chunk_len(chunk, largest)?),
            Framing::Lines => self.stream_messages(Splitter::lines(largest)),
            Framing::LengthPrefixed => self.stream_messages(Splitter::length_prefixed(largest)),
        }
    }

    fn stream_chunks(&mut self, chunk: usize) -> Result<(), Failure> {
        let mut bytes = vec![0; chunk];
        loop {
            self.await_input()?;
            match self.input.read(&mut bytes).map_err(|error| Failure::of_input(&error))? {
                Some(0) => return Ok(()),
                Some(len) => self.send(self.tag, &bytes[..len])?,
                None => {}
            }
        }
    }

    fn stream_messages(&mut self, mut splitter: Splitter) -> Result<(), Failure> {
        let mut buffer = Buffer::new(READ_AHEAD);
        loop {
            self.await_input()?;
            let Some(len) = buffer.fill(&mut self.input).map_err(|error| Failure::of_input(&error))? else {
                continue;
            };
            while let Some(frame) =
                splitter.next(buffer.unsent(), len == 0).map_err(|error| bad_input(&error))?
            {
                let consumed = frame.consumed;
                self.send(self.tag | frame.mark, frame.payload)?;
                buffer.consume(consumed);
            }
            if len == 0 {
                return Ok(());
            }
        }
    }

    /// Writes what was accepted in the time that was allowed, and did not fit then.
    fn finish(&mut self) -> Result<(), Failure> {
        let flushed = self.tx.flush(self.timeout);
        flushed.map_err(|error| Failure::of_connected_send(self.at, &error))
    }

    fn send(&mut self, tag: u16, message: &[u8]) -> Result<(), Failure> {
        send_within(self.tx, tag, message, self.timeout)
            .map_err(|error| Failure::of_connected_send(self.at, &error))?;
        self.progress.add(message.len());
        Ok(())
    }

    /// Waits for input.
    fn await_input(&self) -> Result<(), Failure> {
        let began = std::time::Instant::now();
        let patience = self.timeout.map_or(PATIENCE, |timeout| timeout.min(PATIENCE));
        while !self.input.ready(patience).map_err(|error| Failure::of_input(&error))? {
            if let Some(timeout) = self.timeout.filter(|timeout| began.elapsed() >= *timeout) {
                return Err(Failure::idle_input(timeout));
            }
        }
        Ok(())
    }
}

/// Sends a message with a tag, within the time that is allowed.
pub fn send_within(
    tx: &mut Producer,
    tag: u16,
    message: &[u8],
    timeout: Option<Duration>,
) -> Result<(), SendError> {
    let Some(timeout) = timeout else { return tx.send_tagged(tag, message) };
    let mut claim = tx.claim_timeout(message.len(), timeout)?;
    claim.copy_from_slice(message);
    claim.set_tag(tag);
    claim.commit()
}

impl StreamArgs {
    /// The library's options for a connection.
    pub fn connection(&self) -> ringway::connect::Options {
        self.ring.connection.options(self.timeout).wait(self.wait.into())
    }

    /// Refuses what only rings can do.
    pub fn check_connection(&self, at: &At) -> Result<(), Failure> {
        let only_for_rings = [
            ("--persist", self.ring.persist),
            ("--durable", self.ring.durable),
            ("--huge-pages", self.ring.huge_pages),
            ("--no-create", self.no_create),
            ("--sync-every", self.sync_every > 0),
            ("--earlier-boot", self.earlier_boot),
        ];
        match only_for_rings.into_iter().find(|(_, given)| *given) {
            None => Ok(()),
            Some((option, _)) => Err(Failure::only_for_rings(option, at)),
        }
    }
}
