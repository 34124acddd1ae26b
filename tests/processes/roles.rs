//! What the processes that the tests start can do.

use std::time::Duration;

use nix::sys::resource::{Usage, UsageWho, getrusage};
use ringway::spsc::{Consumer, Producer, options};
use ringway::{OpenError, RecvError, Wait};

use crate::common::pattern;
use crate::common::role::{Entry, listen, say};
use crate::fork;

pub const ROLES: [Entry; 13] = [
    ("send", send),
    ("flood", flood),
    ("fill", fill),
    ("receive", receive),
    ("hold", hold),
    ("attach", attach),
    ("park", park),
    ("race", race),
    ("churn", churn),
    ("refused child", fork::refused_child),
    ("guards", fork::guards),
    ("orphaned child", fork::orphaned_child),
    ("threads then fork", fork::threads_then_fork),
];

/// A hash of everything that passes, in order.
#[derive(Default)]
pub struct Checksum(u64);

impl Checksum {
    pub fn add(&mut self, bytes: &[u8]) {
        let mut mix = |word: u64| self.0 = (self.0 ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
        bytes.iter().for_each(|byte| mix(u64::from(*byte)));
        mix(bytes.len() as u64);
    }

    pub fn text(&self) -> String {
        format!("{:x}", self.0)
    }
}

fn producer(address: &str) -> Producer {
    options().size(1 << 14).producer(address).expect("a producer")
}

fn consumer(address: &str) -> Consumer {
    options().size(1 << 14).consumer(address).expect("a consumer")
}

/// Sends a stream and says its checksum.
fn send(arguments: &[&str]) {
    let mut tx = producer(arguments[0]);
    let mut sum = Checksum::default();
    let messages: u64 = arguments[1].parse().expect("a number");
    for seed in 0..messages {
        let bytes = pattern(seed, (seed * 131 % 2000) as usize);
        sum.add(&bytes);
        tx.send(&bytes).expect("sent");
    }
    drop(tx);
    say(sum.text());
}

/// Receives a stream to its end and says its checksum.
fn receive(arguments: &[&str]) {
    let mut rx = consumer(arguments[0]);
    let mut sum = Checksum::default();
    let end = loop {
        match rx.recv() {
            Ok(message) => sum.add(&message),
            Err(end) => break end,
        }
    };
    assert_eq!(end, RecvError::Closed);
    say(sum.text());
}

/// Sends numbered messages until it is killed.
fn flood(arguments: &[&str]) {
    let mut tx = producer(arguments[0]);
    say("ready");
    for number in 0_u64.. {
        tx.send(&number.to_ne_bytes()).expect("sent");
    }
}

/// Fills the ring, says with how many messages, and waits to be killed.
fn fill(arguments: &[&str]) {
    let mut tx = producer(arguments[0]);
    let full = (0_u64..).find(|number| tx.try_send(&number.to_ne_bytes()).is_err());
    say(full.expect("a ring gets full"));
    listen();
}

/// Takes some messages, says their sequences, and holds them until it is killed.
fn hold(arguments: &[&str]) {
    let mut rx = consumer(arguments[0]);
    let messages: usize = arguments[1].parse().expect("a number");
    rx.wait_for_message(None).expect("a message");
    let mut drain = rx.drain().expect("at home");
    for _ in 0..messages {
        say(drain.next().expect("a message").expect("intact").sequence());
    }
    listen();
}

/// Attaches as a consumer and echoes what it hears, until it hears nothing.
fn attach(arguments: &[&str]) {
    let _rx = consumer(arguments[0]);
    say("attached");
    loop {
        match listen() {
            word if word.is_empty() => break,
            word => say(word),
        }
    }
}

/// Parks for a message and says how long it came after its sending, and what the waiting cost.
fn park(arguments: &[&str]) {
    let mut rx = options().wait(Wait::Park).consumer(arguments[0]).expect("a consumer");
    let usage = || getrusage(UsageWho::RUSAGE_THREAD).expect("usage");
    let busy = |usage: &Usage| {
        let times = usage.user_time().tv_usec() + usage.system_time().tv_usec();
        let seconds = usage.user_time().tv_sec() + usage.system_time().tv_sec();
        Duration::from_micros((seconds * 1_000_000 + times) as u64)
    };
    say("parking");
    let before = usage();
    assert_eq!(&rx.recv().expect("a message")[..], b"wake");
    let after = usage();
    say((busy(&after) - busy(&before)).as_micros());
    say(after.voluntary_context_switches() - before.voluntary_context_switches());
    listen();
}

/// Round after round: takes whichever role of a ring is free, says which, and leaves when told.
fn race(arguments: &[&str]) {
    let number: usize = arguments[0].parse().expect("a number");
    for round in number.. {
        let name = listen();
        if name.is_empty() {
            break;
        }
        let (mut tx, mut rx) = (None, None);
        if round % 2 == 0 {
            tx = unless_taken(options().size(4096).producer(&name));
        }
        rx = unless_taken(options().size(4096).consumer(&name)).or(rx);
        if round % 2 == 1 {
            tx = unless_taken(options().size(4096).producer(&name));
        }
        let seen = tx.as_ref().map(|tx| tx.geometry().instance);
        let seen = seen.or(rx.as_ref().map(|rx| rx.geometry().instance)).unwrap_or(0);
        say(format!("{} {} {seen:x}", u32::from(tx.is_some()), u32::from(rx.is_some())));
        listen();
        drop((tx, rx));
        say("left");
    }
}

/// Attaches and leaves, again and again: another's leaving must never fail it.
fn churn(arguments: &[&str]) {
    let rounds: u32 = arguments[1].parse().expect("a number");
    for round in 0..rounds {
        if round % 2 == 0 {
            drop(unless_taken(options().size(64).producer(arguments[0])));
        } else {
            drop(unless_taken(options().size(64).consumer(arguments[0])));
        }
    }
}

fn unless_taken<T>(attached: Result<T, OpenError>) -> Option<T> {
    match attached {
        Ok(end) => Some(end),
        Err(OpenError::AlreadyAttached { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}
