//! Nothing leaks: whoever comes, goes, is refused or is killed, and however often, leaves descriptors, mappings,
//! memory, files, inodes and places as they were.
//!
//! `RINGWAY_LEAK_CYCLES` says how often and `RINGWAY_LEAK_SEED` which chances are taken; see `ci/leaks.sh`.

#[path = "../common/mod.rs"]
mod common;

mod census;
mod chance;
mod doors;
mod ends;
mod fork;
mod ground;
mod hosted;
mod nursery;
mod progress;
mod refusals;
mod rings;

use std::io::Write;

use common::role::{self, Entry, Role};

const ROLES: [Entry; 4] = [
    ("nursery", nursery::nursery),
    ("doors", doors::doors),
    ("refusals", refusals::refusals),
    ("wasteful", census::wasteful),
];

/// The entry of processes that these tests start; see `common::role`.
#[test]
fn role() {
    role::enter(&ROLES);
}

/// How many cycles there are to be, unless the environment says so.
fn cycles(default: u64) -> u64 {
    let cycles = std::env::var("RINGWAY_LEAK_CYCLES");
    cycles.map_or(default, |cycles| cycles.parse().expect("RINGWAY_LEAK_CYCLES is a number"))
}

/// Plays `role` for so many cycles, and passes on what it says until it is done.
#[track_caller]
fn watch(role: &str, cycles: u64) {
    let playing = Role::start(role, &[&cycles.to_string()]);
    loop {
        let word = playing.hear();
        if word == progress::DONE {
            break playing.finish();
        }
        // Past the harness, which would keep it until the end.
        let _ = writeln!(std::io::stderr(), "{word}");
    }
}
