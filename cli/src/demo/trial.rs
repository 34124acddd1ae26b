//! One transfer: two processes, the data between them, and what came of it.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, pipe};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::{env, process};

use anyhow::{Context, Result, bail};
use ringway::{Address, inspect, spsc};

use super::data::Data;
use super::role::{Mark, READY};

/// What the data goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A pipe as a shell makes it.
    Pipe,
    /// A ring in POSIX shared memory.
    Shm,
    /// A ring in a mapped file.
    File,
    /// A ring in a memfd that both processes inherit.
    Memfd,
}

impl Transport {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 4] = [Self::Pipe, Self::Shm, Self::File, Self::Memfd];
    /// Where the pipe stands in it.
    pub const PIPE: usize = 0;

    /// For people.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Pipe => "pipe",
            Self::Shm => "ring, shared memory",
            Self::File => "ring, mapped file",
            Self::Memfd => "ring, inherited memfd",
        }
    }
}

/// What one transfer showed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    bytes: u64,
    nanoseconds: u64,
    /// The CRC-32 of what arrived.
    pub crc: u32,
}

impl Sample {
    /// 10⁹ bytes per second.
    pub fn gigabytes_per_second(&self) -> f64 {
        self.bytes as f64 / self.nanoseconds as f64
    }
}

/// What all transfers have in common.
#[derive(Debug)]
pub struct Trial<'a> {
    data: &'a Data,
    program: PathBuf,
    chunk: usize,
    size: usize,
}

impl<'a> Trial<'a> {
    /// Transfers of `data` in chunks, through rings of `size` bytes.
    pub fn new(data: &'a Data, chunk: usize, size: usize) -> Result<Self> {
        let program = env::current_exe().context("cannot find this program to start it again")?;
        Ok(Self { data, program, chunk, size })
    }

    /// Moves the data once.
    pub fn run(&self, transport: Transport) -> Result<Sample> {
        match transport {
            Transport::Pipe => {
                let (reader, writer) = pipe().context("cannot make a pipe")?;
                self.transfer(None, reader.into(), writer.into())
            }
            Transport::Shm => self.through_name(Address::Shm(format!("ringway-demo-{}", process::id()))),
            Transport::File => self
                .through_name(Address::File(env::temp_dir().join(format!("ringway-demo-{}", process::id())))),
            Transport::Memfd => {
                let inherited = self.memfd()?;
                self.transfer(Some(Address::Fd(inherited.as_raw_fd())), Stdio::null(), Stdio::null())
            }
        }
    }

    /// Moves the data through a ring that has a name, and leaves no ring behind.
    fn through_name(&self, address: Address) -> Result<Sample> {
        let sample = self.transfer(Some(address.clone()), Stdio::null(), Stdio::null());
        if sample.is_err() {
            // After a failure the ring may be there or not; the failure is what is reported.
            let _ = inspect::remove(address, true);
        }
        sample
    }

    /// A ring without a name, as a descriptor that children inherit.
    fn memfd(&self) -> Result<OwnedFd> {
        let (tx, _rx) = spsc::options().size(self.size).pair()?;
        nix::unistd::dup(tx.descriptor()?).context("cannot duplicate a descriptor")
    }

    /// Starts both sides and gathers what they report. `from` and `to` are the ends of the pipe, if there is one.
    fn transfer(&self, ring: Option<Address>, from: Stdio, to: Stdio) -> Result<Sample> {
        let mut consumer =
            Side::start(self.command("consumer", ring.as_ref()).stdin(from).stdout(Stdio::null()))?;
        consumer.expect_ready()?;
        let data = File::open(format!("/proc/self/fd/{}", self.data.file.as_raw_fd()))
            .context("cannot open the data again")?;
        let mut producer = Side::start(self.command("producer", ring.as_ref()).stdin(data).stdout(to))?;
        let began = producer.finish()?;
        let done = consumer.finish()?;
        let nanoseconds =
            u64::try_from(done.nanoseconds - began.nanoseconds).context("the clock ran backwards")?;
        Ok(Sample { bytes: self.data.bytes, nanoseconds, crc: done.crc })
    }

    /// This program in the given role.
    fn command(&self, side: &str, ring: Option<&Address>) -> Command {
        let mut command = Command::new(&self.program);
        command.args([
            "demo-role",
            side,
            "--chunk",
            &self.chunk.to_string(),
            "--size",
            &self.size.to_string(),
        ]);
        if let Some(address) = ring {
            command.args(["--ring", &address.to_string()]);
        }
        command
    }
}

/// A running side; ends with this value.
#[derive(Debug)]
struct Side {
    child: Child,
    says: BufReader<ChildStderr>,
}

impl Side {
    /// Starts `command`, whose standard error is the report.
    fn start(command: &mut Command) -> Result<Self> {
        let mut child = command.stderr(Stdio::piped()).spawn().context("cannot start this program again")?;
        let says = child.stderr.take().context("no standard error")?;
        Ok(Self { child, says: BufReader::new(says) })
    }

    /// Waits until the consumer can receive.
    fn expect_ready(&mut self) -> Result<()> {
        let mut line = String::new();
        self.says.read_line(&mut line)?;
        if line.trim_end() != READY {
            self.says.read_to_string(&mut line)?;
            bail!("the consumer failed: {}", line.trim_end());
        }
        Ok(())
    }

    /// Waits for the end, and reads the report.
    fn finish(&mut self) -> Result<Mark> {
        let mut text = String::new();
        self.says.read_to_string(&mut text)?;
        if !self.child.wait()?.success() {
            bail!("one side failed: {}", text.trim_end());
        }
        serde_json::from_str(&text).with_context(|| format!("one side reported {text:?}"))
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // Both fail if the process has ended, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
