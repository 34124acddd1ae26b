//! One process's turn: every step that it may take next.
//!
//! A step is one access to shared memory (a load, a store, a CAS, a lease tried or dropped) with the arithmetic on
//! the process's own memory up to the next access. Before each there may be a kill. What the steps do stands in
//! `walk` (what a word tells a walker), `producer`, `consumer`, `sweep` and `ending`.

use crate::config::{Hints, Model};
use crate::event::Event;
use crate::properties::Violation;
use crate::state::{Next, Process, State};
use crate::word::{Phase, Word};

/// A state in which one process takes a step.
#[derive(Clone)]
pub struct Turn<'m> {
    /// The configuration.
    pub model: &'m Model,
    /// The state before the step, and after it.
    pub state: State,
    /// The process whose turn it is.
    pub me: u8,
    /// The first property that the step violated.
    pub violation: Option<Violation>,
    /// What the step did that is worth noting.
    pub event: Option<Event>,
}

/// What kind of step it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One that the process takes if it is let run.
    Step,
    /// One that it may as well leave: storing a hint. Nothing may depend on it.
    Optional,
    /// A kill.
    Kill,
}

/// A step and the state after it.
pub struct After {
    /// The process.
    pub me: u8,
    /// What it did, or `Dead`: it was killed.
    pub did: Next,
    /// What kind of step it was.
    pub kind: Kind,
    /// The state after it.
    pub state: State,
    /// The property that it violated.
    pub violation: Option<Violation>,
    /// What it did that is worth noting.
    pub event: Option<Event>,
}

/// Appends every step that is possible in `state`.
pub fn steps(model: &Model, state: &State, out: &mut Vec<After>) {
    for me in 1..=model.processes() {
        let turn = Turn { model, state: *state, me, violation: None, event: None };
        turn.steps(out);
    }
}

impl<'m> Turn<'m> {
    fn steps(self, out: &mut Vec<After>) {
        let did = self.state.processes[usize::from(self.me)].next;
        match did {
            Next::Dead => return self.attach(out),
            Next::Blocked | Next::Locked => self.clone().next_lease(out),
            Next::Idle if !self.model.config.closing => {}
            _ => {
                let mut turn = self.clone();
                turn.step(did);
                turn.finish(did, out);
            }
        }
        self.kill(out);
    }

    fn step(&mut self, next: Next) {
        match next {
            Next::Start => self.start(),
            Next::Walk if self.is_producer() => self.walk_to_claim(),
            Next::Walk => self.walk_to_take(),
            Next::Inner => self.look_inside(),
            Next::Claim => self.claim(),
            Next::StoreHint => self.store_hint(),
            Next::Write => self.write(),
            Next::Commit => self.commit(),
            Next::Take => self.take(),
            Next::Read => self.read(),
            Next::Release => self.release(),
            Next::Stamp => self.stamp(),
            Next::Sweep => self.sweep(),
            Next::Repair => self.repair(),
            Next::Rewind => self.rewind(),
            Next::Unlock => self.unlock(),
            Next::Idle => self.close(),
            Next::Probe => self.probe(),
            Next::Survey => self.survey(),
            Next::Dead | Next::Blocked | Next::Locked => {}
        }
    }

    /// Appends the state after a step; two of them where a hint may be stored or not.
    pub fn finish(self, did: Next, out: &mut Vec<After>) {
        let may_skip = self.model.config.hints == Hints::Lazy && self.me().next == Next::StoreHint;
        if may_skip {
            let mut skips = self.clone();
            skips.after_hint();
            skips.push(did, Kind::Step, out);
            return self.push(did, Kind::Optional, out);
        }
        self.push(did, Kind::Step, out);
    }

    fn push(self, did: Next, kind: Kind, out: &mut Vec<After>) {
        let Turn { state, me, violation, event, .. } = self;
        out.push(After { me, did, kind, state, violation, event });
    }

    /// The process is killed, if there may be another kill: it keeps nothing but what the properties need, and the
    /// kernel drops its leases.
    fn kill(mut self, out: &mut Vec<After>) {
        if self.state.kills == 0 {
            return;
        }
        self.state.kills -= 1;
        let process = *self.me();
        let claimed = self.is_producer() && process.word.phase() == Phase::Writing && process.proven == 0;
        let mut dead = Process::new(0);
        dead.next = Next::Dead;
        if self.is_producer() {
            // Its successor goes on with the next claim.
            dead.count = process.count + u8::from(claimed);
        }
        *self.process() = dead;
        for lease in &mut self.state.leases {
            if *lease == self.me {
                *lease = 0;
            }
        }
        self.push(Next::Dead, Kind::Kill, out);
    }

    /// The memory of the process.
    pub fn me(&self) -> &Process {
        &self.state.processes[usize::from(self.me)]
    }

    /// The memory of the process, to be changed.
    pub fn process(&mut self) -> &mut Process {
        &mut self.state.processes[usize::from(self.me)]
    }

    /// Whether the process is a producer.
    pub fn is_producer(&self) -> bool {
        self.model.is_producer(self.me)
    }

    /// Sets what the process does next.
    pub fn then(&mut self, next: Next) {
        self.process().next = next;
    }

    /// Forgets the span worked on, and goes on with `next`.
    pub fn done(&mut self, next: Next) {
        let process = self.process();
        process.word = Word::from_bytes([0, 0]);
        process.at = 0;
        process.part = 0;
        process.next = next;
    }
}
