//! The command line: every command, option and help text.

use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use parse_size::Config;
use ringway::connect::{self, At};
use ringway::spsc::{self, Options};
use ringway::{Address, AddressError, Owner, Wait, Wake};

use crate::bench::{BenchArgs, KeeperArgs, RoleArgs};
use crate::demo::{DemoArgs, DemoRoleArgs};
use crate::exit::EXIT_CODES;
use crate::framing::{Framing, UNTERMINATED};
use crate::work::WorkArgs;

/// Move streams and jobs between processes through shared memory, and look after the rings they move through.
///
/// A ring is made by whichever side comes first and goes away when both have left and everything was received.
#[derive(Debug, Parser)]
#[command(name = "ringway", version, after_help = EXIT_CODES, max_term_width = 100, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Send standard input through a ring, a FIFO or a socket; its end ends the stream
    #[command(after_help = EXIT_CODES)]
    Send(SendArgs),
    /// Write what comes out of a ring, a FIFO or a socket to standard output
    #[command(after_help = EXIT_CODES)]
    Recv(RecvArgs),
    /// Pass messages on from one address to another
    ///
    /// A program that writes ringway's frames to its standard output feeds a ring by `program | ringway pipe stdio: shm:camera`.
    #[command(after_help = EXIT_CODES)]
    Pipe(PipeArgs),
    /// Share jobs among workers: many senders, one queue, many workers
    Work(WorkArgs),
    /// Make a ring ahead of its first use
    Create(CreateArgs),
    /// List the rings of this machine
    Ls(ListArgs),
    /// Show everything about one ring, without attaching to it
    Inspect(InspectArgs),
    /// Remove a ring and what it still holds
    Rm(RemoveArgs),
    /// Measure rings beside pipes, sockets and the bare hardware
    Bench(BenchArgs),
    /// Move real data through rings and through a pipe, and compare
    Demo(DemoArgs),
    /// One side of a measurement
    #[command(hide = true)]
    BenchRole(RoleArgs),
    /// One participant of a study
    #[command(hide = true)]
    BenchWorker,
    /// What removes the objects of a measurement that no exit removes
    #[command(hide = true)]
    BenchKeeper(KeeperArgs),
    /// One side of the demonstration
    #[command(hide = true)]
    DemoRole(DemoRoleArgs),
}

/// Where a ring is.
#[derive(Debug, Args)]
pub struct RingAddress {
    /// `camera` or `shm:camera` (shared memory), `file:/path` (a mapped file), `fd:N` (an inherited descriptor)
    #[arg(value_name = "ADDRESS")]
    pub address: Address,
}

/// Where a stream goes, or comes from.
#[derive(Debug, Args)]
pub struct StreamAddress {
    /// `camera` or `shm:camera` (shared memory), `file:/path` (a mapped file), `fd:N` (an inherited descriptor), `auto:camera` or
    /// `auto:/path` (whatever is best, chosen with the other side), `fifo:/path`, `unix:/path` (a socket), `stdio:`
    #[arg(value_name = "ADDRESS", value_parser = stream_address)]
    pub address: At,
}

/// What a new ring is like; an existing one keeps what it was made with.
#[derive(Debug, Args)]
pub struct RingArgs {
    /// What any connection can be told.
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Keep the ring when both sides have left and it is empty
    #[arg(long)]
    pub persist: bool,
    /// Make the ring survive a loss of power: checksums, and syncs at least once a lap; only for file:/path
    #[arg(long)]
    pub durable: bool,
    /// What wakes a side that sleeps, on both sides of the ring
    #[arg(long, value_enum, default_value_t = WakeArg::Futex)]
    pub wake: WakeArg,
    /// Ask for huge pages; send and recv say so when they got none
    #[arg(long)]
    pub huge_pages: bool,
}

impl RingArgs {
    /// The library's options for a ring like this.
    pub fn options(&self) -> Options {
        spsc::options()
            .size(self.connection.size)
            .mode(self.connection.mode)
            .owner(self.connection.owner)
            .persist(self.persist)
            .durable(self.durable)
            .wake(self.wake.into())
            .huge_pages(self.huge_pages)
    }
}

/// What both ends of a stream can be told.
#[derive(Debug, Args)]
pub struct StreamArgs {
    /// Where to, or from.
    #[command(flatten)]
    pub at: StreamAddress,
    /// How the stream becomes messages.
    #[command(flatten)]
    pub framing: FramingArgs,
    /// The ring, should this side make it.
    #[command(flatten)]
    pub ring: RingArgs,
    /// Fail if the ring does not exist yet, instead of making it
    #[arg(long)]
    pub no_create: bool,
    /// Durable rings: write the ring to the disk after so many messages, and at the end (0: only when it must be)
    #[arg(long, value_name = "MESSAGES", default_value_t = 0)]
    pub sync_every: u64,
    /// Take messages from before the machine was started, although they may be damaged
    #[arg(long)]
    pub earlier_boot: bool,
    /// How to wait for the other side
    #[arg(long, value_enum, default_value_t = WaitArg::Adaptive)]
    pub wait: WaitArg,
    /// Give up when nothing moved for this long, such as 5s or 200ms
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub timeout: Option<Duration>,
    /// No progress line (there is none either when standard error is not a terminal)
    #[arg(long, short)]
    pub quiet: bool,
}

impl StreamArgs {
    /// The library's options for this end.
    pub fn options(&self) -> Options {
        self.ring
            .options()
            .create(!self.no_create)
            .wait(self.wait.into())
            .sync_every(self.sync_every)
            .earlier_boot(self.earlier_boot)
    }
}

/// The three framings; at most one is named.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct FramingArgs {
    /// Messages of at most this many bytes, written back to back [default: 64K, or the ring's largest message]
    #[arg(long, value_name = "BYTES", value_parser = size)]
    chunk: Option<usize>,
    /// Each line is a message, without its newline
    #[arg(long)]
    lines: bool,
    /// Each message follows its length, four bytes, little-endian
    #[arg(long)]
    length_prefixed: bool,
}

impl FramingArgs {
    /// The framing that was asked for.
    pub fn framing(&self) -> Framing {
        match (self.lines, self.length_prefixed) {
            (true, _) => Framing::Lines,
            (_, true) => Framing::LengthPrefixed,
            _ => Framing::Chunk(self.chunk),
        }
    }
}

/// `ringway send`.
#[derive(Debug, Args)]
pub struct SendArgs {
    /// What both ends share.
    #[command(flatten)]
    pub stream: StreamArgs,
    /// Tag of every message, which receivers that use the library can read; the top bit is kept for `--lines`
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(..i64::from(UNTERMINATED)))]
    pub tag: u16,
}

/// `ringway recv`.
#[derive(Debug, Args)]
pub struct RecvArgs {
    /// What both ends share.
    #[command(flatten)]
    pub stream: StreamArgs,
}

/// `ringway pipe`.
#[derive(Debug, Args)]
pub struct PipeArgs {
    /// Where messages come from: an address as `ringway send` and `recv` take it
    #[arg(value_parser = stream_address)]
    pub from: At,
    /// Where they go
    #[arg(value_parser = stream_address)]
    pub to: At,
    /// What is made, should this command make it.
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Give up when nothing moved for this long, such as 5s or 200ms
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub timeout: Option<Duration>,
    /// No progress line (there is none either when standard error is not a terminal)
    #[arg(long, short)]
    pub quiet: bool,
}

/// What a connection can be told.
#[derive(Debug, Args)]
pub struct ConnectionArgs {
    /// Bytes of a ring that is made, rounded up to a power of two; a message may take almost half of them
    #[arg(long, value_name = "BYTES", default_value = "4M", value_parser = size)]
    pub size: usize,
    /// Permission bits of what is made, octal
    #[arg(long, value_name = "OCTAL", default_value = "600", value_parser = mode)]
    pub mode: u32,
    /// Whom to trust: `me`, `anyone`, or a numeric user id
    #[arg(long, value_name = "WHO", default_value = "me", value_parser = owner)]
    pub owner: Owner,
}

impl ConnectionArgs {
    /// The library's options. A stream is over when its goodbye was said, however long the other side takes.
    pub fn options(&self, timeout: Option<Duration>) -> connect::Options {
        let options = connect::options().size(self.size).mode(self.mode).owner(self.owner);
        match timeout {
            None => options.linger(Duration::MAX),
            Some(timeout) => options.linger(timeout).timeout(timeout),
        }
    }
}

/// `ringway create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// The ring.
    #[command(flatten)]
    pub at: RingAddress,
    /// What it is like.
    #[command(flatten)]
    pub ring: RingArgs,
    /// Alignment of every message, a power of two from 8 to 4096 bytes
    #[arg(long, value_name = "BYTES", default_value = "8", value_parser = size)]
    pub payload_align: usize,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

/// `ringway ls`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

/// `ringway inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The ring.
    #[command(flatten)]
    pub at: RingAddress,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

/// `ringway rm`.
#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// The ring.
    #[command(flatten)]
    pub at: RingAddress,
    /// Remove it even while a process is attached; those attached keep their memory and never meet a newcomer
    #[arg(long)]
    pub force: bool,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}

/// How to wait for the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WaitArg {
    /// Never sleep: a whole processor for the shortest delay
    Spin,
    /// Spin for a moment, then sleep
    Adaptive,
    /// Sleep at once
    Park,
}

impl From<WaitArg> for Wait {
    fn from(wait: WaitArg) -> Self {
        match wait {
            WaitArg::Spin => Self::Spin,
            WaitArg::Adaptive => Self::Adaptive,
            WaitArg::Park => Self::Park,
        }
    }
}

/// What wakes a side that sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WakeArg {
    /// A futex
    Futex,
    /// A POSIX semaphore
    Semaphore,
}

impl From<WakeArg> for Wake {
    fn from(wake: WakeArg) -> Self {
        match wake {
            WakeArg::Futex => Self::Futex,
            WakeArg::Semaphore => Self::Semaphore,
        }
    }
}

/// An address of a stream. A bare name is that of a ring, as it is to every other command.
pub fn stream_address(text: &str) -> Result<At, AddressError> {
    if text.contains(':') { text.parse() } else { text.parse().map(At::Ring) }
}

/// Reads a number of bytes such as `4096`, `64K` or `1GiB`; K, M and G are powers of 1024. Zero is none of them.
pub fn size(text: &str) -> Result<usize, String> {
    let bytes = Config::new().with_binary().parse_size(text).map_err(|error| error.to_string())?;
    match usize::try_from(bytes) {
        Ok(0) => Err("zero bytes hold nothing; give at least 1".to_owned()),
        Ok(bytes) => Ok(bytes),
        Err(_) => Err(format!("{bytes} bytes are more than this machine can address")),
    }
}

/// Reads permission bits in octal, such as `600` or `0660`.
pub fn mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err("expected permission bits in octal, such as 600 or 660".to_owned()),
    }
}

/// Reads whose ring to trust.
pub fn owner(text: &str) -> Result<Owner, String> {
    match text {
        "me" => Ok(Owner::Me),
        "anyone" => Ok(Owner::Anyone),
        uid => uid.parse().map(Owner::Uid).map_err(|_| "expected me, anyone or a numeric user id".to_owned()),
    }
}
