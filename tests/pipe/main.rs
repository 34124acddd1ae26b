//! One body of checks, run over every kind of stream: pipes, FIFOs and sockets keep the same promises.

#[path = "../common/mod.rs"]
mod common;

mod bed;
mod descriptors;
mod fifo;
mod fork;
mod guards;
mod hostile;
mod life;
mod limits;
mod model;
mod processes;
mod signals;
mod traffic;

/// The entry of processes that these tests start; see `common::role`.
#[test]
fn role() {
    common::role::enter(&processes::ROLES);
}
