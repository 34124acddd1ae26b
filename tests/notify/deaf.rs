//! Receivers that do not take their signals, since they are stopped or never look: senders do not wait for them.

use nix::sys::signal::Signal as Common;
use ringway::RecvError;

use crate::asker::{Asker, LEN, consumer, consumer_asks, plan, signal, start};
use crate::common::PATIENCE;
use crate::common::names::Name;
use crate::common::role::{Entry, listen, say};
use crate::kinds::{KINDS, Kind, Plan, kind_of};
use crate::scarce::limit_pending;

pub const ROLES: [Entry; 1] = [("never looks", never_looks)];

const MESSAGES: usize = 100_000;
/// Signals that may be pending with one who never looks.
const PENDING: u64 = 64;

/// Room for all of the messages.
fn large(kind: Kind) -> Plan {
    Plan { size: 8 << 20, ..plan(kind) }
}

#[test]
fn a_stopped_receiver_delays_no_sender_and_is_told_when_it_goes_on() {
    for kind in KINDS {
        let name = Name::new("stopped");
        let mut tx = large(kind).producer(&name).expect("a producer");
        let mut asker = Asker::of(consumer(kind, &name, 4));
        asker.arms();
        asker.signal(Common::SIGSTOP);
        for _ in 0..MESSAGES {
            tx.try_send(&[b'.'; LEN]).expect("there is room for all");
        }
        asker.signal(Common::SIGCONT);
        asker.is_told(4);
        asker.is_not_told();
        asker.tries(&".".repeat(LEN));
        asker.finish();
    }
}

/// It asks again and again, blocks the signal, and never takes one.
fn never_looks(arguments: &[&str]) {
    limit_pending(PENDING);
    let kind = kind_of(arguments[0]);
    let mut rx = consumer_asks(large(kind).consumer(arguments[1]).expect("a consumer"), signal(), 1);
    say("ready");
    let mut received = 0;
    while received < MESSAGES {
        match &*rx.attempt() {
            "Empty" => {
                rx.arm();
            }
            "." => received += 1,
            other => panic!("{other:?}"),
        }
    }
    say("received");
    assert_eq!(listen(), "");
}

#[test]
fn a_receiver_that_never_takes_a_signal_delays_no_sender_and_misses_no_message() {
    for kind in KINDS {
        let name = Name::new("never");
        let mut tx = large(kind).producer(&name).expect("a producer");
        let role = start("never looks", &[kind.as_str(), &*name]);
        role.expect("ready");
        for _ in 0..MESSAGES {
            tx.try_send(b".").expect("there is room for all");
        }
        role.expect("received");
        role.finish();
        let mut rx = large(kind).consumer(&name).expect("a consumer");
        drop(tx);
        assert_eq!(rx.recv_timeout(PATIENCE), Err(RecvError::Closed));
    }
}
