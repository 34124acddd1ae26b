//! What stands before the curtain rises: a ring in a state, those who are attached to it, and those who are to die.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::account::Account;
use crate::cell::{Backing, Cell, Kind, Operation, Part, State};
use crate::ends::{Maker, Rx, Tx};
use crate::ledger::Left;
use crate::message;
use crate::others::{Casualty, Doom, Sleeper};
use crate::place::{Ground, Place};
use crate::subject::{Lie, Subject, warm_lengths, warms_up};

/// Bytes of a record ring.
const RING: usize = 4096;
/// How long to wait for what must be there.
const SOON: Duration = Duration::from_secs(5);

/// A prepared cell, before its child is started.
#[derive(Debug)]
pub struct Scene {
    /// The cell.
    pub cell: Cell,
    /// How its ring is made.
    pub maker: Maker,
    /// Those who live on: a producer, a consumer.
    pub tx: Option<Tx>,
    /// The consumer.
    pub rx: Option<Rx>,
    /// What is in the ring.
    pub left: Vec<Left>,
    /// What the child sends in its operation.
    pub sends: Vec<u16>,
    /// Who sleeps, and what it sends if it is a producer.
    pub sleeper: Option<(Sleeper, u16)>,
    casualty: Casualty,
    warm: Vec<u16>,
    next: u16,
    /// Where the ring lives.
    pub place: Place,
}

/// The lengths of contents, mixed.
fn mixed(cell: Cell) -> &'static [usize] {
    match cell.kind {
        Kind::Spsc => &[8, 20, 233, 5, 120, 64],
        Kind::Mpmc => &[8, 20, 100, 33],
    }
}

/// A message of three slots.
fn long(cell: Cell) -> usize {
    if cell.kind == Kind::Spsc { 300 } else { 190 }
}

impl Scene {
    /// Prepares `cell`.
    pub fn new(cell: Cell, ground: &Ground) -> Result<Scene> {
        let mut scene = Scene {
            cell,
            maker: Maker::of(cell),
            place: ground.place(cell),
            tx: None,
            rx: None,
            left: Vec::new(),
            sends: Vec::new(),
            sleeper: None,
            casualty: Casualty::Gone,
            warm: Vec::new(),
            next: 0,
        };
        scene.build().with_context(|| format!("cannot prepare {cell}"))?;
        scene.warm = warm_lengths(cell).iter().map(|_| scene.number()).collect();
        scene.sends = cell.operation.sends(cell.kind).iter().map(|_| scene.number()).collect();
        Ok(scene)
    }

    fn build(&mut self) -> Result<()> {
        match self.cell.operation {
            operation if operation.creates() => return Ok(()),
            Operation::Remove if self.cell.state == State::Empty => {
                return Ok(self.maker.create_ring(&self.place.address)?);
            }
            _ if self.cell.backing == Backing::Memfd => {
                let (tx, rx) = self.maker.pair()?;
                self.place.is_at(match &tx {
                    Tx::Spsc(tx) => tx.descriptor()?,
                    Tx::Mpmc(tx) => tx.descriptor()?,
                });
                (self.tx, self.rx) = (Some(tx), Some(rx));
            }
            _ => {
                self.tx = Some(self.maker.producer(&self.place.address)?);
                self.rx = Some(self.maker.consumer(&self.place.address)?);
            }
        }
        self.fill()?;
        self.make_room()?;
        self.add_dead()
    }

    /// A number that no message had.
    pub fn number(&mut self) -> u16 {
        self.next += 1;
        self.next
    }

    /// Sends a message that stays.
    fn put(&mut self, len: usize) -> Result<bool> {
        let number = self.number();
        let tx = self.tx.as_mut().context("no producer")?;
        let sent = tx.try_send(&message::payload(number, len)).is_ok();
        if sent {
            self.left.push(Left { number, held: false });
        }
        Ok(sent)
    }

    fn put_all(&mut self, lengths: &[usize]) -> Result<()> {
        for len in lengths {
            ensure!(self.put(*len)?, "no room for {len} bytes");
        }
        Ok(())
    }

    /// Receives the first `count` messages.
    fn take(&mut self, count: usize) -> Result<()> {
        let rx = self.rx.as_mut().context("no consumer")?;
        for left in self.left.drain(..count) {
            let message = rx.take(Some(SOON))?;
            ensure!(message.number == left.number, "message {} before {}", message.number, left.number);
        }
        Ok(())
    }

    /// Moves the ring on by messages that go through.
    fn pass(&mut self, lengths: impl IntoIterator<Item = usize>) -> Result<()> {
        for len in lengths {
            self.put_all(&[len])?;
            self.take(1)?;
        }
        Ok(())
    }

    /// Puts `lengths` into the ring, and fills up what is left of it.
    fn fill_up(&mut self, lengths: &[usize]) -> Result<()> {
        self.put_all(lengths)?;
        let mixed = if self.cell.kind == Kind::Spsc { mixed(self.cell) } else { &[8, 40] };
        for len in mixed.iter().cycle() {
            if !self.put(*len)? {
                break;
            }
        }
        while self.put(4)? {}
        Ok(())
    }

    /// Moves the ring on until what is left up to its end is too short for a record, or one slot.
    fn move_to_the_end(&mut self, keep: &[usize]) -> Result<()> {
        let slots = match self.cell.operation {
            Operation::Batch | Operation::BatchDropped | Operation::Drain => 32,
            _ => 8,
        };
        if self.cell.kind == Kind::Mpmc {
            self.pass((0..slots - 1 - keep.len()).map(|_| 20))?;
        } else {
            let head = if self.cell.backing == Backing::Durable { 16 } else { 8 };
            let kept: usize = keep.iter().map(|len| (head + len).next_multiple_of(8)).sum();
            let way = RING - 16 - kept;
            self.pass((0..way / 512).map(|_| 512 - head))?;
            self.pass([way % 512 - head])?;
        }
        self.put_all(keep)
    }

    fn fill(&mut self) -> Result<()> {
        let cell = self.cell;
        if self.has_claim_first() || matches!(cell.operation, Operation::RepairRoom) {
            return self.fill_for_repair();
        }
        let room = match cell.operation.sends(cell.kind) {
            [] if cell.operation == Operation::SucceedProducer => vec![long(cell)],
            [] => vec![long(cell)],
            lengths => lengths.to_vec(),
        };
        match (cell.state, cell.operation.part()) {
            (State::Empty, _) => self.fill_for_repair(),
            (State::Middle, Part::Producer) => {
                self.pass([20, 20])?;
                if cell.kind == Kind::Spsc { self.put_all(&[233, 17]) } else { self.put_all(&[20]) }
            }
            (State::Middle, _) => {
                self.pass([20, 20])?;
                self.put_all(mixed(cell))
            }
            (State::Wrap, Part::Consumer) => {
                self.move_to_the_end(&[])?;
                self.put_all(&[long(cell), 20, 33])
            }
            (State::Wrap, _) => self.move_to_the_end(&[24]),
            (State::OneBelowFull, _) => {
                self.pass([20, 20, 20])?;
                self.fill_up(&room)?;
                self.take(room.len())
            }
            (State::Full, _) => {
                self.pass([20, 20, 20])?;
                self.fill_up(&room)
            }
        }
    }

    fn has_claim_first(&self) -> bool {
        matches!(self.cell.operation, Operation::RepairClaim | Operation::RepairBlock)
    }

    /// What the dead of the repair cells leave; others find the ring as it was made.
    fn fill_for_repair(&mut self) -> Result<()> {
        let (cell, address) = (self.cell, self.place.address.clone());
        let doom = match cell.operation {
            Operation::RepairClaim | Operation::RepairBlock => Doom::Claim(long(cell)),
            Operation::RepairMessage | Operation::RepairMessageOnce => Doom::Hands(1),
            Operation::RepairRelease | Operation::RepairRoom => Doom::Releasing,
            _ => return Ok(()),
        };
        if cell.state == State::Wrap {
            self.move_to_the_end(&[])?
        } else {
            self.pass([20, 20])?
        }
        if !matches!(doom, Doom::Claim(_)) {
            self.put_all(&[long(cell)])?;
        }
        if cell.operation == Operation::RepairRoom {
            self.fill_up(&[])?;
        }
        let (casualty, account) = Casualty::start(&self.maker, &address, doom)?;
        self.casualty = casualty;
        self.note_held(&account);
        match cell.state {
            State::Empty => Ok(()),
            State::Full if cell.operation == Operation::RepairRoom => Ok(()),
            State::Full => self.fill_up(&[]),
            _ => self.put_all(&[20, 33]),
        }
    }

    /// What a casualty had in hand is still to come; what it was releasing is not.
    fn note_held(&mut self, account: &Account) {
        let told = account.told();
        if account.releasing() > 0 {
            self.left.retain(|left| !told.iter().any(|told| told.number == left.number));
        }
        for left in &mut self.left {
            left.held |= told.iter().any(|told| told.number == left.number);
        }
    }

    /// The child's role is free in an `spsc` ring, and nobody is there where nobody is to be.
    fn make_room(&mut self) -> Result<()> {
        let cell = self.cell;
        let one_each = cell.kind == Kind::Spsc;
        if cell.operation == Operation::Remove {
            self.tx = None;
            self.rx = None;
        }
        match cell.operation.part() {
            Part::Producer if one_each => self.tx = None,
            Part::Consumer if one_each => self.rx = None,
            _ => {}
        }
        if one_each && cell.operation == Operation::WakeConsumer {
            self.rx = None;
        }
        if one_each && cell.operation == Operation::WakeProducer {
            self.tx = None;
        }
        Ok(())
    }

    /// Predecessors that died.
    fn add_dead(&mut self) -> Result<()> {
        let (cell, address) = (self.cell, self.place.address.clone());
        let doom = match cell.operation {
            Operation::SucceedProducer => Some(Doom::Claim(long(cell))),
            Operation::SucceedConsumer if cell.kind == Kind::Spsc => Some(Doom::Hands(2)),
            Operation::SucceedConsumer | Operation::SucceedConsumerOnce => Some(Doom::Hands(1)),
            _ => None,
        };
        if let Some(doom) = doom {
            let (mut casualty, account) = Casualty::start(&self.maker, &address, doom)?;
            casualty.die();
            self.note_held(&account);
        }
        Ok(())
    }

    /// Who sleeps while the child works; the child is there already.
    fn add_sleeper(&mut self) -> Result<()> {
        let part = match self.cell.operation {
            Operation::WakeConsumer => Part::Consumer,
            Operation::WakeProducer => Part::Producer,
            _ => return Ok(()),
        };
        let number = self.number();
        let message = message::payload(number, 4);
        self.sleeper = Some((Sleeper::start(&self.maker, &self.place.address, part, &message)?, number));
        Ok(())
    }

    /// What the child is to do.
    pub fn subject<'a>(&self, account: &'a Account, lie: Option<Lie>, tries_again: bool) -> Subject<'a> {
        let cell = self.cell;
        let payloads = |numbers: &[u16], lengths: &[usize]| -> Vec<Vec<u8>> {
            numbers.iter().zip(lengths).map(|(number, len)| message::payload(*number, *len)).collect()
        };
        let mut sends = payloads(&self.sends, cell.operation.sends(cell.kind));
        if lie == Some(Lie::Torn) {
            sends.iter_mut().for_each(|message| message[7] ^= 1);
        }
        Subject {
            cell,
            address: self.place.address.clone(),
            maker: self.maker.clone(),
            warm: payloads(&self.warm, warm_lengths(cell)),
            sends,
            account,
            lie,
            tries_again,
            ends: (None, None),
        }
    }

    /// The child is ready: those who are to die do, who is to sleep does, the last participant is alone, and what it
    /// did before the operation is noted.
    pub fn begin(&mut self) -> Result<()> {
        self.casualty.die();
        if matches!(self.cell.operation, Operation::UnlinkProducer | Operation::UnlinkConsumer) {
            self.tx = None;
            self.rx = None;
        }
        self.add_sleeper()?;
        if !warms_up(self.cell) {
            return Ok(());
        }
        if self.cell.operation.part() == Part::Consumer {
            self.left.remove(0);
        }
        self.left.extend(self.warm.iter().map(|number| Left { number: *number, held: false }));
        Ok(())
    }

    /// Did the child use its handle before the operation?
    pub fn is_warm(&self) -> bool {
        !self.warm.is_empty()
    }
}
