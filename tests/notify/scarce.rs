//! Limits: too many signals pending for one more, and a sender without a descriptor to look with. Whoever has asked is told
//! later then.

use std::fs;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use ringway::notify::Signal;

use crate::asker::{Asker, LEN, consumer, plan, producer, signal};
use crate::common::names::Name;
use crate::common::role::{Entry, Role, listen, say};
use crate::kinds::{KINDS, Kind, kind_of};

pub const ROLES: [Entry; 1] = [("poor sender", poor_sender)];

/// From now on this process can be sent no signal that queues if its user has so many of them pending; other processes of the
/// user have some, too, so that only a limit of 0 is the same at any time.
pub fn limit_pending(most: u64) {
    let (_, hard) = getrlimit(Resource::RLIMIT_SIGPENDING).expect("a limit");
    setrlimit(Resource::RLIMIT_SIGPENDING, most.min(hard), hard).expect("no more than allowed");
}

#[test]
fn one_with_too_many_signals_pending_is_told_by_whoever_sends_next() {
    for kind in KINDS {
        let name = Name::new("pending");
        let mut asker = Asker::of(consumer(kind, &name, 6));
        let mut tx = plan(kind).producer(&name).expect("a producer");
        for _ in 0..2 {
            asker.limits_pending(0);
            asker.arms();
            (0..3).for_each(|_| tx.send(b"something").expect("room"));
            asker.is_not_told();
            asker.limits_pending(u64::MAX);
            tx.send(b"something").expect("room");
            asker.is_told(6);
            asker.is_not_told();
            (0..4).for_each(|_| asker.tries("something"));
            asker.tries("Empty");
        }
        asker.finish();
    }
}

/// Sends, or has too few descriptors for more, as it is told.
fn poor_sender(arguments: &[&str]) {
    let mut tx = plan(kind_of(arguments[0])).producer(arguments[1]).expect("a producer");
    let (enough, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    let limit = |soft| setrlimit(Resource::RLIMIT_NOFILE, soft, most).expect("no more than allowed");
    let open = || fs::read_dir("/proc/self/fd").expect("a directory").count() as u64;
    say("attached");
    loop {
        match &*listen() {
            "poor" => limit(0),
            "one more" => limit(open()),
            "rich" => limit(enough),
            "send" => tx.send(b"something").expect("room"),
            _ => break,
        }
        say("done");
    }
}

#[test]
fn whoever_has_asked_is_told_by_a_sender_once_that_has_descriptors() {
    for kind in KINDS {
        let name = Name::new("poor");
        let mut asker = Asker::of(consumer(kind, &name, 8));
        let mut sender = Role::start("poor sender", &[kind.as_str(), &*name]);
        sender.expect("attached");
        let mut does = |what: &str| {
            sender.tell(what);
            sender.expect("done");
        };
        // The first time it finds out more than later.
        for _ in 0..2 {
            asker.arms();
            for limit in ["poor", "one more"] {
                does(limit);
                does("send");
                if limit == "poor" {
                    asker.is_not_told();
                }
                does("rich");
            }
            does("send");
            assert!(asker.looks().starts_with(&format!("{} Some(8)", signal())));
            (0..3).for_each(|_| asker.tries("something"));
            asker.tries("Empty");
        }
        sender.finish();
        asker.finish();
    }
}

/// `SIGUSR1` is never refused, and loses its token.
#[test]
fn a_user_signal_comes_without_its_token_where_too_many_are_pending() {
    let name = Name::new("no-token");
    let mut asker = Asker::start(Signal::user1(), &[consumer(Kind::Spsc, &name, 8)]);
    asker.limits_pending(0);
    let mut tx = plan(Kind::Spsc).producer(&name).expect("a producer");
    asker.arms();
    tx.send(b"something").expect("room");
    assert_eq!(asker.looks(), "SIGUSR1 None 0");
    asker.tries("something");
    asker.finish();
}

/// A whole ring of producers that ask for room, one of whom cannot be told.
#[test]
fn one_who_cannot_be_told_yet_keeps_nobody_from_being_told() {
    let name = Name::new("beside");
    let mut askers = [1, 2].map(|token| Asker::of(producer(Kind::Mpmc, &name, token)));
    let mut rx = plan(Kind::Mpmc).consumer(&name).expect("a consumer");
    askers[0].limits_pending(0);
    askers[0].fills();
    askers.iter_mut().for_each(Asker::arms);
    rx.expect(&[b'.'; LEN]);
    askers[1].is_told(2);
    askers[0].is_not_told();
    askers.into_iter().for_each(Asker::finish);
}
