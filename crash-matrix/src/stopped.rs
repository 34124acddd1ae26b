//! While the child is stopped: the others get on or wait, and take nothing of what it has.

use ringway::{OpenError, RecvError, Role, SendError};

use crate::account::{Outcome, Received};
use crate::aftermath::MOMENT;
use crate::cell::{Cell, Kind, Operation, Part};
use crate::ends::{Rx, Tx};
use crate::fault::{Class, Fault};
use crate::message;
use crate::scene::Scene;
use crate::subject::expected;

/// The most messages that a survivor sends to a consumer that is stopped.
const SENT: usize = 3;

/// What happened while the child was stopped.
#[derive(Debug, Default)]
pub struct Meanwhile {
    /// What survivors received.
    pub received: Vec<Received>,
    /// What survivors sent.
    pub sent: Vec<u16>,
    /// What was found.
    pub faults: Vec<Fault>,
}

impl Meanwhile {
    /// Lets the survivors of `scene` go on while process `child` is stopped.
    pub fn observe(scene: &mut Scene, child: i32) -> Meanwhile {
        let mut meanwhile = Meanwhile::default();
        if !scene.cell.operation.is_membership() {
            meanwhile.attach(scene, child);
        }
        // A sleeper is to get what the child sends, or sends itself.
        if scene.sleeper.is_none() {
            meanwhile.receive(scene, child);
            meanwhile.send(scene, child);
        }
        meanwhile.count_tombstones(scene);
        if scene.sleeper.is_none() && scene.cell.operation.part() == Part::Consumer {
            meanwhile.refill(scene);
        }
        meanwhile
    }

    fn theft(&mut self, what: String) {
        self.faults.push(Fault::new(Class::Theft, what));
    }

    fn receive(&mut self, scene: &mut Scene, child: i32) {
        let Some(rx) = &mut scene.rx else {
            return;
        };
        let mut calm = false;
        let error = loop {
            match rx.take(calm.then_some(MOMENT)) {
                Ok(message) => self.received.push(message),
                Err(error) if calm => break error,
                Err(_) => calm = true,
            }
        };
        let lives = lives(scene.cell, Part::Producer);
        match error {
            RecvError::TimedOut => {}
            RecvError::Stalled { role, pid } => self.stalled(scene.cell, (role, pid), child),
            RecvError::Closed | RecvError::PeerDead if !lives => {}
            error => self.theft(format!("the consumer is told: {error}")),
        }
    }

    fn send(&mut self, scene: &mut Scene, child: i32) {
        for _ in 0..SENT {
            let number = scene.number();
            let Some(tx) = &mut scene.tx else {
                return;
            };
            let error = match tx.send_timeout(&message::payload(number, 12), MOMENT) {
                Ok(()) => {
                    self.sent.push(number);
                    continue;
                }
                Err(error) => error,
            };
            let lives = lives(scene.cell, Part::Consumer);
            return match error {
                SendError::TimedOut => {}
                SendError::Stalled { role, pid } => self.stalled(scene.cell, (role, pid), child),
                SendError::Closed | SendError::PeerDead if !lives => {}
                error => self.theft(format!("the producer is told: {error}")),
            };
        }
    }

    /// Who is waited for is the child. (A repairer holds things in the name of the dead.)
    fn stalled(&mut self, cell: Cell, (role, pid): (Role, u32), child: i32) {
        if pid as i32 != child && !has_dead(cell) {
            self.theft(format!("stalled by the {role} {pid}, which is not the stopped process {child}"));
        }
    }

    /// A newcomer gets neither the child's place nor what it has in hand.
    fn attach(&mut self, scene: &Scene, child: i32) {
        let address = &scene.place.address;
        let error = match scene.cell.operation.part() {
            Part::Producer => match scene.maker.producer(address) {
                Ok(tx) => {
                    self.check_tombstones(scene.cell, tx.tombstones());
                    None
                }
                Err(error) => Some(error),
            },
            Part::Consumer => match scene.maker.consumer(address) {
                Ok(mut rx) => {
                    self.received.extend(rx.take(None));
                    self.check_tombstones(scene.cell, rx.tombstones());
                    None
                }
                Err(error) => Some(error),
            },
            Part::Onlooker => return,
        };
        match (scene.cell.kind, error) {
            (Kind::Spsc, Some(OpenError::AlreadyAttached { pid, .. })) if pid as i32 == child => {}
            (Kind::Mpmc, None) => {}
            (_, error) => self.theft(format!("a newcomer in its role is told {error:?}")),
        }
    }

    fn count_tombstones(&mut self, scene: &Scene) {
        let of_tx = scene.tx.as_ref().map_or(0, Tx::tombstones);
        self.check_tombstones(scene.cell, of_tx + scene.rx.as_ref().map_or(0, Rx::tombstones));
    }

    fn check_tombstones(&mut self, cell: Cell, tombstones: u64) {
        if tombstones > 0 && !has_dead(cell) {
            self.theft(format!("{tombstones} of its claims were aborted"));
        }
    }

    /// What the child may receive when it goes on, though others have received what was there.
    fn refill(&mut self, scene: &mut Scene) {
        for _ in 0..SENT {
            let number = scene.number();
            let Some(tx) = &mut scene.tx else {
                return;
            };
            if tx.try_send(&message::payload(number, 12)).is_ok() {
                self.sent.push(number);
            }
        }
    }
}

/// Is somebody with this part there all the time, be it the child?
fn lives(cell: Cell, part: Part) -> bool {
    let operation = cell.operation;
    match cell.kind {
        Kind::Mpmc => true,
        Kind::Spsc => operation.part() != part || !operation.is_membership(),
    }
}

/// Is there one who died before the operation?
fn has_dead(cell: Cell) -> bool {
    use Operation::*;
    matches!(
        cell.operation,
        SucceedProducer
            | SucceedConsumer
            | SucceedConsumerOnce
            | RepairClaim
            | RepairMessage
            | RepairMessageOnce
            | RepairRelease
            | RepairRoom
            | RepairBlock
    )
}

/// May the operation of one that was stopped in it end like this? Others may have sent or received meanwhile.
pub fn may_end(cell: Cell, outcome: Outcome) -> bool {
    let others = match cell.operation.part() {
        Part::Consumer => matches!(outcome, Outcome::Ok | Outcome::Empty | Outcome::TimedOut),
        _ => outcome == Outcome::Ok && expected(cell) != Outcome::InUse,
    };
    outcome == expected(cell) || others
}
