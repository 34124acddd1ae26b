//! What an inbox does to the mask of its thread, and how it leaves it.

use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fs, thread};

use nix::libc;
use ringway::notify::{Inbox, Signal};

use crate::common::eventually;
use crate::common::role::Entry;
use crate::{play, queue, realtime};

pub const ROLES: [Entry; 4] = [
    ("restored", |_| restored()),
    ("left blocked", |_| left_blocked()),
    ("inherited", |_| inherited()),
    ("flag", |_| flag()),
];

/// The signals, a bit each, that the system says of this thread under a name.
fn said(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/thread-self/status").expect("/proc");
    let bits = status.lines().find_map(|line| line.strip_prefix(name)).expect("a mask");
    u64::from_str_radix(bits.trim(), 16).expect("hexadecimal")
}

/// The signals that this thread blocks.
fn blocked() -> u64 {
    said("SigBlk:")
}

/// The signals that are pending with this thread and with its process.
pub fn pending() -> u64 {
    said("SigPnd:") | said("ShdPnd:")
}

fn bit(signal: Signal) -> u64 {
    1 << (signal.number() - 1)
}

/// The set of this signal alone.
pub fn set_of(signal: Signal) -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset writes the whole set.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: it was written just now.
    let mut set = unsafe { set.assume_init() };
    // SAFETY: the set is initialized.
    unsafe { libc::sigaddset(&mut set, signal.number()) };
    set
}

/// Unblocks `signal` in this thread.
pub fn unblock(signal: Signal) {
    // SAFETY: the set is initialized, and the mask before is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &set_of(signal), ptr::null_mut()) };
}

#[test]
fn dropped_it_takes_away_what_is_pending_and_unblocks_what_it_blocked() {
    // The harness's thread blocks them, so that one that comes late kills nobody.
    play("restored", &[realtime(2), Signal::user1()]);
}

fn restored() {
    let (signal, user1) = (realtime(2), Signal::user1());
    [signal, user1].into_iter().for_each(unblock);
    let before = blocked();
    let inbox = Inbox::new(&[signal, user1]).expect("an inbox");
    assert_eq!(blocked(), before | bit(signal) | bit(user1));
    for token in 0..100 {
        queue(signal, token);
        queue(user1, token);
    }
    drop(inbox);
    assert_eq!(blocked(), before, "and this process lives");
}

#[test]
fn dropped_it_leaves_blocked_what_was_blocked_before_and_what_others_blocked_since() {
    play("left blocked", &[realtime(2), realtime(3)]);
}

fn left_blocked() {
    unblock(realtime(3));
    let outer = Inbox::new(&[realtime(3)]).expect("an inbox");
    let both = blocked();
    assert_eq!(both & (bit(realtime(2)) | bit(realtime(3))), bit(realtime(2)) | bit(realtime(3)));
    let inner = Inbox::new(&[realtime(2), realtime(3)]).expect("an inbox");
    let since = Inbox::new(&[realtime(4)]).expect("an inbox");
    drop(inner);
    assert_eq!(blocked(), both | bit(realtime(4)));
    drop(since);
    drop(outer);
    assert_eq!(blocked(), both & !bit(realtime(3)));
}

#[test]
fn threads_spawned_after_it_block_its_signals_too() {
    play("inherited", &[realtime(2)]);
}

fn inherited() {
    let _inbox = Inbox::new(&[realtime(4)]).expect("an inbox");
    let theirs = thread::spawn(blocked).join().expect("a thread");
    assert_eq!(theirs, blocked());
    assert_ne!(theirs & bit(realtime(4)), 0);
}

/// The way of the `signal-hook` crate.
#[test]
fn a_handler_that_sets_a_flag_is_told() {
    play("flag", &[realtime(2)]);
}

fn flag() {
    let arrived = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(realtime(2).number(), arrived.clone()).expect("a handler");
    unblock(realtime(2));
    for token in 0..3 {
        queue(realtime(2), token);
        eventually("the flag is set", || arrived.swap(false, Ordering::Relaxed));
    }
}
