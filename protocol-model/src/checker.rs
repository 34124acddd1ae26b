//! Explores every state of a configuration, breadth first, and stops at the first violation.
//!
//! Whatever must never happen is checked at each step. That everything can still be delivered and freed is checked
//! once all states are known: backwards from the good ends, along the steps that a process takes if it is let run.
//! Kills do not count (nobody has to die for the others to get on), nor do hints that may be left unstored (nobody
//! may depend on them). A state that owes a good end and does not reach one is *stuck*.
//!
//! Why this is sound for progress: the states are finitely many. If every one of them reaches a good end, then a run
//! whose kills are over, and in which a step that is possible again and again is taken some time, ends well. A
//! live-lock that no order of steps ends is a set of states that reach no good end, and so is noticed, with or without
//! kills. Not claimed: that every order of steps ends well, nor progress for one process against others that claim
//! for ever, since what is sent is finite. Where the dead are followed by new participants, those may be what ends
//! it; the configurations in which the dead stay away show what the living do alone.

use std::collections::BTreeSet;

use crate::config::{Config, Model};
use crate::event::Event;
use crate::properties::{Violation, is_good_end, owes_a_good_end};
use crate::state::State;
use crate::store::Store;
use crate::trace;
use crate::turn::{After, Kind, steps};

/// What exploring a configuration showed.
#[derive(Debug)]
pub struct Verdict {
    /// States found.
    pub states: usize,
    /// Steps between them.
    pub steps: usize,
    /// Good ends among the states.
    pub ends: usize,
    /// What came about.
    pub events: BTreeSet<Event>,
    /// The first property violated, with the shortest way there, a line for each step.
    pub violation: Option<(Violation, Vec<String>)>,
}

/// Explores all of `config`, and tells `progress` the number of states each time another million is done.
pub fn check(config: Config, progress: impl Fn(usize)) -> Verdict {
    let model = Model::new(config);
    let mut graph = Graph::new(&model);
    let found = graph.explore(&progress).or_else(|| graph.stuck());
    let violation = found.map(|(violation, path)| (violation, trace::lines(&model, &path)));
    let Graph { states, steps, ends, events, .. } = graph;
    Verdict { states: states.len(), steps, ends, events, violation }
}

/// A violation, and the states that lead there, the last one violating.
type Found = (Violation, Vec<State>);

struct Graph<'m> {
    model: &'m Model,
    states: Store,
    /// From which state each was found first.
    parents: Vec<u32>,
    /// The states that each leads to by a step that counts for progress; `first_next` has where each one's begin.
    next: Vec<u32>,
    first_next: Vec<usize>,
    /// Whether a good end is within reach, as far as is known.
    ends_well: Vec<bool>,
    steps: usize,
    ends: usize,
    events: BTreeSet<Event>,
}

impl<'m> Graph<'m> {
    fn new(model: &'m Model) -> Graph<'m> {
        let states = Store::new(State::stored_len(model));
        let mut graph = Graph {
            model,
            states,
            parents: vec![],
            next: vec![],
            first_next: vec![],
            ends_well: vec![],
            steps: 0,
            ends: 0,
            events: BTreeSet::new(),
        };
        graph.insert(&State::first(model), 0, &mut vec![]);
        graph
    }

    fn insert(&mut self, state: &State, parent: u32, bytes: &mut Vec<u8>) -> u32 {
        bytes.resize(State::stored_len(self.model), 0);
        state.store(self.model, bytes);
        let (number, new) = self.states.insert(bytes);
        if new {
            self.parents.push(parent);
        }
        number
    }

    fn state(&self, number: u32) -> State {
        State::load(self.model, self.states.get(number))
    }

    /// Finds all states; ends at the first step that violates a property.
    fn explore(&mut self, progress: &impl Fn(usize)) -> Option<Found> {
        let (mut after, mut bytes) = (vec![], vec![]);
        let mut number = 0;
        while (number as usize) < self.states.len() {
            if number > 0 && number % 1_000_000 == 0 {
                progress(number as usize);
            }
            let state = self.state(number);
            let good = is_good_end(self.model, &state);
            self.ends_well.push(good || !owes_a_good_end(self.model, &state));
            self.ends += usize::from(good);
            self.first_next.push(self.next.len());
            steps(self.model, &state, &mut after);
            for After { kind, state, violation, event, .. } in after.drain(..) {
                if let Some(violation) = violation {
                    let mut path = self.path(number);
                    path.push(state);
                    return Some((violation, path));
                }
                let next = self.insert(&state, number, &mut bytes);
                self.steps += 1;
                self.events.extend(event);
                if kind == Kind::Step && next != number {
                    self.next.push(next);
                }
            }
            number += 1;
        }
        self.first_next.push(self.next.len());
        None
    }

    /// Looks for the first state that owes a good end and cannot reach one. Since most steps lead to states found
    /// later, a few passes from the last state to the first settle it.
    fn stuck(&mut self) -> Option<Found> {
        let mut changed = true;
        while changed {
            changed = false;
            for number in (0..self.states.len()).rev() {
                let next = &self.next[self.first_next[number]..self.first_next[number + 1]];
                if !self.ends_well[number] && next.iter().any(|next| self.ends_well[*next as usize]) {
                    self.ends_well[number] = true;
                    changed = true;
                }
            }
        }
        let number = self.ends_well.iter().position(|well| !well)?;
        Some((Violation::Stuck, self.path(number as u32)))
    }

    /// The states on the shortest way to this one.
    fn path(&self, mut number: u32) -> Vec<State> {
        let mut path = vec![self.state(number)];
        while number != 0 {
            number = self.parents[number as usize];
            path.push(self.state(number));
        }
        path.reverse();
        path
    }
}
