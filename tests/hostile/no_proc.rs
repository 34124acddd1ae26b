//! A process to which /proc is not mounted, or is hidden: what needs it says so, the rest works.

use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use nix::mount::{MntFlags, umount2};
use ringway::inspect::{inspect, list, remove};
use ringway::{Address, OpenError, Peer, RecvError};

use crate::common::names::Name;
use crate::common::role::Entry;
use crate::kinds::{Plan, Rx, Tx, kind_of, write_to_the_last_byte};
use crate::mounts::{mount_kind, own_mounts};
use crate::{of_each_kind_as_root, refused};

pub const ROLES: [Entry; 2] = [("unmounted proc", unmounted), ("hidden proc", hidden)];

#[test]
fn without_proc_every_call_works_or_says_what_it_needs() {
    of_each_kind_as_root("unmounted proc");
}

fn unmounted(arguments: &[&str]) {
    own_mounts();
    without_proc(arguments[0], || umount2("/proc", MntFlags::MNT_DETACH).expect("unmounted"));
}

#[test]
fn with_a_hidden_proc_every_call_works_or_says_what_it_needs() {
    of_each_kind_as_root("hidden proc");
}

fn hidden(arguments: &[&str]) {
    own_mounts();
    without_proc(arguments[0], || mount_kind("tmpfs", Path::new("/proc"), "size=4k"));
}

fn without_proc(kind: &str, take_away: impl FnOnce()) {
    let plan = Plan::new(kind_of(kind));
    let name = Name::new("before");
    let mut tx = plan.producer(&name).expect("a producer");
    let mut rx = plan.consumer(&name).expect("a consumer");
    take_away();
    what_is_there_goes_on(&mut tx, &mut rx);
    newcomers_are_told(&plan, &name, &tx);
    onlookers_need_no_proc(&plan, &name);
    drop((tx, rx));
    assert!(!name.exists(), "the last one out unlinks");
}

fn what_is_there_goes_on(tx: &mut Tx, rx: &mut Rx) {
    write_to_the_last_byte(tx, rx);
    assert_eq!((tx.peer(), rx.peer()), (Peer::Attached, Peer::Attached));
    assert_eq!(rx.recv_timeout(Duration::from_millis(120)), Err(RecvError::TimedOut));
    assert_eq!(tx.geometry().huge_bytes, 0);
    refused(tx.descriptor(), &["open anew", "/proc is mounted"]);
    if let Tx::Mpmc(tx) = tx {
        refused(tx.try_clone(), &["open anew", "/proc is mounted"]);
    }
}

fn newcomers_are_told(plan: &Plan, there: &Name, tx: &Tx) {
    let fresh = Name::new("fresh");
    let told = ["/proc"];
    for attempt in [
        plan.producer(&fresh).map(drop),
        plan.consumer(&fresh).map(drop),
        plan.producer(there).map(drop),
        plan.consumer(there).map(drop),
        plan.pair().map(drop),
    ] {
        let error = refused(attempt, &told);
        assert!(matches!(error, OpenError::System { .. }), "{error:?}");
        assert!(!fresh.exists(), "a name is left");
    }
    let open = std::fs::File::open(there.path()).expect("it is there");
    let error = refused(plan.consumer(&format!("fd:{}", open.as_raw_fd())), &["/proc", "is not mounted"]);
    assert!(matches!(error, OpenError::NoDescriptor { .. }), "{error:?}");
    assert_eq!(tx.peer(), Peer::Attached, "a refused newcomer ends nobody's lease");
}

fn onlookers_need_no_proc(plan: &Plan, name: &Name) {
    let report = inspect(&**name).expect("a report");
    assert!(report.participants.iter().all(|one| one.state == Peer::Attached));
    let mine = Address::Shm(name.to_string());
    assert!(list().expect("a list").iter().any(|entry| entry.address == mine));
    refused(remove(&**name, false), &["in use"]);
    let made = Name::new("made");
    plan.create_ring(&made).expect("root may link without /proc");
    remove(&*made, false).expect("nobody uses it");
    assert!(!made.exists());
}
