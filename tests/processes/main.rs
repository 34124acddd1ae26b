//! Two processes and more: streams, deaths, stops, sleeps, forks and races.

#[path = "../common/mod.rs"]
mod common;

mod death;
mod fork;
mod race;
mod roles;
mod sleep;
mod stream;

/// The entry of processes that these tests start; see `common::role`.
#[test]
fn role() {
    common::role::enter(&roles::ROLES);
}
