//! A forked child may not use what it inherits, and does its parent no harm.
#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid};
use ringway::inspect::remove;
use ringway::spsc::{Batch, Consumer, Drain, Peer, Producer, options, pair};
use ringway::{OpenError, RecvError, SendError};

use crate::common::eventually;
use crate::common::fork::in_child;
use crate::common::names::Name;
use crate::common::role::{Role, listen, say};

#[test]
fn a_forked_child_is_refused_and_the_parent_unharmed() {
    let name = Name::new("refused");
    let parent = Role::start("refused child", &[&name]);
    parent.expect("checked");
    let taken = options().producer(&*name).expect_err("the parent keeps its lease");
    assert!(matches!(taken, OpenError::AlreadyAttached { pid, .. } if pid == parent.pid()), "{taken}");
    options().consumer(&*name).expect_err("the parent keeps its lease");
    parent.finish();
    assert!(!name.exists());
}

pub fn refused_child(arguments: &[&str]) {
    let tx = options().size(1 << 10).producer(arguments[0]).expect("a producer");
    let rx = options().consumer(arguments[0]).expect("a consumer");
    let mut ends = Some((tx, rx));
    in_child(|| {
        let (mut tx, mut rx) = ends.take().expect("inherited");
        producer_is_refused(&mut tx);
        consumer_is_refused(&mut rx);
        // Files that the child opens get the numbers of its parent's descriptors.
        let _files: Vec<_> = (0..8).map(|_| std::fs::File::open("/dev/zero").expect("open")).collect();
        assert!(tx.descriptor().is_err(), "a descriptor of something else");
        assert!(rx.descriptor().is_err(), "a descriptor of something else");
        assert_eq!((tx.peer(), rx.peer()), (Peer::Unknown, Peer::Unknown));
        drop((tx, rx));
        let (mut tx, mut rx) = pair().expect("the child can have rings of its own");
        tx.send(b"own").expect("room");
        assert_eq!(&rx.recv().expect("a message")[..], b"own");
    });
    let (mut tx, mut rx) = ends.take().expect("the child took its own copy");
    for k in 0..100_u8 {
        tx.send(&[k; 40]).expect("room");
        assert_eq!(&rx.recv().expect("a message")[..], [k; 40]);
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
    assert_eq!(tx.claim(1).map(drop), Err(SendError::Forked));
    assert_eq!(tx.try_claim(1).map(drop), Err(SendError::Forked));
    assert_eq!(tx.batch().map(drop), Err(SendError::Forked));
    assert_eq!(tx.wait_for_space(1, None), Err(SendError::Forked));
    assert_eq!(tx.wait_for_space(1 << 20, None), Err(SendError::Forked));
}

fn consumer_is_refused(rx: &mut Consumer) {
    assert_eq!(rx.recv().map(drop), Err(RecvError::Forked));
    assert_eq!(rx.try_recv().map(drop), Err(RecvError::Forked));
    assert_eq!(rx.recv_timeout(Duration::MAX).map(drop), Err(RecvError::Forked));
    assert_eq!(rx.drain().map(drop), Err(RecvError::Forked));
    assert_eq!(rx.wait_for_message(None), Err(RecvError::Forked));
}

#[test]
fn guards_in_a_forked_child_do_nothing() {
    let parent = Role::start("guards", &[""]);
    parent.finish();
}

/// Each guard is used up in a child, and then used by the parent as if nothing had been.
pub fn guards(_: &[&str]) {
    let (mut tx, mut rx) = options().size(1 << 10).pair().expect("a pair");
    let mut claim = Some(tx.claim(16).expect("room"));
    in_child(|| assert_eq!(claim.take().expect("inherited").commit(), Err(SendError::Forked)));
    assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
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

    let used = |tx: &mut Producer| tx.used().expect("intact");
    assert_eq!(used(&mut tx), 3 * 24);
    let mut message = Some(rx.recv().expect("a message"));
    in_child(|| drop(message.take()));
    assert_eq!(used(&mut tx), 3 * 24, "the child released its parent's message");
    assert_eq!(message.as_deref().expect("the child took its own copy"), [1; 16]);
    drop(message);
    assert_eq!(used(&mut tx), 2 * 24);

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
    assert_eq!(used(&mut tx), 2 * 24, "the child released its parent's messages");
    assert_eq!(next(&mut drain), Some(Ok(vec![3; 16])));
    drop(drain);
    assert_eq!(used(&mut tx), 0);
}

/// A child inherits descriptors and mappings; neither keeps its parent's lease alive.
#[test]
fn a_dead_parent_is_dead_although_its_child_lives() {
    let name = Name::new("orphan");
    let mut rx = options().consumer(&*name).expect("a consumer");
    let parent = Role::start("orphaned child", &[&name]);
    let child = Pid::from_raw(parent.hear().parse().expect("a process"));
    assert_eq!(&rx.recv().expect("a message")[..], b"last words");
    assert_eq!(rx.peer(), Peer::Attached);
    parent.signal(Signal::SIGKILL);
    eventually("the parent is dead", || rx.peer() != Peer::Attached);
    assert_eq!(kill(child, None), Ok(()), "the child lives");
    assert_eq!(rx.peer(), Peer::Dead);
    assert_eq!(rx.recv().map(drop), Err(RecvError::PeerDead));
    options().producer(&*name).expect("the place is free");
}

pub fn orphaned_child(arguments: &[&str]) {
    let mut tx = options().producer(arguments[0]).expect("a producer");
    tx.send(b"last words").expect("room");
    in_child(|| {
        say(getpid());
        // Until the test has dropped its end of the pipe.
        listen();
    });
}

/// Threads that make their first handles at the same moment set the fork guard up once. The handles are of
/// hosted rings that exist already: nothing is quicker to make.
#[test]
fn a_process_of_many_threads_can_fork() {
    let name = Name::new("image");
    options().size(64).create_ring(&*name).expect("a ring");
    for _ in 0..60 {
        let role = Role::start("threads then fork", &[name.path().to_str().expect("text")]);
        role.expect("forked");
        role.finish();
    }
    remove(&*name, false).expect("nobody uses it");
}

pub fn threads_then_fork(arguments: &[&str]) {
    let ring = std::fs::read(arguments[0]).expect("an image of a ring");
    let ring = ring.chunks(4096).map(|bytes| Page(bytes.try_into().expect("whole pages")));
    let mut rings = [ring.clone().collect::<Vec<Page>>(), ring.collect()];
    let missing = AtomicU32::new(2);
    let first = |ring: &mut Vec<Page>| {
        missing.fetch_sub(1, Ordering::Relaxed);
        while missing.load(Ordering::Relaxed) > 0 {
            std::hint::spin_loop();
        }
        let memory = NonNull::from(ring.as_mut_slice()).cast();
        // SAFETY: the memory outlives the consumer, which is dropped at once.
        drop(unsafe { options().consumer_in(memory, ring.len() * 4096, None) }.expect("a consumer"));
    };
    std::thread::scope(|scope| {
        let threads = rings.each_mut().map(|ring| scope.spawn(|| first(ring)));
        threads.into_iter().for_each(|thread| thread.join().expect("a consumer"));
    });
    in_child(|| drop(pair().expect("a pair")));
    say("forked");
}

#[derive(Clone, Copy)]
#[repr(C, align(4096))]
struct Page([u8; 4096]);
