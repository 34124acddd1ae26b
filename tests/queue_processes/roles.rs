//! What the processes that these tests start can do.

use ringway::mpmc::{Consumer, Producer, options};

use crate::common::role::{Entry, listen, say};
use crate::journal::now;
use crate::{consume, produce};

pub const ROLES: [Entry; 9] = [
    ("produce", produce::produce),
    ("witness", produce::witness),
    ("consume", consume::consume),
    ("claim", claim),
    ("hold", hold),
    ("snatch", snatch),
    ("receive", receive),
    ("take", take),
    ("press", press),
];

fn producer(name: &str) -> Producer {
    options().create(false).producer(name).expect("a producer")
}

fn consumer(name: &str) -> Consumer {
    options().create(false).consumer(name).expect("a consumer")
}

/// Claims room and holds it; commits when told to.
fn claim(arguments: &[&str]) {
    let mut tx = producer(arguments[0]);
    let mut claim = tx.claim(8).expect("room");
    claim.copy_from_slice(b"claimed.");
    say("claimed");
    if listen() == "commit" {
        claim.commit().expect("at home");
        say("committed");
    }
}

/// Takes some messages, says their sequences, and holds them; releases them when told to.
fn hold(arguments: &[&str]) {
    let mut rx = consumer(arguments[0]);
    let messages: usize = arguments[1].parse().expect("a number");
    let mut held = 0;
    while held == 0 {
        rx.wait_for_message(None).expect("a message");
        let mut drain = rx.drain().expect("at home");
        while held < messages {
            let Some(message) = drain.next() else { break };
            say(message.expect("intact").sequence());
            held += 1;
        }
        if held > 0 && listen() == "release" {
            drop(drain);
            say("released");
        }
    }
}

/// Sends a message and takes it itself, faster than anybody can wake; says so, and holds it.
fn snatch(arguments: &[&str]) {
    let (mut tx, mut rx) = (producer(arguments[0]), consumer(arguments[0]));
    listen();
    tx.send(b"snatched").expect("room");
    let message = rx.try_recv();
    say(if message.is_ok() { "snatched" } else { "missed" });
    listen();
}

/// Receives a message whenever it is told to, and says when that was and whether it was redelivered.
fn receive(arguments: &[&str]) {
    let mut rx = consumer(arguments[0]);
    say("ready");
    while listen() == "go" {
        let message = rx.recv().expect("a message");
        let (time, redelivered) = (now(), message.redelivered());
        drop(message);
        say(format!("{time} {redelivered}"));
    }
}

/// Receives whatever comes.
fn take(arguments: &[&str]) {
    let mut rx = consumer(arguments[0]);
    say("ready");
    while rx.recv().is_ok() {}
}

/// Whenever it is told to: sends until the process that it was told holds a slot in its way, says so, and then when
/// the way was free.
fn press(arguments: &[&str]) {
    let mut tx = producer(arguments[0]);
    say("ready");
    loop {
        let word = listen();
        let Ok(victim) = word.parse::<u32>() else { break };
        let stalled = |error| matches!(error, ringway::SendError::Stalled { pid, .. } if pid == victim);
        let mut send = || tx.send_timeout(b"pressing", std::time::Duration::from_millis(5));
        while !send().is_err_and(stalled) {}
        say("stalled");
        tx.send(b"pressing").expect("room");
        say(now());
    }
}
