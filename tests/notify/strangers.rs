//! Senders that cannot or may not tell: of another user, without /proc, without the system call; and children that are not
//! meant. The message is sent, nobody is signalled, and the next sender who can tells again.
#![allow(unsafe_code)]

use std::path::Path;

use nix::errno::Errno;
use nix::libc;
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::Signal as Common;
use nix::unistd::{ForkResult, fork, geteuid};
use ringway::Peer;
use ringway::notify::Inbox;

use crate::asker::{Asker, consumer, consumer_asks, plan, signal, start};
use crate::common::eventually;
use crate::common::fork::end;
use crate::common::names::Name;
use crate::common::role::{Entry, Role, listen, say};
use crate::filter::{Denied, deny};
use crate::forked::become_user;
use crate::kinds::{KINDS, Kind, kind_of};
use crate::mounts::{mount_kind, own_mounts};
use crate::skipped;

pub const ROLES: [Entry; 3] =
    [("odd sender", odd_sender), ("receiver of another user", another_users), ("parent", parent)];

const NOBODY: u32 = 65534;

/// What keeps a sender from telling.
const ODDITIES: [&str; 5] = ["another user", "no proc", "another proc", "EPERM", "ENOSYS"];

/// Attaches, becomes what it was told to be, and sends.
fn odd_sender(arguments: &[&str]) {
    let [oddity, kind, address] = arguments else { panic!("three arguments") };
    if oddity.ends_with("proc") {
        own_mounts();
    }
    let mut tx = plan(kind_of(kind)).producer(address).expect("a producer");
    let deny_it = |errno| deny(&[Denied::always(libc::SYS_pidfd_send_signal, errno)]);
    match *oddity {
        "another user" => become_user(NOBODY),
        "no proc" => umount2("/proc", MntFlags::MNT_DETACH).expect("unmounted"),
        "another proc" => mount_kind("tmpfs", Path::new("/proc"), "size=4k"),
        "EPERM" => deny_it(Errno::EPERM),
        _ => deny_it(Errno::ENOSYS),
    }
    say("attached");
    while listen() == "send" {
        tx.send(b"something").expect("room");
        say("sent");
    }
}

#[test]
fn a_sender_that_cannot_tell_sends_all_the_same_and_signals_nobody() {
    for kind in KINDS {
        for oddity in ODDITIES.into_iter().filter(|oddity| oddity.starts_with('E') || geteuid().is_root()) {
            let name = Name::new("odd");
            let mut asker = Asker::of(consumer(kind, &name, 1));
            let mut sender = Role::start("odd sender", &[oddity, kind.as_str(), &*name]);
            sender.expect("attached");
            for _ in 0..2 {
                asker.arms();
                for _ in 0..2 {
                    sender.tell("send");
                    sender.expect("sent");
                }
                asker.is_not_told();
                (0..2).for_each(|_| asker.tries("something"));
                asker.tries("Empty");
            }
            asker.arms();
            // One that is killed says no goodbye: the next sender finds the place free.
            sender.kill();
            let mut tx = plan(kind).producer(&name).expect("a producer");
            tx.send(b"something").expect("room");
            asker.is_told(1);
            asker.finish();
        }
    }
}

fn another_users(arguments: &[&str]) {
    let rx = plan(kind_of(arguments[0])).consumer(arguments[1]).expect("a consumer");
    become_user(NOBODY);
    let inbox = Inbox::new(&[signal()]).expect("an inbox");
    let mut rx = consumer_asks(rx, signal(), 1);
    say(rx.arm());
    while listen() == "look" {
        say(inbox.try_next().expect("an inbox").is_some());
    }
    assert_eq!(rx.attempt(), "something");
}

#[test]
fn root_signals_no_process_of_another_user() {
    if !geteuid().is_root() {
        return skipped("another user is played by root");
    }
    for kind in KINDS {
        let name = Name::new("another");
        let mut tx = plan(kind).producer(&name).expect("a producer");
        let mut role = start("receiver of another user", &[kind.as_str(), &*name]);
        role.expect("true");
        for _ in 0..2 {
            tx.send(b"something").expect("room");
            role.tell("look");
            role.expect("false");
        }
        role.finish();
    }
}

/// Waits to be told, and has a child that outlives it.
fn parent(arguments: &[&str]) {
    let inbox = Inbox::new(&[signal()]).expect("an inbox");
    let rx = plan(kind_of(arguments[0])).consumer(arguments[1]).expect("a consumer");
    let mut rx = consumer_asks(rx, signal(), 1);
    assert!(rx.arm());
    // SAFETY: no other thread of this role has anything locked that the child needs.
    if let ForkResult::Parent { .. } = unsafe { fork() }.expect("fork") {
        loop {
            std::thread::park();
        }
    }
    // The child: it has the inbox, the mask, and all that can be inherited of the handle.
    assert!(!rx.arm(), "it is its parent's");
    rx.disarm();
    let seen = || inbox.try_next().expect("an inbox").is_some();
    say("child");
    while listen() == "look" {
        say(seen());
    }
    drop(rx);
    say(seen());
    end(Ok(()));
}

#[test]
fn a_child_is_not_told_for_its_parent_and_takes_nothing_back_of_it() {
    for kind in KINDS {
        let name = Name::new("parent");
        let mut tx = plan(kind).producer(&name).expect("a producer");
        let mut family = start("parent", &[kind.as_str(), &*name]);
        family.expect("child");
        // The parent does not look, so that its signal stays pending.
        tx.send(b"something").expect("room");
        let pending = || {
            let status = std::fs::read_to_string(format!("/proc/{}/status", family.pid())).expect("it lives");
            let set = status.lines().find_map(|line| line.strip_prefix("ShdPnd:")).expect("signals");
            u64::from_str_radix(set.trim(), 16).expect("hexadecimal")
        };
        assert_eq!(pending(), 1 << (signal().number() - 1), "the child took nothing back");
        family.tell("look");
        family.expect("false");
        family.signal(Common::SIGKILL);
        let peer = || match &tx {
            crate::kinds::Tx::Spsc(tx) => tx.peer(),
            crate::kinds::Tx::Mpmc(tx) => tx.peer(),
        };
        eventually("the parent is dead", || peer() == Peer::Dead);
        for _ in 0..2 {
            tx.try_send(b"something").expect("room");
            family.tell("look");
            family.expect("false");
        }
        family.tell("leave");
        family.expect("false");
    }
}

/// Whoever cannot tell takes the wish away, so that it costs nothing for ever; that is the price.
#[test]
fn one_who_could_not_be_told_is_told_when_it_has_asked_again() {
    let name = Name::new("asks-again");
    let mut asker = Asker::of(consumer(Kind::Mpmc, &name, 1));
    let mut sender = Role::start("odd sender", &["EPERM", "mpmc", &*name]);
    sender.expect("attached");
    let mut tx = plan(Kind::Mpmc).producer(&name).expect("a producer");
    asker.arms();
    sender.tell("send");
    sender.expect("sent");
    asker.is_not_told();
    asker.tries("something");
    asker.arms();
    tx.send(b"something").expect("room");
    asker.is_told(1);
    sender.finish();
    asker.finish();
}
