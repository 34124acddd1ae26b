//! What the processes that the tests start can do.

use std::time::Duration;

use ringway::{Wait, Wake};

use crate::common::role::{Entry, listen, say};
use crate::kinds::{Plan, kind_of};

pub const ROLES: [Entry; 4] = [
    ("send on demand", send_on_demand),
    ("receive on demand", receive_on_demand),
    ("sleep", sleep),
    ("hold", hold),
];

/// The plan of a ring that is there, or of one to be made like it.
pub fn plan(kind: &str) -> Plan {
    Plan {
        wait: Wait::Park,
        wake: Wake::Semaphore,
        liveness: Duration::from_secs(3600),
        ..Plan::new(kind_of(kind))
    }
}

/// Sends what it is told, until it is told nothing; then says goodbye.
fn send_on_demand(arguments: &[&str]) {
    let mut tx = plan(arguments[0]).producer(arguments[1]).expect("a producer");
    say("attached");
    for word in std::iter::repeat_with(listen).take_while(|word| !word.is_empty()) {
        tx.send(word.as_bytes()).expect("room");
        say("sent");
    }
}

/// Receives a message whenever it is told to, and says it.
fn receive_on_demand(arguments: &[&str]) {
    let mut rx = plan(arguments[0]).consumer(arguments[1]).expect("a consumer");
    say("attached");
    for _ in std::iter::repeat_with(listen).take_while(|word| !word.is_empty()) {
        let message = rx.recv().expect("a message");
        say(String::from_utf8_lossy(&message.bytes));
    }
}

/// Sleeps for a message that does not come.
fn sleep(arguments: &[&str]) {
    let mut rx = plan(arguments[0]).consumer(arguments[1]).expect("a consumer");
    say("attached");
    let received = rx.recv();
    panic!("{received:?}");
}

/// Takes a message from a queue, and holds it until it is killed.
fn hold(arguments: &[&str]) {
    let mut rx = ringway::mpmc::options().consumer(arguments[0]).expect("a consumer");
    let _message = rx.recv().expect("a message");
    say("holding");
    listen();
}
