//! The rivals behind two verbs: send what comes next, receive what is there. Both say how many messages they moved;
//! none: the queue was full or empty.
#![allow(unsafe_code)]

use std::num::NonZeroUsize;

use anyhow::{Result, bail};
use crossbeam_channel::{TryRecvError, TrySendError};
use crossbeam_queue::ArrayQueue;
use ringway::{RecvError, SendError, mpmc};
use zerocopy::{FromBytes, IntoBytes};

use crate::bare::Bare;
use crate::message::Source;
use crate::plan::BATCH;

/// The sending end of a queue.
pub trait Tx<const W: usize> {
    /// Sends the next message, or the next few.
    fn send(&mut self, source: &Source<W>) -> Result<usize>;
}

/// The receiving end of a queue.
pub trait Rx<const W: usize> {
    /// Receives a message, or a few.
    fn recv(&mut self, take: impl FnMut(&[u64; W])) -> Result<usize>;
}

/// An end of a ring, a call for each message.
#[derive(Debug)]
pub struct Single<'a, T>(pub &'a mut T);

/// An end of a queue, many messages together.
#[derive(Debug)]
pub struct Batches<'a, T>(pub &'a mut T);

/// An end of a queue whose calls wait.
#[derive(Debug)]
pub struct Blocking<'a, T>(pub &'a mut T);

/// The words of a message of a ring.
#[inline(always)]
fn words<const W: usize>(bytes: &[u8]) -> Result<[u64; W]> {
    let Ok(words) = FromBytes::read_from_bytes(bytes) else { bail!("a message of {} bytes", bytes.len()) };
    Ok(words)
}

impl<const W: usize> Tx<W> for Single<'_, mpmc::Producer> {
    #[inline(always)]
    fn send(&mut self, source: &Source<W>) -> Result<usize> {
        match self.0.try_send(source.next().as_bytes()) {
            Ok(()) => Ok(1),
            Err(SendError::Full { .. }) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}

impl<const W: usize> Rx<W> for Single<'_, mpmc::Consumer> {
    #[inline(always)]
    fn recv(&mut self, mut take: impl FnMut(&[u64; W])) -> Result<usize> {
        match self.0.try_recv() {
            Ok(message) => take(&words(&message)?),
            Err(RecvError::Empty) => return Ok(0),
            Err(error) => return Err(error.into()),
        }
        Ok(1)
    }
}

impl<const W: usize> Tx<W> for Batches<'_, mpmc::Producer> {
    #[inline(always)]
    fn send(&mut self, source: &Source<W>) -> Result<usize> {
        let mut batch = self.0.batch()?;
        for message in source.batch() {
            match batch.push(message.as_bytes()) {
                Ok(()) => {}
                Err(SendError::Full { .. }) => break,
                Err(error) => return Err(error.into()),
            }
        }
        let sent = batch.len();
        batch.commit()?;
        Ok(sent)
    }
}

impl<const W: usize> Rx<W> for Batches<'_, mpmc::Consumer> {
    #[inline(always)]
    fn recv(&mut self, mut take: impl FnMut(&[u64; W])) -> Result<usize> {
        let mut drain = self.0.drain()?;
        let mut received = 0;
        while received < BATCH
            && let Some(message) = drain.next()
        {
            take(&words(&message?)?);
            received += 1;
        }
        Ok(received)
    }
}

impl<const W: usize> Tx<W> for Blocking<'_, mpmc::Producer> {
    #[inline(always)]
    fn send(&mut self, source: &Source<W>) -> Result<usize> {
        self.0.send(source.next().as_bytes())?;
        Ok(1)
    }
}

impl<const W: usize> Rx<W> for Blocking<'_, mpmc::Consumer> {
    #[inline(always)]
    fn recv(&mut self, mut take: impl FnMut(&[u64; W])) -> Result<usize> {
        take(&words(&self.0.recv()?)?);
        Ok(1)
    }
}

impl<const W: usize> Tx<W> for Single<'_, shaq::mpmc::Producer<[u64; W]>> {
    #[inline(always)]
    fn send(&mut self, source: &Source<W>) -> Result<usize> {
        Ok(usize::from(self.0.try_write(*source.next()).is_ok()))
    }
}

impl<const W: usize> Rx<W> for Single<'_, shaq::mpmc::Consumer<[u64; W]>> {
    #[inline(always)]
    fn recv(&mut self, mut take: impl FnMut(&[u64; W])) -> Result<usize> {
        let Some(message) = self.0.try_reserve_read() else { return Ok(0) };
        take(message.as_ref());
        Ok(1)
    }
}

impl<const W: usize> Tx<W> for Batches<'_, shaq::mpmc::Producer<[u64; W]>> {
    #[inline(always)]
    fn send(&mut self, source: &Source<W>) -> Result<usize> {
        let batch = source.batch();
        Ok(if self.0.try_write_slice(batch) { batch.len() } else { 0 })
    }
}

impl<const W: usize> Rx<W> for Batches<'_, shaq::mpmc::Consumer<[u64; W]>> {
    #[inline(always)]
    fn recv(&mut self, take: impl FnMut(&[u64; W])) -> Result<usize> {
        const MOST: NonZeroUsize = NonZeroUsize::new(BATCH).expect("not zero");
        let Some(batch) = self.0.try_reserve_read_batch(MOST) else { return Ok(0) };
        batch.iter().for_each(take);
        Ok(batch.len())
    }
}

impl<const W: usize> Tx<W> for Bare<'_> {
    #[inline(always)]
    fn send(&mut self, source: &Source<W>) -> Result<usize> {
        Ok(usize::from(Bare::send(self, source.next())))
    }
}

impl<const W: usize> Rx<W> for Bare<'_> {
    #[inline(always)]
    fn recv(&mut self, mut take: impl FnMut(&[u64; W])) -> Result<usize> {
        let Some(message) = Bare::recv(self) else { return Ok(0) };
        take(&message);
        Ok(1)
    }
}

impl<const W: usize> Tx<W> for &ArrayQueue<[u64; W]> {
    #[inline(always)]
    fn send(&mut self, source: &Source<W>) -> Result<usize> {
        Ok(usize::from(self.push(*source.next()).is_ok()))
    }
}

impl<const W: usize> Rx<W> for &ArrayQueue<[u64; W]> {
    #[inline(always)]
    fn recv(&mut self, mut take: impl FnMut(&[u64; W])) -> Result<usize> {
        let Some(message) = self.pop() else { return Ok(0) };
        take(&message);
        Ok(1)
    }
}

impl<const W: usize> Tx<W> for Single<'_, crossbeam_channel::Sender<[u64; W]>> {
    #[inline(always)]
    fn send(&mut self, source: &Source<W>) -> Result<usize> {
        match self.0.try_send(*source.next()) {
            Ok(()) => Ok(1),
            Err(TrySendError::Full(_)) => Ok(0),
            Err(TrySendError::Disconnected(_)) => bail!("the channel has no receiver"),
        }
    }
}

impl<const W: usize> Rx<W> for Single<'_, crossbeam_channel::Receiver<[u64; W]>> {
    #[inline(always)]
    fn recv(&mut self, mut take: impl FnMut(&[u64; W])) -> Result<usize> {
        match self.0.try_recv() {
            Ok(message) => take(&message),
            Err(TryRecvError::Empty) => return Ok(0),
            Err(error) => return Err(error.into()),
        }
        Ok(1)
    }
}

impl<const W: usize> Tx<W> for Blocking<'_, crossbeam_channel::Sender<[u64; W]>> {
    #[inline(always)]
    fn send(&mut self, source: &Source<W>) -> Result<usize> {
        let Ok(()) = self.0.send(*source.next()) else { bail!("the channel has no receiver") };
        Ok(1)
    }
}

impl<const W: usize> Rx<W> for Blocking<'_, crossbeam_channel::Receiver<[u64; W]>> {
    #[inline(always)]
    fn recv(&mut self, mut take: impl FnMut(&[u64; W])) -> Result<usize> {
        take(&self.0.recv()?);
        Ok(1)
    }
}

impl<const W: usize> Tx<W> for Single<'_, kanal::Sender<[u64; W]>> {
    #[inline(always)]
    fn send(&mut self, source: &Source<W>) -> Result<usize> {
        Ok(usize::from(self.0.try_send(*source.next())?))
    }
}

impl<const W: usize> Rx<W> for Single<'_, kanal::Receiver<[u64; W]>> {
    #[inline(always)]
    fn recv(&mut self, mut take: impl FnMut(&[u64; W])) -> Result<usize> {
        let Some(message) = self.0.try_recv()? else { return Ok(0) };
        take(&message);
        Ok(1)
    }
}

impl<const W: usize> Tx<W> for Blocking<'_, kanal::Sender<[u64; W]>> {
    #[inline(always)]
    fn send(&mut self, source: &Source<W>) -> Result<usize> {
        self.0.send(*source.next())?;
        Ok(1)
    }
}

impl<const W: usize> Rx<W> for Blocking<'_, kanal::Receiver<[u64; W]>> {
    #[inline(always)]
    fn recv(&mut self, mut take: impl FnMut(&[u64; W])) -> Result<usize> {
        take(&self.0.recv()?);
        Ok(1)
    }
}

/// Makes the queue of shaq in an empty memory file that nobody else has yet.
pub fn make_shaq<const W: usize>(file: &std::fs::File) -> Result<()> {
    let bytes = shaq::mpmc::minimum_file_size::<[u64; W]>(crate::plan::SLOTS);
    // SAFETY: the file is new, so this is the one who initializes it, once; an array of words means the same to all.
    drop(unsafe { shaq::mpmc::Producer::<[u64; W]>::create(file, bytes) }?);
    Ok(())
}

/// Joins shaq's queue as a producer.
pub fn join_shaq_producer<const W: usize>(file: &std::fs::File) -> Result<shaq::mpmc::Producer<[u64; W]>> {
    // SAFETY: the file was made for messages of this very length, and an array of words means the same to all.
    Ok(unsafe { shaq::mpmc::Producer::join(file) }?)
}

/// Joins shaq's queue as a consumer.
pub fn join_shaq_consumer<const W: usize>(file: &std::fs::File) -> Result<shaq::mpmc::Consumer<[u64; W]>> {
    // SAFETY: as for a producer.
    Ok(unsafe { shaq::mpmc::Consumer::join(file) }?)
}
