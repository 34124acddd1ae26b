//! A producer or a consumer of a crowd.

use std::fs::File;
use std::sync::atomic::AtomicU64;
use std::thread::yield_now;

use anyhow::{Context, Result, bail, ensure};
use nix::mqueue::MqdT;
use ringway::{Address, Select, mpmc, spsc};

use super::ledger::{Ledger, Marks, number, stop};
use super::{Descriptors, Job, Mechanism, Outcome, Setup};
use crate::bench::control::Side;
use crate::bench::message_queue;
use crate::bench::payload::Payload;
use crate::bench::role::Reading;
use crate::bench::seat;
use crate::bench::shared::{Shared, adopt};
use crate::bench::studies::bare::Bare;
use crate::bench::studies::crew::{Orders, Work, obey};
use crate::bench::studies::ends::{InTurn, QueueRx, QueueTx, Reads, Rx, Trying, Tx, Waiting, Writes};
use crate::bench::studies::ground::{self, Meeting, Prober};

/// Pauses at a full or empty queue before a worker with a core of its own yields.
const PAUSES: u32 = 128;

/// Most pauses between two looks at it.
const LONGEST: u32 = 16;

/// Words of a line.
const LINE: usize = 16;

/// Bytes that a lone reader of a pipe asks for at a time.
const READ: usize = 64 << 10;

/// A worker, until its orders end.
pub fn serve(setup: &Setup, orders: Orders) -> Result<()> {
    seat::take(setup.core, false)?;
    let ground = ground::open(setup.ground)?;
    let mut worker = Worker { ends: Ends::open(setup)?, place: Place::new(setup, &ground) };
    obey(&mut worker, orders)
}

/// A member of a crowd.
struct Worker<'a> {
    /// Its ends of everything.
    ends: Ends,
    /// Its place among the others.
    place: Place<'a>,
}

/// What a worker shares with the others.
struct Place<'a> {
    /// Who it is.
    setup: &'a Setup,
    /// Where the crowd starts.
    meeting: Meeting<'a>,
    /// The probe, for those who take part.
    prober: Prober<'a>,
    /// Marks of the messages that were received.
    marks: Marks<'a>,
    /// Words of a bare queue.
    bare: &'a [AtomicU64],
    /// Memory for the numbers of messages.
    memory: Vec<u64>,
}

/// The ends of a producer or a consumer.
enum Ends {
    /// Those of a producer.
    Producer(Box<Producer>),
    /// Those of a consumer.
    Consumer(Box<Consumer>),
}

/// A producer's ends.
struct Producer {
    /// Its name in the messages.
    name: usize,
    /// The ring as it comes.
    ring: mpmc::Producer,
    /// Rings fitted to a message size.
    fitted: Vec<(usize, mpmc::Producer)>,
    /// A ring of its own, where there is one consumer.
    own: Option<spsc::Producer>,
    /// The pipe.
    pipe: File,
    /// The datagram and the seqpacket socket.
    sockets: [File; 2],
    /// The message queue, if there are any.
    queue: Option<MqdT>,
}

/// A consumer's ends.
struct Consumer {
    /// The ring as it comes.
    ring: mpmc::Consumer,
    /// Rings fitted to a message size.
    fitted: Vec<(usize, mpmc::Consumer)>,
    /// A ring for each producer, if this is the only consumer.
    rings: Vec<spsc::Consumer>,
    /// What waits for those.
    select: Select,
    /// The pipe.
    pipe: File,
    /// The datagram and the seqpacket socket.
    sockets: [File; 2],
    /// The message queue, if there are any.
    queue: Option<MqdT>,
}

impl Producer {
    /// Attaches to everything.
    fn open(name: usize, from: &Descriptors) -> Result<Self> {
        let producer = |fd| mpmc::producer(Address::Fd(fd)).context("cannot attach a producer");
        let fitted = from.fitted.iter().map(|&(size, fd)| Ok((size, producer(fd)?)));
        let own = from.rings.get(name).map(|&fd| spsc::producer(Address::Fd(fd)));
        Ok(Self {
            name,
            ring: producer(from.ring)?,
            fitted: fitted.collect::<Result<_>>()?,
            own: own.transpose().context("cannot attach a producer")?,
            pipe: adopt(from.pipe[1]),
            sockets: from.sockets.map(|[sender, _]| adopt(sender)),
            queue: from.queue.map(adopt),
        })
    }
}

impl Consumer {
    /// Attaches to everything.
    fn open(from: &Descriptors) -> Result<Self> {
        let consumer = |fd| mpmc::consumer(Address::Fd(fd)).context("cannot attach a consumer");
        let fitted = from.fitted.iter().map(|&(size, fd)| Ok((size, consumer(fd)?)));
        let rings = from.rings.iter().map(|&fd| spsc::consumer(Address::Fd(fd)));
        Ok(Self {
            ring: consumer(from.ring)?,
            fitted: fitted.collect::<Result<_>>()?,
            rings: rings.collect::<Result<_, _>>().context("cannot attach a consumer")?,
            select: Select::fair(),
            pipe: adopt(from.pipe[0]),
            sockets: from.sockets.map(|[_, receiver]| adopt(receiver)),
            queue: from.queue.map(adopt),
        })
    }
}

/// The end that is fitted to messages of `size` bytes.
fn fitting<E>(fitted: &mut [(usize, E)], size: usize) -> Result<&mut E> {
    let found = fitted.iter_mut().find(|(of, _)| *of == size);
    found.map(|(_, end)| end).context("no ring is fitted to that size")
}

impl Ends {
    /// Attaches to everything that this worker needs.
    fn open(setup: &Setup) -> Result<Self> {
        Ok(match setup.worker.checked_sub(setup.producers) {
            None => Self::Producer(Box::new(Producer::open(setup.worker, &setup.descriptors)?)),
            Some(_) => Self::Consumer(Box::new(Consumer::open(&setup.descriptors)?)),
        })
    }
}

impl Work for Worker<'_> {
    type Job = Job;
    type Outcome = Outcome;

    fn probe(&mut self) -> Result<f64> {
        Ok(self.place.prober.probe())
    }

    fn run(&mut self, job: Job) -> Result<Outcome> {
        match &mut self.ends {
            Ends::Producer(ends) => ends.run(&mut self.place, job),
            Ends::Consumer(ends) => ends.run(&mut self.place, job),
        }
    }
}

impl Producer {
    /// Takes part in a job.
    fn run(&mut self, place: &mut Place<'_>, job: Job) -> Result<Outcome> {
        let name = self.name;
        match job.mechanism {
            Mechanism::Ring => place.produce(job, name, Trying(&mut self.ring)),
            Mechanism::RingFit => place.produce(job, name, Trying(fitting(&mut self.fitted, job.size)?)),
            Mechanism::RingBlocking => place.produce(job, name, Waiting(&mut self.ring)),
            Mechanism::Rings => {
                place.produce(job, name, Waiting(self.own.as_mut().context("no ring of its own")?))
            }
            Mechanism::Bare | Mechanism::BareFit => place.produce(job, name, place.bare(job)?),
            Mechanism::Pipe => place.produce(job, name, Writes(&mut self.pipe)),
            Mechanism::Datagram => place.produce(job, name, Writes(&mut self.sockets[0])),
            Mechanism::Seqpacket => place.produce(job, name, Writes(&mut self.sockets[1])),
            Mechanism::MessageQueue => {
                place.produce(job, name, QueueTx(self.queue.as_ref().context("there are no message queues")?))
            }
        }
    }
}

impl Consumer {
    /// Takes part in a job.
    fn run(&mut self, place: &mut Place<'_>, job: Job) -> Result<Outcome> {
        let together = if place.setup.consumers == 1 { READ / job.size } else { 1 };
        match job.mechanism {
            Mechanism::Ring => place.consume(job, Trying(&mut self.ring)),
            Mechanism::RingFit => place.consume(job, Trying(fitting(&mut self.fitted, job.size)?)),
            Mechanism::RingBlocking => place.consume(job, Waiting(&mut self.ring)),
            Mechanism::Rings => {
                place.consume(job, InTurn { rings: &mut self.rings, select: &mut self.select })
            }
            Mechanism::Bare | Mechanism::BareFit => place.consume(job, place.bare(job)?),
            Mechanism::Pipe => place.consume(job, Reads::new(&mut self.pipe, job.size, together)),
            Mechanism::Datagram => place.consume(job, Reads::new(&mut self.sockets[0], job.size, 1)),
            Mechanism::Seqpacket => place.consume(job, Reads::new(&mut self.sockets[1], job.size, 1)),
            Mechanism::MessageQueue => {
                let queue = self.queue.as_ref().context("there are no message queues")?;
                place.consume(job, QueueRx { queue, buffer: vec![0; message_queue::LARGEST] })
            }
        }
    }
}

impl<'a> Place<'a> {
    /// This worker's place.
    fn new(setup: &'a Setup, ground: &'a Shared) -> Self {
        let side = if setup.worker < setup.producers { Side::Sender } else { Side::Receiver };
        Self {
            setup,
            meeting: Meeting::new(ground, setup.worker, setup.producers + setup.consumers),
            prober: Prober::new(ground, side),
            marks: Marks(ground.record_ring(0).2),
            bare: ground.copy().1,
            memory: Vec::new(),
        }
    }

    /// The bare queue of a job: one for each size and kind of cell, one after another.
    fn bare(&self, job: Job) -> Result<Bare<'a>> {
        let mut at = 0;
        for &size in &self.setup.sizes {
            for mechanism in [Mechanism::Bare, Mechanism::BareFit] {
                let room = mechanism.room(size);
                let end = at + Bare::words(room);
                ensure!(end <= self.bare.len(), "the bare queues need more room");
                if (mechanism, size) == (job.mechanism, job.size) {
                    return Ok(Bare::new(&self.bare[at..end], room, size));
                }
                at = end.next_multiple_of(LINE);
            }
        }
        bail!("no bare queue for {} bytes", job.size)
    }

    /// Sends this producer's messages. The last producer that has finished tells each consumer to stop, unless there is
    /// but one, which counts.
    fn produce(&mut self, job: Job, name: usize, mut tx: impl Tx) -> Result<Outcome> {
        let Setup { producers, consumers, .. } = *self.setup;
        ensure!(job.count <= self.marks.most(), "more messages than can be accounted for");
        self.marks.clear(name, job.count);
        let mut payload = Payload::new(job.size);
        let mut patience = Patience::new(self.setup.is_crowded());
        let mut send = |number: u64| -> Result<()> {
            let message = payload.numbered(number);
            while !tx.send(message)? {
                patience.wait();
            }
            patience.renew();
            Ok(())
        };
        self.meeting.wait()?;
        let reading = Reading::begin()?;
        (0..job.count).try_for_each(|serial| send(number(job.id, name, serial)))?;
        let outcome = reading.end()?;
        if consumers > 1 && self.meeting.finish(producers) {
            (0..consumers).try_for_each(|_| send(stop(job.id)))?;
        }
        Ok(Outcome { reading: outcome, received: 0 })
    }

    /// Receives until all messages are there, or another consumer must have them; then checks its own.
    fn consume(&mut self, job: Job, mut rx: impl Rx) -> Result<Outcome> {
        let Setup { producers, consumers, .. } = *self.setup;
        let total = producers as u64 * job.count;
        let mut ledger = Ledger::new(job.id, job.size, total, std::mem::take(&mut self.memory));
        let mut patience = Patience::new(self.setup.is_crowded());
        self.meeting.wait()?;
        let reading = Reading::begin()?;
        while !(ledger.is_stopped() || consumers == 1 && ledger.count() == total) {
            if rx.recv(&mut |message| ledger.note(message))? {
                patience.renew();
            } else {
                ensure!(!ledger.is_wrong(), "a message is wrong");
                patience.wait();
            }
        }
        let outcome = reading.end()?;
        ledger.check(job.id, producers, job.count, self.marks)?;
        let received = ledger.count();
        self.memory = ledger.into_memory();
        Ok(Outcome { reading: outcome, received })
    }
}

/// How a worker waits, the same for everything that does not wait in its own way.
#[derive(Debug)]
struct Patience {
    /// Pauses before the next look.
    pauses: u32,
    /// Pauses since a look that found something.
    spent: u32,
    /// How many of those are made before the worker yields. In a crowd somebody else needs the core at once.
    limit: u32,
}

impl Patience {
    /// Nothing was waited for yet.
    fn new(crowded: bool) -> Self {
        Self { pauses: 1, spent: 0, limit: if crowded { 0 } else { PAUSES } }
    }

    /// After a look that found something.
    #[inline(always)]
    fn renew(&mut self) {
        (self.pauses, self.spent) = (1, 0);
    }

    /// After a look that found nothing: pauses, twice as long as the last time, or lets others have the core.
    #[inline(always)]
    fn wait(&mut self) {
        if self.spent >= self.limit {
            yield_now();
            return;
        }
        (0..self.pauses).for_each(|_| std::hint::spin_loop());
        self.spent += self.pauses;
        self.pauses = (2 * self.pauses).min(LONGEST);
    }
}
