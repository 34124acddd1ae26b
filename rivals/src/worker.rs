//! A worker: a thread that is pinned to a core, and takes its part in samples.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::yield_now;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::time::TimeValLike;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

use crate::control::{Answer, Job, Order, Outcome, Part, Seat, Setup};
use crate::message::{Sink, Source};
use crate::plan::Crowd;
use crate::queues::{Rx, Tx};
use crate::stage::Stage;

/// Pauses at a full or empty queue before a worker with a core of its own yields.
const PAUSES: u32 = 128;

/// Round trips of one stretch of the probe.
const STRETCH: u64 = 128;

/// Stretches of the probe; their median is its result.
const STRETCHES: usize = 9;

/// A worker's place in its team.
#[derive(Debug)]
pub struct Worker {
    /// Number, part, core.
    pub seat: Seat,
    /// The team.
    pub crowd: Crowd,
    /// What it shares.
    pub stage: Arc<Stage>,
    /// The most pauses between two looks at a queue.
    pauses: u32,
    /// The last number of the probe's ping-pong.
    ball: u64,
}

/// A worker's ends of the queues for one message size.
pub trait Desk: Send {
    /// The message size.
    fn size(&self) -> usize;

    /// Takes the worker's part in a sample.
    fn run(&mut self, worker: &Worker, job: Job) -> Result<Outcome>;
}

impl Worker {
    /// A worker in the thread that calls this.
    pub fn new(seat: Seat, setup: &Setup, stage: Arc<Stage>) -> Result<Self> {
        pin(seat.core)?;
        Ok(Self { seat, crowd: setup.crowd, stage, pauses: setup.pauses.max(1), ball: 0 })
    }

    /// Does what is ordered.
    pub fn obey(&mut self, order: &Order, desks: &mut [Box<dyn Desk>]) -> Result<Answer> {
        match *order {
            Order::Setup(_) => bail!("a second setup"),
            Order::Probe => self.probe().map(Answer::Probed),
            Order::Run(job) => {
                let desk = desks.iter_mut().find(|desk| desk.size() == job.size);
                desk.context("no queues for that size")?.run(self, job).map(Answer::Done)
            }
        }
    }

    /// Measures the distance between the cores; two workers do so at once.
    fn probe(&mut self) -> Result<f64> {
        let [ping, pong] = self.stage.ping_pong();
        let first = self.seat.part == Part::Producer(0);
        let (mine, theirs) = if first { (ping, pong) } else { (pong, ping) };
        let wait = |ball: u64| {
            // edge: ball (acquire), pairs with the store below
            while theirs.load(Ordering::Acquire) != ball {
                std::hint::spin_loop();
            }
        };
        let mut stretches = [0.0; STRETCHES];
        for stretch in &mut stretches {
            let start = Instant::now();
            for _ in 0..STRETCH {
                self.ball += 1;
                if !first {
                    wait(self.ball);
                }
                mine.store(self.ball, Ordering::Release); // edge: ball (release)
                if first {
                    wait(self.ball);
                }
            }
            *stretch = start.elapsed().as_nanos() as f64 / STRETCH as f64;
        }
        stretches.sort_by(f64::total_cmp);
        Ok(stretches[STRETCHES / 2])
    }

    /// Takes this worker's part in a sample over the ends that it has.
    pub fn measure<const W: usize>(
        &self,
        job: Job,
        tx: Option<impl Tx<W>>,
        rx: Option<impl Rx<W>>,
    ) -> Result<Outcome> {
        let mut sink = Sink::new(job.id);
        let mut sent = 0;
        let workers = self.crowd.producers + self.crowd.consumers;
        self.stage.meet(self.seat.worker, workers, job.id)?;
        let (start, cpu) = clocks()?;
        match (tx, rx, self.seat.part) {
            (Some(tx), _, Part::Producer(name)) => {
                sent = self.produce(job, tx, Source::<W>::new(job.id, name, job.count))?;
            }
            (_, Some(rx), Part::Consumer(_)) => self.consume(job, rx, &mut sink)?,
            (Some(tx), Some(rx), Part::Both) => {
                sent = job.count;
                alone(job, tx, rx, &mut sink)?;
            }
            _ => bail!("this worker has no part in that"),
        }
        let (end, cpu_end) = clocks()?;
        sink.check()?;
        Ok(Outcome { start, end, cpu: cpu_end - cpu, sent, received: sink.count, sum: sink.sum })
    }

    /// Sends this worker's messages, until the time is up; how many.
    #[inline(always)]
    fn produce<const W: usize>(&self, job: Job, mut tx: impl Tx<W>, source: Source<W>) -> Result<u64> {
        let started = Instant::now();
        let mut patience = Patience::new(self.crowd, self.pauses);
        let mut send = |mut source: Source<W>, limit: Duration| -> Result<Source<W>> {
            while source.left() > 0 {
                let sent = tx.send(&source)?;
                if sent > 0 {
                    source.sent(sent);
                    patience.renew();
                } else if patience.is_over() {
                    yield_now();
                }
                if (sent == 0 || source.turns_page()) && started.elapsed() > limit {
                    source.cut();
                }
            }
            Ok(source)
        };
        let source = send(source, Duration::from_nanos(job.limit))?;
        self.stage.tell(self.seat.worker, job.id, source.done());
        if job.queue.blocks() && self.stage.finish(self.crowd.producers) {
            send(source.stops(self.crowd.consumers), Duration::MAX)?;
        }
        Ok(source.done())
    }

    /// Receives until all messages are received, by whomever.
    #[inline(always)]
    fn consume<const W: usize>(&self, job: Job, mut rx: impl Rx<W>, sink: &mut Sink<W>) -> Result<()> {
        let Crowd { producers, consumers } = self.crowd;
        let mut patience = Patience::new(self.crowd, self.pauses);
        while !sink.stopped {
            if rx.recv(|message| sink.take(message))? > 0 {
                patience.renew();
            } else if patience.is_over() {
                self.stage.tell(self.seat.worker, job.id, sink.count);
                let sent = self.stage.told(0..producers, job.id);
                if sent.is_some() && sent == self.stage.told(producers..producers + consumers, job.id) {
                    break;
                }
                yield_now();
            }
        }
        Ok(())
    }
}

/// Sends a message and receives it, again and again.
#[inline(always)]
fn alone<const W: usize>(job: Job, mut tx: impl Tx<W>, mut rx: impl Rx<W>, sink: &mut Sink<W>) -> Result<()> {
    let mut source = Source::<W>::new(job.id, 0, job.count);
    while source.left() > 0 {
        let sent = tx.send(&source)?;
        let number = source.next()[0];
        let received = rx.recv(|message| {
            sink.count += u64::from(message[0] == number && message[W - 1] == number);
        })?;
        ensure!(sent == 1 && received == 1, "a queue that one user has alone was full or empty");
        source.sent(sent);
    }
    sink.sum = (0..job.count).sum();
    Ok(())
}

/// How a worker waits, the same for every queue that does not wait in its own way.
struct Patience {
    /// Pauses before the next look.
    pauses: u32,
    /// The most of them.
    longest: u32,
    /// Pauses since a look that found something.
    spent: u32,
    /// How many of those are made before the worker yields. In a crowd somebody else needs the core at once.
    limit: u32,
}

impl Patience {
    /// For a worker of `crowd` that waits for at most `longest` pauses between two looks.
    fn new(crowd: Crowd, longest: u32) -> Self {
        Self { pauses: 1, longest, spent: 0, limit: if crowd.is_crowded() { 0 } else { PAUSES } }
    }

    /// After a look that found something.
    #[inline(always)]
    fn renew(&mut self) {
        (self.pauses, self.spent) = (1, 0);
    }

    /// After a look that found nothing: pauses, twice as long as the last time; `true`: it is time to yield.
    #[inline(always)]
    fn is_over(&mut self) -> bool {
        if self.spent >= self.limit {
            return true;
        }
        (0..self.pauses).for_each(|_| std::hint::spin_loop());
        self.spent += self.pauses;
        self.pauses = (2 * self.pauses).min(self.longest);
        false
    }
}

/// Pins the thread that calls this to a core.
pub fn pin(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core).with_context(|| format!("no core {core}"))?;
    sched_setaffinity(Pid::from_raw(0), &set).with_context(|| format!("cannot pin to core {core}"))
}

/// The monotonic clock, the same in every process, and this thread's CPU time, nanoseconds.
pub fn clocks() -> Result<(u64, u64)> {
    let read = |clock| clock_gettime(clock).map(|time| time.num_nanoseconds() as u64);
    let clocks =
        read(ClockId::CLOCK_MONOTONIC).and_then(|now| Ok((now, read(ClockId::CLOCK_THREAD_CPUTIME_ID)?)));
    clocks.context("cannot read the clocks")
}
