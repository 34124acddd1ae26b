//! ringway's further kinds, through its public API: queues, rings between processes that do not trust one another, both
//! directions in one segment, and streams over pipes. Each is made when the first sample needs it.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use anyhow::{Context, Result};
use ringway::{SendError, Side as End, Wait, duplex, mpmc, pipe, untrusted};

use super::control::{Job, Outcome, Setup, Side};
use super::payload::{Check, Payload};
use super::plan::Mechanism;
use super::rings::{address, ends};
use super::role::Stage;
use super::shared::adopt;
use super::traffic::{Rx, Tx};

/// What these kinds add to the prefix of the names.
pub const KINDS: [&str; 3] = ["queue", "numbers", "duplex"];

/// Bytes of a queue's slot.
const SLOT: usize = 256;

/// Longest message that lies beside its slot's word where every message is a number.
const NUMBER: usize = size_of::<u64>();

/// One side's ends.
pub struct Kinds<'a> {
    /// Which side this is.
    side: Side,
    /// What the coordinator said.
    setup: &'a Setup,
    /// Queues of messages.
    queue: Option<(mpmc::Producer, mpmc::Consumer)>,
    /// Queues of numbers.
    numbers: Option<(mpmc::Producer, mpmc::Consumer)>,
    /// Rings with halves of their own.
    untrusted: Option<(untrusted::Producer, untrusted::Consumer)>,
    /// Two rings in one segment.
    duplex: Option<duplex::Endpoint>,
    /// Streams over pipes.
    streams: Option<(pipe::Producer, pipe::Consumer)>,
}

impl<'a> Kinds<'a> {
    /// Nothing is made yet.
    pub fn new(side: Side, setup: &'a Setup) -> Self {
        Self { side, setup, queue: None, numbers: None, untrusted: None, duplex: None, streams: None }
    }

    /// Takes a sample of one of these kinds.
    pub fn run(&mut self, job: Job, stage: &mut Stage<'_>) -> Result<Outcome> {
        match job.mechanism {
            Mechanism::Untrusted => {
                let (tx, rx) = self.untrusted()?;
                stage.measure(job, tx, rx)
            }
            Mechanism::Duplex => {
                let (tx, rx) = self.duplex()?.ends();
                stage.measure(job, tx, rx)
            }
            Mechanism::RingwayPipe => {
                let (tx, rx) = self.streams()?;
                stage.measure(job, tx, rx)
            }
            mechanism => {
                let wait = if mechanism == Mechanism::QueuePark { Wait::Park } else { Wait::Spin };
                let (tx, rx) = self.queue(job.size)?;
                tx.set_wait(wait);
                rx.set_wait(wait);
                stage.measure(job, tx, rx)
            }
        }
    }

    /// Queues for messages of `size` bytes: as they come, or with slots that hold a number and nothing else.
    fn queue(&mut self, size: usize) -> Result<&mut (mpmc::Producer, mpmc::Consumer)> {
        let (place, kind, options) = if size <= NUMBER {
            (&mut self.numbers, KINDS[1], mpmc::options().slot_size(0).inline(NUMBER))
        } else {
            (&mut self.queue, KINDS[0], mpmc::options().slot_size(SLOT))
        };
        if place.is_none() {
            let options = options.slots(self.setup.ring_bytes / SLOT).tune(self.setup.tune.into());
            let (towards, back) = ends(&self.setup.rings, self.side, kind);
            let tx = options.producer(towards).context("cannot attach a queue's producer")?;
            *place = Some((tx, options.consumer(back).context("cannot attach a queue's consumer")?));
        }
        place.as_mut().context("no queue")
    }

    /// Rings with halves of their own. The sides make them together, forth first.
    fn untrusted(&mut self) -> Result<&mut (untrusted::Producer, untrusted::Consumer)> {
        if self.untrusted.is_none() {
            let socket: UnixStream = adopt(self.setup.streams.untrusted);
            let bytes = self.setup.ring_bytes;
            let options = untrusted::options().size(bytes).most(bytes).wait(Wait::Spin);
            let tx = || options.producer(&socket).context("cannot make an untrusted ring's producer");
            let rx = || options.consumer(&socket).context("cannot make an untrusted ring's consumer");
            self.untrusted = Some(match self.side {
                Side::Sender => (tx()?, rx()?),
                Side::Receiver => {
                    let rx = rx()?;
                    (tx()?, rx)
                }
            });
        }
        self.untrusted.as_mut().context("no untrusted ring")
    }

    /// Two rings in one segment.
    fn duplex(&mut self) -> Result<&mut duplex::Endpoint> {
        if self.duplex.is_none() {
            let end = match self.side {
                Side::Sender => End::First,
                Side::Receiver => End::Second,
            };
            let options = duplex::options().size(self.setup.ring_bytes).side(end);
            let options = options.tune(self.setup.tune.into()).wait(Wait::Spin);
            let endpoint = options.endpoint(address(&self.setup.rings, KINDS[2], "forth"));
            self.duplex = Some(endpoint.context("cannot attach to a duplex")?);
        }
        self.duplex.as_mut().context("no duplex")
    }

    /// Streams over the inherited pipes.
    fn streams(&mut self) -> Result<&mut (pipe::Producer, pipe::Consumer)> {
        if self.streams.is_none() {
            let [write, read] = self.setup.streams.transport.map(adopt::<OwnedFd>);
            let options = pipe::options();
            let tx = options.producer_on(write).context("cannot send over a pipe")?;
            self.streams = Some((tx, options.consumer_on(read).context("cannot receive over a pipe")?));
        }
        self.streams.as_mut().context("no stream")
    }
}

impl Tx for mpmc::Producer {
    #[inline(always)]
    fn send(&mut self, payload: &mut Payload, number: u64) -> Result<()> {
        Ok(mpmc::Producer::send(self, payload.numbered(number))?)
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

impl Rx for mpmc::Consumer {
    #[inline(always)]
    fn recv(&mut self, check: &mut Check) -> Result<()> {
        check.take(&mpmc::Consumer::recv(self)?)
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

impl Tx for untrusted::Producer {
    #[inline(always)]
    fn send(&mut self, payload: &mut Payload, number: u64) -> Result<()> {
        Ok(untrusted::Producer::send(self, payload.numbered(number))?)
    }
}

impl Rx for untrusted::Consumer {
    #[inline(always)]
    fn recv(&mut self, check: &mut Check) -> Result<()> {
        check.take(&untrusted::Consumer::recv(self)?)
    }
}

impl Tx for pipe::Producer {
    fn send(&mut self, payload: &mut Payload, number: u64) -> Result<()> {
        Ok(pipe::Producer::send(self, payload.numbered(number))?)
    }

    fn send_batch(&mut self, payload: &mut Payload, first: u64, count: u64) -> Result<()> {
        let mut batch = self.batch()?;
        for number in first..first + count {
            batch.push(payload.numbered(number))?;
        }
        Ok(batch.commit()?)
    }
}

impl Rx for pipe::Consumer {
    fn recv(&mut self, check: &mut Check) -> Result<()> {
        check.take(&pipe::Consumer::recv(self)?)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::plan::BATCH;

    /// Sends and receives single messages and batches, more than any of these kinds holds at a time.
    fn play(mut tx: impl Tx + Send, mut rx: impl Rx, size: usize) {
        let batches = (2 << 20) / size as u64 / BATCH + 2;
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut payload = Payload::new(size);
                for first in (0..batches).map(|batch| batch * (BATCH + 1)) {
                    tx.send(&mut payload, first).unwrap();
                    tx.send_batch(&mut payload, first + 1, BATCH).unwrap();
                }
                tx.finish();
            });
            let mut check = Check::new(size, 0);
            while check.next() < batches * (BATCH + 1) {
                rx.recv_batch(&mut check).unwrap();
            }
        });
    }

    #[test]
    fn messages_of_every_kind_arrive_in_order() {
        for size in [64, 4088] {
            let (tx, rx) = mpmc::options().slots(1024).slot_size(SLOT).pair().unwrap();
            play(tx, rx, size);
            let (tx, rx) = pipe::options().pair().unwrap();
            play(tx, rx, size);
            let (mine, theirs) = UnixStream::pair().unwrap();
            let rx = std::thread::spawn(move || untrusted::consumer(&theirs).unwrap());
            let tx = untrusted::producer(&mine).unwrap();
            play(tx, rx.join().unwrap(), size);
        }
        let (tx, rx) = mpmc::options().slots(1024).slot_size(0).inline(NUMBER).pair().unwrap();
        play(tx, rx, NUMBER);
    }
}
