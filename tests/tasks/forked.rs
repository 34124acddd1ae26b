//! A child that was forked from a task.
#![allow(unsafe_code)]

use std::pin::pin;

use ringway::{RecvError, SendError};

use crate::common::fork::in_child;
use crate::common::role::{Entry, Role};
use crate::hand::must_yield;
use crate::kinds::{FOR_EVER, KINDS, Plan, Receiver, Sender};
use crate::runtimes::{Runtime, meanwhile, polled};

pub const ROLES: [Entry; 1] = [("forks", forks)];

const PLACES: [Runtime; 3] = [Runtime::OneThread, Runtime::AsyncIo, Runtime::Hand];

#[test]
fn a_forked_child_is_refused_and_the_parent_s_tasks_are_still_woken() {
    for runtime in 0..PLACES.len() {
        for kind in 0..KINDS.len() {
            Role::start("forks", &[&runtime.to_string(), &kind.to_string()]).finish();
        }
    }
}

fn forks(arguments: &[&str]) {
    let [runtime, kind] = [0, 1].map(|nth| arguments[nth].parse::<usize>().expect("a number"));
    let (runtime, plan) = (PLACES[runtime], Plan::new(KINDS[kind], FOR_EVER));
    // One is forked with nothing pending, the other one while it waits.
    let (idle_tx, idle) = plan.pair();
    let (tx, rx) = plan.pair();
    let (full_tx, full_rx) = plan.pair();
    runtime.run(async move {
        let (mut idle_tx, mut idle) = (idle_tx, idle.on(runtime));
        let (mut tx, mut rx) = (tx, rx.on(runtime));
        let mut full_tx = full_tx;
        let mut full_rx = full_rx;
        full_tx.fill();
        let mut full_tx = full_tx.on(runtime);
        assert!(polled(1, idle.recv()).await.is_none());
        assert!(polled(1, full_tx.send(0)).await.is_none());
        in_child(|| {
            refused(&mut idle, &mut full_tx);
            // As at the end of a scope.
            // SAFETY: the child reads each of these once, and never returns to whoever has it.
            drop(unsafe { std::ptr::read(&raw const idle) });
            // SAFETY: as above.
            drop(unsafe { std::ptr::read(&raw const rx) });
            // SAFETY: as above.
            drop(unsafe { std::ptr::read(&raw const full_tx) });
        });
        assert_eq!(meanwhile(idle.recv(), || idle_tx.send(1).expect("sent")).await, Ok(1));
        assert_eq!(meanwhile(rx.recv(), || tx.send(2).expect("sent")).await, Ok(2));
        let release = || assert!(full_rx.recv().is_ok());
        assert_eq!(meanwhile(full_tx.send(3), release).await, Ok(()));
    });
}

fn refused(rx: &mut Receiver, tx: &mut Sender) {
    assert_eq!(must_yield(pin!(rx.recv())), Err(RecvError::Forked));
    assert_eq!(must_yield(pin!(tx.send(0))), Err(SendError::Forked));
    assert_eq!(must_yield(pin!(tx.claim(0, true))), Err(SendError::Forked));
}
