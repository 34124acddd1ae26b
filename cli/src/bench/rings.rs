//! ringway itself, through its public API: a ring forth and a ring back, attached when the first sample needs
//! them.

use anyhow::{Context, Result};
use ringway::spsc::{self, Consumer, Options, Producer, TypedConsumer, TypedProducer};
use ringway::{Address, SendError, Tune, Wait};

use super::control::{Job, Outcome, Setup, Side, Tuning};
use super::payload::{Check, Payload};
use super::plan::Mechanism;
use super::role::Stage;
use super::traffic::{Rx, Tx};

/// What a kind of ring adds to the prefix of the names.
const KINDS: [&str; 2] = ["bytes", "typed"];

/// What a direction adds.
const DIRECTIONS: [&str; 2] = ["forth", "back"];

/// Every ring that the roles may have left behind under `prefix`.
pub fn addresses(prefix: &str) -> impl Iterator<Item = Address> {
    KINDS
        .into_iter()
        .flat_map(move |kind| DIRECTIONS.into_iter().map(move |direction| address(prefix, kind, direction)))
}

/// The address of one ring.
fn address(prefix: &str, kind: &str, direction: &str) -> Address {
    Address::Shm(format!("{prefix}-{kind}-{direction}"))
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
}

impl Rings {
    /// Nothing is attached yet.
    pub fn new(side: Side, setup: &Setup) -> Self {
        let tune = match setup.tune {
            Tuning::Latency => Tune::Latency,
            Tuning::Balanced => Tune::Balanced,
            Tuning::Throughput => Tune::Throughput,
        };
        let options = spsc::options().size(setup.ring_bytes).tune(tune).wait(Wait::Spin);
        Self { side, prefix: setup.rings.clone(), options, bytes: None, typed: None }
    }

    /// Takes a sample of one of the ring's mechanisms.
    pub fn run(&mut self, job: Job, stage: &mut Stage<'_>) -> Result<Outcome> {
        if job.mechanism == Mechanism::Typed {
            let (tx, rx) = self.typed()?;
            return stage.measure(job, tx, rx);
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

    /// The addresses of this side's producer and consumer.
    fn ends(&self, kind: &str) -> (Address, Address) {
        let [forth, back] = DIRECTIONS.map(|direction| address(&self.prefix, kind, direction));
        match self.side {
            Side::Sender => (forth, back),
            Side::Receiver => (back, forth),
        }
    }

    /// The rings of bytes.
    fn bytes(&mut self) -> Result<&mut (Producer, Consumer)> {
        if self.bytes.is_none() {
            let (towards, back) = self.ends(KINDS[0]);
            let tx = self.options.clone().producer(towards).context("cannot attach a producer")?;
            let rx = self.options.clone().consumer(back).context("cannot attach a consumer")?;
            self.bytes = Some((tx, rx));
        }
        self.bytes.as_mut().context("no ring")
    }

    /// The rings of numbers.
    fn typed(&mut self) -> Result<&mut (TypedProducer<u64>, TypedConsumer<u64>)> {
        if self.typed.is_none() {
            let (towards, back) = self.ends(KINDS[1]);
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
