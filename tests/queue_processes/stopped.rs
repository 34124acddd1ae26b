//! A participant that is stopped is not dead: nobody takes what it holds, and who waits for it is told whom for.

use std::time::Duration;

use nix::sys::signal::Signal;
use ringway::mpmc::{Consumer, Producer, options};
use ringway::{RecvError, Role as End, SendError};

use crate::common::names::Name;
use crate::common::role::Role;
use crate::common::{PATIENCE, eventually};
use crate::soak::length;

const SLOTS: usize = 8;

/// How long a process is stopped.
fn pause() -> Duration {
    length(Duration::from_millis(500)).min(Duration::from_secs(2))
}

fn ends(name: &Name) -> (Producer, Consumer) {
    let options = options().slots(SLOTS).liveness(Duration::from_millis(5));
    (options.producer(&**name).expect("a producer"), options.consumer(&**name).expect("a consumer"))
}

fn stop(role: &Role) {
    role.signal(Signal::SIGSTOP);
    eventually("the process is stopped", || state_of(role.pid()) == Some('T'));
}

/// The state letter of a process.
fn state_of(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

#[test]
fn nobody_takes_a_stopped_producers_claim() {
    let name = Name::new("claim");
    let (mut tx, mut rx) = ends(&name);
    let mut victim = Role::start("claim", &[&name]);
    victim.expect("claimed");
    stop(&victim);
    tx.send(b"behind").expect("room");
    let pid = victim.pid();
    let stalled = RecvError::Stalled { role: End::Producer, pid };
    assert_eq!(rx.recv_timeout(pause()).map(|_| ()), Err(stalled));
    assert_eq!(rx.wait_for_message(Some(Duration::from_millis(20))), Err(stalled));
    let full = (2..).find(|_| tx.try_send(b"more").is_err()).expect("a ring gets full");
    assert_eq!(full, SLOTS, "what was claimed, what was sent behind, and as many more as there are slots");
    let stalled = SendError::Stalled { role: End::Producer, pid };
    assert_eq!(tx.send_timeout(b"more", Duration::from_millis(50)), Err(stalled));
    assert_eq!(tx.claim_timeout(5, Duration::from_millis(20)).map(drop), Err(stalled));
    assert_eq!((rx.counters().tombstones, tx.counters().tombstones), (0, 0));
    victim.signal(Signal::SIGCONT);
    victim.tell("commit");
    victim.expect("committed");
    assert_eq!(&rx.recv_timeout(PATIENCE).expect("committed")[..], b"claimed.");
    assert_eq!(&rx.recv_timeout(PATIENCE).expect("sent behind it")[..], b"behind");
    tx.send_timeout(b"more", PATIENCE).expect("room again");
    victim.finish();
}

#[test]
fn nobody_takes_a_stopped_consumers_message() {
    let name = Name::new("message");
    let (mut tx, mut rx) = ends(&name);
    let mut victim = Role::start("hold", &[&name, "1"]);
    tx.send(b"held").expect("room");
    victim.expect("0");
    stop(&victim);
    assert_eq!(rx.recv_timeout(pause()).map(|_| ()), Err(RecvError::TimedOut));
    for number in 1..SLOTS {
        tx.send(&number.to_ne_bytes()).expect("room beside the message in hand");
        let message = rx.recv_timeout(PATIENCE).expect("sent");
        assert_eq!((message.sequence(), message.redelivered()), (number as u64, false));
    }
    let stalled = SendError::Stalled { role: End::Consumer, pid: victim.pid() };
    assert_eq!(tx.send_timeout(b"next", pause()), Err(stalled));
    assert_eq!(tx.wait_for_space(4, Some(Duration::from_millis(20))), Err(stalled));
    assert_eq!((rx.used(), rx.counters().redelivered), (Ok(1), 0));
    victim.signal(Signal::SIGCONT);
    victim.tell("release");
    victim.expect("released");
    tx.send_timeout(b"next", PATIENCE).expect("the slot is free");
    let message = rx.recv_timeout(PATIENCE).expect("sent");
    assert_eq!(
        (&message[..], message.sequence(), message.redelivered()),
        (&b"next"[..], SLOTS as u64, false)
    );
    drop(message);
    victim.finish();
    assert_eq!(rx.used(), Ok(0));
}
