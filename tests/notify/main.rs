//! Signals received as `ringway::notify` says: blocked and read, waited for, or handled. What sends them here is
//! `sigqueue`, as anybody may.
#![allow(unsafe_code)]

#[path = "../common/mod.rs"]
mod common;

mod inbox;
mod mask;

use std::ptr;

use common::role::{self, Role};
use nix::libc;
use ringway::notify::Signal;

/// The entry of processes that these tests start; see `common::role`.
#[test]
fn role() {
    role::enter(&[inbox::ROLES.as_slice(), mask::ROLES.as_slice()].concat());
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

fn realtime(above: u32) -> Signal {
    Signal::realtime(above).expect("one of thirty")
}
