//! What an inbox receives, and when.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal as Common, sigaction};
use ringway::notify::{Inbox, Signal};

use crate::common::PATIENCE;
use crate::common::role::Entry;
use crate::{play, queue, realtime, send};

pub const ROLES: [Entry; 6] = [
    ("tokens", |_| tokens()),
    ("merged", |_| merged()),
    ("no token", |_| no_token()),
    ("polled", |_| polled()),
    ("wakes", |_| wakes()),
    ("interrupted", |_| interrupted()),
];

#[track_caller]
fn expect(inbox: &Inbox, signal: Signal, token: Option<u32>) {
    let notice = inbox.try_next().expect("an inbox").expect("a signal");
    assert_eq!((notice.signal, notice.token, notice.pid), (signal, token, std::process::id()));
}

#[track_caller]
fn expect_nothing(inbox: &Inbox) {
    assert_eq!(inbox.try_next().expect("an inbox"), None);
}

#[test]
fn real_time_signals_queue_each_with_its_token_lower_numbers_first() {
    play("tokens", &[realtime(2), realtime(3)]);
}

fn tokens() {
    let (low, high) = (realtime(2), realtime(3));
    let inbox = Inbox::new(&[low, high]).expect("an inbox");
    expect_nothing(&inbox);
    for (signal, token) in [(high, 0), (low, 1), (high, u32::MAX), (low, 2)] {
        queue(signal, token);
    }
    for (signal, token) in [(low, 1), (low, 2), (high, 0), (high, u32::MAX)] {
        expect(&inbox, signal, Some(token));
    }
    expect_nothing(&inbox);
}

#[test]
fn user_signals_merge_and_keep_the_first_token() {
    play("merged", &[Signal::user1(), Signal::user2()]);
}

fn merged() {
    let inbox = Inbox::new(&[Signal::user1(), Signal::user2()]).expect("an inbox");
    for token in [7, 8, 9] {
        queue(Signal::user2(), token);
        queue(Signal::user1(), token);
    }
    expect(&inbox, Signal::user1(), Some(7));
    expect(&inbox, Signal::user2(), Some(7));
    expect_nothing(&inbox);
}

#[test]
fn what_somebody_else_sends_has_no_token() {
    play("no token", &[realtime(2), Signal::user1()]);
}

fn no_token() {
    let inbox = Inbox::new(&[realtime(2), Signal::user1()]).expect("an inbox");
    for signal in [Signal::user1(), realtime(2)] {
        send(signal);
        expect(&inbox, signal, None);
    }
}

#[test]
fn its_descriptor_is_readable_while_a_signal_is_there() {
    play("polled", &[realtime(2), realtime(3)]);
}

fn polled() {
    let inbox = Inbox::new(&[realtime(2)]).expect("an inbox");
    let is_readable = || {
        let mut descriptors = [PollFd::new(inbox.as_fd(), PollFlags::POLLIN)];
        poll(&mut descriptors, PollTimeout::ZERO).expect("a descriptor") == 1
    };
    queue(realtime(3), 1);
    assert!(!is_readable(), "another signal");
    queue(realtime(2), 1);
    assert!(is_readable());
    expect(&inbox, realtime(2), Some(1));
    assert!(!is_readable());
}

#[test]
fn a_wait_ends_with_a_signal_or_with_its_time() {
    play("wakes", &[realtime(2)]);
}

fn wakes() {
    let inbox = Inbox::new(&[realtime(2)]).expect("an inbox");
    for millis in [0, 1, 20] {
        let (limit, started) = (Duration::from_millis(millis), Instant::now());
        assert_eq!(inbox.wait(Some(limit)).expect("an inbox"), None);
        assert!(started.elapsed() >= limit, "{:?} of {limit:?}", started.elapsed());
    }
    for timeout in [None, Some(PATIENCE), Some(Duration::MAX)] {
        let sender = thread::spawn(|| {
            thread::sleep(Duration::from_millis(5));
            queue(realtime(2), 3);
        });
        let notice = inbox.wait(timeout).expect("an inbox").expect("a signal");
        assert_eq!(notice.token, Some(3));
        sender.join().expect("sent");
    }
}

/// Signals handled by this process.
static HANDLED: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: i32) {
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

#[test]
fn a_handled_signal_ends_no_wait() {
    play("interrupted", &[realtime(2)]);
}

fn interrupted() {
    let inbox = Inbox::new(&[realtime(2)]).expect("an inbox");
    let action = SigAction::new(SigHandler::Handler(count), SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler only counts in an atomic.
    unsafe { sigaction(Common::SIGUSR2, &action) }.expect("a handler");
    let me = nix::sys::pthread::pthread_self();
    let done = Arc::new(());
    let waiting = Arc::downgrade(&done);
    let sender = thread::spawn(move || {
        while waiting.strong_count() > 0 {
            nix::sys::pthread::pthread_kill(me, Common::SIGUSR2).expect("it lives");
            thread::sleep(Duration::from_millis(1));
        }
    });
    let (limit, started) = (Duration::from_millis(50), Instant::now());
    assert_eq!(inbox.wait(Some(limit)).expect("an inbox"), None);
    assert!(started.elapsed() >= limit, "{:?}", started.elapsed());
    drop(done);
    sender.join().expect("the sender");
    assert!(HANDLED.load(Ordering::Relaxed) > 0);
}
