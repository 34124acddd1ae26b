//! Storms of signals, each of which interrupts whatever system call its receiver is in: nothing is lost or doubled,
//! nobody is told of a death or of a time that is up too early.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use ringway::{RecvError, SendError, Wait};

use crate::common::PATIENCE;
use crate::common::names::Name;
use crate::common::role::Entry;
use crate::forked::{Child, Line, interrupt_on};
use crate::kinds::{Plan, Received, kind_of};
use crate::of_each_kind;

pub const ROLES: [Entry; 3] =
    [("stream in a storm", stream), ("deadlines in a storm", deadlines), ("creation in a storm", creation)];

const WAITS: [Wait; 3] = [Wait::Spin, Wait::Adaptive, Wait::Park];
/// Signals that each process is sent with each way to wait, at least: 10⁵ in all. How many of them it handles depends
/// on the machine: those that come while one is pending count as one.
const SIGNALS: u32 = 34_000;
/// How long a storm lasts, at least.
const STORM: Duration = Duration::from_millis(1200);
/// Signals between two looks whether somebody has ended.
const BURST: u32 = 100;
/// Signals that a process handles, at least: fewer are no storm.
const HANDLED_AT_LEAST: u32 = 500;
/// The last message.
const END: u64 = u64::MAX;

/// Signals handled by this process.
static HANDLED: AtomicU32 = AtomicU32::new(0);

/// Has this process been told that it is time to end?
static ENOUGH: AtomicBool = AtomicBool::new(false);

extern "C" fn count(_: i32) {
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

extern "C" fn enough(_: i32) {
    ENOUGH.store(true, Ordering::Relaxed);
}

fn is_enough() -> bool {
    ENOUGH.load(Ordering::Relaxed) && HANDLED.load(Ordering::Relaxed) >= HANDLED_AT_LEAST
}

/// A child that says when it is ready for signals.
fn stormed(body: impl FnOnce()) -> Child {
    let mut child = Child::start(|line: &mut Line| {
        interrupt_on(Signal::SIGUSR1, count);
        interrupt_on(Signal::SIGUSR2, enough);
        line.say("ready");
        body();
    });
    child.line.expect("ready");
    child
}

/// Sends signals at full speed until every child has ended, and ended well.
fn storm(mut children: Vec<Child>) {
    let started = Instant::now();
    let mut sent = 0;
    loop {
        let running = children.iter_mut().filter_map(|child| (!child.has_ended()).then_some(child));
        let running: Vec<&mut Child> = running.collect();
        if running.is_empty() {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{} of them do not end", running.len());
        for _ in 0..BURST {
            running.iter().for_each(|child| child.signal(Signal::SIGUSR1));
        }
        // Where they share a processor, each is to handle a signal before the next ones come.
        thread::yield_now();
        sent += BURST;
        if sent >= SIGNALS && started.elapsed() >= STORM {
            running.iter().for_each(|child| child.signal(Signal::SIGUSR2));
        }
    }
    children.into_iter().for_each(Child::finish);
}

#[test]
fn a_storm_of_signals_loses_and_doubles_nothing() {
    of_each_kind("stream in a storm");
}

/// A ring so small that both sides wait for one another all the time.
fn stream(arguments: &[&str]) {
    for wait in WAITS {
        let name = Name::new("storm");
        let plan = Plan { size: 256, wait, ..Plan::new(kind_of(arguments[0])) };
        let consumer = stormed(|| receive(&plan, &name));
        let producer = stormed(|| send(&plan, &name));
        storm(vec![consumer, producer]);
        assert!(!name.exists());
    }
}

/// Numbered messages, until the storm is over.
fn send(plan: &Plan, name: &str) {
    let mut tx = plan.producer(name).expect("a producer");
    for number in 0_u64.. {
        tx.send(&number.to_ne_bytes()).expect("sent");
        if is_enough() {
            break;
        }
    }
    tx.send(&END.to_ne_bytes()).expect("sent");
}

fn receive(plan: &Plan, name: &str) {
    let mut rx = plan.consumer(name).expect("a consumer");
    for number in 0_u64.. {
        let message = if number % 2 == 0 { rx.recv() } else { rx.recv_timeout(PATIENCE) };
        let message = message.expect("a message");
        if message == Received::new(&END.to_ne_bytes()) {
            break;
        }
        assert_eq!(message, Received::new(&number.to_ne_bytes()));
    }
}

#[test]
fn a_storm_of_signals_ends_no_wait_early() {
    of_each_kind("deadlines in a storm");
}

fn deadlines(arguments: &[&str]) {
    for wait in WAITS {
        let plan = Plan { wait, ..Plan::new(kind_of(arguments[0])) };
        storm(vec![stormed(|| wait_in_vain(&plan))]);
    }
}

/// Waits on an empty and on a full ring, both of which have live ends, until the storm is over.
fn wait_in_vain(plan: &Plan) {
    let (_idle, mut rx) = plan.pair().expect("a pair");
    let (mut tx, _idle) = plan.pair().expect("a pair");
    tx.fill(&[0; 40]);
    let mut limits = [0, 1, 7, 60].map(Duration::from_millis).into_iter().cycle();
    while !is_enough() {
        let limit = limits.next().expect("a cycle");
        let started = Instant::now();
        assert_eq!(rx.recv_timeout(limit), Err(RecvError::TimedOut));
        assert!(started.elapsed() >= limit, "{:?} of {limit:?}", started.elapsed());
        let started = Instant::now();
        assert_eq!(tx.send_timeout(&[0; 40], limit), Err(SendError::TimedOut));
        assert!(started.elapsed() >= limit, "{:?} of {limit:?}", started.elapsed());
        assert!(started.elapsed() < PATIENCE, "{:?} of {limit:?}", started.elapsed());
    }
}

/// The kernel sets memory aside in one long system call, which signals may interrupt.
#[test]
fn a_storm_of_signals_does_not_keep_a_large_ring_from_being_made() {
    of_each_kind("creation in a storm");
}

fn creation(arguments: &[&str]) {
    let plan = Plan { size: 64 << 20, ..Plan::new(kind_of(arguments[0])) };
    storm(vec![stormed(|| {
        while !is_enough() {
            let (mut tx, mut rx) = plan.pair().expect("room");
            tx.send(b"first").expect("room");
            rx.expect(b"first");
        }
    })]);
}
