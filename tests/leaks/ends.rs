//! What the ends of rings do, whichever kind of ring it is.

use std::thread::sleep;
use std::time::Duration;

use ringway::{Address, OpenError, RecvError, SendError, mpmc, spsc};

use crate::chance::Chance;

/// How long an end waits, or holds what it has.
const BRIEF: Duration = Duration::from_micros(300);
/// The longest message: a few slots of an `mpmc` ring.
const LONGEST: u64 = 200;

/// Which kind of ring.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Spsc,
    /// An `spsc` ring that survives a loss of power.
    Durable,
    Mpmc,
}

/// What a producer does once.
#[derive(Clone, Copy)]
pub enum Sending {
    Send,
    Claim,
    Abort,
    Batch,
    Wait,
    Hold,
}

/// What a consumer does once.
#[derive(Clone, Copy)]
pub enum Receiving {
    Receive,
    Drain,
    Wait,
    Hold,
}

/// A producer of either kind.
pub trait Sender {
    fn act(&mut self, how: Sending, message: &[u8]) -> Result<(), SendError>;
}

/// A consumer of either kind.
pub trait Receiver {
    fn act(&mut self, how: Receiving) -> Result<(), RecvError>;
    /// Receives until nothing has come for `patience`.
    fn empty(&mut self, patience: Duration);
}

/// The kinds have the same verbs, and no type in common.
macro_rules! ends {
    ($kind:ident) => {
        impl Sender for $kind::Producer {
            fn act(&mut self, how: Sending, message: &[u8]) -> Result<(), SendError> {
                match how {
                    Sending::Send => self.try_send(message),
                    Sending::Wait => self.send_timeout(message, BRIEF),
                    Sending::Abort => self.try_claim(message.len()).map(drop),
                    Sending::Claim => {
                        let mut claim = self.try_claim(message.len())?;
                        claim.copy_from_slice(message);
                        claim.commit()
                    }
                    Sending::Hold => {
                        let _claim = self.try_claim(message.len())?;
                        sleep(BRIEF);
                        Ok(())
                    }
                    Sending::Batch => {
                        let mut batch = self.batch()?;
                        while batch.len() < 3 && batch.push(message).is_ok() {}
                        batch.commit()
                    }
                }
            }
        }

        impl Receiver for $kind::Consumer {
            fn act(&mut self, how: Receiving) -> Result<(), RecvError> {
                match how {
                    Receiving::Receive => self.try_recv().map(drop),
                    Receiving::Wait => self.recv_timeout(BRIEF).map(drop),
                    Receiving::Hold => {
                        let _message = self.recv_timeout(BRIEF)?;
                        sleep(BRIEF);
                        Ok(())
                    }
                    Receiving::Drain => {
                        let mut drain = self.drain()?;
                        while let Some(message) = drain.next() {
                            drop(message?);
                        }
                        Ok(())
                    }
                }
            }

            fn empty(&mut self, patience: Duration) {
                while self.recv_timeout(patience).is_ok() {}
            }
        }
    };
}

ends!(spsc);
ends!(mpmc);

/// Small rings, so that they go round and are full all the time.
pub fn spsc_options() -> spsc::Options {
    spsc::options().size(4096).liveness(Duration::from_millis(2))
}

fn durable_options() -> spsc::Options {
    spsc_options().durable(true).sync_every(3)
}

pub fn mpmc_options() -> mpmc::Options {
    let options = mpmc::options().slots(16).slot_size(64).participants(4);
    options.liveness(Duration::from_millis(2))
}

/// Attaches a producer of that kind.
pub fn sender(kind: Kind, address: &Address) -> Result<Box<dyn Sender>, OpenError> {
    match kind {
        Kind::Spsc => Ok(Box::new(spsc_options().producer(address)?)),
        Kind::Durable => Ok(Box::new(durable_options().producer(address)?)),
        Kind::Mpmc => Ok(Box::new(mpmc_options().producer(address)?)),
    }
}

/// Attaches a consumer of that kind.
pub fn receiver(kind: Kind, address: &Address) -> Result<Box<dyn Receiver>, OpenError> {
    match kind {
        Kind::Spsc => Ok(Box::new(spsc_options().consumer(address)?)),
        Kind::Durable => Ok(Box::new(durable_options().consumer(address)?)),
        Kind::Mpmc => Ok(Box::new(mpmc_options().consumer(address)?)),
    }
}

/// Sends something, one way or another.
pub fn send(tx: &mut dyn Sender, ways: &[Sending], chance: &mut Chance) {
    let message = [7; LONGEST as usize];
    let len = chance.below(LONGEST + 1) as usize;
    match tx.act(chance.one_of(ways), &message[..len]) {
        Ok(()) => {}
        // The ring is full, or nobody is there now.
        Err(SendError::Full { .. } | SendError::TimedOut | SendError::Stalled { .. }) => {}
        Err(SendError::Closed | SendError::PeerDead) => {}
        Err(error) => panic!("{error}"),
    }
}

/// Receives something, one way or another.
pub fn receive(rx: &mut dyn Receiver, ways: &[Receiving], chance: &mut Chance) {
    match rx.act(chance.one_of(ways)) {
        Ok(()) => {}
        // The ring is empty, or nobody is there now.
        Err(RecvError::Empty | RecvError::TimedOut | RecvError::Stalled { .. }) => {}
        Err(RecvError::Closed | RecvError::PeerDead) => {}
        Err(error) => panic!("{error}"),
    }
}
