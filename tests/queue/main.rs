//! The queue of `mpmc`: every verb, every size, every way to come and go, over every backing; dead participants
//! and hostile words, written into the ring's file.

#[path = "../common/mod.rs"]
mod common;

mod batches;
mod bed;
mod corrupt;
mod dead;
mod fork;
mod guards;
mod laps;
mod leaving;
mod model;
mod options;
mod peers;
mod places;
mod threads;
mod turns;
mod verbs;
mod words;

use std::time::Duration;

use common::PATIENCE;
use ringway::mpmc::{Consumer, Options, options};

/// A time limit for what is not going to happen.
const SHORT: Duration = Duration::from_millis(2);

/// A message's sequence, tag and bytes, and whether it came again.
type Received = (u64, u16, Vec<u8>, bool);

/// The entry of processes that these tests start; see `common::role`.
#[test]
fn role() {
    common::role::enter(&fork::ROLES);
}

/// A ring of 16 slots of 64 bytes, for four participants of each role.
fn small() -> Options {
    options().slots(16).slot_size(64).participants(4)
}

/// The next message, which must come.
#[track_caller]
fn receive(rx: &mut Consumer) -> Received {
    let message = rx.recv_timeout(PATIENCE).expect("a message");
    (message.sequence(), message.tag(), message.to_vec(), message.redelivered())
}

/// The bytes of the next message, which must come.
#[track_caller]
fn take(rx: &mut Consumer) -> Vec<u8> {
    receive(rx).2
}

/// Every message that is there now.
fn take_all(rx: &mut Consumer) -> Vec<Received> {
    let mut all = Vec::new();
    while let Ok(message) = rx.try_recv() {
        all.push((message.sequence(), message.tag(), message.to_vec(), message.redelivered()));
    }
    all
}
