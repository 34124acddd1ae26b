//! The child: prepares, performs one operation, says what it was told.

use std::fs;
use std::time::Duration;

use clap::ValueEnum;
use nix::unistd::getpid;
use ringway::{Address, inspect};

use crate::account::{Account, Outcome, Phase, Received};
use crate::cell::{Backing, Cell, Kind, Operation, Part, State};
use crate::ends::{Maker, Refusal, Rx, Tx, Until};
use crate::tracee::stop_self;

/// How long to wait in vain.
const IN_VAIN: Duration = Duration::from_millis(6);
/// How long to wait for what is there, or will be after a repair.
const LONG: Duration = Duration::from_millis(500);

/// A way in which the child lies, to see that the checks notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Lie {
    /// It was told that its aborted claim is sent.
    Sent,
    /// It has released its message before it did.
    Released,
    /// It sends other bytes than it says.
    Torn,
    /// It sends its message twice.
    Twice,
    /// It has a message in hand that it has not.
    InHand,
    /// It leaves a file behind.
    Residue,
    /// It has left though it is in its operation.
    Gone,
}

/// What the child is to do.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The cell.
    pub cell: Cell,
    /// The ring.
    pub address: Address,
    /// How it is made.
    pub maker: Maker,
    /// What it sends before the operation.
    pub warm: Vec<Vec<u8>>,
    /// What it sends in the operation.
    pub sends: Vec<Vec<u8>>,
    /// Where it says what it was told.
    pub account: &'a Account,
    /// How it lies.
    pub lie: Option<Lie>,
    /// Whether to try again when the operation fails.
    pub tries_again: bool,
    /// The handles it has.
    pub ends: (Option<Tx>, Option<Rx>),
}

/// Does the child of `cell` use its handle before the operation?
pub fn warms_up(cell: Cell) -> bool {
    let part = cell.operation.part();
    cell.state == State::Middle
        && part != Part::Onlooker
        && !cell.operation.attaches()
        && !repairs(cell.operation)
}

fn repairs(operation: Operation) -> bool {
    matches!(operation, Operation::RepairClaim)
}

impl Subject<'_> {
    /// The child's life; its exit code.
    pub fn run(mut self) -> i32 {
        let me = getpid();
        if let Err(refusal) = self.prepare() {
            self.account.set_text(&format!("it could not prepare: {}", refusal.text()));
            return 3;
        }
        self.account.set_phase(Phase::Ready);
        stop_self(me);
        self.account.set_phase(Phase::Begun);
        let result = self.perform();
        self.account.set_phase(Phase::Over);
        self.conclude(&result);
        stop_self(me);
        if self.tries_again {
            self.try_again();
        }
        self.ends = (None, None);
        self.account.set_open(open());
        self.account.set_phase(Phase::Done);
        0
    }

    fn prepare(&mut self) -> Result<(), Refusal> {
        if self.cell.operation.attaches() {
            return Ok(());
        }
        match self.cell.operation.part() {
            Part::Producer => self.ends.0 = Some(self.maker.producer(&self.address)?),
            Part::Consumer => self.ends.1 = Some(self.maker.consumer(&self.address)?),
            Part::Onlooker => {}
        }
        if !warms_up(self.cell) {
            return Ok(());
        }
        match &mut self.ends {
            (Some(tx), _) if self.cell.operation.sends(self.cell.kind).len() > 1 => {
                tx.batch(&self.warm, true)?
            }
            (Some(tx), _) => self.warm.iter().try_for_each(|message| tx.send(message))?,
            (_, Some(rx)) => rx.take(Some(LONG)).map(drop)?,
            _ => {}
        }
        Ok(())
    }

    fn perform(&mut self) -> Result<(), Refusal> {
        match self.cell.operation.part() {
            Part::Producer => self.produce(),
            Part::Consumer => self.consume(),
            Part::Onlooker => self.look_on(),
        }
    }

    fn produce(&mut self) -> Result<(), Refusal> {
        use Operation::*;
        match self.cell.operation {
            CreateProducer if self.cell.backing == Backing::Memfd => {
                let (tx, rx) = self.maker.pair()?;
                self.ends = (Some(tx), Some(rx));
            }
            CreateProducer => self.ends.0 = Some(self.maker.new_only().producer(&self.address)?),
            OpenProducer | SucceedProducer => self.ends.0 = Some(self.maker.producer(&self.address)?),
            DetachProducer | UnlinkProducer => self.ends.0 = None,
            SyncProducer => self.ends.0.as_mut().map_or(Ok(()), Tx::sync)?,
            _ => self.send()?,
        }
        match self.lie {
            Some(Lie::Residue) => drop(fs::write(format!("{}.residue", self.path()), "a lie")),
            Some(Lie::Gone) => self.ends.0 = None,
            _ => {}
        }
        Ok(())
    }

    fn send(&mut self) -> Result<(), Refusal> {
        use Operation::*;
        let (Some(tx), [message, ..]) = (&mut self.ends.0, &self.sends[..]) else {
            return Ok(());
        };
        match self.cell.operation {
            Refused => tx.try_send(message)?,
            SleepProducer | RepairBlock => tx.send_timeout(message, IN_VAIN)?,
            RepairRoom => tx.send_timeout(message, LONG)?,
            Commit => tx.claim(message, true)?,
            Abort => tx.claim(message, false)?,
            Batch => tx.batch(&self.sends, true)?,
            BatchDropped => tx.batch(&self.sends, false)?,
            _ => tx.send(message)?,
        }
        let sent = !matches!(self.cell.operation, Abort | BatchDropped);
        if sent || self.lie == Some(Lie::Sent) {
            self.account.set_sent();
        }
        if self.lie == Some(Lie::Twice) {
            tx.send(message)?;
        }
        Ok(())
    }

    fn consume(&mut self) -> Result<(), Refusal> {
        use Operation::*;
        match self.cell.operation {
            CreateConsumer => self.ends.1 = Some(self.maker.new_only().consumer(&self.address)?),
            OpenConsumer | SucceedConsumer | SucceedConsumerOnce => {
                self.ends.1 = Some(self.maker.consumer(&self.address)?);
            }
            DetachConsumer | UnlinkConsumer => self.ends.1 = None,
            SyncConsumer => self.ends.1.as_mut().map_or(Ok(()), Rx::sync)?,
            _ => self.receive()?,
        }
        Ok(())
    }

    fn receive(&mut self) -> Result<(), Refusal> {
        use Operation::*;
        let Some(rx) = &mut self.ends.1 else {
            return Ok(());
        };
        let (account, lie) = (self.account, self.lie);
        let hold = || match lie {
            Some(Lie::Released) => {
                account.begin_release();
                account.end_release();
            }
            Some(Lie::InHand) => account.tell(Received { number: 5, marked: false, torn: false }),
            _ => {}
        };
        let in_vain = matches!(self.cell.operation, SleepConsumer | RepairRelease | RepairMessageOnce)
            || (self.cell.operation == RepairClaim && self.cell.state == State::Empty);
        match self.cell.operation {
            Drain => rx.drain(3, account, hold)?,
            RecvEmpty => rx.recv(Until::Now, account, hold)?,
            _ if in_vain => rx.recv(Until::Within(IN_VAIN), account, hold)?,
            _ => rx.recv(Until::Within(LONG), account, hold)?,
        }
        Ok(())
    }

    fn look_on(&mut self) -> Result<(), Refusal> {
        match self.cell.operation {
            Operation::CreateRing => self.maker.new_only().create_ring(&self.address)?,
            Operation::Inspect => drop(inspect::inspect(&self.address)?),
            operation => inspect::remove(&self.address, operation == Operation::RemoveForced)?,
        }
        Ok(())
    }

    fn conclude(&self, result: &Result<(), Refusal>) {
        match result {
            Ok(()) => self.account.set_outcome(Outcome::Ok),
            Err(refusal) => {
                self.account.set_outcome(refusal.outcome());
                self.account.set_text(&refusal.text());
            }
        }
    }

    /// After a failure that a fault made: the same again must succeed, in the same process.
    fn try_again(&mut self) {
        if self.account.outcome() != Outcome::Failed {
            return;
        }
        let first = self.account.text();
        let result = self.perform();
        self.conclude(&result);
        if let Err(refusal) = result {
            self.account.set_text(&format!("{first}; then, without a fault: {}", refusal.text()));
        }
    }

    /// The file of a ring that is one.
    fn path(&self) -> String {
        self.address.to_string().trim_start_matches("file:").to_owned()
    }
}

/// How the operation of `cell` ends when nothing goes wrong.
pub fn expected(cell: Cell) -> Outcome {
    use Operation::*;
    match cell.operation {
        Refused => Outcome::Full,
        RecvEmpty => Outcome::Empty,
        SleepConsumer | SleepProducer | RepairRelease | RepairBlock | RepairMessageOnce => Outcome::TimedOut,
        RepairClaim if cell.state == State::Empty => Outcome::TimedOut,
        RemoveUsed => Outcome::InUse,
        _ => Outcome::Ok,
    }
}

/// The lengths of what the child sends before the operation.
pub fn warm_lengths(cell: Cell) -> &'static [usize] {
    match cell.operation.sends(cell.kind).len() {
        _ if !warms_up(cell) || cell.operation.part() != Part::Producer => &[],
        3 => &[24, 40, 20],
        _ if cell.kind == Kind::Spsc => &[16],
        _ => &[8],
    }
}

/// Descriptors of this process, and its mappings of rings.
fn open() -> (u32, u32) {
    let descriptors = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let mappings = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let rings = mappings.lines().filter(|line| line.contains("ringway"));
    (descriptors as u32, rings.count() as u32)
}
