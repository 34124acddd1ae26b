//! One body of checks over every transport: whoever has written against one can use another.

#[path = "../common/mod.rs"]
mod common;

mod body;
mod ends;
mod killed;
mod transports;

/// The entry of processes that these tests start; see `common::role`.
#[test]
fn role() {
    common::role::enter(&killed::ROLES);
}
