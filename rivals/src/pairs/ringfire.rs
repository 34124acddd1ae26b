//! ringfire's ring: values of one type. With back-pressure, since by default it drops what nobody has read in time, and
//! with one reader, so that a producer looks at one place for how far it may go. Its arena for longer messages has no
//! back-pressure, so those are values, too.

use std::fs;
use std::path::PathBuf;

use ::ringfire::{FlowControl, RecvStatus, RingConsumer, RingProducer, RingProducerBuilder, RingfireError};
use anyhow::{Context, Result, bail};

use super::field::{Duplex, Ends};
use super::ground::Ground;
use super::payload::{Check, Payload};
use super::plan::{BATCH, slots};
use super::sized::{ForWords, for_size};
use super::traffic::{Offer, Poll, Polled};

/// Opens a side.
pub fn open(ground: &Ground) -> Result<Box<dyn Ends>> {
    for_size(ground.size, OpenRingfire(ground))
}

/// Opens a side's ends.
struct OpenRingfire<'a>(&'a Ground);

/// A consumer of ringfire's, and where a batch lies.
struct Ringfire<const W: usize> {
    /// The consumer.
    rx: RingConsumer<[u64; W]>,
    /// What was received last.
    batch: Vec<[u64; W]>,
}

impl ForWords for OpenRingfire<'_> {
    type Made = Box<dyn Ends>;

    fn make<const W: usize>(self) -> Result<Box<dyn Ends>> {
        let ground = self.0;
        let [towards, back] = ground.ways().map(|name| ground.path(&name));
        // Only a producer can make a ring, so each side makes its own, and the first one finds the second's when
        // the first message comes.
        let tx = RingProducerBuilder::new(slots(ground.size) as u64)
            .flow_control(FlowControl::LosslessBackpressure)
            .max_readers(1)
            .build::<[u64; W], _>(&towards)?;
        let mut rx = Reader::<W> { path: back, open: None };
        if !ground.makes() {
            rx.attach()?;
        }
        Ok(Box::new(Duplex(Polled::new(tx), Polled::new(rx))))
    }
}

/// The way back of ringfire: attached when it is there.
struct Reader<const W: usize> {
    /// Where.
    path: PathBuf,
    /// When attached.
    open: Option<Ringfire<W>>,
}

impl<const W: usize> Reader<W> {
    /// Attaches to the ring, which needs its name no longer.
    fn attach(&mut self) -> Result<&mut Ringfire<W>> {
        let rx = RingConsumer::builder().start_from_oldest().attach(&self.path)?;
        fs::remove_file(&self.path).context("cannot remove a ring's name")?;
        Ok(self.open.insert(Ringfire { rx, batch: vec![[0; W]; BATCH as usize] }))
    }

    /// The attached ring.
    #[inline(always)]
    fn ring(&mut self) -> Result<&mut Ringfire<W>> {
        match self.open {
            Some(ref mut ring) => Ok(ring),
            None => self.attach(),
        }
    }
}

impl<const W: usize> Offer for RingProducer<[u64; W]> {
    #[inline(always)]
    fn offer(&mut self, payload: &mut Payload, number: u64) -> Result<bool> {
        match self.try_push(payload.value(number)) {
            Ok(()) => Ok(true),
            Err(RingfireError::BackpressureBufferFull) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits in its own way if there is no room.
    #[inline(always)]
    fn offer_batch(&mut self, payload: &mut Payload, first: u64, count: u64) -> Result<u64> {
        let messages = payload.values(first, count);
        self.push_batch(messages);
        Ok(messages.len() as u64)
    }
}

impl<const W: usize> Poll for Reader<W> {
    #[inline(always)]
    fn poll(&mut self, check: &mut Check) -> Result<bool> {
        match self.ring()?.rx.recv_status() {
            RecvStatus::Ok(message) => check.take_value(&message)?,
            RecvStatus::Empty => return Ok(false),
            RecvStatus::Lapped { skipped, .. } => bail!("{skipped} messages were lost"),
        }
        Ok(true)
    }

    #[inline(always)]
    fn poll_batch(&mut self, check: &mut Check) -> Result<bool> {
        let ring = self.ring()?;
        let received = ring.rx.recv_batch(&mut ring.batch);
        ring.batch[..received].iter().try_for_each(|message| check.take_value(message))?;
        Ok(received > 0)
    }
}
