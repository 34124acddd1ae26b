//! Pipes, FIFOs, stream sockets and eventfds: one `write` per message; the reader takes as much as there is with
//! one `read`. An eventfd carries eight bytes: what is written is added to its count, and what is read is the
//! count, so a number that finds the count at zero arrives as it is.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::RawFd;

use anyhow::{Context, Result, bail};

use super::payload::{Check, Payload};
use super::shared::adopt;
use super::traffic::{Rx, Tx};

/// Bytes that a reader asks for at a time, at least one message.
const READ: usize = 64 << 10;

/// The writing end of a stream.
#[derive(Debug)]
pub struct StreamTx(File);

/// The reading end of a stream.
#[derive(Debug)]
pub struct StreamRx {
    /// The end.
    file: File,
    /// Bytes that were read.
    buffer: Vec<u8>,
    /// End of the bytes that were taken.
    taken: usize,
    /// End of the bytes that were read.
    filled: usize,
}

/// A stream out of an end to write and an end to read.
pub fn stream([write, read]: [RawFd; 2]) -> (StreamTx, StreamRx) {
    (StreamTx(adopt(write)), StreamRx::new(read))
}

/// A stream each way over one end of a pair of sockets.
pub fn socket(fd: RawFd) -> Result<(StreamTx, StreamRx)> {
    let write: File = adopt(fd);
    let read = write.try_clone().context("cannot duplicate a socket")?;
    Ok((StreamTx(write), StreamRx { file: read, buffer: Vec::new(), taken: 0, filled: 0 }))
}

impl Tx for StreamTx {
    fn send(&mut self, payload: &mut Payload, number: u64) -> Result<()> {
        self.0.write_all(payload.numbered(number)).context("cannot write")
    }
}

impl StreamRx {
    /// The reading end of an inherited stream.
    pub fn new(fd: RawFd) -> Self {
        Self { file: adopt(fd), buffer: Vec::new(), taken: 0, filled: 0 }
    }

    /// Reads more; starts over at the beginning of the buffer when everything was taken.
    fn fill(&mut self, size: usize) -> Result<()> {
        if self.taken == self.filled {
            let wanted = (READ / size).max(1) * size;
            self.buffer.resize(wanted, 0);
            (self.taken, self.filled) = (0, 0);
        }
        match self.file.read(&mut self.buffer[self.filled..]) {
            Ok(0) => bail!("the stream ended"),
            Ok(count) => self.filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("cannot read"),
        }
        Ok(())
    }
}

impl Rx for StreamRx {
    fn recv(&mut self, check: &mut Check) -> Result<()> {
        while self.filled - self.taken < check.size() {
            self.fill(check.size())?;
        }
        let message = &self.buffer[self.taken..self.taken + check.size()];
        check.take(message)?;
        self.taken += check.size();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::ends;
    use nix::unistd::pipe;
    use std::os::fd::IntoRawFd;

    #[test]
    fn messages_larger_than_the_pipe_arrive_whole() {
        let (read, write) = pipe().unwrap();
        let (mut tx, mut rx) = stream([write.into_raw_fd(), read.into_raw_fd()]);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                (0..50).try_for_each(|number| tx.send(&mut Payload::new(100_000), number)).unwrap()
            });
            let mut check = Check::new(100_000, 0);
            (0..50).for_each(|_| rx.recv(&mut check).unwrap());
        });
    }

    #[test]
    fn an_eventfd_carries_numbers() {
        let event = ends::event().unwrap();
        let (mut tx, mut rx) = stream([event.try_clone().unwrap(), event].map(IntoRawFd::into_raw_fd));
        let (mut payload, mut check) = (Payload::new(8), Check::new(8, 1 << 32));
        for number in (1 << 32)..(1 << 32) + 3 {
            tx.send(&mut payload, number).unwrap();
            rx.recv(&mut check).unwrap();
        }
    }

    #[test]
    fn the_end_of_a_stream_is_an_error() {
        let (read, write) = pipe().unwrap();
        let (tx, mut rx) = stream([write.into_raw_fd(), read.into_raw_fd()]);
        drop(tx);
        assert!(rx.recv(&mut Check::new(8, 0)).is_err());
    }
}
