//! A worker's ends of all queues, by message size.

use std::sync::Arc;

use anyhow::{Result, bail};
use crossbeam_channel::{Receiver, Sender, bounded};
use crossbeam_queue::ArrayQueue;
use ringway::mpmc;

use crate::control::{Job, Outcome, Part, Prepared};
use crate::plan::{Queue, SLOTS};
use crate::queues::{Batches, Blocking, Single, join_shaq_consumer, join_shaq_producer, make_shaq};
use crate::stage::{memory_file, reopen};
use crate::worker::{Desk, Worker};

/// The queues of one process for messages of one size.
#[derive(Clone, Debug)]
pub enum Locals {
    /// 8 bytes.
    One(Local<1>),
    /// 16 bytes.
    Two(Local<2>),
    /// 64 bytes.
    Eight(Local<8>),
    /// 128 bytes.
    Sixteen(Local<16>),
}

/// The queues of one process for messages of `W` words.
#[derive(Clone, Debug)]
pub struct Local<const W: usize> {
    /// crossbeam's queue.
    array: Arc<ArrayQueue<[u64; W]>>,
    /// crossbeam's channel.
    channel: (Sender<[u64; W]>, Receiver<[u64; W]>),
    /// kanal's.
    kanal: (kanal::Sender<[u64; W]>, kanal::Receiver<[u64; W]>),
}

impl<const W: usize> Local<W> {
    /// New ones.
    fn new() -> Self {
        let array = Arc::new(ArrayQueue::new(SLOTS));
        Self { array, channel: bounded(SLOTS), kanal: kanal::bounded(SLOTS) }
    }
}

impl Locals {
    /// The queues for messages of `size` bytes.
    pub fn new(size: usize) -> Result<Self> {
        Ok(match size {
            8 => Self::One(Local::new()),
            16 => Self::Two(Local::new()),
            64 => Self::Eight(Local::new()),
            128 => Self::Sixteen(Local::new()),
            _ => bail!("sizes are 8, 16, 64 and 128 bytes, not {size}"),
        })
    }

    /// A memory file with shaq's queue for messages of this size.
    pub fn shaq(&self) -> Result<std::fs::File> {
        let file = memory_file()?;
        match self {
            Self::One(_) => make_shaq::<1>(&file)?,
            Self::Two(_) => make_shaq::<2>(&file)?,
            Self::Eight(_) => make_shaq::<8>(&file)?,
            Self::Sixteen(_) => make_shaq::<16>(&file)?,
        }
        Ok(file)
    }
}

/// The rings that a team uses for messages of `size` bytes: with descriptors as they come, and with fitted ones.
pub fn ring_options(size: usize) -> [mpmc::Options; 2] {
    let options = mpmc::options().slots(SLOTS);
    [options.clone(), options.slot_size(0).inline(size)]
}

/// A worker's ends for messages of one size.
pub fn desk(part: Part, prepared: &Prepared, locals: &Locals) -> Result<Box<dyn Desk>> {
    Ok(match locals {
        Locals::One(local) => Box::new(Ends::open(part, prepared, local)?),
        Locals::Two(local) => Box::new(Ends::open(part, prepared, local)?),
        Locals::Eight(local) => Box::new(Ends::open(part, prepared, local)?),
        Locals::Sixteen(local) => Box::new(Ends::open(part, prepared, local)?),
    })
}

/// A sending end, if the worker sends, and a receiving end, if it receives.
#[derive(Debug)]
struct Duplex<T, R> {
    /// The sending end.
    tx: Option<T>,
    /// The receiving end.
    rx: Option<R>,
}

impl<T, R> Duplex<T, R> {
    /// Opens what `part` needs.
    fn open(part: Part, tx: impl FnOnce() -> Result<T>, rx: impl FnOnce() -> Result<R>) -> Result<Self> {
        let tx = if part.sends() { Some(tx()?) } else { None };
        Ok(Self { tx, rx: if part.receives() { Some(rx()?) } else { None } })
    }
}

/// A worker's ends for messages of `W` words.
struct Ends<const W: usize> {
    /// The ring as it comes.
    ring: Duplex<mpmc::Producer, mpmc::Consumer>,
    /// The ring with fitted descriptors.
    fit: Duplex<mpmc::Producer, mpmc::Consumer>,
    /// shaq's queue.
    shaq: Duplex<shaq::mpmc::Producer<[u64; W]>, shaq::mpmc::Consumer<[u64; W]>>,
    /// This process's queues.
    local: Local<W>,
}

impl<const W: usize> Ends<W> {
    /// Attaches to everything.
    fn open(part: Part, prepared: &Prepared, local: &Local<W>) -> Result<Self> {
        let ring =
            |name: &str| Duplex::open(part, || Ok(mpmc::producer(name)?), || Ok(mpmc::consumer(name)?));
        let file = reopen(prepared.shaq)?;
        Ok(Self {
            ring: ring(&prepared.ring)?,
            fit: ring(&prepared.fit)?,
            shaq: Duplex::open(part, || join_shaq_producer(&file), || join_shaq_consumer(&file))?,
            local: local.clone(),
        })
    }
}

impl<const W: usize> Desk for Ends<W> {
    fn size(&self) -> usize {
        W * size_of::<u64>()
    }

    fn run(&mut self, worker: &Worker, job: Job) -> Result<Outcome> {
        let Self { ring, fit, shaq, local } = self;
        let (sender, receiver) = &mut local.channel;
        let (kanal_tx, kanal_rx) = &mut local.kanal;
        match job.queue {
            Queue::Ring => {
                worker.measure::<W>(job, ring.tx.as_mut().map(Single), ring.rx.as_mut().map(Single))
            }
            Queue::RingFit => {
                worker.measure::<W>(job, fit.tx.as_mut().map(Single), fit.rx.as_mut().map(Single))
            }
            Queue::RingBatch => {
                worker.measure::<W>(job, ring.tx.as_mut().map(Batches), ring.rx.as_mut().map(Batches))
            }
            Queue::RingBlocking => {
                worker.measure::<W>(job, ring.tx.as_mut().map(Blocking), ring.rx.as_mut().map(Blocking))
            }
            Queue::Shaq => worker.measure(job, shaq.tx.as_mut().map(Single), shaq.rx.as_mut().map(Single)),
            Queue::ShaqBatch => {
                worker.measure(job, shaq.tx.as_mut().map(Batches), shaq.rx.as_mut().map(Batches))
            }
            Queue::Bare => {
                let bare = worker.stage.bare(job.size)?;
                worker.measure::<W>(job, Some(bare), Some(bare))
            }
            Queue::Array => worker.measure(job, Some(&*local.array), Some(&*local.array)),
            Queue::Channel => worker.measure(job, Some(Single(sender)), Some(Single(receiver))),
            Queue::ChannelBlocking => worker.measure(job, Some(Blocking(sender)), Some(Blocking(receiver))),
            Queue::Kanal => worker.measure(job, Some(Single(kanal_tx)), Some(Single(kanal_rx))),
            Queue::KanalBlocking => worker.measure(job, Some(Blocking(kanal_tx)), Some(Blocking(kanal_rx))),
        }
    }
}
