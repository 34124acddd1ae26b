//! A forked child may not use what it inherits, and does its parent no harm.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid};
use ringway::mpmc::{Batch, Consumer, Drain, Peer, Producer, options};
use ringway::{OpenError, RecvError, SendError};

use crate::common::fork::in_child;
use crate::common::names::Name;
use crate::common::role::{Entry, Role, listen, say};
use crate::common::{PATIENCE, eventually};
use crate::{small, take};

pub const ROLES: [Entry; 3] =
    [("refused child", refused_child), ("guards", guards), ("orphaned child", orphaned_child)];

#[test]
fn a_forked_child_is_refused_and_the_parent_unharmed() {
    let name = Name::new("refused");
    let parent = Role::start("refused child", &[&name]);
    parent.expect("checked");
    for taken in [options().producer(&*name).map(drop), options().consumer(&*name).map(drop)] {
        let error = taken.expect_err("the parent keeps its leases");
        assert!(matches!(error, OpenError::NoPlace { places: 2, .. }), "{error:?}");
    }
    parent.finish();
    assert!(!name.exists());
}

fn refused_child(arguments: &[&str]) {
    let tx = small().participants(2).producer(arguments[0]).expect("a producer");
    let rx = options().consumer(arguments[0]).expect("a consumer");
    let mut ends = Some((tx, rx));
    in_child(|| {
        let (mut tx, mut rx) = ends.take().expect("inherited");
        producer_is_refused(&mut tx);
        consumer_is_refused(&mut rx);
        assert_eq!((tx.peer(), rx.peer()), (Peer::Unknown, Peer::Unknown));
        drop((tx, rx));
        let (mut tx, mut rx) = small().pair().expect("the child can have rings of its own");
        tx.send(b"own").expect("room");
        assert_eq!(take(&mut rx), b"own");
        let mut tx =
            options().producer(arguments[0]).expect("a place of the child's own in the parent's ring");
        tx.send(b"from the child").expect("room");
    });
    let (mut tx, mut rx) = ends.take().expect("the child took its own copy");
    assert_eq!(take(&mut rx), b"from the child");
    let _others = (tx.try_clone().expect("a place"), rx.try_clone().expect("a place"));
    for k in 0..100 {
        tx.send(&[k; 40]).expect("room");
        assert_eq!(take(&mut rx), [k; 40]);
    }
    assert_eq!((tx.peer(), rx.peer()), (Peer::Attached, Peer::Attached));
    say("checked");
    listen();
}

fn producer_is_refused(tx: &mut Producer) {
    assert_eq!(tx.send(b"x"), Err(SendError::Forked));
    assert_eq!(tx.try_send(b"x"), Err(SendError::Forked));
    assert_eq!(tx.send_timeout(b"x", Duration::MAX), Err(SendError::Forked));
    assert_eq!(tx.send_tagged(1, b"x"), Err(SendError::Forked));
    assert_eq!(tx.try_send_tagged(1, &[0; 200]), Err(SendError::Forked));
    assert_eq!(tx.claim(1).map(drop), Err(SendError::Forked));
    assert_eq!(tx.try_claim(1).map(drop), Err(SendError::Forked));
    assert_eq!(tx.claim_timeout(1, Duration::MAX).map(drop), Err(SendError::Forked));
    assert_eq!(tx.batch().map(drop), Err(SendError::Forked));
    assert_eq!(tx.wait_for_space(1, None), Err(SendError::Forked));
    assert!(tx.try_clone().is_err() && tx.descriptor().is_err(), "descriptors of something else");
}

fn consumer_is_refused(rx: &mut Consumer) {
    assert_eq!(rx.recv().map(drop), Err(RecvError::Forked));
    assert_eq!(rx.try_recv().map(drop), Err(RecvError::Forked));
    assert_eq!(rx.recv_timeout(Duration::MAX).map(drop), Err(RecvError::Forked));
    assert_eq!(rx.drain().map(drop), Err(RecvError::Forked));
    assert_eq!(rx.wait_for_message(None), Err(RecvError::Forked));
    assert!(rx.try_clone().is_err() && rx.descriptor().is_err(), "descriptors of something else");
}

#[test]
fn guards_in_a_forked_child_do_nothing() {
    Role::start("guards", &[""]).finish();
}

/// Each guard is used up in a child, and then used by the parent as if nothing had been.
fn guards(_: &[&str]) {
    let (mut tx, mut rx) = small().pair().expect("a pair");
    let used = |rx: &Consumer| rx.used().expect("intact");
    let mut claim = Some(tx.claim(100).expect("room"));
    in_child(|| assert!(claim.as_mut().is_some_and(|claim| claim.is_empty()), "not the child's to fill"));
    in_child(|| drop(claim.take()));
    in_child(|| assert_eq!(claim.take().expect("inherited").commit(), Err(SendError::Forked)));
    assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
    assert_eq!(used(&rx), 2, "the child has aborted its parent's claim");
    let mut claim = claim.expect("the child took its own copy");
    claim.fill(1);
    claim.commit().expect("at home");

    let mut batch = Some(tx.batch().expect("at home"));
    let push = |batch: &mut Option<Batch>, k| batch.as_mut().expect("here").push(&[k; 16]);
    push(&mut batch, 2).expect("room");
    in_child(|| {
        assert_eq!(push(&mut batch, 9), Err(SendError::Forked));
        assert_eq!(batch.take().expect("inherited").commit(), Err(SendError::Forked));
    });
    push(&mut batch, 3).expect("room");
    batch.expect("the child took its own copy").commit().expect("at home");

    let before = tx.used().expect("intact");
    let mut message = Some(rx.recv().expect("a message"));
    in_child(|| drop(message.take()));
    assert_eq!(tx.used(), Ok(before), "the child released its parent's message");
    assert_eq!(message.as_deref().expect("the child took its own copy"), [1; 100]);
    drop(message);
    assert_eq!(tx.used(), Ok(before - 2));

    let mut drain = Some(rx.drain().expect("at home"));
    let next = |drain: &mut Option<Drain>| {
        let message = drain.as_mut().expect("here").next();
        message.map(|message| message.map(|message| message.to_vec()))
    };
    assert_eq!(next(&mut drain), Some(Ok(vec![2; 16])));
    in_child(|| {
        assert_eq!(next(&mut drain), Some(Err(RecvError::Forked)));
        drop(drain.take());
    });
    assert_eq!(tx.used(), Ok(before - 2), "the child released its parent's messages");
    assert_eq!(next(&mut drain), Some(Ok(vec![3; 16])));
    drop(drain);
    assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
    assert_eq!(tx.used(), Ok(0));
}

/// A child inherits descriptors and mappings; neither keeps its parent's lease alive.
#[test]
fn a_dead_parent_is_dead_although_its_child_lives() {
    let name = Name::new("orphan");
    let mut tx = small().producer(&*name).expect("a producer");
    let mut rx = small().consumer(&*name).expect("a consumer");
    (0..2).for_each(|k| tx.send(&[k; 100]).expect("room"));
    drop(tx);
    let parent = Role::start("orphaned child", &[&name]);
    let child = Pid::from_raw(parent.hear().parse().expect("a process"));
    assert_eq!(take(&mut rx), [1; 100]);
    assert_eq!(rx.peer(), Peer::Attached);
    parent.signal(Signal::SIGKILL);
    let message = rx.recv_timeout(PATIENCE).expect("what the dead parent had in hand");
    assert!(message.redelivered() && message[..] == [0; 100]);
    assert_eq!(kill(child, None), Ok(()), "the child lives");
    drop(message);
    eventually("the parent is dead", || rx.peer() == Peer::Dead);
    assert_eq!(rx.recv().map(drop), Err(RecvError::PeerDead));
    assert_eq!(rx.used(), Ok(0));
}

/// Has a message in hand and a claim open.
fn orphaned_child(arguments: &[&str]) {
    let mut tx = small().producer(arguments[0]).expect("a producer");
    let mut rx = small().consumer(arguments[0]).expect("a consumer");
    let _message = rx.recv().expect("a message");
    let _claim = tx.claim(10).expect("room");
    in_child(|| {
        say(getpid());
        // Until the test has dropped its end of the pipe.
        listen();
    });
}
