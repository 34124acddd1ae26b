//! The cells of the matrix: an operation, in a state of the ring, on a kind of ring, in a kind of memory.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

/// A kind of ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Kind {
    /// One producer, one consumer.
    Spsc,
    /// Many of each.
    Mpmc,
}

/// Where the ring lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Backing {
    /// POSIX shared memory.
    Shm,
    /// A file.
    File,
    /// A sealed memfd, whose descriptor the child inherits.
    Memfd,
    /// A file, and the ring is durable.
    Durable,
}

/// What is in the ring before the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum State {
    /// Nothing, and the ring was never used.
    Empty,
    /// Some messages in the middle of the ring; the child's handle has worked before.
    Middle,
    /// The operation meets the end of the ring: what it sends does not fit before it, or what it receives lies
    /// behind padding.
    Wrap,
    /// What the operation sends fits just once.
    OneBelowFull,
    /// Not even the smallest message fits.
    Full,
}

/// What the child does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Operation {
    /// Creates the ring as its first producer (memfd: `pair`).
    CreateProducer,
    /// Creates the ring as its first consumer.
    CreateConsumer,
    /// Creates the ring and attaches nobody.
    CreateRing,
    /// Attaches as a producer.
    OpenProducer,
    /// Attaches as a consumer.
    OpenConsumer,
    /// Attaches after a producer that died with a claim.
    SucceedProducer,
    /// Attaches after a consumer that died with messages in hand.
    SucceedConsumer,
    /// The same, on a ring that delivers at most once.
    SucceedConsumerOnce,
    /// Drops a producer while others are there.
    DetachProducer,
    /// Drops a consumer while others are there.
    DetachConsumer,
    /// Drops the last participant of a drained ring, a producer.
    UnlinkProducer,
    /// Drops the last participant of a drained ring, a consumer.
    UnlinkConsumer,
    /// Sends a small message.
    Send,
    /// Sends a large message.
    SendLong,
    /// Tries to send into a full ring.
    Refused,
    /// Claims, fills, commits.
    Commit,
    /// Claims, fills, drops the claim.
    Abort,
    /// Commits a batch of three.
    Batch,
    /// Drops a batch of three.
    BatchDropped,
    /// Receives a message and releases it.
    Recv,
    /// The same, on a ring that delivers at most once.
    RecvOnce,
    /// Tries to receive from an empty ring.
    RecvEmpty,
    /// Receives three messages and releases them together.
    Drain,
    /// Sends while a consumer sleeps.
    WakeConsumer,
    /// Receives and releases while a producer sleeps.
    WakeProducer,
    /// Waits for a message in vain.
    SleepConsumer,
    /// Waits for room in vain.
    SleepProducer,
    /// Writes a durable ring to the disk, as its producer.
    SyncProducer,
    /// Writes a durable ring to the disk, as its consumer.
    SyncConsumer,
    /// Receives, and repairs a claim of a dead producer.
    RepairClaim,
    /// Receives, and repairs what a consumer had in hand when it died.
    RepairMessage,
    /// The same, on a ring that delivers at most once.
    RepairMessageOnce,
    /// Waits for a message, and repairs the release in which a consumer died.
    RepairRelease,
    /// Sends, and repairs the release in which a consumer died.
    RepairRoom,
    /// Waits for room, and repairs a claim of a dead producer.
    RepairBlock,
    /// Looks at the ring from outside.
    Inspect,
    /// Removes the ring, which nobody uses.
    Remove,
    /// Tries to remove a ring that is used.
    RemoveUsed,
    /// Removes a ring that is used.
    RemoveForced,
}

/// Whose handle the child has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A producer's.
    Producer,
    /// A consumer's.
    Consumer,
    /// None.
    Onlooker,
}

use Operation::*;

impl Operation {
    /// Whose handle the child has, before or after the operation.
    pub fn part(self) -> Part {
        match self {
            CreateProducer | OpenProducer | SucceedProducer | DetachProducer | UnlinkProducer | Send
            | SendLong | Refused | Commit | Abort | Batch | BatchDropped | WakeConsumer | SleepProducer
            | SyncProducer | RepairRoom | RepairBlock => Part::Producer,
            CreateRing | Inspect | Remove | RemoveUsed | RemoveForced => Part::Onlooker,
            _ => Part::Consumer,
        }
    }

    /// Does the child attach in the operation, and not before it?
    pub fn attaches(self) -> bool {
        self.creates()
            || matches!(
                self,
                OpenProducer | OpenConsumer | SucceedProducer | SucceedConsumer | SucceedConsumerOnce
            )
    }

    /// Is there no ring before the operation?
    pub fn creates(self) -> bool {
        matches!(self, CreateProducer | CreateConsumer | CreateRing)
    }

    /// Does the child leave in the operation?
    pub fn leaves(self) -> bool {
        matches!(self, DetachProducer | DetachConsumer | UnlinkProducer | UnlinkConsumer)
    }

    /// May the child have the membership lock?
    pub fn is_membership(self) -> bool {
        self.attaches() || self.leaves() || self.removes()
    }

    /// Does it remove the name, or try to?
    pub fn removes(self) -> bool {
        matches!(self, Remove | RemoveUsed | RemoveForced)
    }

    /// Is the ring one that delivers at most once?
    pub fn at_most_once(self) -> bool {
        matches!(self, SucceedConsumerOnce | RecvOnce | RepairMessageOnce)
    }

    /// Does it make system calls that can fail?
    pub fn can_be_failed(self) -> bool {
        self.is_membership()
            || matches!(
                self,
                Inspect
                    | WakeConsumer
                    | WakeProducer
                    | SleepConsumer
                    | SleepProducer
                    | SyncProducer
                    | SyncConsumer
                    | RepairClaim
                    | RepairMessage
                    | RepairMessageOnce
                    | RepairRelease
                    | RepairRoom
                    | RepairBlock
            )
    }

    /// The lengths of what it sends; a long message takes three slots.
    pub fn sends(self, kind: Kind) -> &'static [usize] {
        match self {
            Send | Refused | Commit | WakeConsumer | SleepProducer | RepairRoom | RepairBlock => &[40],
            SendLong | Abort if kind == Kind::Spsc => &[300],
            SendLong | Abort => &[190],
            Batch | BatchDropped => &[24, 40, 20],
            _ => &[],
        }
    }

    fn is_repair(self) -> bool {
        matches!(
            self,
            RepairClaim | RepairMessage | RepairMessageOnce | RepairRelease | RepairRoom | RepairBlock
        )
    }

    /// The states in which it makes sense.
    fn states(self) -> &'static [State] {
        use State::*;
        match self {
            CreateProducer | CreateConsumer | CreateRing | UnlinkProducer | UnlinkConsumer => &[Empty],
            OpenProducer | OpenConsumer | DetachProducer | DetachConsumer | Inspect => {
                &[Empty, Middle, Wrap, OneBelowFull, Full]
            }
            SucceedProducer | Send | SendLong | Commit | Abort | Batch | BatchDropped => {
                &[Empty, Middle, Wrap, OneBelowFull]
            }
            SucceedConsumer | SucceedConsumerOnce | Recv | RecvOnce | Drain => {
                &[Middle, Wrap, OneBelowFull, Full]
            }
            SyncProducer | SyncConsumer => &[Empty, Middle, Full],
            Refused | WakeProducer | SleepProducer | RepairRoom | RepairBlock => &[Full],
            RecvEmpty | WakeConsumer | SleepConsumer | RepairMessage | RepairMessageOnce | RepairRelease => {
                &[Empty]
            }
            RepairClaim => &[Empty, Middle, Wrap, Full],
            Remove => &[Empty, Middle],
            RemoveUsed | RemoveForced => &[Middle, Full],
        }
    }

    fn on(self, kind: Kind, backing: Backing) -> bool {
        let kind_has_it = kind == Kind::Mpmc || !(self.is_repair() || self.at_most_once());
        let needs_name =
            matches!(self, CreateConsumer | CreateRing | UnlinkProducer | UnlinkConsumer) || self.removes();
        let memory_has_it = match backing {
            Backing::Memfd => !needs_name,
            Backing::Durable => kind == Kind::Spsc,
            Backing::Shm | Backing::File => true,
        };
        let syncs = matches!(self, SyncProducer | SyncConsumer);
        kind_has_it && memory_has_it && (!syncs || backing == Backing::Durable)
    }
}

/// A cell of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// The kind of ring.
    pub kind: Kind,
    /// The operation.
    pub operation: Operation,
    /// The state.
    pub state: State,
    /// The memory.
    pub backing: Backing,
}

impl Cell {
    /// Every cell that makes sense.
    pub fn all() -> Vec<Cell> {
        let mut cells = Vec::new();
        for kind in Kind::value_variants() {
            for operation in Operation::value_variants() {
                for state in operation.states() {
                    for backing in Backing::value_variants() {
                        if operation.on(*kind, *backing) {
                            let (kind, operation, state, backing) = (*kind, *operation, *state, *backing);
                            cells.push(Cell { kind, operation, state, backing });
                        }
                    }
                }
            }
        }
        cells
    }
}

/// The word for a value, as in the name of a cell.
pub fn word<T: ValueEnum>(value: &T) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (operation, state) = (word(&self.operation), word(&self.state));
        write!(f, "{}/{operation}/{state}/{}", word(&self.kind), word(&self.backing))
    }
}

impl FromStr for Cell {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Cell> {
        let parts: Vec<&str> = text.split('/').collect();
        let [kind, operation, state, backing] = parts[..] else {
            bail!("{text:?} is no cell; write KIND/OPERATION/STATE/BACKING, such as spsc/send/empty/shm");
        };
        let cell = Cell {
            kind: parse(kind)?,
            operation: parse(operation)?,
            state: parse(state)?,
            backing: parse(backing)?,
        };
        if !Cell::all().contains(&cell) {
            bail!("there is no cell {text}: that operation makes no sense there");
        }
        Ok(cell)
    }
}

fn parse<T: ValueEnum>(text: &str) -> Result<T> {
    T::from_str(text, false)
        .map_err(anyhow::Error::msg)
        .with_context(|| format!("in the name of a cell: {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_read_back() {
        let cells = Cell::all();
        assert!(cells.len() > 300, "{}", cells.len());
        for cell in cells {
            assert_eq!(cell.to_string().parse::<Cell>().expect("a cell"), cell);
        }
        assert!("spsc/recv/empty/shm".parse::<Cell>().is_err());
    }
}
