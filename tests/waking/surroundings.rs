//! Descriptors and selects where the system lacks what they are made of, and in forked children.
#![allow(unsafe_code)]

use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use ringway::{RecvError, Select, SendError, Wait};

use crate::bed::source;
use crate::common::fork::in_child;
use crate::common::role::{Entry, Role, say};
use crate::common::{PATIENCE, eventually};
use crate::filter::{Denied, deny};
use crate::kinds::{KINDS, Plan, Received};
use crate::polled::{PolledRx, PolledTx, Watch, await_readable, is_readable};
use crate::{HOUR, no_wake_up_is_lost};

pub const ROLES: [Entry; 3] = [
    ("exchange without", exchange_without),
    ("fork without", fork_without),
    ("open and close", open_and_close),
];

/// System calls that are lacking.
const LACKS: [&[libc::c_long]; 4] = [
    &[],
    &[libc::SYS_io_uring_setup],
    &[libc::SYS_futex_waitv],
    &[libc::SYS_io_uring_setup, libc::SYS_futex_waitv],
];

/// Plays `role` for each kind of ring, without each of what may be lacking.
fn without_each(role: &str) {
    for kind in KINDS {
        for lacks in 0..LACKS.len() {
            Role::start(role, &[kind.as_str(), &lacks.to_string()]).finish();
        }
    }
}

/// The plan that a role is told, which lacks from now on what it is told.
fn lacking(arguments: &[&str]) -> Plan {
    let lacks = LACKS[arguments[1].parse::<usize>().expect("a number")];
    let errno = if arguments[0] == "spsc" { Errno::ENOSYS } else { Errno::EPERM };
    deny(&lacks.iter().map(|call| Denied::always(*call, errno)).collect::<Vec<_>>());
    Plan { size: 256, liveness: HOUR, ..Plan::new(crate::kinds::kind_of(arguments[0])) }
}

/// Is this the descriptor that a process has which may use io_uring, or may not?
fn is_of_its_way(descriptor: impl AsFd, arguments: &[&str]) -> bool {
    let link = format!("/proc/self/fd/{}", descriptor.as_fd().as_raw_fd());
    let target = fs::read_link(link).expect("a descriptor").to_string_lossy().into_owned();
    target.contains("eventfd") || target.contains("io_uring") && matches!(arguments[1], "0" | "2")
}

#[test]
fn without_io_uring_and_without_futex_waitv_descriptors_and_selects_wake() {
    without_each("exchange without");
}

fn exchange_without(arguments: &[&str]) {
    let plan = lacking(arguments);
    no_wake_up_is_lost(|| {
        let (tx, rx) = plan.pair().expect("a pair");
        let (mut tx, mut rx) = (PolledTx::new(tx), PolledRx::new(rx));
        assert!(is_of_its_way(&rx, arguments) && is_of_its_way(&tx, arguments));
        thread::scope(|scope| {
            scope.spawn(move || {
                (0..100).for_each(|k| tx.send(&Watch::Poll, &[k; 24]).expect("a consumer that lives"));
            });
            for k in 0..100 {
                assert_eq!(rx.recv(&Watch::Poll), Ok(vec![k; 24]));
                if k.is_multiple_of(10) {
                    thread::sleep(Duration::from_millis(1));
                }
            }
            assert_eq!(rx.recv(&Watch::Poll), Err(RecvError::Closed));
        });
    });
    no_wake_up_is_lost(|| {
        let (mut tx, mut rx) = plan.pair().expect("a pair");
        let (_idle, mut other) = plan.pair().expect("a pair");
        thread::scope(|scope| {
            scope.spawn(move || {
                for k in 0..100 {
                    thread::sleep(Duration::from_micros(100));
                    tx.send(&[k; 24]).expect("a consumer that lives");
                }
            });
            let mut select = Select::fair().how(Wait::Park);
            for k in 0..100 {
                let mut rings = [source(&mut other), source(&mut rx)];
                assert_eq!(select.wait_timeout(&mut rings, PATIENCE), Some(1));
                assert_eq!(rx.try_recv(), Ok(Received::new(&[k; 24])));
            }
        });
    });
}

#[test]
fn a_forked_child_is_told_so_and_does_its_parents_armed_handles_no_harm() {
    without_each("fork without");
}

fn fork_without(arguments: &[&str]) {
    let plan = lacking(arguments);
    let (mut to_rx, rx) = plan.pair().expect("a pair");
    let (mut tx, mut from_tx) = plan.pair().expect("a pair");
    let filled = tx.fill(&[1; 24]);
    let (mut rx, mut tx) = (Some(PolledRx::new(rx)), Some(PolledTx::new(tx)));
    assert!(rx.as_mut().expect("here").arm().expect("armed"));
    assert!(tx.as_mut().expect("here").arm_for(24).expect("armed"));
    in_child(|| {
        let (mut rx, mut tx) = (rx.take().expect("inherited"), tx.take().expect("inherited"));
        assert!(!rx.arm().expect("refused") && !tx.arm_for(24).expect("refused"));
        assert_eq!(rx.try_recv(), Err(RecvError::Forked));
        assert_eq!(tx.try_send(&[1; 24]), Err(SendError::Forked));
        rx.disarm();
        tx.disarm();
        let mut rx = rx.into_inner();
        assert_eq!(Select::fair().wait(&mut [source(&mut rx)]), 0, "there is something to be told");
        assert_eq!(rx.try_recv(), Err(RecvError::Forked));
        drop((rx, tx));
        let (mut tx, rx) = plan.pair().expect("the child can have rings of its own");
        let mut rx = PolledRx::new(rx);
        assert!(rx.arm().expect("armed"));
        tx.send(b"own").expect("room");
        assert_eq!(rx.recv(&Watch::Poll), Ok(b"own".to_vec()));
    });
    let (rx, tx) = (rx.as_mut().expect("the child took a copy"), tx.as_mut().expect("the child took a copy"));
    assert!(!is_readable(&*rx) && !is_readable(&*tx), "they are armed still");
    to_rx.send(b"woken").expect("room");
    await_readable(&*rx);
    assert_eq!(rx.try_recv(), Ok(b"woken".to_vec()));
    (0..filled).for_each(|_| from_tx.expect(&[1; 24]));
    await_readable(&*tx);
    tx.try_send(&[1; 24]).expect("room");
    say("unharmed");
}

/// How many descriptors and threads this process has.
fn belongings() -> (usize, usize) {
    let count = |folder| fs::read_dir(folder).expect("/proc").count();
    (count("/proc/self/fd"), count("/proc/self/task"))
}

#[test]
fn no_descriptor_and_no_thread_is_left_behind() {
    without_each("open and close");
}

fn open_and_close(arguments: &[&str]) {
    let plan = lacking(arguments);
    let (_tx, mut rx) = plan.pair().expect("a pair");
    let before = belongings();
    for _ in 0..1000 {
        let mut polled = PolledRx::new(rx);
        assert!(polled.arm().expect("armed"));
        rx = polled.into_inner();
    }
    for _ in 0..50 {
        let (_tx, rx) = plan.pair().expect("a pair");
        let mut polled = PolledRx::new(rx);
        assert!(polled.arm().expect("armed"));
    }
    eventually("everything is given back", || belongings() == before);
}
