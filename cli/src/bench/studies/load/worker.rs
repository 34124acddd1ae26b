//! One side of traffic at a fixed rate.

use std::fs::{self, File};

use anyhow::{Result, bail, ensure};
use ringway::{Address, Wait, mpmc, spsc};

use super::letter::{Letter, Log, Schedule};
use super::{Job, Mechanism, Outcome, SIZE, Setup};
use crate::bench::bytes::relax;
use crate::bench::control::Side;
use crate::bench::record_ring::{RecordRx, RecordTx};
use crate::bench::role::{Reading, now};
use crate::bench::seat;
use crate::bench::shared::{Shared, adopt};
use crate::bench::studies::crew::{Orders, Work, obey};
use crate::bench::studies::ends::{Reads, Rx, Tx, Waiting, Writes};
use crate::bench::studies::ground::{self, Meeting, Prober};

/// Bytes that a reader of a stream asks for at a time.
const READ: usize = 64 << 10;

/// From the start of the sender to its first message, nanoseconds.
const LEAD: u64 = 20_000;

/// A side, until its orders end.
pub fn serve(setup: &Setup, orders: Orders) -> Result<()> {
    seat::take(setup.core, false)?;
    let ground = ground::open(setup.ground)?;
    obey(&mut Worker::new(setup, &ground)?, orders)
}

/// One side of the traffic.
struct Worker<'a> {
    /// Its ends of everything.
    ends: Ends<'a>,
    /// Where both sides start.
    meeting: Meeting<'a>,
    /// The probe.
    prober: Prober<'a>,
    /// Memory for latencies.
    memory: Vec<u64>,
}

/// The ends of a side.
enum Ends<'a> {
    /// Those of the sender: T, rings, pipe and socket.
    Sender(RecordTx<'a>, spsc::Producer, mpmc::Producer, [File; 2]),
    /// Those of the receiver.
    Receiver(RecordRx<'a>, spsc::Consumer, mpmc::Consumer, [File; 2]),
}

impl<'a> Worker<'a> {
    /// Attaches to everything.
    fn new(setup: &Setup, ground: &'a Shared) -> Result<Self> {
        let [ring, queue] = setup.rings.map(Address::Fd);
        let streams = setup.streams.map(adopt);
        let record = ground.record_ring(0);
        let (spsc, mpmc) = (spsc::options(), mpmc::options().wait(Wait::Spin));
        let ends = match setup.side {
            Side::Sender => {
                let (ring, queue) = (spsc.producer(ring)?, mpmc.producer(queue)?);
                Ends::Sender(RecordTx::new(record), ring, queue, streams)
            }
            Side::Receiver => {
                let (ring, queue) = (spsc.consumer(ring)?, mpmc.consumer(queue)?);
                Ends::Receiver(RecordRx::new(record), ring, queue, streams)
            }
        };
        Ok(Self {
            ends,
            meeting: Meeting::new(ground, setup.side as usize, 2),
            prober: Prober::new(ground, setup.side),
            memory: Vec::new(),
        })
    }
}

impl Work for Worker<'_> {
    type Job = Job;
    type Outcome = Outcome;

    fn probe(&mut self) -> Result<f64> {
        self.meeting.wait()?;
        Ok(self.prober.probe())
    }

    fn run(&mut self, job: Job) -> Result<Outcome> {
        let (meeting, memory) = (&mut self.meeting, &mut self.memory);
        let wait = if job.mechanism == Mechanism::Adaptive { Wait::Adaptive } else { Wait::Spin };
        match &mut self.ends {
            Ends::Sender(record, ring, queue, [pipe, unix]) => {
                ring.set_wait(wait);
                match job.mechanism {
                    Mechanism::T => send(job, meeting, record),
                    Mechanism::Spin | Mechanism::Adaptive => send(job, meeting, &mut Waiting(ring)),
                    Mechanism::Mpmc => send(job, meeting, &mut Waiting(queue)),
                    Mechanism::Pipe => send(job, meeting, &mut Writes(pipe)),
                    Mechanism::Unix => send(job, meeting, &mut Writes(unix)),
                }
            }
            Ends::Receiver(record, ring, queue, [pipe, unix]) => {
                ring.set_wait(wait);
                match job.mechanism {
                    Mechanism::T => receive(job, meeting, memory, record),
                    Mechanism::Spin | Mechanism::Adaptive => {
                        receive(job, meeting, memory, &mut Waiting(ring))
                    }
                    Mechanism::Mpmc => receive(job, meeting, memory, &mut Waiting(queue)),
                    Mechanism::Pipe => {
                        receive(job, meeting, memory, &mut Reads::new(pipe, SIZE, READ / SIZE))
                    }
                    Mechanism::Unix => {
                        receive(job, meeting, memory, &mut Reads::new(unix, SIZE, READ / SIZE))
                    }
                }
            }
        }
    }
}

/// The number of the first message of a job.
fn first_number(job: &Job) -> u64 {
    job.id << 32
}

/// Sends each message when it is due, or as soon after that as can be.
fn send(job: Job, meeting: &mut Meeting<'_>, tx: &mut impl Tx) -> Result<Outcome> {
    let (first, mut late) = (first_number(&job), 0);
    meeting.wait()?;
    let (reading, queued) = (Reading::begin()?, queued());
    let schedule = Schedule { start: now()? + LEAD, rate: job.rate };
    for serial in 0..job.count {
        let due = schedule.due(serial);
        let letter = Letter::new(first + serial, due).bytes();
        let mut time = now()?;
        late += u64::from(time >= schedule.due(serial + 1));
        while time < due {
            relax();
            time = now()?;
        }
        ensure!(tx.send(&letter)?, "a mechanism that waits did not");
    }
    let reading = reading.end()?;
    Ok(Outcome { reading, at: schedule.start, late, queued: self::queued() - queued })
}

/// Receives every message and notes how long it took.
fn receive(job: Job, meeting: &mut Meeting<'_>, memory: &mut Vec<u64>, rx: &mut impl Rx) -> Result<Outcome> {
    let mut log = Log::new(first_number(&job), job.rate, job.count, std::mem::take(memory));
    let mut clock = Ok(0);
    meeting.wait()?;
    let (reading, queued) = (Reading::begin()?, queued());
    while (log.count as u64) < job.count && log.wrong.is_none() {
        rx.recv(&mut |message| {
            clock = now();
            log.note(message, *clock.as_ref().unwrap_or(&0));
        })?;
    }
    let (mut reading, queued) = (reading.end()?, self::queued() - queued);
    clock?;
    if let Some(wrong) = &log.wrong {
        bail!("message {:#x} is wrong: {wrong:x?}", log.next);
    }
    reading.latency = log.histogram()?;
    *memory = log.took;
    Ok(Outcome { reading, at: log.last, late: 0, queued })
}

/// How long this process was ready to run and had no core so far, nanoseconds; zero where the kernel does not say.
fn queued() -> u64 {
    let text = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    text.split(' ').nth(1).and_then(|time| time.parse().ok()).unwrap_or(0)
}
