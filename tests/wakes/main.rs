//! Wake-ups, of every kind: two sides that sleep at random, in processes that are killed in their sleep and on the way to it. No
//! message is lost or comes twice without a mark, nobody sleeps beside something to do, and the dead cost nothing for long.
//!
//! `RINGWAY_WAKE_MESSAGES` makes the runs longer; see `ci/wakes.sh`.

#[path = "../common/mod.rs"]
mod common;
#[path = "../hostile/filter.rs"]
mod filter;

mod crew;
mod ends;
mod figures;
mod journal;
mod pace;
mod plan;
mod receive;
mod send;
mod soak;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;

/// The entry of processes that these tests start; see `common::role`.
#[test]
fn role() {
    common::role::enter(&[("send", send::send), ("receive", receive::receive)]);
}

/// Whoever kills a test ends its processes, too, which would go on for ever.
fn end_with_the_test() {
    set_pdeathsig(Signal::SIGKILL).expect("anybody may");
}
