//! Both kinds of ring behind the same verbs.

use std::time::Duration;

use ringway::{Address, OpenError, RecvError, SendError, SyncError, Wait, mpmc, spsc};

use crate::account::{Account, Outcome, Received};
use crate::cell::{Backing, Cell, Kind, Operation};
use crate::message;

/// How often a child that waits looks whether others live, and how often the others do.
const LIVENESS: Duration = Duration::from_millis(2);
/// How often a sleeper of the wake cells looks: it shall be the bell that wakes it.
pub const SLEEPER_LIVENESS: Duration = Duration::from_millis(20);

/// How the rings of a cell are made.
#[derive(Clone, Debug)]
pub enum Maker {
    /// A record ring.
    Spsc(spsc::Options),
    /// A slot ring.
    Mpmc(mpmc::Options),
}

impl Maker {
    /// The options of `cell`'s ring.
    pub fn of(cell: Cell) -> Maker {
        match cell.kind {
            Kind::Spsc => {
                let options = spsc::options().size(4096).durable(cell.backing == Backing::Durable);
                Maker::Spsc(options.wait(Wait::Park).liveness(LIVENESS))
            }
            Kind::Mpmc => {
                let eighths =
                    matches!(cell.operation, Operation::Batch | Operation::BatchDropped | Operation::Drain);
                let slots = if eighths { 32 } else { 8 };
                let options = mpmc::options().slots(slots).slot_size(64).participants(4);
                let once = cell.operation.at_most_once();
                Maker::Mpmc(options.wait(Wait::Park).liveness(LIVENESS).at_most_once(once))
            }
        }
    }

    /// The same, for one who looks as seldom as a sleeper.
    pub fn sleepy(&self) -> Maker {
        match self.clone() {
            Maker::Spsc(options) => Maker::Spsc(options.liveness(SLEEPER_LIVENESS)),
            Maker::Mpmc(options) => Maker::Mpmc(options.liveness(SLEEPER_LIVENESS)),
        }
    }

    /// The same, for one who does not open what exists.
    pub fn new_only(&self) -> Maker {
        match self.clone() {
            Maker::Spsc(options) => Maker::Spsc(options.create_new(true)),
            Maker::Mpmc(options) => Maker::Mpmc(options.create_new(true)),
        }
    }

    /// A producer of the ring at `address`.
    pub fn producer(&self, address: &Address) -> Result<Tx, OpenError> {
        match self {
            Maker::Spsc(options) => options.producer(address).map(Tx::Spsc),
            Maker::Mpmc(options) => options.producer(address).map(Tx::Mpmc),
        }
    }

    /// A consumer of the ring at `address`.
    pub fn consumer(&self, address: &Address) -> Result<Rx, OpenError> {
        match self {
            Maker::Spsc(options) => options.consumer(address).map(Rx::Spsc),
            Maker::Mpmc(options) => options.consumer(address).map(Rx::Mpmc),
        }
    }

    /// A ring at `address`, used by nobody.
    pub fn create_ring(&self, address: &Address) -> Result<(), OpenError> {
        match self {
            Maker::Spsc(options) => options.create_ring(address),
            Maker::Mpmc(options) => options.create_ring(address),
        }
    }

    /// Both ends of a ring in a memfd.
    pub fn pair(&self) -> Result<(Tx, Rx), OpenError> {
        match self {
            Maker::Spsc(options) => options.pair().map(|(tx, rx)| (Tx::Spsc(tx), Rx::Spsc(rx))),
            Maker::Mpmc(options) => options.pair().map(|(tx, rx)| (Tx::Mpmc(tx), Rx::Mpmc(rx))),
        }
    }
}

/// A producer.
#[derive(Debug)]
pub enum Tx {
    /// Of a record ring.
    Spsc(spsc::Producer),
    /// Of a slot ring.
    Mpmc(mpmc::Producer),
}

impl Tx {
    /// Sends, waiting as long as need be.
    pub fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        match self {
            Tx::Spsc(tx) => tx.send(message),
            Tx::Mpmc(tx) => tx.send(message),
        }
    }

    /// Sends if there is room.
    pub fn try_send(&mut self, message: &[u8]) -> Result<(), SendError> {
        match self {
            Tx::Spsc(tx) => tx.try_send(message),
            Tx::Mpmc(tx) => tx.try_send(message),
        }
    }

    /// Sends, waiting for `limit` at most.
    pub fn send_timeout(&mut self, message: &[u8], limit: Duration) -> Result<(), SendError> {
        match self {
            Tx::Spsc(tx) => tx.send_timeout(message, limit),
            Tx::Mpmc(tx) => tx.send_timeout(message, limit),
        }
    }

    /// Claims room, fills it, and commits the claim or drops it.
    pub fn claim(&mut self, message: &[u8], commit: bool) -> Result<(), SendError> {
        match self {
            Tx::Spsc(tx) => {
                let mut claim = tx.claim(message.len())?;
                claim.copy_from_slice(message);
                if commit { claim.commit() } else { Ok(()) }
            }
            Tx::Mpmc(tx) => {
                let mut claim = tx.claim(message.len())?;
                claim.copy_from_slice(message);
                if commit { claim.commit() } else { Ok(()) }
            }
        }
    }

    /// Claims room and fills half of it; then `wait`s for its end.
    pub fn die_with_a_claim(&mut self, message: &[u8], wait: impl FnOnce()) -> Result<(), SendError> {
        let half = message.len() / 2;
        match self {
            Tx::Spsc(tx) => {
                let mut claim = tx.claim(message.len())?;
                claim[..half].copy_from_slice(&message[..half]);
                wait();
            }
            Tx::Mpmc(tx) => {
                let mut claim = tx.claim(message.len())?;
                claim[..half].copy_from_slice(&message[..half]);
                wait();
            }
        }
        Ok(())
    }

    /// Puts `messages` into a batch, and commits it or drops it.
    pub fn batch(&mut self, messages: &[Vec<u8>], commit: bool) -> Result<(), SendError> {
        match self {
            Tx::Spsc(tx) => {
                let mut batch = tx.batch()?;
                messages.iter().try_for_each(|message| batch.push(message))?;
                if commit { batch.commit() } else { Ok(()) }
            }
            Tx::Mpmc(tx) => {
                let mut batch = tx.batch()?;
                messages.iter().try_for_each(|message| batch.push(message))?;
                if commit { batch.commit() } else { Ok(()) }
            }
        }
    }

    /// Writes the ring to the disk, if it is durable.
    pub fn sync(&mut self) -> Result<(), SyncError> {
        match self {
            Tx::Spsc(tx) => tx.sync(),
            Tx::Mpmc(_) => Err(SyncError::NotDurable),
        }
    }

    /// Was anything found missing or torn when it attached to a durable ring?
    pub fn has_recovered(&self) -> bool {
        matches!(self, Tx::Spsc(tx) if tx.recovery().is_some())
    }

    /// What of the ring is not free.
    pub fn used(&mut self) -> Result<usize, SendError> {
        match self {
            Tx::Spsc(tx) => tx.used(),
            Tx::Mpmc(tx) => tx.used(),
        }
    }

    /// Claims of the dead that it turned into tombstones.
    pub fn tombstones(&self) -> u64 {
        match self {
            Tx::Spsc(tx) => tx.counters().tombstones,
            Tx::Mpmc(tx) => tx.counters().tombstones,
        }
    }
}

/// A consumer.
#[derive(Debug)]
pub enum Rx {
    /// Of a record ring.
    Spsc(spsc::Consumer),
    /// Of a slot ring.
    Mpmc(mpmc::Consumer),
}

/// How long to wait for a message.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// Not at all.
    Now,
    /// For so long.
    Within(Duration),
    /// For ever.
    Ever,
}

/// What a message says.
#[inline(always)]
fn received(bytes: &[u8], marked: bool) -> Received {
    let number = message::read(bytes);
    Received { number: number.unwrap_or_default(), marked, torn: number.is_none() }
}

impl Rx {
    /// Receives a message, tells `account` of it, lets `hold` happen while it is in hand, and releases it.
    pub fn recv(&mut self, until: Until, account: &Account, hold: impl FnOnce()) -> Result<(), RecvError> {
        match self {
            Rx::Spsc(rx) => {
                let message = match until {
                    Until::Now => rx.try_recv(),
                    Until::Within(limit) => rx.recv_timeout(limit),
                    Until::Ever => rx.recv(),
                }?;
                account.tell(received(&message, message.redelivered()));
                hold();
                account.begin_release();
                drop(message);
            }
            Rx::Mpmc(rx) => {
                let message = match until {
                    Until::Now => rx.try_recv(),
                    Until::Within(limit) => rx.recv_timeout(limit),
                    Until::Ever => rx.recv(),
                }?;
                account.tell(received(&message, message.redelivered()));
                hold();
                account.begin_release();
                drop(message);
            }
        }
        account.end_release();
        Ok(())
    }

    /// Receives `count` messages or as many as a drain gives, tells `account`, lets `hold` happen, and releases them
    /// together.
    pub fn drain(&mut self, count: usize, account: &Account, hold: impl FnOnce()) -> Result<(), RecvError> {
        match self {
            Rx::Spsc(rx) => {
                let mut drain = rx.drain()?;
                for _ in 0..count {
                    let Some(message) = drain.next() else { break };
                    let message = message?;
                    account.tell(received(&message, message.redelivered()));
                }
                hold();
                account.begin_release();
            }
            Rx::Mpmc(rx) => {
                let mut drain = rx.drain()?;
                for _ in 0..count {
                    let Some(message) = drain.next() else { break };
                    let message = message?;
                    account.tell(received(&message, message.redelivered()));
                }
                hold();
                account.begin_release();
            }
        }
        account.end_release();
        Ok(())
    }

    /// Receives a message and releases it.
    pub fn take(&mut self, limit: Option<Duration>) -> Result<Received, RecvError> {
        match self {
            Rx::Spsc(rx) => {
                let message = match limit {
                    None => rx.try_recv(),
                    Some(limit) => rx.recv_timeout(limit),
                };
                message.map(|message| received(&message, message.redelivered()))
            }
            Rx::Mpmc(rx) => {
                let message = match limit {
                    None => rx.try_recv(),
                    Some(limit) => rx.recv_timeout(limit),
                };
                message.map(|message| received(&message, message.redelivered()))
            }
        }
    }

    /// Writes the ring to the disk, if it is durable.
    pub fn sync(&mut self) -> Result<(), SyncError> {
        match self {
            Rx::Spsc(rx) => rx.sync(),
            Rx::Mpmc(_) => Err(SyncError::NotDurable),
        }
    }

    /// Was anything found missing or torn when it attached to a durable ring?
    pub fn has_recovered(&self) -> bool {
        matches!(self, Rx::Spsc(rx) if rx.recovery().is_some())
    }

    /// What of the ring is not free.
    pub fn used(&self) -> Result<usize, RecvError> {
        match self {
            Rx::Spsc(rx) => rx.used(),
            Rx::Mpmc(rx) => rx.used(),
        }
    }

    /// Claims of the dead that it turned into tombstones.
    pub fn tombstones(&self) -> u64 {
        match self {
            Rx::Spsc(rx) => rx.counters().tombstones,
            Rx::Mpmc(rx) => rx.counters().tombstones,
        }
    }

    /// Messages of the dead that it dropped.
    pub fn dropped(&self) -> u64 {
        match self {
            Rx::Spsc(rx) => rx.counters().dropped,
            Rx::Mpmc(rx) => rx.counters().dropped,
        }
    }
}

/// Why an operation did not do what its user wishes.
#[derive(Debug)]
pub enum Refusal {
    /// Nothing was sent.
    Send(SendError),
    /// Nothing was received.
    Recv(RecvError),
    /// Nothing was opened.
    Open(OpenError),
    /// Nothing was written to the disk.
    Sync(SyncError),
}

impl Refusal {
    /// What it means.
    pub fn outcome(&self) -> Outcome {
        match self {
            Refusal::Send(SendError::Full { .. }) => Outcome::Full,
            Refusal::Recv(RecvError::Empty) => Outcome::Empty,
            Refusal::Send(SendError::TimedOut) | Refusal::Recv(RecvError::TimedOut) => Outcome::TimedOut,
            Refusal::Send(SendError::Stalled { .. }) | Refusal::Recv(RecvError::Stalled { .. }) => {
                Outcome::Stalled
            }
            Refusal::Send(SendError::Closed) | Refusal::Recv(RecvError::Closed) => Outcome::Closed,
            Refusal::Send(SendError::PeerDead) | Refusal::Recv(RecvError::PeerDead) => Outcome::PeerDead,
            Refusal::Open(OpenError::InUse { .. }) => Outcome::InUse,
            _ => Outcome::Failed,
        }
    }

    /// What it says.
    pub fn text(&self) -> String {
        match self {
            Refusal::Send(error) => error.to_string(),
            Refusal::Recv(error) => error.to_string(),
            Refusal::Open(error) => error.to_string(),
            Refusal::Sync(error) => error.to_string(),
        }
    }
}

impl From<SendError> for Refusal {
    fn from(error: SendError) -> Self {
        Refusal::Send(error)
    }
}

impl From<RecvError> for Refusal {
    fn from(error: RecvError) -> Self {
        Refusal::Recv(error)
    }
}

impl From<OpenError> for Refusal {
    fn from(error: OpenError) -> Self {
        Refusal::Open(error)
    }
}

impl From<SyncError> for Refusal {
    fn from(error: SyncError) -> Self {
        Refusal::Sync(error)
    }
}
