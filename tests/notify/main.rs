//! Signals that tell of data. They are received as `ringway::notify` says: blocked and read, waited for, or handled; in
//! `inbox` and `mask` by whoever is sent them by `sigqueue`, as anybody may. Elsewhere rings send them, to those who asked and
//! to nobody else, each end in a process of its own.
#![allow(unsafe_code)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../hostile/filter.rs"]
#[allow(dead_code, reason = "a part is used here")]
mod filter;
#[path = "../hostile/forked.rs"]
#[allow(dead_code, reason = "a part is used here")]
mod forked;
#[path = "../hostile/kinds.rs"]
#[allow(dead_code, reason = "a part is used here")]
mod kinds;
#[path = "../hostile/mounts.rs"]
#[allow(dead_code, reason = "a part is used here")]
mod mounts;

mod asker;
mod asleep;
mod backings;
mod deaf;
mod inbox;
mod lies;
mod lines;
mod mask;
mod once;
mod recycled;
mod scarce;
mod shared;
mod strangers;
mod successors;
mod taken_back;
mod ways;

use std::io::Write;
use std::ptr;

use common::role::{self, Role};
use nix::libc;
use ringway::notify::Signal;

/// The entry of processes that these tests start; see `common::role`.
#[test]
fn role() {
    let roles = [
        asker::ROLES.as_slice(),
        asleep::ROLES.as_slice(),
        backings::ROLES.as_slice(),
        deaf::ROLES.as_slice(),
        inbox::ROLES.as_slice(),
        mask::ROLES.as_slice(),
        recycled::ROLES.as_slice(),
        scarce::ROLES.as_slice(),
        strangers::ROLES.as_slice(),
        successors::ROLES.as_slice(),
        ways::ROLES.as_slice(),
    ];
    role::enter(&roles.concat());
}

/// Plays a role, all threads of which are to block `signals`: it inherits the mask.
#[track_caller]
fn play(role: &str, signals: &[Signal]) {
    let _inherited = ringway::notify::Inbox::new(signals).expect("an inbox");
    Role::start(role, &[]).finish();
}

/// Sends `signal` to this process, with a value.
fn queue(signal: Signal, token: u32) {
    let value = libc::sigval { sival_ptr: ptr::without_provenance_mut(token as usize) };
    // SAFETY: sigqueue touches no memory of this process.
    let result = unsafe { libc::sigqueue(std::process::id().cast_signed(), signal.number(), value) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

/// Sends `signal` to this process, without a value.
fn send(signal: Signal) {
    // SAFETY: kill touches no memory of this process.
    let result = unsafe { libc::kill(std::process::id().cast_signed(), signal.number()) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

/// Says that something was not tested, past the harness, which would keep it from being seen.
fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
}

fn realtime(above: u32) -> Signal {
    Signal::realtime(above).expect("one of thirty")
}
