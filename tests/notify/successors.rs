//! The dead are not told, nor is anybody in their place who did not ask.

use crate::asker::{Asker, consumer, plan};
use crate::common::names::Name;
use crate::common::role::{Entry, Role, listen, say};
use crate::kinds::{KINDS, Kind, kind_of};

pub const ROLES: [Entry; 1] = [("plain", plain)];

/// A consumer that neither blocks nor handles any signal, and asks for none.
fn plain(arguments: &[&str]) {
    let mut rx = plan(kind_of(arguments[0])).consumer(arguments[1]).expect("the place is free");
    say("attached");
    while listen() == "receive" {
        rx.expect(b"something");
        say("received");
    }
}

#[test]
fn nobody_is_told_for_one_who_was_killed_while_it_waited() {
    for kind in KINDS {
        let name = Name::new("killed");
        let mut asker = Asker::of(consumer(kind, &name, 1));
        let mut tx = plan(kind).producer(&name).expect("a producer");
        asker.arms();
        asker.kill();
        let mut successor = Role::start("plain", &[kind.as_str(), &*name]);
        successor.expect("attached");
        for _ in 0..3 {
            tx.send(b"something").expect("room");
            successor.tell("receive");
            successor.expect("received");
        }
        successor.finish();
        let mut next = Asker::of(consumer(kind, &name, 2));
        next.arms();
        tx.send(b"something").expect("room");
        next.is_told(2);
        next.finish();
    }
}

/// The message that nobody could be told of is there for whoever comes.
#[test]
fn a_message_to_one_who_was_killed_while_it_waited_is_sent_all_the_same() {
    for kind in KINDS {
        let name = Name::new("nobody");
        let mut asker = Asker::of(consumer(kind, &name, 1));
        let mut tx = plan(kind).producer(&name).expect("a producer");
        asker.arms();
        asker.kill();
        tx.try_send(b"something").expect("room");
        let mut next = Asker::of(consumer(kind, &name, 2));
        next.finds();
        next.tries("something");
        next.arms();
        tx.send(b"more").expect("room");
        next.is_told(2);
        next.finish();
    }
}

/// A message calls one who waits; a dead one is no reason not to call the next.
#[test]
fn beside_one_who_was_killed_the_others_are_told() {
    let name = Name::new("others");
    let mut askers = [1, 2, 3].map(|token| Asker::of(consumer(Kind::Mpmc, &name, token)));
    let mut tx = plan(Kind::Mpmc).producer(&name).expect("a producer");
    askers.iter_mut().for_each(Asker::arms);
    let [first, mut second, third] = askers;
    first.kill();
    third.kill();
    tx.send(b"something").expect("room");
    second.is_told(2);
    second.tries("something");
    second.finish();
}
