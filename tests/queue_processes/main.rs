//! Many producers and many consumers as processes: killed at random and at chosen moments, stopped, replaced.
//!
//! `RINGWAY_SOAK_SECONDS` and `RINGWAY_SOAK_KILLS` make the runs longer; see `ci/soak.sh`.

#[path = "../common/mod.rs"]
mod common;

mod consume;
mod crew;
mod handover;
mod journal;
mod latency;
mod plan;
mod produce;
mod roles;
mod soak;
mod stopped;
mod verdict;

/// The entry of processes that these tests start; see `common::role`.
#[test]
fn role() {
    common::role::enter(&roles::ROLES);
}
