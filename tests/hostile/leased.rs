//! A file on which another user has a file lease (`F_SETLEASE`): the kernel lets everybody who opens it wait until the
//! holder gives it up, for most of a minute; unless the opener says that it does not wait.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use nix::libc;
use nix::sys::signal::{SigSet, Signal};
use ringway::inspect::{inspect, list, remove};
use ringway::{Address, OpenError};

use crate::common::names::Name;
use crate::common::role::Entry;
use crate::forked::{Child, become_user};
use crate::kinds::{Plan, kind_of};
use crate::{of_each_kind_as_root, refused};

pub const ROLES: [Entry; 1] = [("leased", leased)];

const ATTACKER: u32 = 65534;

#[test]
fn nobody_waits_for_a_file_that_another_user_has_leased() {
    of_each_kind_as_root("leased");
}

fn leased(arguments: &[&str]) {
    let plan = Plan { persist: true, mode: 0o666, ..Plan::new(kind_of(arguments[0])) };
    let name = Name::new("leased");
    let mut attacker = Child::start(|line| {
        become_user(ATTACKER);
        let mut told = SigSet::empty();
        told.add(Signal::SIGIO);
        told.thread_block().expect("nothing to hear of openers");
        plan.create_ring(&name).expect("a ring");
        let file = File::options().write(true).open(name.path()).expect("one's own");
        take_lease(&file);
        line.say("leased");
        line.hear();
    });
    attacker.line.expect("leased");
    for attempt in [
        plan.producer(&name).map(drop),
        plan.consumer(&name).map(drop),
        inspect(&*name).map(drop),
        remove(&*name, true),
    ] {
        let error = refused(attempt, &["open", "temporarily unavailable"]);
        assert!(matches!(error, OpenError::System { call: "open", .. }), "{error:?}");
    }
    let mine = Address::Shm(name.to_string());
    assert!(list().expect("a list").iter().any(|entry| entry.address == mine && entry.report.is_err()));
    attacker.kill();
    let error = refused(plan.producer(&name), &["belongs to uid 65534"]);
    assert!(matches!(error, OpenError::ForeignOwner { .. }), "{error:?}");
}

fn take_lease(file: &File) {
    // SAFETY: F_SETLEASE takes a number and touches no memory.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}
