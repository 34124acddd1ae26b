//! The ways to be ready: an inbox, `sigwaitinfo`, a handler that sets a flag.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::libc;

use crate::asker::{consumer_asks, plan, signal, start};
use crate::common::eventually;
use crate::common::names::Name;
use crate::common::role::{Entry, Role, say};
use crate::kinds::{KINDS, kind_of};
use crate::mask::{set_of, unblock};

pub const ROLES: [Entry; 2] = [("by sigwaitinfo", by_sigwaitinfo), ("by flag", by_flag)];

const TOKEN: u32 = 0xfeed_beef;
/// The code of a signal that was queued with a value.
const SI_QUEUE: i32 = -1;
const ROUNDS: usize = 20;

fn is_told(role: &str, start: impl Fn(&str, &[&str]) -> Role) {
    for kind in KINDS {
        let name = Name::new("ways");
        let role = start(role, &[kind.as_str(), &*name]);
        let mut tx = plan(kind).producer(&name).expect("a producer");
        for _ in 0..ROUNDS {
            role.expect("armed");
            tx.send(b"something").expect("room");
        }
        role.finish();
    }
}

/// Asks, waits by `wait`, and looks, again and again.
fn receives(arguments: &[&str], mut wait: impl FnMut()) {
    let rx = plan(kind_of(arguments[0])).consumer(arguments[1]).expect("a consumer");
    let mut rx = consumer_asks(rx, signal(), TOKEN);
    for _ in 0..ROUNDS {
        assert!(rx.arm());
        say("armed");
        wait();
        assert_eq!(rx.attempt(), "something");
        assert_eq!(rx.attempt(), "Empty");
    }
}

#[test]
fn who_waits_by_sigwaitinfo_is_told_with_token_and_code() {
    is_told("by sigwaitinfo", start);
}

fn by_sigwaitinfo(arguments: &[&str]) {
    receives(arguments, || {
        let mut info = MaybeUninit::uninit();
        // SAFETY: the set is initialized, and there is room for what is written.
        let number = unsafe { libc::sigwaitinfo(&set_of(signal()), info.as_mut_ptr()) };
        assert_eq!(number, signal().number());
        // SAFETY: sigwaitinfo has written it.
        let info: libc::siginfo_t = unsafe { info.assume_init() };
        // SAFETY: a queued signal has a value.
        let value = unsafe { info.si_value() };
        assert_eq!((info.si_code, value.sival_ptr.addr()), (SI_QUEUE, TOKEN as usize));
    });
}

/// The way of the `signal-hook` crate.
#[test]
fn who_handles_the_signal_by_a_flag_is_told() {
    is_told("by flag", start);
}

fn by_flag(arguments: &[&str]) {
    let arrived = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal().number(), arrived.clone()).expect("a handler");
    unblock(signal());
    receives(arguments, || eventually("the flag is set", || arrived.swap(false, Ordering::Acquire)));
}
