//! An explicit-state model of the slot ring's protocol, and the checker that explores all of it.
//!
//! The ring's processes are modelled step by step, a step being one access to shared memory, in every order and
//! with a kill possible before every step. What the model has: claims of spans, pads, aborts, batches that are
//! split at commit, consumers that hold several messages, lazily stored hints, walkers that sleep for laps and
//! jump, sweeps by everybody, adoption, `at_most_once`, new participants with a dead one's id, the
//! end when every producer is gone. What it has not: weak
//! memory, bells, hostile words, the shipped code. Those have tests of their own.
//!
//! - `word`: the slot word
//! - `config`: what is explored; `fault`: what everybody may be made to get wrong
//! - `state`: one state, and how it is stored
//! - `turn`: every step that a process may take; `walk`, `producer`, `consumer`, `sweep`, `ending`: what
//!   they do
//! - `properties`: what must hold; `event`: what must come about somewhere
//! - `checker`: explores the states, and finds the shortest way to one that must not be; `store`: the states it has
//!   seen; `trace`: that way in lines

mod checker;
mod config;
mod consumer;
mod ending;
mod event;
mod fault;
mod producer;
mod properties;
mod state;
mod store;
mod sweep;
mod trace;
mod turn;
mod walk;
mod word;

pub use checker::{Verdict, check};
pub use config::{Config, Hints, Op};
pub use event::Event;
pub use fault::Fault;
pub use properties::Violation;
