//! A producer that waits with a large message asks those with small ones to let it pass, and is killed.

use std::time::Duration;

use ringway::mpmc::{Options, options};

use crate::common::names::Name;
use crate::common::role::{Role, listen, say};
use crate::common::{PATIENCE, eventually, pattern};

fn small() -> Options {
    options().slots(8).slot_size(64).participants(4).liveness(Duration::from_millis(5))
}

/// Waits with the largest message for room that never comes.
pub fn large(arguments: &[&str]) {
    let mut tx = small().producer(arguments[0]).expect("a producer");
    let message = pattern(1, tx.largest());
    say("ready");
    listen();
    tx.send(&message).expect_err("killed before");
}

#[test]
fn what_a_dead_one_asked_for_holds_nobody_up() {
    let name = Name::new("turn");
    let mut tx = small().producer(&*name).expect("a producer");
    let mut rx = small().consumer(&*name).expect("a consumer");
    let mut large = Role::start("large", &[&name]);
    large.expect("ready");
    while tx.try_send(b"small").is_ok() {}
    large.tell("send");
    // It is blocked, and soon its wish stands where all can see it: then nobody else sends, though there is room.
    eventually("it asks for its turn", || {
        drop(rx.try_recv().expect("a full ring"));
        tx.try_send(b"small").is_err()
    });
    large.kill();
    for _ in 0..100 {
        while rx.try_recv().is_ok() {}
        tx.send_timeout(b"small", PATIENCE).expect("nobody's turn any more");
    }
}
