//! Bad surroundings: each its own clear error, no signal, nothing left behind, nobody else's file touched.

#[path = "../common/mod.rs"]
mod common;

mod descriptors;
mod headers;
mod lifetime;
mod occupied;
mod options;
mod permissions;
mod space;
mod unlinked;

use std::io::Write;

use common::role::{self, Role};
use nix::unistd::geteuid;
use ringway::OpenError;

/// The entry of processes that these tests start; see `common::role`.
#[test]
fn role() {
    role::enter(&[space::ROLES.as_slice(), permissions::ROLES.as_slice()].concat());
}

/// The error of a refused attempt, whose text must have these parts.
#[track_caller]
fn refused<T>(attempt: Result<T, OpenError>, parts: &[&str]) -> OpenError {
    let error = attempt.map(drop).expect_err("refused");
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{part:?} in: {text}");
    }
    error
}

/// Plays a role that only root can play; anybody else sees that it was skipped.
#[track_caller]
fn as_root(role: &str, arguments: &[&str]) {
    if geteuid().is_root() {
        Role::start(role, arguments).finish();
    } else {
        skipped(&format!("{role:?} needs root"));
    }
}

/// Says that something was not tested, past the harness, which would keep it from being seen.
fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}
