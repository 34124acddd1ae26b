//! The receiving side: a task per ring, in one thread.

use std::io::{Write, stdout};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;
use nix::libc;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use ringway::RecvError;
use ringway::spsc::Consumer;
use ringway::task::Async;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::task::JoinSet;
use zerocopy::FromBytes;

use super::{Note, Received, Side, Way, now, raise_limit, usage};
use crate::filter::{Denied, deny};

/// Serves as the receiving side.
pub fn receive(side: &Side) -> Result<()> {
    set_pdeathsig(Signal::SIGKILL).context("cannot tie this process to its starter")?;
    raise_limit()?;
    if side.way == Way::RingWatched {
        deny(&[Denied::always(libc::SYS_io_uring_setup, Errno::EPERM)]);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let received = runtime.block_on(receive_all(side))?;
    say(&serde_json::to_string(&received)?)
}

/// Says a line to the starter.
fn say(line: &str) -> Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("nobody listens")
}

/// Runs the tasks to their end.
async fn receive_all(side: &Side) -> Result<Received> {
    let counter = Counter::new(side);
    let mut tasks = JoinSet::new();
    if side.way == Way::Socket {
        let address = SocketAddr::from_abstract_name(&side.name)?;
        let listener = UnixListener::bind_addr(&address)?;
        say("ready")?;
        for ring in 0..side.rings {
            let (stream, _) = listener.accept()?;
            stream.set_nonblocking(true)?;
            let log = Log::new(ring, side, &counter);
            tasks.spawn(from_socket(UnixStream::from_std(stream)?, log));
        }
    } else {
        for ring in 0..side.rings {
            let rx = side.options().consumer(side.ring(ring))?.pollable()?;
            tasks.spawn(from_ring(Async::on_tokio(rx)?, Log::new(ring, side, &counter)));
        }
        say("ready")?;
    }
    let mut latencies = Vec::new();
    while let Some(task) = tasks.join_next().await {
        latencies.extend(task??);
    }
    counter.result(latencies)
}

/// A task that awaits a ring's messages.
async fn from_ring(mut rx: Async<Consumer>, mut log: Log) -> Result<Vec<u64>> {
    loop {
        match rx.recv().await {
            Ok(message) => log.take(&message)?,
            Err(RecvError::Closed) => return log.finish(),
            Err(error) => return Err(error.into()),
        }
    }
}

/// A task that awaits a socket's.
async fn from_socket(mut stream: UnixStream, mut log: Log) -> Result<Vec<u64>> {
    let mut note = [0; size_of::<Note>()];
    loop {
        match stream.read_exact(&mut note).await {
            Ok(_) => log.take(&note)?,
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return log.finish(),
            Err(error) => return Err(error.into()),
        }
    }
}

/// What a task has received.
struct Log {
    /// Its number.
    ring: u32,
    /// The next message.
    number: u64,
    /// Messages that do not count.
    warm_up: u64,
    /// Messages that must come.
    messages: u64,
    /// Nanoseconds from sending to having, of those that count.
    latencies: Vec<u64>,
    /// What all tasks have received.
    counter: Arc<Counter>,
}

impl Log {
    /// Of a task that has received nothing.
    fn new(ring: u32, side: &Side, counter: &Arc<Counter>) -> Self {
        let (warm_up, messages) = (side.warm_up(), side.messages());
        Self { ring, number: 0, warm_up, messages, latencies: Vec::new(), counter: counter.clone() }
    }

    /// Takes a message, checks it, and notes how long it took.
    fn take(&mut self, message: &[u8]) -> Result<()> {
        let time = now()?;
        let note =
            Note::read_from_bytes(message).map_err(|_| anyhow::anyhow!("a message of another size"))?;
        let expected = (u64::from(self.ring), self.number);
        ensure!((note.ring, note.number) == expected, "{note:?} where {expected:?} was to come");
        if self.number >= self.warm_up {
            self.latencies.push(time.checked_sub(note.sent).context("received before it was sent")?);
            self.counter.count()?;
        }
        self.number += 1;
        Ok(())
    }

    /// The latencies, of all messages that must come.
    fn finish(self) -> Result<Vec<u64>> {
        if self.number != self.messages {
            bail!("{} messages of {} to {}", self.number, self.messages, self.ring);
        }
        Ok(self.latencies)
    }
}

/// What was used by when the first and the last message that count came.
struct Counter {
    /// How many there are.
    messages: u64,
    /// How many have come.
    come: AtomicU64,
    /// Time, processor time, sleeps: at the first and the last.
    marks: [[AtomicU64; 3]; 2],
}

impl Counter {
    /// Before anything has come.
    fn new(side: &Side) -> Arc<Self> {
        let messages = u64::from(side.rings) * (side.messages() - side.warm_up());
        Arc::new(Self { messages, come: AtomicU64::new(0), marks: Default::default() })
    }

    /// Counts a message.
    fn count(&self) -> Result<()> {
        let before = self.come.fetch_add(1, Ordering::Relaxed);
        if before == 0 {
            self.mark(0)?;
        }
        if before + 1 == self.messages {
            self.mark(1)?;
        }
        Ok(())
    }

    /// Writes a mark.
    fn mark(&self, which: usize) -> Result<()> {
        let (cpu, sleeps) = usage()?;
        for (mark, value) in self.marks[which].iter().zip([now()?, cpu, sleeps as u64]) {
            mark.store(value, Ordering::Relaxed);
        }
        Ok(())
    }

    /// What was measured.
    fn result(&self, mut latencies: Vec<u64>) -> Result<Received> {
        ensure!(latencies.len() as u64 == self.messages, "{} messages of {}", latencies.len(), self.messages);
        latencies.sort_unstable();
        let last = latencies.len() - 1;
        let latency = [0.5, 0.99, 0.999, 1.0].map(|share| latencies[(share * last as f64).ceil() as usize]);
        let read = |which: usize, what: usize| self.marks[which][what].load(Ordering::Relaxed);
        let [wall, cpu, sleeps] = [0, 1, 2].map(|what| read(1, what) - read(0, what));
        Ok(Received { latency, cpu, sleeps: sleeps as i64, wall })
    }
}

#[cfg(test)]
mod tests {
    use zerocopy::IntoBytes;

    use super::*;

    fn side() -> Side {
        let (way, name) = (Way::Ring, "test".to_owned());
        Side { way, name, rings: 1, rate: 2, stretch: 1, liveness: 50 }
    }

    #[test]
    fn only_the_right_message_is_taken_and_all_must_come() {
        let counter = Counter::new(&side());
        let mut log = Log::new(7, &side(), &counter);
        let note = |ring, number| Note { ring, number, sent: 1 };
        assert!(log.take(note(8, 0).as_bytes()).is_err());
        assert!(log.take(note(7, 1).as_bytes()).is_err());
        assert!(log.take(&note(7, 0).as_bytes()[1..]).is_err());
        for number in 0..3 {
            log.take(note(7, number).as_bytes()).expect("the right one");
        }
        assert_eq!(log.latencies.len(), 1, "those of the warm-up do not count");
        assert!(log.finish().is_err());
    }
}
