//! After a death: survivors and newcomers go on, and what they meet is judged.

use std::time::{Duration, Instant};

use ringway::{OpenError, RecvError, inspect};

use crate::account::{Account, Received};
use crate::cell::{Backing, Kind, Operation, Part};
use crate::ends::{Rx, Tx};
use crate::fault::{Class, Fault};
use crate::ledger::Expected;
use crate::message;
use crate::others::PATIENCE;
use crate::scene::Scene;

/// How long a look waits that is to find nothing.
pub const MOMENT: Duration = Duration::from_millis(3);
/// How many newcomers of each role come and go, one after the other: more than a slot ring has places.
const NEWCOMERS: usize = 6;

/// Who goes on after a death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// A newcomer attaches in the dead one's role, then all go on.
    NewcomerFirst,
    /// The survivors go on as far as they come, then newcomers attach.
    SurvivorsFirst,
    /// The survivors leave; newcomers go on.
    NewcomersOnly,
}

impl Order {
    /// That of a round.
    pub fn of_round(round: usize) -> Order {
        [Order::NewcomerFirst, Order::SurvivorsFirst, Order::NewcomersOnly][round % 3]
    }
}

/// What is left of a scene, and what was found.
#[derive(Debug)]
pub struct Aftermath<'a> {
    scene: &'a mut Scene,
    /// What is to come.
    pub expected: Expected,
    /// What came.
    pub received: Vec<Received>,
    /// What was found.
    pub faults: Vec<Fault>,
    /// Messages that consumers which are gone have dropped.
    dropped: u64,
    /// May a durable ring be recovered: was the boot perhaps not to be told?
    pub may_recover: bool,
    /// Has the ring lost its name?
    removed: bool,
}

impl<'a> Aftermath<'a> {
    /// Of a child that is gone.
    pub fn new(scene: &'a mut Scene, expected: Expected) -> Aftermath<'a> {
        let removed = scene.cell.operation.removes() && scene.place.is_named() && !scene.place.exists();
        Aftermath {
            scene,
            expected,
            received: Vec::new(),
            faults: Vec::new(),
            dropped: 0,
            may_recover: false,
            removed,
        }
    }

    fn fault(&mut self, class: Class, what: impl Into<String>) {
        self.faults.push(Fault::new(class, what));
    }

    /// All of it: everybody goes on, in this order, and leaves.
    pub fn run(&mut self, order: Order, account: &Account) {
        if self.scene.cell.backing == Backing::Memfd && self.scene.cell.operation.creates() {
            // What had no name and no other user is gone.
            return;
        }
        self.check_image();
        if self.removed {
            return self.go_on_without_a_name();
        }
        match order {
            Order::NewcomerFirst => self.newcomer_in_the_dead_ones_role(),
            Order::NewcomersOnly if self.scene.sleeper.is_none() => {
                self.scene.tx = None;
                self.scene.rx = None;
            }
            Order::NewcomersOnly | Order::SurvivorsFirst => {}
        }
        self.settle_sleeper(account);
        if order == Order::SurvivorsFirst {
            self.survivors_go_on();
        }
        self.newcomers();
        self.collect();
        self.check_drained();
        if order == Order::SurvivorsFirst {
            self.come_and_go();
        }
        self.laps();
        self.check_drops(account);
        self.faults.extend(self.expected.judge(&self.received));
        self.leave(order);
    }

    /// What the dead one was told of was whole.
    pub fn check_told(&mut self, account: &Account) {
        if account.told().iter().any(|told| told.torn) {
            self.fault(Class::Torn, "the dead one was given a message that is not what was sent");
        }
    }

    /// Whatever has the name is a whole ring.
    fn check_image(&mut self) {
        match inspect::inspect(&self.scene.place.address) {
            Ok(report) => {
                if let Err(corrupt) = report.used {
                    self.fault(Class::Wrong, format!("inspection finds {corrupt}"));
                }
            }
            Err(OpenError::NotFound { .. }) => {}
            Err(error) => self.fault(Class::Wrong, format!("inspection fails: {error}")),
        }
    }

    /// The survivors of a ring that was removed use it to the end; messages that nobody receives went with it.
    fn go_on_without_a_name(&mut self) {
        if self.scene.rx.is_none() || self.scene.tx.is_none() {
            self.expected.forgive();
        } else {
            self.collect();
            self.laps();
        }
        self.faults.extend(self.expected.judge(&self.received));
        self.scene.tx = None;
        self.scene.rx = None;
    }

    fn newcomer_in_the_dead_ones_role(&mut self) {
        match self.scene.cell.operation.part() {
            Part::Producer => self.attach_tx(),
            Part::Consumer => self.attach_rx(),
            Part::Onlooker => {}
        }
    }

    /// Attaches a producer. If there is a survivor, it leaves then.
    fn attach_tx(&mut self) {
        match self.scene.maker.producer(&self.scene.place.address) {
            Ok(tx) => {
                self.check_recovery(tx.has_recovered());
                self.scene.tx = Some(tx);
            }
            Err(error) => self.fault(class_of(&error), format!("no new producer: {error}")),
        }
    }

    /// Attaches a consumer. If there is a survivor, it leaves then.
    fn attach_rx(&mut self) {
        match self.scene.maker.consumer(&self.scene.place.address) {
            Ok(rx) => {
                self.check_recovery(rx.has_recovered());
                self.dropped += self.scene.rx.replace(rx).map_or(0, |old| old.dropped());
            }
            Err(error) => self.fault(class_of(&error), format!("no new consumer: {error}")),
        }
    }

    /// A death without a loss of power leaves a durable ring as it is.
    fn check_recovery(&mut self, recovered: bool) {
        if recovered && !self.may_recover {
            self.fault(Class::Wrong, "a durable ring was recovered after a mere death");
        }
    }

    /// The survivors do what they can with nobody new.
    fn survivors_go_on(&mut self) {
        self.collect();
        self.send_one();
    }

    /// The survivor sends a message if there is room.
    fn send_one(&mut self) {
        let number = self.scene.number();
        let Some(tx) = &mut self.scene.tx else {
            return;
        };
        if tx.send_timeout(&message::payload(number, 12), MOMENT).is_ok() {
            self.expected.sent(number);
        }
    }

    /// Who sleeps gets what it waits for: from the child, or else from a newcomer.
    fn settle_sleeper(&mut self, account: &Account) {
        let Some((mut sleeper, number)) = self.scene.sleeper.take() else {
            return;
        };
        let wakes = self.scene.cell.operation;
        // The producer of a durable ring waits until an eighth of it, or all, is released: one message is not enough.
        let done = match wakes {
            Operation::WakeConsumer => account.sent(),
            _ => account.released() > 0 && self.scene.cell.backing != Backing::Durable,
        };
        if !done && !sleeper.is_done() {
            self.help_sleeper(wakes);
        }
        if !sleeper.join() {
            self.fault(Class::Stuck, format!("the sleeper sleeps on: {}", sleeper.account.text()));
            return;
        }
        self.received.extend(sleeper.account.told());
        if wakes == Operation::WakeProducer {
            self.expected.sent(number);
        }
        self.expected.any_order();
    }

    fn help_sleeper(&mut self, wakes: Operation) {
        if wakes == Operation::WakeConsumer {
            if self.scene.tx.is_none() {
                self.attach_tx();
            }
            self.send_one();
        } else {
            if self.scene.rx.is_none() {
                self.attach_rx();
            }
            self.collect();
        }
    }

    /// Somebody in each role.
    fn newcomers(&mut self) {
        if self.scene.tx.is_none() {
            self.attach_tx();
        }
        if self.scene.rx.is_none() {
            self.attach_rx();
        }
    }

    /// Receives until everything that is due has come and nothing is left, or nothing more comes for long.
    pub fn collect(&mut self) {
        let Some(rx) = &mut self.scene.rx else {
            return;
        };
        let started = Instant::now();
        let mut calm = false;
        loop {
            match rx.take(calm.then_some(MOMENT)) {
                Ok(message) => self.received.push(message),
                Err(error @ (RecvError::Corrupt(_) | RecvError::Forked)) => {
                    return self.fault(Class::Wrong, format!("receiving fails: {error}"));
                }
                Err(_) => {
                    let done = self.expected.missing(&self.received).is_empty() && matches!(rx.used(), Ok(0));
                    if done || started.elapsed() > PATIENCE {
                        return;
                    }
                    calm = true;
                }
            }
        }
    }

    /// Nothing is in the ring, and nobody holds any of it.
    fn check_drained(&mut self) {
        let consumer = self.scene.rx.as_ref().map(Rx::used);
        if let Some(Ok(1..) | Err(_)) = consumer {
            self.fault(Class::Leaked, format!("a drained ring is not empty for its consumer: {consumer:?}"));
        }
        let producer = self.scene.tx.as_mut().map(Tx::used);
        if let Some(Ok(1..) | Err(_)) = producer {
            self.fault(Class::Leaked, format!("a drained ring is not empty for its producer: {producer:?}"));
        }
    }

    /// More newcomers come and go than there are places.
    fn come_and_go(&mut self) {
        let (maker, address) = (self.scene.maker.clone(), self.scene.place.address.clone());
        if self.scene.cell.kind == Kind::Spsc {
            return;
        }
        for _ in 0..NEWCOMERS {
            let failed = maker.producer(&address).err().or_else(|| maker.consumer(&address).err());
            if let Some(error) = failed {
                return self.fault(class_of(&error), format!("no newcomer: {error}"));
            }
        }
    }

    /// Three laps' worth of messages go through.
    fn laps(&mut self) {
        let rounds = if self.scene.cell.kind == Kind::Spsc { 45 } else { 30 };
        for round in 0..rounds {
            let number = self.scene.number();
            let len = [4, 150, 40, 280, 17][round % 5].min(if self.scene.cell.kind == Kind::Spsc {
                280
            } else {
                150
            });
            let (Some(tx), Some(rx)) = (&mut self.scene.tx, &mut self.scene.rx) else {
                return;
            };
            let sent = tx.send_timeout(&message::payload(number, len), PATIENCE);
            let received = rx.take(Some(PATIENCE));
            let due = Received { number, marked: false, torn: false };
            if sent.is_err() || received != Ok(due) {
                let what = format!("lap message {round}: sent {sent:?}, received {received:?}");
                return self.fault(Class::Stuck, what);
            }
        }
    }

    /// What an at-most-once ring does not deliver again is counted.
    fn check_drops(&mut self, account: &Account) {
        self.dropped += self.scene.rx.as_ref().map_or(0, Rx::dropped);
        let in_hand = account.told().len() > account.releasing();
        if self.scene.cell.operation == Operation::RecvOnce && in_hand && self.dropped == 0 {
            self.fault(Class::Lost, "a message in the dead one's hand was dropped and not counted");
        }
    }

    /// All leave: nothing stays.
    fn leave(&mut self, order: Order) {
        if order == Order::NewcomerFirst {
            self.scene.tx = None;
        }
        self.scene.rx = None;
        self.scene.tx = None;
        let residue = self.scene.place.residue();
        if !residue.is_empty() {
            self.fault(Class::Leaked, format!("when all have left there is {}", residue.join(", ")));
        }
    }
}

/// A place that is not to be had was not given back; anything else is wrong.
fn class_of(error: &OpenError) -> Class {
    match error {
        OpenError::AlreadyAttached { .. } | OpenError::NoPlace { .. } | OpenError::Busy { .. } => {
            Class::Leaked
        }
        _ => Class::Wrong,
    }
}
