//! One side of a transfer, as a process of its own.
//!
//! The producer's standard input is the data. On a pipe its standard output is the consumer's standard input; a ring
//! has an address. Both report on standard error: the consumer says [`READY`] first, and each ends with one [`Mark`].

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use nix::sys::time::TimeValLike;
use nix::time::{ClockId, clock_gettime};
use ringway::{Address, spsc};
use serde::{Deserialize, Serialize};

use crate::args::size;
use crate::exit::Failure;
use crate::framing::Framing;
use crate::input::Input;
use crate::progress::Progress;
use crate::recv::{Sink, await_sender, past_sender, pump};
use crate::send::{Feed, Settings};

/// What the consumer says when it can receive.
pub const READY: &str = "ready";

/// Longest wait for the other side.
const PATIENCE: Duration = Duration::from_secs(10);

/// `ringway demo-role`.
#[derive(Debug, Args)]
pub struct DemoRoleArgs {
    /// Which side
    #[arg(value_enum)]
    side: Side,
    /// Bytes read and written at once
    #[arg(long, value_parser = size)]
    chunk: usize,
    /// Bytes of the ring
    #[arg(long, value_parser = size)]
    size: usize,
    /// The ring; without it, the pipe on standard input or output
    #[arg(long)]
    ring: Option<Address>,
}

/// The two sides.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Side {
    /// Reads the data and sends it.
    Producer,
    /// Receives it and checks it.
    Consumer,
}

/// What a side reports at its end.
#[derive(Debug, Serialize, Deserialize)]
pub struct Mark {
    /// When the producer began, or the consumer was done: nanoseconds of the monotonic clock.
    pub nanoseconds: i64,
    /// The CRC-32 of what the consumer received.
    pub crc: u32,
}

/// Runs `ringway demo-role`.
pub fn role(args: &DemoRoleArgs) -> Result<(), Failure> {
    let mark = match args.side {
        Side::Producer => produce(args),
        Side::Consumer => consume(args),
    }?;
    let line = serde_json::to_string(&mark).context("cannot report")?;
    eprintln!("{line}");
    Ok(())
}

/// Sends standard input.
fn produce(args: &DemoRoleArgs) -> Result<Mark> {
    let Some(address) = &args.ring else {
        return produce_to_pipe(args.chunk);
    };
    let mut tx = spsc::options().size(args.size).producer(address)?;
    let began = now()?;
    let settings = Settings { tag: 0, timeout: Some(PATIENCE) };
    let progress = Progress::none();
    let feed = Feed::new(&mut tx, address, Input::stdin()?, settings, &progress);
    if let Some(unread) = feed.stream(Framing::Chunk(Some(args.chunk)))? {
        bail!(unread);
    }
    tx.close();
    Ok(Mark { nanoseconds: began, crc: 0 })
}

/// Copies standard input to standard output.
fn produce_to_pipe(chunk: usize) -> Result<Mark> {
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut buffer = vec![0; chunk];
    let began = now()?;
    loop {
        match input.read(&mut buffer).context("cannot read the data")? {
            0 => {
                return Ok(Mark { nanoseconds: began, crc: 0 });
            }
            len => output.write_all(&buffer[..len]).context("cannot write to the pipe")?,
        }
    }
}

/// Receives and checks.
fn consume(args: &DemoRoleArgs) -> Result<Mark> {
    let mut check = Check::default();
    match &args.ring {
        Some(address) => {
            let past = past_sender(address);
            let mut rx = spsc::options().size(args.size).consumer(address)?.into();
            eprintln!("{READY}");
            await_sender(address, past, Some(PATIENCE))
                .and_then(|()| pump(&mut rx, &mut check, Some(PATIENCE), &Progress::none()))
                .map_err(|stop| stop.at(&address.clone().into()))?;
        }
        None => consume_from_pipe(args.chunk, &mut check)?,
    }
    Ok(Mark { nanoseconds: now()?, crc: check.0.finalize() })
}

/// Reads standard input to its end.
fn consume_from_pipe(chunk: usize, check: &mut Check) -> Result<()> {
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut buffer = vec![0; chunk];
    eprintln!("{READY}");
    loop {
        match input.read(&mut buffer).context("cannot read from the pipe")? {
            0 => return Ok(()),
            len => check.put(0, &buffer[..len])?,
        }
    }
}

/// A sink that reads every byte.
#[derive(Debug, Default)]
struct Check(crc32fast::Hasher);

impl Sink for Check {
    fn put(&mut self, _tag: u16, payload: &[u8]) -> io::Result<()> {
        self.0.update(payload);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The monotonic clock, which all processes share.
fn now() -> Result<i64> {
    Ok(clock_gettime(ClockId::CLOCK_MONOTONIC)?.num_nanoseconds())
}
