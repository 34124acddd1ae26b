//! shaq's spsc queue: values of one type.
#![allow(unsafe_code)]

use std::num::NonZeroUsize;

use ::shaq::spsc::{Consumer, Producer, WriteBatch, minimum_file_size};
use anyhow::Result;

use super::field::{Duplex, Ends};
use super::ground::Ground;
use super::payload::{Check, Payload};
use super::plan::{BATCH, slots};
use super::sized::{ForWords, for_size};
use super::traffic::{Offer, Poll, Polled};

/// Messages up to this many words go through shaq by value; longer ones are written and read where they lie, since
/// each move of a value would be a copy.
const BY_VALUE: usize = 8;

/// Opens a side.
pub fn open(ground: &Ground) -> Result<Box<dyn Ends>> {
    for_size(ground.size, OpenShaq(ground))
}

/// Opens a side's ends.
struct OpenShaq<'a>(&'a Ground);

impl ForWords for OpenShaq<'_> {
    type Made = Box<dyn Ends>;

    fn make<const W: usize>(self) -> Result<Box<dyn Ends>> {
        let ground = self.0;
        let [towards, back] = ground.ways().map(|name| ground.file(&name));
        let (towards, back) = (towards?, back?);
        let bytes = minimum_file_size::<[u64; W]>(slots(ground.size));
        let (tx, rx) = if ground.makes() {
            // SAFETY: the file is new, so this is the one who initializes it and its only producer; an array of words
            // means the same to all.
            let tx = unsafe { Producer::<[u64; W]>::create(&towards, bytes) }?;
            // SAFETY: likewise, and its only consumer.
            let rx = unsafe { Consumer::<[u64; W]>::create(&back, bytes) }?;
            (tx, rx)
        } else {
            // SAFETY: the other side is this queue's consumer and has made it for messages of this very length.
            let tx = unsafe { Producer::<[u64; W]>::join(&towards) }?;
            // SAFETY: likewise, as its producer.
            let rx = unsafe { Consumer::<[u64; W]>::join(&back) }?;
            (tx, rx)
        };
        Ok(Box::new(Duplex(Polled::new(tx), Polled::new(rx))))
    }
}

/// Writes a message into a batch of shaq's, if there is room.
#[inline(always)]
fn write_shaq<const W: usize>(batch: &mut WriteBatch<'_, [u64; W]>, message: &[u64; W]) -> bool {
    if W <= BY_VALUE {
        return batch.try_write(*message).is_ok();
    }
    // SAFETY: the slot is written before anything else happens.
    let Some(slot) = (unsafe { batch.try_as_mut() }) else { return false };
    slot.write(*message);
    true
}

impl<const W: usize> Offer for Producer<[u64; W]> {
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
    rx: &mut Consumer<[u64; W]>,
    check: &mut Check,
    most: NonZeroUsize,
) -> Result<bool> {
    let Some(batch) = rx.try_reserve_read_batch(most) else { return Ok(false) };
    batch.iter().try_for_each(|message| check.take_value(message))?;
    Ok(true)
}

impl<const W: usize> Poll for Consumer<[u64; W]> {
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
