//! Standard output: messages of some size are written from where they lie, small ones are gathered first.

use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::framing::{Framing, UNTERMINATED};
use crate::recv::Sink;

/// Messages of this many bytes are written in place: below, a copy is cheaper than a system call.
const IN_PLACE: usize = 16 << 10;

/// Messages on their way to standard output.
#[derive(Debug)]
pub struct Output {
    file: File,
    framing: Framing,
    gathered: Vec<u8>,
}

impl Output {
    /// This process's standard output, past the line buffer of the standard library.
    pub fn stdout(framing: Framing) -> io::Result<Self> {
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Ok(Self { file, framing, gathered: Vec::new() })
    }
}

impl Sink for Output {
    fn put(&mut self, tag: u16, payload: &[u8]) -> io::Result<()> {
        if payload.is_empty() && tag & UNTERMINATED != 0 {
            return Ok(());
        }
        let prefix = match self.framing {
            Framing::LengthPrefixed => Some(length_prefix(payload)?),
            Framing::Lines | Framing::Chunk(_) => None,
        };
        let before = prefix.as_ref().map_or(&b""[..], |prefix| &prefix[..]);
        let after = match self.framing {
            Framing::Lines if tag & UNTERMINATED == 0 => &b"\n"[..],
            _ => b"",
        };
        if payload.len() < IN_PLACE {
            for part in [before, payload, after] {
                self.gathered.extend_from_slice(part);
            }
            return Ok(());
        }
        self.flush()?;
        write_all(&mut self.file, &mut [before, payload, after].map(IoSlice::new))
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        write_all(&mut self.file, &mut [IoSlice::new(&self.gathered)])?;
        self.gathered.clear();
        Ok(())
    }
}

/// The four bytes that go before `payload`.
fn length_prefix(payload: &[u8]) -> io::Result<[u8; 4]> {
    let len = u32::try_from(payload.len()).map_err(|_| {
        io::Error::new(ErrorKind::InvalidData, "a message has more than 4 GiB; receive it as --chunk")
    })?;
    Ok(len.to_le_bytes())
}

/// Writes all of `parts`, also to an output that somebody made non-blocking.
fn write_all(file: &mut File, mut parts: &mut [IoSlice<'_>]) -> io::Result<()> {
    IoSlice::advance_slices(&mut parts, 0);
    while !parts.is_empty() {
        match file.write_vectored(parts) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(len) => IoSlice::advance_slices(&mut parts, len),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => await_room(file)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Sleeps until `file` takes more.
fn await_room(file: &File) -> io::Result<()> {
    match poll(&mut [PollFd::new(file.as_fd(), PollFlags::POLLOUT)], PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
