//! Nobody sleeps on a message: whoever arms, looks and waits is told of everything, whatever the moment at which it comes.

use std::hint::spin_loop;
use std::thread;
use std::time::Duration;

use ringway::notify::Inbox;

use crate::asker::{Asks, LEN, consumer_asks, plan, producer_asks, signal, start};
use crate::common::PATIENCE;
use crate::common::names::Name;
use crate::common::role::{Entry, Role, listen, say};
use crate::kinds::{KINDS, Kind, Plan, kind_of};

pub const ROLES: [Entry; 3] = [("sleeper", sleeper), ("sender", sender), ("room sleeper", room_sleeper)];

const ROUNDS: u64 = 4000;
const TOKEN: u32 = 77;

/// A pause of a random length: often none, sometimes long enough for the other side to fall asleep.
fn pause(state: &mut u64) {
    *state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
    match *state >> 61 {
        0 => thread::sleep(Duration::from_micros(*state >> 54 & 127)),
        1 => thread::yield_now(),
        2..5 => (0..*state >> 52 & 2047).for_each(|_| spin_loop()),
        _ => {}
    }
}

/// Waits for the signal if there is nothing to do.
fn doze(end: &mut dyn Asks, inbox: &Inbox) {
    if end.arm() {
        let notice = inbox.wait(Some(PATIENCE)).expect("an inbox").expect("a wake-up was lost");
        assert_eq!(notice.token, Some(TOKEN));
    }
}

/// Receives until a message says that there are no more; how many.
fn sleeper(arguments: &[&str]) {
    let inbox = Inbox::new(&[signal()]).expect("an inbox");
    let rx = plan(kind_of(arguments[0])).consumer(arguments[1]).expect("a consumer");
    let mut rx = consumer_asks(rx, signal(), TOKEN);
    say("ready");
    let (mut received, mut state) = (0_u64, u64::from(std::process::id()));
    loop {
        match &*rx.attempt() {
            "end" => break,
            "Empty" => doze(&mut *rx, &inbox),
            "one" => received += 1,
            other => panic!("{other:?}"),
        }
        pause(&mut state);
    }
    say(received);
    assert_eq!(listen(), "");
}

fn sender(arguments: &[&str]) {
    let mut tx = plan(kind_of(arguments[0])).producer(arguments[1]).expect("a producer");
    let mut state = u64::from(std::process::id());
    for _ in 0..ROUNDS {
        tx.send(b"one").expect("sent");
        pause(&mut state);
    }
    say("sent");
    assert_eq!(listen(), "end");
    tx.send(b"end").expect("sent");
}

/// So many senders and receivers, each a process.
fn nobody_sleeps(kind: Kind, count: usize) {
    let name = Name::new("asleep");
    let arguments = [kind.as_str(), &*name];
    let sleepers: Vec<Role> = (0..count).map(|_| start("sleeper", &arguments)).collect();
    sleepers.iter().for_each(|sleeper| sleeper.expect("ready"));
    let mut senders: Vec<Role> = (0..count).map(|_| Role::start("sender", &arguments)).collect();
    senders.iter().for_each(|sender| sender.expect("sent"));
    senders.iter_mut().for_each(|sender| sender.tell("end"));
    senders.into_iter().for_each(Role::finish);
    let received: u64 = sleepers.iter().map(|it| it.hear().parse::<u64>().expect("a number")).sum();
    assert_eq!(received, count as u64 * ROUNDS);
    sleepers.into_iter().for_each(Role::finish);
}

#[test]
fn no_message_is_slept_over() {
    nobody_sleeps(Kind::Spsc, 1);
}

#[test]
fn no_message_of_several_senders_is_slept_over_by_several_receivers() {
    nobody_sleeps(Kind::Mpmc, 2);
}

/// So small a ring that its producer waits again and again.
fn tiny(kind: Kind) -> Plan {
    Plan { size: 256, ..plan(kind) }
}

fn room_sleeper(arguments: &[&str]) {
    let inbox = Inbox::new(&[signal()]).expect("an inbox");
    let tx = tiny(kind_of(arguments[0])).producer(arguments[1]).expect("a producer");
    let mut tx = producer_asks(tx, signal(), TOKEN);
    let (mut sent, mut state) = (0, u64::from(std::process::id()));
    while sent < ROUNDS {
        match &*tx.attempt() {
            "sent" => sent += 1,
            "full" => doze(&mut *tx, &inbox),
            other => panic!("{other:?}"),
        }
        pause(&mut state);
    }
    say("sent");
    assert_eq!(listen(), "");
}

#[test]
fn no_room_is_slept_over() {
    for kind in KINDS {
        let name = Name::new("room");
        let mut rx = tiny(kind).consumer(&name).expect("a consumer");
        let sleeper = start("room sleeper", &[kind.as_str(), &*name]);
        let mut state = u64::from(std::process::id());
        for _ in 0..ROUNDS {
            rx.expect(&[b'.'; LEN]);
            pause(&mut state);
        }
        sleeper.expect("sent");
        sleeper.finish();
    }
}
