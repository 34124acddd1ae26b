//! Standard input as a stream that can be waited for without losing sight of the receiver.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A source of bytes.
#[derive(Debug)]
pub struct Input {
    file: File,
    /// A regular file always has its next byte at hand, so it is not asked.
    at_hand: bool,
}

impl Input {
    /// This process's standard input.
    pub fn stdin() -> io::Result<Self> {
        let file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        let at_hand = file.metadata()?.is_file();
        Ok(Self { file, at_hand })
    }

    /// Waits at most `patience` for a byte or the end; tells whether there is one. A signal may end the wait early.
    pub fn ready(&self, patience: Duration) -> io::Result<bool> {
        if self.at_hand {
            return Ok(true);
        }
        let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(count) => Ok(count > 0),
            Err(Errno::EINTR) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Reads into `buffer` once; 0 is the end of the input. `None` means that another reader was faster.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match self.file.read(buffer) {
                Ok(len) => return Ok(Some(len)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Input that was read and not yet sent.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Buffer {
    /// An empty buffer of `capacity` bytes; it grows when a message does not fit.
    pub fn new(capacity: usize) -> Self {
        Self { bytes: vec![0; capacity], start: 0, end: 0 }
    }

    /// What was read and not yet consumed.
    pub fn unsent(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Forgets the first `len` unsent bytes.
    pub fn consume(&mut self, len: usize) {
        self.start += len;
    }

    /// Reads once behind what is there; answers as [`Input::read`].
    pub fn fill(&mut self, input: &mut Input) -> io::Result<Option<usize>> {
        self.bytes.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.end > self.bytes.len() / 2 {
            self.bytes.resize(self.bytes.len() * 2, 0);
        }
        let len = input.read(&mut self.bytes[self.end..])?;
        self.end += len.unwrap_or(0);
        Ok(len)
    }
}
