//! What one run of the checker explores: the ring, who takes part, and what may go wrong.

use crate::fault::Fault;
use crate::state::{MOST_IDS, MOST_MESSAGES, MOST_PRODUCERS, MOST_SLOTS};
use crate::word::{LAPS, Phase};

/// When walkers store the hints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hints {
    /// Each time they may, or not: both are explored.
    Lazy,
    /// Each time they may.
    Eager,
    /// Each time they may, and never a lower one over a higher one.
    Rising,
}

/// One claim of a producer, from the claim to its commit or abort.
#[derive(Clone, Debug)]
pub struct Op {
    /// Slots claimed.
    span: u8,
    /// Slots of each message that is written into them, in order.
    messages: Vec<u8>,
    /// Committed, or aborted once written.
    commit: bool,
}

impl Op {
    /// Sends one message of `span` slots.
    pub fn send(span: u8) -> Op {
        Op { span, messages: vec![span], commit: true }
    }

    /// Claims `span` slots and splits them at commit into messages of so many slots each, and a rest.
    pub fn batch(span: u8, messages: &[u8]) -> Op {
        Op { span, messages: messages.to_vec(), commit: true }
    }

    /// Claims `span` slots, fills them and aborts.
    pub fn abort(span: u8) -> Op {
        Op { span, messages: vec![span], commit: false }
    }
}

/// What one run of the checker explores.
#[derive(Clone, Debug)]
pub struct Config {
    /// Slots of the ring.
    pub slots: u8,
    /// Bits of the lap that a process sees.
    pub lap_bits: u8,
    /// The lap that the empty ring starts in.
    pub first_lap: u8,
    /// What each producer does, in order.
    pub producers: Vec<Vec<Op>>,
    /// How many consumers there are.
    pub consumers: u8,
    /// Messages that a consumer takes before it releases them.
    pub drain: u8,
    /// How many times a process may be killed.
    pub crashes: u8,
    /// Whether a killed process may be followed by a new one with its id.
    pub replace: bool,
    /// Whether a dead consumer's message is dropped instead of delivered again.
    pub at_most_once: bool,
    /// Whether producers close when they are done, and consumers that find nothing look for the end.
    pub closing: bool,
    /// When the hints are stored.
    pub hints: Hints,
    /// What everybody gets wrong.
    pub fault: Option<Fault>,
}

impl Config {
    /// A ring of so many slots, these producers and so many consumers; nobody dies.
    pub fn new(slots: u8, producers: &[&[Op]], consumers: u8) -> Config {
        Config {
            slots,
            lap_bits: 3,
            // The lap field wraps within the first laps of every run.
            first_lap: 6,
            producers: producers.iter().map(|ops| ops.to_vec()).collect(),
            consumers,
            drain: 1,
            crashes: 0,
            replace: false,
            at_most_once: false,
            closing: false,
            hints: Hints::Lazy,
            fault: None,
        }
    }

    /// The same with so many kills, the killed staying away.
    pub fn crashes(self, crashes: u8) -> Config {
        Config { crashes, ..self }
    }

    /// The same with the killed followed by new participants with their ids.
    pub fn replace(self) -> Config {
        Config { replace: true, ..self }
    }

    /// The same with consumers that take so many messages before they release them.
    pub fn drain(self, drain: u8) -> Config {
        Config { drain, ..self }
    }

    /// The same with dead consumers' messages dropped.
    pub fn at_most_once(self) -> Config {
        Config { at_most_once: true, ..self }
    }

    /// The same with producers that close, and consumers that look for the end.
    pub fn closing(self) -> Config {
        Config { closing: true, ..self }
    }

    /// The same with hints stored like this.
    pub fn hints(self, hints: Hints) -> Config {
        Config { hints, ..self }
    }

    /// The same with a lap field of so many bits.
    pub fn lap_bits(self, lap_bits: u8) -> Config {
        Config { lap_bits, ..self }
    }

    /// The same with this fault.
    pub fn fault(self, fault: Fault) -> Config {
        Config { fault: Some(fault), ..self }
    }
}

/// One word that a commit or abort stores.
#[derive(Clone, Copy, Debug)]
pub struct Store {
    /// The slot, counted from the claim's first.
    pub offset: u8,
    /// What becomes of the span that starts there.
    pub phase: Phase,
    /// Its slots.
    pub span: u8,
}

/// A claim as the producer carries it out.
#[derive(Debug)]
pub struct Plan {
    /// Slots claimed.
    pub span: u8,
    /// What each slot is filled with: message and piece; none in a batch's rest.
    pub pieces: Vec<Option<(u8, u8)>>,
    /// The words stored at commit or abort, in order; the one at offset 0 decides.
    pub stores: Vec<Store>,
    /// The messages that are committed by it.
    pub messages: std::ops::Range<u8>,
}

/// A configuration with its messages numbered, from 1, each producer's in the order of its sends.
#[derive(Debug)]
pub struct Model {
    /// What is explored.
    pub config: Config,
    /// Each producer's claims.
    pub plans: Vec<Vec<Plan>>,
    /// Slots of each message, that of message 1 first.
    pub spans: Vec<u8>,
    /// The first message of each producer, and one past the last.
    pub first_messages: Vec<u8>,
}

impl Model {
    /// Numbers the messages and lays out the claims.
    pub fn new(config: Config) -> Model {
        let (mut spans, mut plans, mut first_messages) = (vec![], vec![], vec![1]);
        for ops in &config.producers {
            plans.push(ops.iter().map(|op| plan(op, &mut spans, config.fault)).collect());
            first_messages.push(spans.len() as u8 + 1);
        }
        let model = Model { config, plans, spans, first_messages };
        assert!(model.fits(), "a configuration within the limits of a stored state");
        model
    }

    /// Whether everything fits its field, counting a pad for each claim.
    fn fits(&self) -> bool {
        let laps = self.plans.iter().flatten().map(|plan| 2 * plan.span).sum::<u8>() / self.config.slots + 2;
        usize::from(self.config.slots) <= MOST_SLOTS
            && usize::from(self.processes()) < MOST_IDS
            && self.plans.len() <= MOST_PRODUCERS
            && self.spans.len() < MOST_MESSAGES
            && self.plans.iter().flatten().all(|plan| plan.span <= self.config.slots)
            && (self.config.first_lap + laps) * self.config.slots <= LAPS
    }

    /// How many processes there are: producers have the ids from 1, consumers those after.
    pub fn processes(&self) -> u8 {
        self.plans.len() as u8 + self.config.consumers
    }

    /// Whether this id is a producer's.
    pub fn is_producer(&self, id: u8) -> bool {
        usize::from(id) <= self.plans.len()
    }

    /// The producer, counted from 0, that sends this message.
    pub fn sender(&self, message: u8) -> usize {
        self.first_messages.iter().take_while(|first| **first <= message).count() - 1
    }

    /// Whether everybody makes this mistake.
    pub fn has(&self, fault: Fault) -> bool {
        self.config.fault == Some(fault)
    }
}

fn plan(op: &Op, spans: &mut Vec<u8>, fault: Option<Fault>) -> Plan {
    let first_message = spans.len() as u8 + 1;
    let (mut pieces, mut starts) = (vec![], vec![]);
    for span in &op.messages {
        spans.push(*span);
        starts.push(Store { offset: pieces.len() as u8, phase: Phase::Ready, span: *span });
        pieces.extend((0..*span).map(|piece| Some((spans.len() as u8, piece))));
    }
    let rest = op.span - pieces.len() as u8;
    let rest = Store { offset: op.span - rest, phase: Phase::Aborted, span: rest };
    pieces.resize(usize::from(op.span), None);
    let messages = first_message..spans.len() as u8 + 1;
    if !op.commit {
        let stores = vec![Store { offset: 0, phase: Phase::Aborted, span: op.span }];
        return Plan { span: op.span, pieces, stores, messages: first_message..first_message };
    }
    Plan { span: op.span, pieces, stores: commit(starts, rest, fault), messages }
}

/// The order of a commit: the starts inside, what is left over, and the first word last.
fn commit(starts: Vec<Store>, rest: Store, fault: Option<Fault>) -> Vec<Store> {
    let first = starts[0];
    let mut stores = match fault {
        Some(Fault::BatchInnerFree) => vec![],
        _ => starts[1..].to_vec(),
    };
    if rest.span > 0 && fault != Some(Fault::BatchRestFree) {
        stores.push(rest);
    }
    match fault {
        Some(Fault::BatchFirstWordFirst) => stores.insert(0, first),
        _ => stores.push(first),
    }
    stores
}
