//! A role process: one side of every sample, on its own core, until its standard input ends.

use std::io::{BufRead, Write, stdin, stdout};
use std::os::fd::RawFd;
use std::sync::atomic::AtomicU64;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::Signal;
use nix::sys::time::TimeValLike;
use nix::time::{ClockId, clock_gettime};

use super::control::{Answer, Job, Order, Outcome, PROTOCOL, Setup, Side};
use super::counted_ring::CountedRing;
use super::floor_copy::{self, CopyRx, CopyTx};
use super::floor_futex::{FutexRx, FutexTx, futexes};
use super::futex_ring::{FutexRingRx, FutexRingTx, Ring};
use super::kernel::{StreamRx, StreamTx, socket, stream};
use super::kinds::Kinds;
use super::memory::Memory;
use super::message_queue::{self, QueueRx, QueueTx};
use super::packets::{PacketRx, PacketTx, packets};
use super::plan::{Mechanism, Pattern};
use super::posix_semaphore;
use super::probe::{Barrier, Ping, Pong, ping_pong, probe};
use super::record_ring::{RecordRx, RecordTx};
use super::rings::Rings;
use super::seat;
use super::shared::Shared;
use super::signals::{SignalRx, SignalTx, signals};
use super::splice::{self, SpliceTx};
use super::system_v::{self, Ids, SysvQueue};
use super::traffic::{Part, Rx, Tx};
use super::udp::Udp;

/// How often a stream through a ring of the kernel's semaphores or futexes looks before it sleeps: for about as long as
/// a sleep takes.
const LOOKS: u32 = 200;

/// Arguments of a role process, started by the bench itself.
#[derive(Debug, clap::Args)]
pub struct RoleArgs {
    /// Which side to be
    #[arg(value_enum)]
    side: Side,
}

/// Serves as one side until the standard input ends.
pub fn role(args: &RoleArgs) -> Result<()> {
    set_pdeathsig(Signal::SIGKILL).context("cannot tie this process to the coordinator")?;
    let mut lines = stdin().lock().lines();
    let first = lines.next().context("no setup")?.context("cannot read the setup")?;
    let Order::Setup(setup) = serde_json::from_str(&first).context("cannot parse the setup")? else {
        bail!("the first order must be the setup");
    };
    ensure!(
        setup.protocol == PROTOCOL,
        "this build speaks version {PROTOCOL} of the bench's protocol, not {}",
        setup.protocol
    );
    seat::take(setup.cores.map(|cores| cores[args.side as usize]), false)?;
    let shared = Shared::open(setup.shared, setup.ring_bytes)?;
    let (flags, _) = shared.copy();
    let mut bench = Workbench::new(args.side, &setup, &shared, &flags)?;
    answer(&Answer::Ready { version: env!("CARGO_PKG_VERSION").to_owned() })?;
    for line in lines {
        let line = line.context("cannot read an order")?;
        let Order::Run(job) = serde_json::from_str(&line).context("cannot parse an order")? else {
            bail!("a second setup");
        };
        answer(&bench.run(job).map_or_else(|error| Answer::Failed(format!("{error:#}")), Answer::Done))?;
    }
    Ok(())
}

/// Writes one answer line.
fn answer(answer: &Answer) -> Result<()> {
    let mut line = serde_json::to_string(answer)?;
    line.push('\n');
    let mut out = stdout().lock();
    out.write_all(line.as_bytes()).and_then(|()| out.flush()).context("cannot answer the coordinator")
}

/// Everything that a side keeps from sample to sample.
struct Workbench<'a> {
    /// What the coordinator said at the start.
    setup: &'a Setup,
    /// What measures.
    stage: Stage<'a>,
    /// Which direction this side sends in: forth (0) or back (1).
    towards: usize,
    /// The floor's ping-pong.
    bounce: (Ping<'a>, Pong<'a>),
    /// The floor's futexes.
    futexes: (FutexTx<'a>, FutexRx<'a>),
    /// T, towards the other side and back.
    record: (RecordTx<'a>, RecordRx<'a>),
    /// Flags of the copy floor.
    flags: &'a [&'a AtomicU64],
    /// Data of the copy floor.
    copy: &'a [AtomicU64],
    /// Pipes of the default capacity.
    pipe: (StreamTx, StreamRx),
    /// Pipes of 1 MiB.
    pipe_wide: (StreamTx, StreamRx),
    /// Pipes of 1 MiB, spliced into.
    spliced: (SpliceTx, StreamRx),
    /// FIFOs, if there are any.
    fifo: Option<(StreamTx, StreamRx)>,
    /// Unix sockets.
    unix: (StreamTx, StreamRx),
    /// Unix datagrams.
    datagram: (PacketTx, PacketRx),
    /// Sequenced packets.
    seqpacket: (PacketTx, PacketRx),
    /// A TCP connection, if there is a loopback.
    tcp: Option<(StreamTx, StreamRx)>,
    /// UDP sockets, if there is a loopback.
    udp: Option<Udp>,
    /// Eventfds.
    eventfd: (StreamTx, StreamRx),
    /// Message queues, if there are any.
    queue: Option<(QueueTx, QueueRx)>,
    /// System V objects, attached when first used.
    system_v: Option<SystemV>,
    /// POSIX shared memory, mapped when first used.
    posix: Option<Memory>,
    /// The file, mapped when first used.
    mapped: Option<Memory>,
    /// Signals that tell of numbers.
    signals: (SignalTx<'a>, SignalRx<'a>),
    /// The rings, attached when first used.
    rings: Rings,
    /// ringway's further kinds.
    kinds: Kinds<'a>,
}

/// What a side has of System V.
#[derive(Debug)]
struct SystemV {
    /// A queue to send to, and one to receive from.
    queues: (SysvQueue, SysvQueue),
    /// Memory for rings.
    memory: Memory,
    /// Their numbers, and that of the semaphores.
    ids: Ids,
}

impl SystemV {
    /// What is in `place`, or else attaches to what the coordinator names.
    fn attached<'p>(place: &'p mut Option<Self>, setup: &Setup, towards: usize) -> Result<&'p mut Self> {
        if place.is_none() {
            let ids = setup.system_v.context("there are no System V objects")?;
            let [to, from] = [towards, 1 - towards].map(|direction| SysvQueue::new(ids.queues[direction]));
            let memory = Memory::attach(ids.memory, setup.ring_bytes)?;
            *place = Some(Self { queues: (to, from), memory, ids });
        }
        place.as_mut().context("no System V objects")
    }
}

/// What is in `place`, or else maps `fd`.
fn mapped(place: &mut Option<Memory>, fd: Option<RawFd>, ring_bytes: usize) -> Result<&Memory> {
    if place.is_none() {
        *place = Some(Memory::map(fd.context("there is no memory of this kind")?, ring_bytes)?);
    }
    place.as_ref().context("no memory")
}

impl<'a> Workbench<'a> {
    /// Lays everything out.
    fn new(side: Side, setup: &'a Setup, shared: &'a Shared, flags: &'a [&'a AtomicU64]) -> Result<Self> {
        let (towards, back) = match side {
            Side::Sender => (0, 1),
            Side::Receiver => (1, 0),
        };
        let record = (RecordTx::new(shared.record_ring(towards)), RecordRx::new(shared.record_ring(back)));
        let (ping, pong) = ping_pong(side, shared.ping_pong(0));
        let streams = setup.streams;
        Ok(Self {
            setup,
            stage: Stage { side, barrier: Barrier::new(side, shared.barrier()), ping, pong },
            towards,
            bounce: ping_pong(side, shared.ping_pong(1)),
            futexes: futexes(side, shared.futexes()),
            record,
            flags,
            copy: shared.copy().1,
            pipe: stream(streams.pipe),
            pipe_wide: stream(streams.pipe_wide),
            spliced: splice::ends(streams.spliced)?,
            fifo: streams.fifo.map(stream),
            unix: socket(streams.unix)?,
            datagram: packets(streams.datagram)?,
            seqpacket: packets(streams.seqpacket)?,
            tcp: streams.tcp.map(socket).transpose()?,
            udp: streams.udp.map(Udp::new).transpose()?,
            eventfd: stream(streams.eventfd),
            queue: streams.queue.map(message_queue::ends),
            system_v: None,
            posix: None,
            mapped: None,
            signals: signals(side, shared.signals())?,
            rings: Rings::new(side, setup),
            kinds: Kinds::new(side, setup),
        })
    }

    /// Takes a sample.
    fn run(&mut self, job: Job) -> Result<Outcome> {
        let stage = &mut self.stage;
        seat::take(self.setup.core(stage.side, job.pattern), job.pattern.shares_core())?;
        match job.mechanism {
            Mechanism::PingPong => stage.measure(job, &mut self.bounce.0, &mut self.bounce.1),
            Mechanism::Copy => {
                if stage.side == Side::Sender {
                    floor_copy::reset(self.flags);
                }
                let mut tx = CopyTx::new(self.flags, self.copy, job.size);
                stage.measure(job, &mut tx, &mut CopyRx::new(self.flags, self.copy, job.size))
            }
            Mechanism::BareFutex => stage.measure(job, &mut self.futexes.0, &mut self.futexes.1),
            Mechanism::T => stage.measure(job, &mut self.record.0, &mut self.record.1),
            Mechanism::Pipe => stage.measure(job, &mut self.pipe.0, &mut self.pipe.1),
            Mechanism::PipeWide => stage.measure(job, &mut self.pipe_wide.0, &mut self.pipe_wide.1),
            Mechanism::Splice => stage.measure(job, &mut self.spliced.0, &mut self.spliced.1),
            Mechanism::Fifo => {
                let (tx, rx) = self.fifo.as_mut().context("there are no FIFOs")?;
                stage.measure(job, tx, rx)
            }
            Mechanism::Unix => stage.measure(job, &mut self.unix.0, &mut self.unix.1),
            Mechanism::Datagram => stage.measure(job, &mut self.datagram.0, &mut self.datagram.1),
            Mechanism::SeqPacket => stage.measure(job, &mut self.seqpacket.0, &mut self.seqpacket.1),
            Mechanism::Tcp => {
                let (tx, rx) = self.tcp.as_mut().context("there is no TCP on loopback")?;
                stage.measure(job, tx, rx)
            }
            Mechanism::Udp => {
                let udp = self.udp.as_mut().context("there is no UDP on loopback")?;
                let (mut tx, mut rx) = udp.halves(job.size, job.pattern == Pattern::Single);
                stage.measure(job, &mut tx, &mut rx)
            }
            Mechanism::EventFd => stage.measure(job, &mut self.eventfd.0, &mut self.eventfd.1),
            Mechanism::MessageQueue => {
                let (tx, rx) = self.queue.as_mut().context("there are no message queues")?;
                stage.measure(job, tx, rx)
            }
            Mechanism::BareSignal => stage.measure(job, &mut self.signals.0, &mut self.signals.1),
            Mechanism::SystemVQueue => {
                let system_v = SystemV::attached(&mut self.system_v, self.setup, self.towards)?;
                stage.measure(job, &mut system_v.queues.0, &mut system_v.queues.1)
            }
            Mechanism::SystemVRing | Mechanism::PosixRing | Mechanism::FutexRing => self.run_words(job),
            Mechanism::Untrusted
            | Mechanism::Duplex
            | Mechanism::Queue
            | Mechanism::QueuePark
            | Mechanism::RingwayPipe => self.kinds.run(job, stage),
            _ => self.rings.run(job, stage),
        }
    }

    /// Takes a sample of a ring in memory that the kernel's semaphores or futexes guard. The sender empties it before.
    fn run_words(&mut self, job: Job) -> Result<Outcome> {
        let Self { stage, towards, .. } = self;
        let (first, towards, back) = (stage.side == Side::Sender, *towards, 1 - *towards);
        let looks = if job.pattern.is_wake() || self.setup.cores.is_none() { 0 } else { LOOKS };
        match job.mechanism {
            Mechanism::SystemVRing => {
                let SystemV { memory, ids, .. } = SystemV::attached(&mut self.system_v, self.setup, towards)?;
                if first {
                    system_v::reset(ids.semaphores, memory.data(0), job.size)?;
                }
                let end = |direction| {
                    let counts = system_v::counts(ids.semaphores, direction);
                    CountedRing::new(memory.data(direction), job.size, counts)
                };
                stage.measure(job, &mut end(towards), &mut end(back))
            }
            Mechanism::PosixRing => {
                let memory = mapped(&mut self.posix, self.setup.streams.posix, self.setup.ring_bytes)?;
                if first {
                    posix_semaphore::reset(memory, job.size)?;
                }
                let end = |direction| {
                    let counts = posix_semaphore::counts(memory, direction, looks);
                    CountedRing::new(memory.data(direction), job.size, counts)
                };
                stage.measure(job, &mut end(towards), &mut end(back))
            }
            _ => {
                let memory = mapped(&mut self.mapped, self.setup.streams.mapped, self.setup.ring_bytes)?;
                let [forth, answers] = [towards, back].map(|direction| Ring::new(memory, direction, looks));
                if first {
                    forth.reset();
                    answers.reset();
                }
                let mut tx = FutexRingTx::new(forth, job.size);
                stage.measure(job, &mut tx, &mut FutexRingRx::new(answers, job.size))
            }
        }
    }
}

/// Starts both sides together, probes before and after, and takes the times.
pub struct Stage<'a> {
    /// Which side this is.
    pub side: Side,
    /// Where both sides meet.
    barrier: Barrier<'a>,
    /// This side's line of the ping-pong.
    ping: Ping<'a>,
    /// The other side's line.
    pong: Pong<'a>,
}

impl Stage<'_> {
    /// Takes the sample `job` over the given halves of a mechanism: a function for each, or the compiler makes one of all of them,
    /// and takes minutes over it.
    #[inline(never)]
    pub fn measure(&mut self, job: Job, tx: &mut impl Tx, rx: &mut impl Rx) -> Result<Outcome> {
        let mut part = Part::new(self.side, job)?;
        let before = self.probe(job.probe)?;
        let reading = Reading::begin()?;
        part.main(tx, rx)?;
        let mut outcome = reading.end()?;
        part.timed(tx, rx)?;
        outcome.latency = part.latency();
        outcome.rested = job.rest * job.count;
        outcome.probe = [before, self.probe(job.probe)?];
        Ok(outcome)
    }

    /// Meets the other side, probes, and meets it again.
    fn probe(&mut self, wanted: bool) -> Result<f64> {
        self.barrier.wait()?;
        if !wanted {
            return Ok(0.0);
        }
        let distance = probe(self.side, &mut self.ping, &mut self.pong);
        self.barrier.wait()?;
        Ok(distance)
    }
}

/// Clocks at the start of the traffic.
pub struct Reading {
    /// Monotonic clock, nanoseconds.
    start: u64,
    /// What this process had used.
    usage: Usage,
}

impl Reading {
    /// Reads the clocks.
    pub fn begin() -> Result<Self> {
        let usage = Usage::now()?;
        Ok(Self { start: now()?, usage })
    }

    /// Reads them again.
    pub fn end(self) -> Result<Outcome> {
        let end = now()?;
        let usage = Usage::now()?;
        Ok(Outcome {
            start: self.start,
            end,
            cpu: usage.cpu - self.usage.cpu,
            preempted: usage.preempted - self.usage.preempted,
            slept: usage.slept - self.usage.slept,
            ..Outcome::default()
        })
    }
}

/// The monotonic clock, the same in every process, nanoseconds.
pub fn now() -> Result<u64> {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).context("cannot read the clock")?;
    Ok(time.num_nanoseconds() as u64)
}

/// What this process has used so far.
struct Usage {
    /// CPU time, nanoseconds.
    cpu: u64,
    /// Involuntary context switches.
    preempted: u64,
    /// Voluntary ones: sleeps.
    slept: u64,
}

impl Usage {
    /// Asks the kernel.
    fn now() -> Result<Self> {
        let usage = getrusage(UsageWho::RUSAGE_SELF).context("cannot read the CPU time")?;
        let cpu = usage.user_time().num_nanoseconds() + usage.system_time().num_nanoseconds();
        Ok(Self {
            cpu: cpu as u64,
            preempted: usage.involuntary_context_switches() as u64,
            slept: usage.voluntary_context_switches() as u64,
        })
    }
}
