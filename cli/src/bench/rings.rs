//! ringway itself, through its public API: a ring forth and a ring back, attached when the first sample needs
//! them.

use anyhow::{Context, Result};
use ringway::spsc::{self, Consumer, Options, Producer, TypedConsumer, TypedProducer};
use ringway::{Address, SendError, Tune, Wait, Wake};

use super::control::{Job, Outcome, Setup, Side, Tuning};
use super::kinds;
use super::payload::{Check, Payload};
use super::plan::Mechanism;
use super::ring_wakes::{Polled, Told};
use super::role::Stage;
use super::traffic::{Rx, Tx};

/// What a kind of ring adds to the prefix of the names.
const KINDS: [&str; 5] = ["bytes", "typed", "semaphore", "descriptor", "signal"];

/// What a direction adds.
const DIRECTIONS: [&str; 2] = ["forth", "back"];

/// Every ring that the roles may have left behind under `prefix`.
pub fn addresses(prefix: &str) -> impl Iterator<Item = Address> {
    KINDS
        .into_iter()
        .chain(kinds::KINDS)
        .flat_map(move |kind| DIRECTIONS.into_iter().map(move |direction| address(prefix, kind, direction)))
}

/// The address of one ring.
pub fn address(prefix: &str, kind: &str, direction: &str) -> Address {
    Address::Shm(format!("{prefix}-{kind}-{direction}"))
}

/// The addresses of the producer and the consumer of `side`.
pub fn ends(prefix: &str, side: Side, kind: &str) -> (Address, Address) {
    let [forth, back] = DIRECTIONS.map(|direction| address(prefix, kind, direction));
    match side {
        Side::Sender => (forth, back),
        Side::Receiver => (back, forth),
    }
}

impl From<Tuning> for Tune {
    fn from(tuning: Tuning) -> Self {
        match tuning {
            Tuning::Latency => Self::Latency,
            Tuning::Balanced => Self::Balanced,
            Tuning::Throughput => Self::Throughput,
        }
    }
}

/// One side's ends of the rings.
pub struct Rings {
    /// Which side this is.
    side: Side,
    /// Prefix of the names.
    prefix: String,
    /// How to create and attach them.
    options: Options,
    /// The rings of bytes.
    bytes: Option<(Producer, Consumer)>,
    /// The rings of numbers.
    typed: Option<(TypedProducer<u64>, TypedConsumer<u64>)>,
    /// The rings whose sleepers are woken by semaphores.
    semaphore: Option<(Producer, Consumer)>,
    /// The rings that are waited for in an epoll.
    polled: Option<(Producer, Polled)>,
    /// The rings that are told of by signals.
    told: Option<(Producer, Told)>,
}

impl Rings {
    /// Nothing is attached yet.
    pub fn new(side: Side, setup: &Setup) -> Self {
        let options = spsc::options().size(setup.ring_bytes).tune(setup.tune.into()).wait(Wait::Spin);
        let prefix = setup.rings.clone();
        Self { side, prefix, options, bytes: None, typed: None, semaphore: None, polled: None, told: None }
    }

    /// Takes a sample of one of the ring's mechanisms.
    pub fn run(&mut self, job: Job, stage: &mut Stage<'_>) -> Result<Outcome> {
        match job.mechanism {
            Mechanism::Typed => {
                let (tx, rx) = self.typed()?;
                return stage.measure(job, tx, rx);
            }
            Mechanism::Semaphore => {
                let (tx, rx) = self.semaphore()?;
                return stage.measure(job, tx, rx);
            }
            Mechanism::Descriptor => {
                let (tx, rx) = self.polled()?;
                return stage.measure(job, tx, rx);
            }
            Mechanism::Signal => {
                let (tx, rx) = self.told()?;
                return stage.measure(job, tx, rx);
            }
            _ => {}
        }
        let wait = match job.mechanism {
            Mechanism::Adaptive => Wait::Adaptive,
            Mechanism::Park => Wait::Park,
            _ => Wait::Spin,
        };
        let (tx, rx) = self.bytes()?;
        tx.set_wait(wait);
        rx.set_wait(wait);
        match job.mechanism {
            Mechanism::Claim => stage.measure(job, &mut InPlace(tx), rx),
            _ => stage.measure(job, tx, rx),
        }
    }

    /// The rings of bytes.
    fn bytes(&mut self) -> Result<&mut (Producer, Consumer)> {
        if self.bytes.is_none() {
            self.bytes = Some(self.attach(KINDS[0], &self.options)?);
        }
        self.bytes.as_mut().context("no ring")
    }

    /// This side's ends of the rings of one kind.
    fn attach(&self, kind: &str, options: &Options) -> Result<(Producer, Consumer)> {
        let (towards, back) = ends(&self.prefix, self.side, kind);
        let tx = options.producer(towards).context("cannot attach a producer")?;
        let rx = options.consumer(back).context("cannot attach a consumer")?;
        Ok((tx, rx))
    }

    /// The rings whose sleepers are woken by semaphores.
    fn semaphore(&mut self) -> Result<&mut (Producer, Consumer)> {
        if self.semaphore.is_none() {
            let options = self.options.clone().wait(Wait::Park).wake(Wake::Semaphore);
            self.semaphore = Some(self.attach(KINDS[2], &options)?);
        }
        self.semaphore.as_mut().context("no ring")
    }

    /// The rings that are waited for in an epoll.
    fn polled(&mut self) -> Result<&mut (Producer, Polled)> {
        if self.polled.is_none() {
            self.polled = Some(Polled::new(self.attach(KINDS[3], &self.options)?)?);
        }
        self.polled.as_mut().context("no ring")
    }

    /// The rings that are told of by signals.
    fn told(&mut self) -> Result<&mut (Producer, Told)> {
        if self.told.is_none() {
            self.told = Some(Told::new(self.attach(KINDS[4], &self.options)?)?);
        }
        self.told.as_mut().context("no ring")
    }

    /// The rings of numbers.
    fn typed(&mut self) -> Result<&mut (TypedProducer<u64>, TypedConsumer<u64>)> {
        if self.typed.is_none() {
            let (towards, back) = ends(&self.prefix, self.side, KINDS[1]);
            let tx =
                self.options.clone().typed().producer(towards).context("cannot attach a typed producer")?;
            let rx = self.options.clone().typed().consumer(back).context("cannot attach a typed consumer")?;
            self.typed = Some((tx, rx));
        }
        self.typed.as_mut().context("no ring")
    }
}

impl Tx for Producer {
    #[inline(always)]
    fn send(&mut self, payload: &mut Payload, number: u64) -> Result<()> {
        Ok(Producer::send(self, payload.numbered(number))?)
    }

    fn send_batch(&mut self, payload: &mut Payload, first: u64, count: u64) -> Result<()> {
        let mut number = first;
        loop {
            let mut batch = self.batch()?;
            while number < first + count {
                match batch.push(payload.numbered(number)) {
                    Ok(()) => number += 1,
                    Err(SendError::Full { .. }) => break,
                    Err(error) => return Err(error.into()),
                }
            }
            batch.commit()?;
            if number == first + count {
                return Ok(());
            }
            self.wait_for_space(payload.len(), None)?;
        }
    }
}

impl Rx for Consumer {
    #[inline(always)]
    fn recv(&mut self, check: &mut Check) -> Result<()> {
        check.take(&Consumer::recv(self)?)
    }

    fn recv_batch(&mut self, check: &mut Check) -> Result<()> {
        Rx::recv(self, check)?;
        let mut drain = self.drain()?;
        while let Some(message) = drain.next() {
            check.take(&message?)?;
        }
        Ok(())
    }
}

/// A producer whose messages are filled in place.
struct InPlace<'a>(&'a mut Producer);

impl Tx for InPlace<'_> {
    #[inline(always)]
    fn send(&mut self, payload: &mut Payload, number: u64) -> Result<()> {
        let mut claim = self.0.claim(payload.len())?;
        payload.write_to(&mut claim, number);
        claim.commit()?;
        Ok(())
    }
}

impl Tx for TypedProducer<u64> {
    #[inline(always)]
    fn send(&mut self, _payload: &mut Payload, number: u64) -> Result<()> {
        Ok(TypedProducer::send(self, &number)?)
    }
}

impl Rx for TypedConsumer<u64> {
    #[inline(always)]
    fn recv(&mut self, check: &mut Check) -> Result<()> {
        check.take_number(*TypedConsumer::recv(self)?)
    }
}
