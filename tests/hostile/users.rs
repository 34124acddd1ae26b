//! Processes of different users at one ring.

use std::os::unix::fs::chown;

use nix::unistd::{Gid, setgroups, setresgid};
use ringway::inspect::remove;
use ringway::{OpenError, Owner, Peer, RecvError};

use crate::common::names::Name;
use crate::common::role::Entry;
use crate::forked::{Child, Line, become_user};
use crate::kinds::{Plan, Received, Rx, kind_of};
use crate::{of_each_kind_as_root, refused};

pub const ROLES: [Entry; 3] = [
    ("a private ring", a_private_ring),
    ("a ring for all", a_ring_for_all),
    ("a ring of a group", a_groups_ring),
];

const ALICE: u32 = 12_345;
const BOB: u32 = 12_346;
const GROUP: u32 = 12_347;

/// A child of this user and group.
fn user(uid: u32, gid: u32, body: impl FnOnce(&mut Line)) -> Child {
    Child::start(|line| {
        let gid = Gid::from_raw(gid);
        setgroups(&[]).expect("root may");
        setresgid(gid, gid, gid).expect("root may");
        become_user(uid);
        body(line);
    })
}

#[test]
fn a_ring_of_mode_0600_refuses_other_users_and_says_why() {
    of_each_kind_as_root("a private ring");
}

fn a_private_ring(arguments: &[&str]) {
    let plan = Plan::new(kind_of(arguments[0]));
    let name = Name::new("private");
    let mut alice = user(ALICE, ALICE, |line| {
        let _tx = plan.producer(&name).expect("a producer");
        line.say("attached");
        line.hear();
    });
    alice.line.expect("attached");
    let trusting = Plan { owner: Owner::Uid(ALICE), ..plan };
    let bob = user(BOB, BOB, |_| {
        for plan in [plan, trusting] {
            refused(plan.consumer(&name), &["Permission denied", "check who may read and write there"]);
        }
        refused(remove(&*name, true), &["Permission denied"]);
    });
    bob.finish();
    // Root may read it, and is asked to say that it trusts the owner.
    let parts = ["belongs to uid 12345", "expected uid 0", "owner(Owner::Uid(12345))"];
    let error = refused(plan.consumer(&name), &parts);
    assert!(matches!(error, OpenError::ForeignOwner { found: ALICE, expected: 0, .. }), "{error:?}");
    assert_eq!(trusting.consumer(&name).expect("trusted by name").peer(), Peer::Attached);
}

#[test]
fn users_who_trust_each_other_exchange_and_notice_each_others_death() {
    of_each_kind_as_root("a ring for all");
}

fn a_ring_for_all(arguments: &[&str]) {
    let plan = Plan { mode: 0o666, owner: Owner::Uid(ALICE), ..Plan::new(kind_of(arguments[0])) };
    let name = Name::new("for-all");
    exchange(&plan, &name, BOB, BOB);
    // In a sticky directory only the owner can remove the name.
    let bob = user(BOB, BOB, |_| drop(plan.consumer(&name).expect("the last one")));
    bob.finish();
    assert!(name.exists(), "whoever left last may not remove it");
    let alice = user(ALICE, ALICE, |_| drop(plan.producer(&name).expect("the owner")));
    alice.finish();
    assert!(!name.exists(), "its owner may");
}

/// Alice creates and produces; one of another user receives, is killed with a message in hand, and replaced.
fn exchange(plan: &Plan, name: &str, uid: u32, gid: u32) {
    let mut alice = user(ALICE, GROUP, |line| {
        let mut tx = plan.producer(name).expect("a producer");
        [b"one", b"two"].iter().for_each(|message| tx.send(*message).expect("room"));
        line.say("sent");
        line.expect("the peer is dead");
        assert_eq!(tx.peer(), Peer::Dead, "of whichever user it was");
        line.say("so it is");
        line.expect("the peer is back");
        assert_eq!(tx.peer(), Peer::Attached);
        tx.send(b"three").expect("room");
        line.say("sent");
        line.hear();
    });
    alice.line.expect("sent");
    let mut victim = user(uid, gid, |line| {
        let mut rx = plan.consumer(name).expect("a consumer");
        rx.expect(b"one");
        hold(&mut rx, line);
    });
    victim.line.expect("in hand");
    victim.kill();
    alice.line.say("the peer is dead");
    alice.line.expect("so it is");
    let mut next = user(uid, gid, |line| {
        let mut rx = plan.consumer(name).expect("the place is free");
        assert_eq!(rx.recv(), Ok(Received { bytes: b"two".to_vec(), redelivered: true }));
        line.say("attached");
        rx.expect(b"three");
        line.say("received");
        assert_eq!(rx.recv(), Err(RecvError::PeerDead));
    });
    next.line.expect("attached");
    alice.line.say("the peer is back");
    alice.line.expect("sent");
    next.line.expect("received");
    alice.kill();
    next.finish();
}

/// Takes a message and keeps it in hand.
fn hold(rx: &mut Rx, line: &mut Line) {
    let mut keep = || {
        line.say("in hand");
        line.hear();
    };
    match rx {
        Rx::Spsc(rx) => {
            let _message = rx.recv().expect("a message");
            keep();
        }
        Rx::Mpmc(rx) => {
            let _message = rx.recv().expect("a message");
            keep();
        }
    }
}

#[test]
fn a_ring_of_mode_0660_is_for_a_group_and_for_nobody_else() {
    of_each_kind_as_root("a ring of a group");
}

fn a_groups_ring(arguments: &[&str]) {
    let plan = Plan { mode: 0o660, owner: Owner::Uid(ALICE), ..Plan::new(kind_of(arguments[0])) };
    let name = Name::new("group");
    exchange(&plan, &name, BOB, GROUP);
    let again = user(ALICE, GROUP, |_| plan.create_ring(&name).or_else(exists).expect("a ring"));
    again.finish();
    let stranger = user(BOB, BOB, |_| {
        refused(plan.consumer(&name), &["Permission denied", "check who may read and write there"]);
    });
    stranger.finish();
    // A ring of the group's that belongs to another of its members is not what was asked for.
    chown(name.path(), Some(BOB), None).expect("root may");
    let member = user(ALICE, GROUP, |_| {
        let error = refused(plan.consumer(&name), &["belongs to uid 12346", "expected uid 12345"]);
        assert!(matches!(error, OpenError::ForeignOwner { found: BOB, expected: ALICE, .. }), "{error:?}");
    });
    member.finish();
}

/// A ring that is there already will do.
fn exists(error: OpenError) -> Result<(), OpenError> {
    if matches!(error, OpenError::Exists { .. }) { Ok(()) } else { Err(error) }
}
