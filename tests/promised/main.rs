//! Promises of `docs/promises.md` that no other test holds.

#[path = "../common/mod.rs"]
mod common;

mod hosted;
mod turn;

/// The entry of processes that these tests start; see `common::role`.
#[test]
fn role() {
    common::role::enter(&[("host", hosted::host), ("large", turn::large)]);
}
