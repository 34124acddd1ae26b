//! Rivals between two processes: the yardsticks and ringway, here, and those that bring few crates along (`shaq`,
//! `ringfire`).

use anyhow::{Context, Result};
use ringway::spsc::{self, Consumer, Options, Producer, TypedConsumer, TypedProducer};
use ringway::{SendError, Wait};

use super::field::{Duplex, Ends, Kind, Open, Rival};
use super::ground::Ground;
use super::payload::{Check, Payload};
use super::plan::{Pattern, RING_BYTES};
use super::probe::{Ping, Pong, ping_pong};
use super::record_ring::{RecordRx, RecordTx};
use super::traffic::{Rx, Tx};
use super::{ringfire, shaq};
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
    Rival::new("shaq", Open::Apart(shaq::open)),
    Rival::new("ringfire", Open::Apart(ringfire::open)),
];

/// Typed rings carry one number at a time.
pub fn takes_numbers(pattern: Pattern, size: usize) -> bool {
    size == size_of::<u64>() && pattern != Pattern::Batch
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
