//! `ringway send`: standard input becomes messages.
//!
//! A goodbye means that the stream is complete, so it is only said at the end of the input. A sender that fails leaves
//! without one: the receiver takes what there is and then learns that its peer is gone, never that all went well.
//!
//! The receiver is looked at every [`PATIENCE`], whether the input flows or idles: blocked on a full ring by the
//! library, blocked on input by the timeout of `poll`, and otherwise by the clock. One that had left before this sender
//! came is no news: another is waited for.

use std::mem;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ringway::connect::At;
use ringway::spsc::Producer;
use ringway::{Address, Peer, SendError};

use crate::args::SendArgs;
use crate::connected;
use crate::exit::{Exit, Failure};
use crate::framing::{Framing, FramingError, Splitter, UNTERMINATED};
use crate::input::{Buffer, Input};
use crate::progress::{Progress, note_huge_pages, note_recovery};

/// The longest time between two looks at the receiver.
const PATIENCE: Duration = Duration::from_millis(50);

/// The time between two looks for a receiver that is awaited.
const GLANCE: Duration = Duration::from_millis(5);

/// Bytes of a chunk, unless the ring's largest message is smaller.
const CHUNK: usize = 64 << 10;

/// Bytes read at once where messages have to be found in the input.
pub const READ_AHEAD: usize = 256 << 10;

/// Runs `ringway send`.
pub fn run(args: &SendArgs) -> Result<(), Failure> {
    match &args.stream.at.address {
        At::Ring(address) => send(args, address),
        at => connected::send(args, at),
    }
}

/// Sends into the ring at `address`.
fn send(args: &SendArgs, address: &Address) -> Result<(), Failure> {
    let stream = &args.stream;
    let input = Input::stdin().map_err(|error| Failure::of_input(&error))?;
    let mut tx = stream.options().producer(address)?;
    note_huge_pages(stream, &tx.geometry());
    note_recovery(stream, tx.recovery());
    let settings = Settings { tag: args.tag, timeout: stream.timeout };
    let progress = Progress::start("sent", stream.quiet);
    let sent = Feed::new(&mut tx, address, input, settings, &progress).stream(stream.framing.framing());
    progress.finish();
    match sent {
        Ok(unread) => {
            tx.close();
            unread.map_or(Ok(()), Err)
        }
        Err(failure) => {
            leave_unfinished(tx);
            Err(failure)
        }
    }
}

/// Leaves without a goodbye, unless nobody is there to misread one and nothing is left to read.
fn leave_unfinished(mut tx: Producer) {
    if tx.peer() == Peer::Closed && tx.used() == Ok(0) {
        tx.close();
    } else {
        // Its lease ends with the process, and nothing was said: that is how the receiver knows.
        mem::forget(tx);
    }
}

/// How to send.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The tag of every message.
    pub tag: u16,
    /// The longest time in which nothing moves.
    pub timeout: Option<Duration>,
}

/// Input on its way into a ring.
#[derive(Debug)]
pub struct Feed<'a> {
    tx: &'a mut Producer,
    address: &'a Address,
    input: Input,
    settings: Settings,
    progress: &'a Progress,
    /// When the receiver was last looked at.
    looked: Instant,
    /// The receiver was gone before this sender came, and no other has come yet.
    gone_before: bool,
}

impl<'a> Feed<'a> {
    /// Joins `input` to `tx`, the ring at `address`.
    pub fn new(
        tx: &'a mut Producer,
        address: &'a Address,
        input: Input,
        settings: Settings,
        progress: &'a Progress,
    ) -> Self {
        let gone_before = departure(tx).is_some();
        Self { tx, address, input, settings, progress, looked: Instant::now(), gone_before }
    }

    /// Sends the whole input. The answer tells if the receiver left without reading all of it.
    pub fn stream(mut self, framing: Framing) -> Result<Option<Failure>, Failure> {
        let largest = self.tx.largest();
        match framing {
            Framing::Chunk(chunk) => self.stream_chunks(chunk_len(chunk, largest)?),
            Framing::Lines => self.stream_messages(Splitter::lines(largest)),
            Framing::LengthPrefixed => self.stream_messages(Splitter::length_prefixed(largest)),
        }?;
        self.leave_a_trace()?;
        let unread = self.tx.used().map_err(|error| self.failure(&error))? > 0;
        let departed = departure(self.tx).filter(|_| unread && !self.gone_before);
        Ok(departed.map(|error| self.failure(&error)))
    }

    /// Sends a mark if the input was empty and nobody is there to hear the goodbye: an empty ring would go away, and
    /// a receiver that comes later would wait for a stream that is over.
    fn leave_a_trace(&mut self) -> Result<(), Failure> {
        let traceless = self.tx.counters().messages == 0 && self.tx.used() == Ok(0);
        if !traceless || self.tx.peer() == Peer::Attached {
            return Ok(());
        }
        let sent = self.tx.send_tagged(self.settings.tag | UNTERMINATED, b"");
        sent.map_err(|error| self.failure(&error))
    }

    /// Reads straight into the ring, a message per read.
    fn stream_chunks(&mut self, chunk: usize) -> Result<(), Failure> {
        loop {
            self.await_input()?;
            self.make_room(chunk)?;
            let refuse = |error| Failure::of_send(self.address, &error);
            let mut claim = self.tx.try_claim(chunk).map_err(refuse)?;
            match self.input.read(&mut claim).map_err(|error| Failure::of_input(&error))? {
                Some(0) => return Ok(()),
                Some(len) => {
                    claim.truncate(len);
                    claim.set_tag(self.settings.tag);
                    claim.commit().map_err(refuse)?;
                    self.progress.add(len);
                }
                None => {}
            }
        }
    }

    /// Reads ahead, and sends the messages found there.
    fn stream_messages(&mut self, mut splitter: Splitter) -> Result<(), Failure> {
        let mut buffer = Buffer::new(READ_AHEAD);
        loop {
            self.await_input()?;
            let Some(len) = buffer.fill(&mut self.input).map_err(|error| Failure::of_input(&error))? else {
                continue;
            };
            while let Some(need) = self.send_batch(&mut buffer, &mut splitter, len == 0)? {
                self.make_room(need)?;
            }
            if len == 0 {
                return Ok(());
            }
            self.progress.add(len);
        }
    }

    /// Sends the complete messages of `buffer` as one batch. Returns the length of the first that found no room.
    fn send_batch(
        &mut self,
        buffer: &mut Buffer,
        splitter: &mut Splitter,
        ended: bool,
    ) -> Result<Option<usize>, Failure> {
        let refuse = |error| Failure::of_send(self.address, &error);
        let mut batch = self.tx.batch().map_err(refuse)?;
        let stopped = loop {
            let frame = match splitter.next(buffer.unsent(), ended) {
                Ok(Some(frame)) => frame,
                Ok(None) => break Ok(None),
                Err(error) => break Err(bad_input(&error)),
            };
            match batch.push_tagged(self.settings.tag | frame.mark, frame.payload) {
                Ok(()) => {
                    let consumed = frame.consumed;
                    buffer.consume(consumed);
                }
                // Whether it is full for good, because the receiver has left, is for `make_room` to say.
                Err(SendError::Full { .. } | SendError::Closed) => break Ok(Some(frame.payload.len())),
                Err(error) => break Err(refuse(error)),
            }
        };
        batch.commit().map_err(refuse)?;
        stopped
    }

    /// Waits for input and keeps an eye on the receiver.
    fn await_input(&mut self) -> Result<(), Failure> {
        let patience = self.settings.timeout.map_or(PATIENCE, |timeout| timeout.min(PATIENCE));
        let began = Instant::now();
        while !self.input.ready(patience).map_err(|error| Failure::of_input(&error))? {
            self.look_at_receiver()?;
            if let Some(timeout) = self.passed(began) {
                return Err(Failure::idle_input(timeout));
            }
        }
        if self.looked.elapsed() >= PATIENCE {
            self.look_at_receiver()?;
        }
        Ok(())
    }

    /// Waits until a message of `len` bytes fits.
    fn make_room(&mut self, len: usize) -> Result<(), Failure> {
        let began = Instant::now();
        while self.gone_before {
            match self.tx.wait_for_space(len, Some(PATIENCE)) {
                Ok(()) => return Ok(()),
                Err(SendError::Closed | SendError::PeerDead) => sleep(GLANCE),
                Err(SendError::TimedOut) => {}
                Err(error) => return Err(self.failure(&error)),
            }
            self.look_at_receiver()?;
            if self.passed(began).is_some() {
                return Err(self.failure(&SendError::TimedOut));
            }
        }
        let waited = self.tx.wait_for_space(len, self.settings.timeout);
        waited.map_err(|error| self.failure(&error))
    }

    /// The timeout, if there is one and it has passed since `began`.
    fn passed(&self, began: Instant) -> Option<Duration> {
        self.settings.timeout.filter(|timeout| began.elapsed() >= *timeout)
    }

    /// Fails if the receiver has left since this sender came.
    fn look_at_receiver(&mut self) -> Result<(), Failure> {
        self.looked = Instant::now();
        match departure(self.tx) {
            Some(error) if !self.gone_before => return Err(self.failure(&error)),
            Some(_) => {}
            None => self.gone_before = false,
        }
        Ok(())
    }

    /// What to report for `error`.
    fn failure(&self, error: &SendError) -> Failure {
        Failure::of_send(self.address, error)
    }
}

/// How the receiver left, if it did.
fn departure(tx: &Producer) -> Option<SendError> {
    match tx.peer() {
        Peer::Closed => Some(SendError::Closed),
        Peer::Dead => Some(SendError::PeerDead),
        _ => None,
    }
}

/// Bytes of a chunk, of which `asked` were asked for, where the largest message has `largest`.
pub fn chunk_len(asked: Option<usize>, largest: usize) -> Result<usize, Failure> {
    match asked {
        Some(chunk) if chunk > largest => {
            let line = format!(
                "chunks of {chunk} bytes do not fit, the ring takes messages of {largest}; \
                 lower --chunk, or create the ring with a larger --size"
            );
            Err(Failure::new(Exit::Usage, line))
        }
        asked => Ok(asked.unwrap_or(CHUNK.min(largest))),
    }
}

/// What to report when the input cannot be cut into messages.
pub fn bad_input(error: &FramingError) -> Failure {
    let exit = match error {
        FramingError::TooLong { .. } => Exit::Usage,
        FramingError::Truncated { .. } => Exit::Error,
    };
    Failure::new(exit, error.to_string())
}
