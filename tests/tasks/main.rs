//! Rings awaited in tasks: on tokio, with one thread and with several, on async-io, and polled by hand. Bodies are the same on
//! all of them. Nothing here looks again and again: what is pending is woken, or the test fails.

#[path = "../common/mod.rs"]
mod common;

mod cancelled;
mod ends;
mod fair;
#[path = "../hostile/filter.rs"]
mod filter;
mod forked;
mod hand;
mod idle;
mod kinds;
mod processes;
mod random;
mod runtime;
mod runtimes;
mod verbs;

use common::role;

/// The entry of processes that these tests start; see `common::role`.
#[test]
fn role() {
    role::enter(&[ends::ROLES.as_slice(), forked::ROLES.as_slice(), processes::ROLES.as_slice()].concat());
}
