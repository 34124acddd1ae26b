//! Rings of every backing: named, in files, handed over without a name, hosted.
#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;

use ringway::notify::Inbox;
use ringway::spsc;

use crate::asker::{Asker, consumer, consumer_asks, plan, signal, start};
use crate::common::role::Entry;
use crate::forked::Child;
use crate::kinds::{KINDS, Rx, kind_of};

pub const ROLES: [Entry; 3] =
    [("handed over", handed_over), ("one process", one_process), ("hosted", hosted)];

#[test]
fn a_receiver_at_a_ring_in_a_file_is_told() {
    for kind in KINDS {
        let directory = tempfile::tempdir().expect("a directory");
        let address = format!("file:{}", directory.path().join("ring").display());
        let mut asker = Asker::of(consumer(kind, &address, 5));
        let mut tx = plan(kind).producer(&address).expect("a producer");
        asker.arms();
        tx.send(b"something").expect("room");
        asker.is_told(5);
        asker.finish();
    }
}

#[test]
fn one_to_whom_a_ring_without_a_name_was_handed_is_told() {
    KINDS.into_iter().for_each(|kind| start("handed over", &[kind.as_str()]).finish());
}

fn handed_over(arguments: &[&str]) {
    let plan = plan(kind_of(arguments[0]));
    let (mut tx, rx) = plan.pair().expect("a pair");
    let descriptor = tx.descriptor().expect("a memfd");
    drop(rx);
    let mut taker = Child::start(|line| {
        let inbox = Inbox::new(&[signal()]).expect("an inbox");
        let rx = plan.consumer(&format!("fd:{}", descriptor.as_raw_fd())).expect("a consumer");
        let mut rx = consumer_asks(rx, signal(), 6);
        line.say(rx.arm());
        line.expect("sent");
        let notice = inbox.try_next().expect("an inbox").expect("a signal");
        assert_eq!(notice.token, Some(6));
        assert_eq!(rx.attempt(), "something");
    });
    taker.line.expect("true");
    tx.send(b"something").expect("room");
    taker.line.say("sent");
    taker.finish();
}

#[test]
fn one_process_tells_itself() {
    KINDS.into_iter().for_each(|kind| start("one process", &[kind.as_str()]).finish());
}

fn one_process(arguments: &[&str]) {
    let inbox = Inbox::new(&[signal()]).expect("an inbox");
    let (mut tx, rx) = plan(kind_of(arguments[0])).pair().expect("a pair");
    tells(&inbox, rx, |message| tx.send(message).expect("room"));
}

/// A receiver in this process is told of what is sent.
fn tells(inbox: &Inbox, rx: Rx, mut send: impl FnMut(&[u8])) {
    let mut rx = consumer_asks(rx, signal(), 7);
    for _ in 0..2 {
        assert!(rx.arm());
        assert_eq!(inbox.try_next().expect("an inbox"), None);
        send(b"something");
        let notice = inbox.try_next().expect("an inbox").expect("a signal");
        assert_eq!((notice.token, notice.pid), (Some(7), std::process::id()));
        assert_eq!(rx.attempt(), "something");
    }
}

#[test]
fn a_hosted_ring_with_leases_tells_and_one_without_says_that_it_cannot() {
    start("hosted", &[]).finish();
}

fn hosted(_: &[&str]) {
    let inbox = Inbox::new(&[signal()]).expect("an inbox");
    let leases = tempfile::tempfile().expect("a file for leases");
    let (mut tx, rx) = pair_in_own_memory(Some(&leases));
    tells(&inbox, Rx::Spsc(rx), |message| tx.send(message).expect("room"));

    let (tx, rx) = pair_in_own_memory(None);
    let errors = [rx.signalled(signal(), 7).map(drop), tx.signalled(signal(), 7).map(drop)];
    for error in errors.map(|refused| refused.expect_err("no lease").to_string()) {
        assert!(error.contains("ask for signals") && error.contains("without leases"), "{error}");
    }
}

/// Both ends of a ring in memory of this process.
fn pair_in_own_memory(leases: Option<&File>) -> (spsc::Producer, spsc::Consumer) {
    let options = spsc::options().size(4096);
    let len = options.hosted_len().expect("possible options");
    let pages: &'static mut [Page] = Box::leak(vec![Page([0; 4096]); len.div_ceil(4096)].into_boxed_slice());
    let memory = NonNull::from(pages).cast();
    let leases = || leases.map(|file| file.try_clone().expect("a descriptor").into());
    // SAFETY: the memory is never freed, and used for nothing else.
    let tx = unsafe { options.clone().create_new(true).producer_in(memory, len, leases()) };
    // SAFETY: as above.
    let rx = unsafe { options.consumer_in(memory, len, leases()) };
    (tx.expect("a producer"), rx.expect("a consumer"))
}

#[derive(Clone, Copy)]
#[repr(C, align(4096))]
struct Page([u8; 4096]);
