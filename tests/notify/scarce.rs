//! Limits: too many signals pending for one more, and a sender without a descriptor to look with. Both are told later.
#![allow(unsafe_code)]

use std::fs;

use nix::errno::Errno;
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use ringway::notify::{Inbox, Signal};

use crate::asker::{Asker, LEN, consumer, consumer_asks, plan, producer, signal, start};
use crate::common::eventually;
use crate::common::names::Name;
use crate::common::role::{Entry, Role, listen, say};
use crate::kinds::{KINDS, Kind, kind_of};
use crate::realtime;

pub const ROLES: [Entry; 2] = [("queue full", queue_full), ("poor sender", poor_sender)];

/// From now on this process can be sent no signal that queues if its user has more of them pending than this.
pub fn limit_pending(most: u64) {
    setrlimit(Resource::RLIMIT_SIGPENDING, most, most).expect("less than before");
}

/// Sends itself signals that it does not take until there is no room for more.
fn fill_up() {
    let value = libc::sigval { sival_ptr: std::ptr::null_mut() };
    loop {
        // SAFETY: sigqueue touches no memory of this process.
        let result = unsafe { libc::sigqueue(std::process::id().cast_signed(), realtime(5).number(), value) };
        if result == -1 {
            assert_eq!(Errno::last(), Errno::EAGAIN);
            return;
        }
    }
}

fn queue_full(arguments: &[&str]) {
    let inbox = Inbox::new(&[signal()]).expect("an inbox");
    let fillers = Inbox::new(&[realtime(5)]).expect("an inbox");
    let rx = plan(kind_of(arguments[0])).consumer(arguments[1]).expect("a consumer");
    let mut rx = consumer_asks(rx, signal(), 6);
    limit_pending(8);
    assert!(rx.arm());
    fill_up();
    say("full");
    assert_eq!(listen(), "sent");
    assert_eq!(inbox.try_next().expect("an inbox"), None);
    while fillers.try_next().expect("an inbox").is_some() {}
    say("drained");
    while listen() == "look" {
        say(inbox.try_next().expect("an inbox").is_some());
    }
    assert_eq!(rx.attempt(), "1");
}

#[test]
fn one_with_too_many_signals_pending_is_told_by_whoever_sends_next() {
    for kind in KINDS {
        let name = Name::new("pending");
        let _inherited = Inbox::new(&[realtime(5)]).expect("an inbox");
        let mut role = start("queue full", &[kind.as_str(), &*name]);
        let mut tx = plan(kind).producer(&name).expect("a producer");
        role.expect("full");
        ["1", "2"].into_iter().for_each(|message| tx.send(message.as_bytes()).expect("room"));
        role.tell("sent");
        role.expect("drained");
        // Other tests' processes may have more pending than this one may have.
        eventually("it is told", || {
            tx.try_send(b"3").expect("room");
            role.tell("look");
            role.hear() == "true"
        });
        role.finish();
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
            assert!(asker.next().starts_with(&format!("{} Some(8)", signal())));
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
    assert_eq!(asker.next(), "SIGUSR1 None 0");
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
