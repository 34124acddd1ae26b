//! Rivals between two processes: the yardsticks, ringway, and those that bring few crates along.
#![allow(unsafe_code)]

use std::fs;
use std::num::NonZeroUsize;

use anyhow::{Context, Result, bail};
use ringfire::{FlowControl, RecvStatus, RingConsumer, RingProducer, RingProducerBuilder, RingfireError};
use ringway::spsc::{self, Consumer, Options, Producer, TypedConsumer, TypedProducer};
use ringway::{SendError, Wait};
use shaq::spsc as shaq_spsc;

use super::field::{Duplex, Ends, Kind, Open, Rival};
use super::ground::Ground;
use super::payload::{Check, Payload};
use super::plan::{BATCH, Pattern, RING_BYTES, slots};
use super::probe::{Ping, Pong, ping_pong};
use super::record_ring::{RecordRx, RecordTx};
use super::traffic::{Offer, Poll, Polled, Rx, Tx};
use crate::stage::LINE;

/// Everybody here.
pub const RIVALS: [Rival; 7] = [
    Rival::new("ping-pong", Open::Apart(bare_ping_pong))
        .kind(Kind::Yardstick)
        .takes(|pattern, _| pattern == Pattern::RoundTrip),
    Rival::new("t", Open::Apart(shared_tail)).kind(Kind::Yardstick),
    Rival::new("ringway", Open::Apart(|ground| ring(ground, Wait::Spin))).kind(Kind::Ring),
    Rival::new("ringway-park", Open::Apart(|ground| ring(ground, Wait::Park)))
        .kind(Kind::Ring)
        .takes(|pattern, _| pattern == Pattern::RoundTrip)
        .sleeps(),
    Rival::new("ringway-typed", Open::Apart(typed_ring)).kind(Kind::Ring).takes(takes_numbers),
    Rival::new("shaq", Open::Apart(|ground| for_size(ground.size, OpenShaq(ground)))),
    Rival::new("ringfire", Open::Apart(|ground| for_size(ground.size, OpenRingfire(ground)))),
];

/// Typed rings carry one number at a time.
pub fn takes_numbers(pattern: Pattern, size: usize) -> bool {
    size == size_of::<u64>() && pattern != Pattern::Batch
}

/// Something that is made of messages of a number of words known to the compiler.
pub trait ForWords {
    /// What is made.
    type Made;

    /// Makes it for messages of `W` words.
    fn make<const W: usize>(self) -> Result<Self::Made>;
}

/// Makes what is made of messages of `size` bytes.
pub fn for_size<M: ForWords>(size: usize, maker: M) -> Result<M::Made> {
    match size {
        8 => maker.make::<1>(),
        64 => maker.make::<8>(),
        248 => maker.make::<31>(),
        1016 => maker.make::<127>(),
        4088 => maker.make::<511>(),
        65536 => maker.make::<8192>(),
        _ => bail!("no queue is made for messages of {size} bytes"),
    }
}

/// Two lines, one per direction.
fn bare_ping_pong(ground: &Ground) -> Result<Box<dyn Ends>> {
    let words = ground.words(&ground.name, 2 * LINE)?;
    let (ping, pong) = ping_pong(ground.side, [&words[0], &words[LINE]]);
    Ok(Box::new(Duplex::<Ping<'_>, Pong<'_>>(ping, pong)))
}

/// T, forth and back.
fn shared_tail(ground: &Ground) -> Result<Box<dyn Ends>> {
    let words = RING_BYTES / size_of::<u64>();
    let open = |name: &String| -> Result<_> {
        let (control, data) = ground.words(name, 2 * LINE + words)?.split_at(2 * LINE);
        Ok((&control[0], &control[LINE], data))
    };
    let [towards, back] = ground.ways();
    Ok(Box::new(Duplex(RecordTx::new(open(&towards)?), RecordRx::new(open(&back)?))))
}

/// The rings' options: those of `ringway bench`.
pub fn ring_options(wait: Wait) -> Options {
    spsc::options().size(RING_BYTES).wait(wait)
}

/// ringway, whose sides wait in a way.
fn ring(ground: &Ground, wait: Wait) -> Result<Box<dyn Ends>> {
    let options = ring_options(wait);
    let [towards, back] = ground.ways();
    let tx = options.producer(&*towards).context("no producer")?;
    let rx = options.consumer(&*back).context("no consumer")?;
    forget_names(ground, [&towards, &back])?;
    Ok(Box::new(Duplex(tx, rx)))
}

/// ringway, typed.
fn typed_ring(ground: &Ground) -> Result<Box<dyn Ends>> {
    let options = ring_options(Wait::Spin).typed::<u64>();
    let [towards, back] = ground.ways();
    let tx = options.producer(&*towards).context("no producer")?;
    let rx = options.consumer(&*back).context("no consumer")?;
    forget_names(ground, [&towards, &back])?;
    Ok(Box::new(Duplex(tx, rx)))
}

/// Removes the names of rings once both sides are attached.
fn forget_names(ground: &Ground, names: [&String; 2]) -> Result<()> {
    if !ground.makes() {
        for name in names {
            ringway::inspect::remove(&**name, true).context("cannot remove a ring's name")?;
        }
    }
    Ok(())
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
            self.wait_for_space(payload.numbered(number).len(), None)?;
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

/// Messages up to this many words go through shaq by value; longer ones are written and read where they lie, since
/// each move of a value would be a copy.
const BY_VALUE: usize = 8;

/// Opens shaq's queues.
struct OpenShaq<'a>(&'a Ground);

impl ForWords for OpenShaq<'_> {
    type Made = Box<dyn Ends>;

    fn make<const W: usize>(self) -> Result<Box<dyn Ends>> {
        let ground = self.0;
        let [towards, back] = ground.ways().map(|name| ground.file(&name));
        let (towards, back) = (towards?, back?);
        let bytes = shaq_spsc::minimum_file_size::<[u64; W]>(slots(ground.size));
        let (tx, rx) = if ground.makes() {
            // SAFETY: the file is new, so this is the one who initializes it and its only producer; an array of words
            // means the same to all.
            let tx = unsafe { shaq_spsc::Producer::<[u64; W]>::create(&towards, bytes) }?;
            // SAFETY: likewise, and its only consumer.
            let rx = unsafe { shaq_spsc::Consumer::<[u64; W]>::create(&back, bytes) }?;
            (tx, rx)
        } else {
            // SAFETY: the other side is this queue's consumer and has made it for messages of this very length.
            let tx = unsafe { shaq_spsc::Producer::<[u64; W]>::join(&towards) }?;
            // SAFETY: likewise, as its producer.
            let rx = unsafe { shaq_spsc::Consumer::<[u64; W]>::join(&back) }?;
            (tx, rx)
        };
        Ok(Box::new(Duplex(Polled::new(tx), Polled::new(rx))))
    }
}

/// Writes a message into a batch of shaq's, if there is room.
#[inline(always)]
fn write_shaq<const W: usize>(batch: &mut shaq_spsc::WriteBatch<'_, [u64; W]>, message: &[u64; W]) -> bool {
    if W <= BY_VALUE {
        return batch.try_write(*message).is_ok();
    }
    // SAFETY: the slot is written before anything else happens.
    let Some(slot) = (unsafe { batch.try_as_mut() }) else { return false };
    slot.write(*message);
    true
}

impl<const W: usize> Offer for shaq_spsc::Producer<[u64; W]> {
    #[inline(always)]
    fn offer(&mut self, payload: &mut Payload, number: u64) -> Result<bool> {
        if W <= BY_VALUE {
            return Ok(self.try_write(*payload.value(number)).is_ok());
        }
        Ok(write_shaq(&mut self.write_batch(), payload.value(number)))
    }

    #[inline(always)]
    fn offer_batch(&mut self, payload: &mut Payload, first: u64, count: u64) -> Result<u64> {
        let mut batch = self.write_batch();
        let mut sent = 0;
        while sent < count && write_shaq(&mut batch, payload.value(first + sent)) {
            sent += 1;
        }
        Ok(sent)
    }
}

/// Checks up to `most` messages of shaq's, where they lie.
#[inline(always)]
fn read_shaq<const W: usize>(
    rx: &mut shaq_spsc::Consumer<[u64; W]>,
    check: &mut Check,
    most: NonZeroUsize,
) -> Result<bool> {
    let Some(batch) = rx.try_reserve_read_batch(most) else { return Ok(false) };
    batch.iter().try_for_each(|message| check.take_value(message))?;
    Ok(true)
}

impl<const W: usize> Poll for shaq_spsc::Consumer<[u64; W]> {
    #[inline(always)]
    fn poll(&mut self, check: &mut Check) -> Result<bool> {
        if W > BY_VALUE {
            return read_shaq(self, check, NonZeroUsize::MIN);
        }
        let Some(message) = self.try_read() else { return Ok(false) };
        check.take_value(&message)?;
        Ok(true)
    }

    #[inline(always)]
    fn poll_batch(&mut self, check: &mut Check) -> Result<bool> {
        const MOST: NonZeroUsize = NonZeroUsize::new(BATCH as usize).expect("not zero");
        read_shaq(self, check, MOST)
    }
}

/// Opens ringfire's rings: with back-pressure, since by default they drop what nobody has read in time, and with one
/// reader, so that a producer looks at one place for how far it may go. Its arena for longer messages has no
/// back-pressure, so those are values, too.
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
    path: std::path::PathBuf,
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
