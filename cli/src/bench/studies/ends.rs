//! The ends of what carries messages, behind two verbs: send a message, receive what is there. Both say whether they did;
//! if not, the mechanism was full or empty and does not wait in its own way.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};

use anyhow::{Context, Result, bail, ensure};
use nix::mqueue::{MqdT, mq_receive, mq_send};
use ringway::{RecvError, Select, SendError, Source, mpmc, spsc};

use crate::bench::record_ring::{RecordRx, RecordTx};

/// Messages that are taken from one of many rings before the next one's turn comes.
const TURN: usize = 32;

/// The sending end of a mechanism.
pub trait Tx {
    /// Sends a message. `false`: there is no room.
    fn send(&mut self, message: &[u8]) -> Result<bool>;
}

/// The receiving end of a mechanism.
pub trait Rx {
    /// Hands over a message, or several that came together. `false`: there is none.
    fn recv(&mut self, take: &mut impl FnMut(&[u8])) -> Result<bool>;
}

/// An end of a ring whose calls return at once.
#[derive(Debug)]
pub struct Trying<'a, E>(pub &'a mut E);

/// An end of a ring whose calls wait.
#[derive(Debug)]
pub struct Waiting<'a, E>(pub &'a mut E);

impl Tx for Trying<'_, mpmc::Producer> {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) -> Result<bool> {
        match self.0.try_send(message) {
            Ok(()) => Ok(true),
            Err(SendError::Full { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl Rx for Trying<'_, mpmc::Consumer> {
    #[inline(always)]
    fn recv(&mut self, take: &mut impl FnMut(&[u8])) -> Result<bool> {
        match self.0.try_recv() {
            Ok(message) => take(&message),
            Err(RecvError::Empty) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        Ok(true)
    }
}

impl Tx for Waiting<'_, mpmc::Producer> {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) -> Result<bool> {
        self.0.send(message)?;
        Ok(true)
    }
}

impl Rx for Waiting<'_, mpmc::Consumer> {
    #[inline(always)]
    fn recv(&mut self, take: &mut impl FnMut(&[u8])) -> Result<bool> {
        take(&self.0.recv()?);
        Ok(true)
    }
}

impl Tx for Waiting<'_, spsc::Producer> {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) -> Result<bool> {
        self.0.send(message)?;
        Ok(true)
    }
}

impl Rx for Waiting<'_, spsc::Consumer> {
    #[inline(always)]
    fn recv(&mut self, take: &mut impl FnMut(&[u8])) -> Result<bool> {
        take(&self.0.recv()?);
        Ok(true)
    }
}

/// Many rings that one consumer reads in turn, and waits for together.
#[derive(Debug)]
pub struct InTurn<'a> {
    /// The rings.
    pub rings: &'a mut [spsc::Consumer],
    /// What waits for them.
    pub select: &'a mut Select,
}

impl Rx for InTurn<'_> {
    #[inline(always)]
    fn recv(&mut self, take: &mut impl FnMut(&[u8])) -> Result<bool> {
        let mut found = false;
        for ring in self.rings.iter_mut() {
            let mut drain = ring.drain()?;
            for _ in 0..TURN {
                let Some(message) = drain.next() else { break };
                take(&message?);
                found = true;
            }
        }
        if !found {
            let mut sources: Vec<&mut dyn Source> =
                self.rings.iter_mut().map(|ring| ring as &mut dyn Source).collect();
            self.select.wait(&mut sources);
        }
        Ok(true)
    }
}

impl Tx for RecordTx<'_> {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) -> Result<bool> {
        self.push(message);
        self.publish();
        Ok(true)
    }
}

impl Rx for RecordRx<'_> {
    #[inline(always)]
    fn recv(&mut self, take: &mut impl FnMut(&[u8])) -> Result<bool> {
        self.take(|message| take(message));
        Ok(true)
    }
}

/// A pipe or a socket that takes a message with one `write`, whole.
#[derive(Debug)]
pub struct Writes<'a>(pub &'a mut File);

impl Tx for Writes<'_> {
    fn send(&mut self, message: &[u8]) -> Result<bool> {
        loop {
            match self.0.write(message) {
                Ok(written) => {
                    ensure!(written == message.len(), "{written} of {} bytes were written", message.len());
                    return Ok(true);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("cannot write"),
            }
        }
    }
}

/// A pipe or a socket from which one `read` takes a message or many.
#[derive(Debug)]
pub struct Reads<'a> {
    /// The end.
    file: &'a mut File,
    /// Room for what is read together.
    buffer: Vec<u8>,
    /// The part of a message that was read without the rest.
    begun: usize,
    /// Bytes of a message.
    size: usize,
}

impl<'a> Reads<'a> {
    /// Reads at most `most` messages of `size` bytes together.
    pub fn new(file: &'a mut File, size: usize, most: usize) -> Self {
        Self { file, buffer: vec![0; size * most], begun: 0, size }
    }
}

impl Rx for Reads<'_> {
    fn recv(&mut self, take: &mut impl FnMut(&[u8])) -> Result<bool> {
        match self.file.read(&mut self.buffer[self.begun..]) {
            Ok(0) => bail!("the stream ended"),
            Ok(count) => {
                let filled = self.begun + count;
                let whole = filled - filled % self.size;
                self.buffer[..whole].chunks_exact(self.size).for_each(take);
                self.buffer.copy_within(whole..filled, 0);
                self.begun = filled - whole;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("cannot read"),
        }
        Ok(true)
    }
}

/// The sending end of a message queue.
#[derive(Debug)]
pub struct QueueTx<'a>(pub &'a MqdT);

impl Tx for QueueTx<'_> {
    fn send(&mut self, message: &[u8]) -> Result<bool> {
        mq_send(self.0, message, 0).context("cannot send to a message queue")?;
        Ok(true)
    }
}

/// The receiving end of a message queue, with room for its largest message.
#[derive(Debug)]
pub struct QueueRx<'a> {
    /// The end.
    pub queue: &'a MqdT,
    /// The room.
    pub buffer: Vec<u8>,
}

impl Rx for QueueRx<'_> {
    fn recv(&mut self, take: &mut impl FnMut(&[u8])) -> Result<bool> {
        let size = mq_receive(self.queue, &mut self.buffer, &mut 0)
            .context("cannot receive from a message queue")?;
        take(&self.buffer[..size]);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_were_read_in_parts_are_put_together() {
        let (read, write) = nix::unistd::pipe().unwrap();
        let [mut read, mut write] = [read, write].map(File::from);
        let mut reads = Reads::new(&mut read, 8, 2);
        let mut got = Vec::new();
        for part in [&[1; 4][..], &[1; 4], &[2; 12], &[3; 12]] {
            write.write_all(part).unwrap();
            assert!(reads.recv(&mut |message| got.push(message.to_vec())).unwrap());
        }
        assert_eq!(got, [vec![1; 8], vec![2; 8], [[2; 4], [3; 4]].concat(), vec![3; 8]]);
    }

    #[test]
    fn one_consumer_reads_many_rings() {
        let (mut producers, mut rings): (Vec<_>, Vec<_>) =
            (0..3).map(|_| spsc::options().size(4096).pair().unwrap()).unzip();
        for (name, producer) in producers.iter_mut().enumerate() {
            (0..50_u8).for_each(|serial| producer.send(&[name as u8, serial]).unwrap());
        }
        let mut in_turn = InTurn { rings: &mut rings, select: &mut Select::fair() };
        let mut got = [0; 3];
        while got != [50; 3] {
            in_turn
                .recv(&mut |message| {
                    let name = usize::from(message[0]);
                    assert_eq!(message[1], got[name]);
                    got[name] += 1;
                })
                .unwrap();
        }
    }
}
