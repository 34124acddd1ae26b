//! Every process is stopped, as in a suspended session, and later continued: nothing is lost, doubled or delivered
//! again, and nobody is taken for dead.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use nix::sys::signal::Signal;
use ringway::{Peer, RecvError, Wait};

use crate::common::eventually;
use crate::common::names::Name;
use crate::common::role::{Entry, Role, listen, say};
use crate::kinds::{KINDS, Kind, Plan, kind_of};

pub const ROLES: [Entry; 3] =
    [("stream on", stream_on), ("receive all", receive_all), ("wait with a limit", wait_with_a_limit)];

const ROUNDS: u32 = 12;
/// Several liveness intervals.
const STOPPED: Duration = Duration::from_millis(30);

fn plan(kind: Kind, wait: Wait) -> Plan {
    Plan { wait, liveness: Duration::from_millis(5), ..Plan::new(kind) }
}

/// "busy": nobody sleeps for long; "idle": everybody sleeps most of the time.
fn wait_of(pace: &str) -> Wait {
    if pace == "busy" { Wait::Adaptive } else { Wait::Park }
}

/// What is left of a message in the sum over all, in whatever order they come.
fn hash(number: u64) -> u64 {
    let mixed = (number ^ number >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

static STOP: AtomicBool = AtomicBool::new(false);

/// Sends numbered messages until told to stop; says how many, and their sum.
fn stream_on(arguments: &[&str]) {
    let &[kind, name, pace, first] = arguments else { panic!("four arguments") };
    let mut tx = plan(kind_of(kind), wait_of(pace)).producer(name).expect("a producer");
    let first: u64 = first.parse().expect("a number");
    say("attached");
    listen();
    let stopper = thread::spawn(|| {
        listen();
        STOP.store(true, Ordering::Relaxed);
    });
    let (mut sent, mut sum) = (0, 0_u64);
    while !STOP.load(Ordering::Relaxed) {
        tx.send(&(first + sent).to_ne_bytes()).expect("the consumers live");
        sum = sum.wrapping_add(hash(first + sent));
        sent += 1;
        if pace == "idle" {
            thread::sleep(Duration::from_millis(3));
        }
    }
    stopper.join().expect("it listens");
    say(format!("{sent} {sum}"));
    listen();
}

/// Receives until every producer has left; says how many messages, and their sum.
fn receive_all(arguments: &[&str]) {
    let &[kind, name, pace] = arguments else { panic!("three arguments") };
    let mut rx = plan(kind_of(kind), wait_of(pace)).consumer(name).expect("a consumer");
    say("attached");
    let (mut received, mut sum) = (0_u64, 0_u64);
    let end = loop {
        match rx.recv() {
            Ok(message) => {
                assert!(!message.redelivered, "nobody died");
                let number = u64::from_ne_bytes(message.bytes.try_into().expect("eight bytes"));
                sum = sum.wrapping_add(hash(number));
                received += 1;
            }
            Err(end) => break end,
        }
    };
    assert_eq!(end, RecvError::Closed);
    say(format!("{received} {sum}"));
}

#[test]
fn processes_that_are_all_stopped_and_continued_in_a_stream_lose_nothing() {
    KINDS.into_iter().for_each(|kind| suspend_all(kind, "busy"));
}

#[test]
fn processes_that_are_all_stopped_and_continued_in_their_sleep_lose_nothing() {
    KINDS.into_iter().for_each(|kind| suspend_all(kind, "idle"));
}

fn suspend_all(kind: Kind, pace: &str) {
    let name = Name::new("suspended");
    let each = if kind == Kind::Mpmc { 2 } else { 1 };
    let consumers: Vec<Role> =
        (0..each).map(|_| Role::start("receive all", &[kind.as_str(), &name, pace])).collect();
    let first = |number: u64| (number << 32).to_string();
    let mut producers: Vec<Role> = (0..each)
        .map(|number| Role::start("stream on", &[kind.as_str(), &name, pace, &first(number)]))
        .collect();
    consumers.iter().chain(&producers).for_each(|role| role.expect("attached"));
    producers.iter_mut().for_each(|role| role.tell("go"));
    for round in 0..ROUNDS {
        thread::sleep(Duration::from_micros(u64::from(round) * 1713 % 9000));
        suspend(&consumers.iter().chain(&producers).collect::<Vec<_>>(), round as usize);
    }
    producers.iter_mut().for_each(|role| role.tell("stop"));
    let sent = total(&producers);
    producers.into_iter().for_each(Role::finish);
    assert_eq!(total(&consumers), sent, "{kind:?}, {pace}: lost or doubled");
    assert!(sent.0 > u64::from(ROUNDS), "only {} messages", sent.0);
    consumers.into_iter().for_each(Role::finish);
    assert!(!name.exists());
}

/// Stops everybody, and continues one after the other, another one first each time.
fn suspend(roles: &[&Role], round: usize) {
    roles.iter().for_each(|role| role.signal(Signal::SIGSTOP));
    eventually("everybody is stopped", || roles.iter().all(|role| state_of(role.pid()) == Some('T')));
    thread::sleep(STOPPED);
    for at in 0..roles.len() {
        roles[(at + round) % roles.len()].signal(Signal::SIGCONT);
        thread::sleep(STOPPED / 2);
    }
}

/// How many messages, and their sum.
fn total(roles: &[Role]) -> (u64, u64) {
    let said = roles.iter().map(Role::hear);
    said.fold((0, 0), |(count, sum), words| {
        let (more, part) = words.split_once(' ').expect("two numbers");
        let number = |text: &str| text.parse::<u64>().expect("a number");
        (count + number(more), sum.wrapping_add(number(part)))
    })
}

/// The state letter of a process.
fn state_of(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

#[test]
fn a_limit_that_passes_while_all_are_stopped_is_a_time_out() {
    for kind in KINDS {
        for pace in ["busy", "idle"] {
            let name = Name::new("limit");
            let tx = plan(kind, Wait::Park).producer(&name).expect("a producer");
            let role = Role::start("wait with a limit", &[kind.as_str(), &name, pace]);
            role.expect("waiting");
            role.signal(Signal::SIGSTOP);
            eventually("it is stopped", || state_of(role.pid()) == Some('T'));
            thread::sleep(2 * LIMIT);
            assert_eq!(tx.peer(), Peer::Attached, "stopped is not dead");
            role.signal(Signal::SIGCONT);
            role.expect("timed out");
            role.finish();
        }
    }
}

const LIMIT: Duration = Duration::from_millis(150);

/// The time that passed while this process was stopped counts: the limit is one on the monotonic clock.
fn wait_with_a_limit(arguments: &[&str]) {
    let &[kind, name, pace] = arguments else { panic!("three arguments") };
    let mut rx = plan(kind_of(kind), wait_of(pace)).consumer(name).expect("a consumer");
    let started = Instant::now();
    say("waiting");
    assert_eq!(rx.recv_timeout(LIMIT), Err(RecvError::TimedOut));
    assert!(started.elapsed() >= LIMIT, "{:?}", started.elapsed());
    assert_eq!(rx.peer(), Peer::Attached);
    say("timed out");
}
