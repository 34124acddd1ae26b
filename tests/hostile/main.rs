//! A hostile environment: the system says no, other users set traps, processes are stopped, namespaces differ. Each
//! time: an error that says what is wrong, or a ring that keeps its promises; and nothing is left behind.

#[path = "../common/mod.rs"]
mod common;

mod connected;
mod exec;
mod filter;
mod filtered;
mod forked;
mod handed;
mod kinds;
mod leased;
mod limits;
mod mounts;
mod no_proc;
mod pids;
mod rights;
mod signals;
mod space;
mod squatting;
mod suspended;
mod traps;
mod truncated;
mod umask;
mod users;
mod vanished;

use std::io::Write;

use common::role::{self, Role};
use nix::unistd::geteuid;
use ringway::OpenError;

/// The entry of processes that these tests start; see `common::role`.
#[test]
fn role() {
    let roles = [
        connected::ROLES.as_slice(),
        exec::ROLES.as_slice(),
        filtered::ROLES.as_slice(),
        handed::ROLES.as_slice(),
        leased::ROLES.as_slice(),
        limits::ROLES.as_slice(),
        no_proc::ROLES.as_slice(),
        pids::ROLES.as_slice(),
        signals::ROLES.as_slice(),
        space::ROLES.as_slice(),
        squatting::ROLES.as_slice(),
        suspended::ROLES.as_slice(),
        truncated::ROLES.as_slice(),
        umask::ROLES.as_slice(),
        users::ROLES.as_slice(),
        vanished::ROLES.as_slice(),
    ];
    role::enter(&roles.concat());
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

/// Plays a role of each kind of ring.
#[track_caller]
fn of_each_kind(role: &str) {
    for kind in kinds::KINDS {
        Role::start(role, &[kind.as_str()]).finish();
    }
}

/// Plays a role of each kind that only root can play; anybody else sees that it was skipped.
#[track_caller]
fn of_each_kind_as_root(role: &str) {
    if geteuid().is_root() {
        of_each_kind(role);
    } else {
        skipped(&format!("{role:?} needs root"));
    }
}

/// Says that something was not tested, past the harness, which would keep it from being seen.
fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}
