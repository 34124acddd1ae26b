//! Configurations of the slot ring's model, by topic. Each test explores all states of one or more of them.
//!
//! With `--nocapture` each says how many states it has and how long they took. Those that take minutes are ignored
//! unless asked for; `ci/protocol.sh` runs them.

use std::time::Instant;

use ringway_protocol_model::{Config, Event, Fault, Op, Verdict, Violation, check};

mod batches;
mod deaths;
mod endings;
mod faults;
mod large;
mod lively;
mod redelivery;
mod spans;
mod walkers;

/// So many messages of one slot each.
fn ones(messages: usize) -> Vec<Op> {
    vec![Op::send(1); messages]
}

fn explore(config: Config) -> Verdict {
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    let progress = |states| println!("{test}: {} million states so far", states / 1_000_000);
    let start = Instant::now();
    let verdict = check(config, progress);
    println!("{test}: {} states, {} steps, {:.1?}", verdict.states, verdict.steps, start.elapsed());
    verdict
}

/// Every property holds in every state of `config`, and what it is explored for comes about.
fn shows(config: Config, events: &[Event]) {
    let verdict = sound(config);
    for event in events {
        assert!(verdict.events.contains(event), "{event:?} comes about");
    }
}

/// Every property holds in every state of `config`.
fn sound(config: Config) -> Verdict {
    let verdict = explore(config);
    if let Some((violation, way)) = &verdict.violation {
        panic!("{violation:?} after\n{}", way.join("\n"));
    }
    assert!(verdict.ends > 0, "some run comes to its end");
    verdict
}

/// Without the fault every property holds, with it this one does not.
fn red(config: Config, fault: Fault, expected: Violation) {
    sound(config.clone());
    let found = explore(config.fault(fault)).violation;
    assert_eq!(found.map(|(violation, _)| violation), Some(expected), "{fault:?}");
}
