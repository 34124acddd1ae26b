//! The command line of `ringway work`.

use std::ffi::OsString;
use std::num::NonZeroU64;
use std::time::Duration;

use clap::{Args, Subcommand};
use ringway::Owner;
use ringway::mpmc::{self, Options};

use crate::args::{RingAddress, WaitArg, WakeArg, mode, owner, size};
use crate::exit::EXIT_CODES;

/// `ringway work`.
#[derive(Debug, Args)]
pub struct WorkArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: WorkCommand,
}

/// The commands of `ringway work`.
#[derive(Debug, Subcommand)]
pub enum WorkCommand {
    /// Put jobs from standard input into a queue; waits while the queue is full
    #[command(after_help = EXIT_CODES)]
    Send(WorkSendArgs),
    /// Write jobs to standard output; each is finished once it is written
    #[command(after_help = EXIT_CODES)]
    Recv(WorkRecvArgs),
    /// Run a command for each job; a job is finished once its command has ended
    #[command(after_help = EXIT_CODES, long_about = RUN)]
    Run(WorkRunArgs),
    /// Make a queue ahead of its first use
    Create(WorkCreateArgs),
}

/// What `ringway work run --help` says first.
const RUN: &str = "\
Run a command for each job; a job is finished once its command has ended.

The job is the command's standard input, and replaces {} wherever it stands in ARGS. The command finds RINGWAY_SEQUENCE \
(the job's place in the queue), RINGWAY_TAG, and RINGWAY_REDELIVERED in its environment: 1 if a worker was gone before \
it had finished this job, else 0.

A command that fails is reported, and the worker goes on; the job is not tried again. If the worker is killed, the \
kernel kills the command (not what it has started in turn), and another worker gets the job. Asked to end by SIGINT or SIGTERM, a worker takes no \
further job and lets its command end; what it is asked after that, it passes on to the command. A command that then \
fails leaves its job to another worker.";

/// What a new queue is like; an existing one keeps what it was made with.
#[derive(Debug, Args)]
pub struct QueueArgs {
    /// Slots of the queue, rounded up to a power of two; a job takes one, or as many as its length needs
    #[arg(long, value_name = "N", default_value_t = 1024)]
    pub slots: usize,
    /// Bytes of a slot, a multiple of 8; a job may take as many slots as half the queue has
    #[arg(long, value_name = "BYTES", default_value = "256", value_parser = size)]
    pub slot_size: usize,
    /// How many senders, and how many workers, may be there at once
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub participants: usize,
    /// Drop the job that a worker had in hand when it died, instead of giving it to another
    #[arg(long)]
    pub at_most_once: bool,
    /// Permission bits of the queue, octal
    #[arg(long, value_name = "OCTAL", default_value = "600", value_parser = mode)]
    pub mode: u32,
    /// Whose queue to trust: `me`, `anyone`, or a numeric user id
    #[arg(long, value_name = "WHO", default_value = "me", value_parser = owner)]
    pub owner: Owner,
    /// Keep the queue when everybody has left and it is empty
    #[arg(long)]
    pub persist: bool,
    /// What wakes those who sleep
    #[arg(long, value_enum, default_value_t = WakeArg::Futex)]
    pub wake: WakeArg,
}

impl QueueArgs {
    /// The library's options for a queue like this.
    pub fn options(&self) -> Options {
        mpmc::options()
            .slots(self.slots)
            .slot_size(self.slot_size)
            .participants(self.participants)
            .at_most_once(self.at_most_once)
            .mode(self.mode)
            .owner(self.owner)
            .persist(self.persist)
            .wake(self.wake.into())
    }
}

/// What senders and workers can be told.
#[derive(Debug, Args)]
pub struct EndArgs {
    /// The queue.
    #[command(flatten)]
    pub at: RingAddress,
    /// The queue, should this side make it.
    #[command(flatten)]
    pub queue: QueueArgs,
    /// Fail if the queue does not exist yet, instead of making it
    #[arg(long)]
    pub no_create: bool,
    /// Take jobs from before the machine was started, although they may be damaged
    #[arg(long)]
    pub earlier_boot: bool,
    /// How to wait for the other side
    #[arg(long, value_enum, default_value_t = WaitArg::Adaptive)]
    pub wait: WaitArg,
    /// Give up when nothing moved for this long, such as 5s or 200ms
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub timeout: Option<Duration>,
}

impl EndArgs {
    /// The library's options for this end.
    pub fn options(&self) -> Options {
        self.queue.options().create(!self.no_create).wait(self.wait.into()).earlier_boot(self.earlier_boot)
    }
}

/// What workers can be told.
#[derive(Debug, Args)]
pub struct TakeArgs {
    /// What both sides share.
    #[command(flatten)]
    pub end: EndArgs,
    /// Stay when every sender has left and no job is there, and wait for the next sender
    #[arg(long)]
    pub stay: bool,
    /// End after so many jobs
    #[arg(long, value_name = "N")]
    pub count: Option<NonZeroU64>,
}

/// How jobs stand in standard input or output; at most one is named.
#[derive(Clone, Copy, Debug, Args)]
#[group(multiple = false)]
pub struct JobFraming {
    /// Each line is a job, without its newline
    #[arg(long)]
    pub lines: bool,
    /// Each job follows its length, four bytes, little-endian
    #[arg(long)]
    pub length_prefixed: bool,
}

/// `ringway work send`. Without a framing the whole of standard input is one job.
#[derive(Debug, Args)]
pub struct WorkSendArgs {
    /// What both sides share.
    #[command(flatten)]
    pub end: EndArgs,
    /// How jobs stand in the input; without either, all of it is one job
    #[command(flatten)]
    pub framing: JobFraming,
    /// Tag of every job, which commands find as RINGWAY_TAG
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub tag: u16,
    /// No progress line (there is none either when standard error is not a terminal)
    #[arg(long, short)]
    pub quiet: bool,
}

/// `ringway work recv`. Without a framing jobs are written back to back.
#[derive(Debug, Args)]
pub struct WorkRecvArgs {
    /// What workers share.
    #[command(flatten)]
    pub take: TakeArgs,
    /// How jobs are written; without either, back to back.
    #[command(flatten)]
    pub framing: JobFraming,
    /// No progress line (there is none either when standard error is not a terminal)
    #[arg(long, short)]
    pub quiet: bool,
}

/// `ringway work run`.
#[derive(Debug, Args)]
pub struct WorkRunArgs {
    /// What workers share.
    #[command(flatten)]
    pub take: TakeArgs,
    /// End after the first job whose command fails
    #[arg(long)]
    pub fail_fast: bool,
    /// The command, and its arguments, in which {} stands for the job
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// `ringway work create`.
#[derive(Debug, Args)]
pub struct WorkCreateArgs {
    /// The queue.
    #[command(flatten)]
    pub at: RingAddress,
    /// What it is like.
    #[command(flatten)]
    pub queue: QueueArgs,
    /// Answer in JSON
    #[arg(long)]
    pub json: bool,
}
