//! Processes that die, stop or fork.
#![allow(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use ringway::untrusted::options;
use ringway::{Peer, RecvError, SendError, Wait};

use crate::common::fork::end;
use crate::common::role::{Entry, Role, listen, say};
use crate::{Meeting, consumer_at, pair, producer_at};

pub const ROLES: [Entry; 4] = [
    ("send and wait", send_and_wait),
    ("flood", flood),
    ("receive and wait", receive_and_wait),
    ("fork with ends", fork_with_ends),
];

const WAYS: [Wait; 3] = [Wait::Spin, Wait::Adaptive, Wait::Park];

fn send_and_wait(arguments: &[&str]) {
    let mut tx = producer_at(arguments[0], 1 << 12);
    for number in 0..10_u64 {
        tx.send(&number.to_ne_bytes()).expect("room");
    }
    say("sent");
    listen();
}

fn flood(arguments: &[&str]) {
    let mut tx = producer_at(arguments[0], 1 << 12);
    for number in 0_u64.. {
        if tx.send(&vec![number as u8; number as usize % 300]).is_err() {
            return;
        }
    }
}

fn receive_and_wait(arguments: &[&str]) {
    let mut rx = consumer_at(arguments[0]);
    say(rx.recv().expect("a message").len());
    listen();
}

#[test]
fn everything_a_killed_producer_sent_is_received() {
    for how in WAYS {
        let meeting = Meeting::new();
        let role = Role::start("send and wait", &[&meeting.path]);
        let mut rx = options().wait(how).consumer(meeting.accept()).expect("a consumer");
        role.expect("sent");
        assert_eq!(rx.peer(), Peer::Attached);
        role.kill();
        assert_eq!(rx.peer(), Peer::Dead);
        for number in 0..10_u64 {
            assert_eq!(&rx.recv().expect("sent")[..], number.to_ne_bytes());
        }
        assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty), "without a system call it cannot know");
        assert_eq!(rx.recv().map(drop), Err(RecvError::PeerDead));
        assert_eq!(rx.recv_timeout(Duration::MAX).map(drop), Err(RecvError::PeerDead));
    }
}

#[test]
fn a_producer_killed_mid_stream_leaves_no_torn_message() {
    for how in WAYS {
        let meeting = Meeting::new();
        let role = Role::start("flood", &[&meeting.path]);
        let mut rx = options().wait(how).consumer(meeting.accept()).expect("a consumer");
        let mut role = Some(role);
        for number in 0_u64.. {
            if number == 2000 {
                role.take().expect("it lives").kill();
            }
            match rx.recv() {
                Ok(message) => assert_eq!(&message[..], vec![number as u8; number as usize % 300]),
                Err(error) => {
                    assert_eq!(error, RecvError::PeerDead);
                    assert!(number >= 2000);
                    break;
                }
            }
        }
    }
}

#[test]
fn a_killed_consumer_is_noticed_by_one_who_waits_for_room() {
    for how in WAYS {
        let meeting = Meeting::new();
        let role = Role::start("receive and wait", &[&meeting.path]);
        let mut tx = options().size(64).wait(how).producer(meeting.accept()).expect("a producer");
        tx.send(b"one").expect("room");
        role.expect("3");
        tx.send(&[0; 56]).expect("room");
        assert_eq!(tx.send_timeout(b"", Duration::from_millis(10)), Err(SendError::TimedOut));
        role.kill();
        assert_eq!(tx.send(b""), Err(SendError::PeerDead));
        assert_eq!(tx.peer(), Peer::Dead);
    }
}

#[test]
fn a_stopped_process_is_not_dead() {
    let meeting = Meeting::new();
    let mut role = Role::start("send and wait", &[&meeting.path]);
    let mut rx = options().liveness(Duration::from_millis(5)).consumer(meeting.accept()).expect("a consumer");
    role.expect("sent");
    role.signal(Signal::SIGSTOP);
    for _ in 0..10 {
        assert_eq!(rx.recv().expect("sent").len(), 8);
    }
    assert_eq!(rx.recv_timeout(Duration::from_millis(100)).map(drop), Err(RecvError::TimedOut));
    assert_eq!(rx.peer(), Peer::Attached);
    role.signal(Signal::SIGCONT);
    role.tell("go");
    role.finish();
    assert_eq!(rx.recv().map(drop), Err(RecvError::Closed));
}

/// In a process with one thread that uses the ends.
fn fork_with_ends(_: &[&str]) {
    let (mut tx, mut rx) = pair(&options(), 1 << 12);
    tx.send(b"before").expect("room");
    // SAFETY: the child uses nothing that another thread could have locked: there is none that does.
    let child = match unsafe { fork() }.expect("a child") {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            let result = catch_unwind(AssertUnwindSafe(|| {
                assert_eq!(tx.send(b"never"), Err(SendError::Forked));
                assert_eq!(tx.try_send(b"never"), Err(SendError::Forked));
                assert_eq!(rx.recv().map(drop), Err(RecvError::Forked));
                assert_eq!(rx.try_recv().map(drop), Err(RecvError::Forked));
                drop((tx, rx));
            }));
            end(result);
        }
    };
    assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
    assert_eq!(&rx.recv().expect("a message")[..], b"before");
    assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty), "the child's drop said nothing");
    tx.send(b"after").expect("room");
    assert_eq!(&rx.recv().expect("a message")[..], b"after");
    drop(tx);
    assert_eq!(rx.recv().map(drop), Err(RecvError::Closed));
}

#[test]
fn a_forked_child_is_refused_and_the_parent_unharmed() {
    Role::start("fork with ends", &[]).finish();
}
