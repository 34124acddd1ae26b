//! A ring whose directory goes away, or can no longer be written to, under live participants: they go on, and leave
//! without harm.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use ringway::inspect::remove;
use ringway::{Peer, RecvError};

use crate::common::PATIENCE;
use crate::common::role::Entry;
use crate::forked::{Child, become_user};
use crate::kinds::{Plan, Received, Rx, Tx, kind_of, write_to_the_last_byte};
use crate::mounts::{bind, mount_kind, names_in, own_mounts};
use crate::{of_each_kind, of_each_kind_as_root, refused, skipped};

pub const ROLES: [Entry; 5] = [
    ("unmounted", unmounted),
    ("removed directory", removed_directory),
    ("read-only", read_only),
    ("not writable", not_writable),
    ("immutable", immutable),
];

const NOBODY: u32 = 65534;

fn address(directory: &Path) -> String {
    format!("file:{}", directory.join("ring").display())
}

/// Both ends of a ring.
fn ends(plan: &Plan, address: &str) -> (Tx, Rx) {
    (plan.producer(address).expect("a producer"), plan.consumer(address).expect("a consumer"))
}

/// Both ends go on, and one hears of the other's end.
fn go_on_and_leave(mut tx: Tx, mut rx: Rx) {
    write_to_the_last_byte(&mut tx, &mut rx);
    assert_eq!((tx.peer(), rx.peer()), (Peer::Attached, Peer::Attached));
    assert_eq!(rx.recv_timeout(std::time::Duration::from_millis(120)), Err(RecvError::TimedOut));
    tx.send(b"the last").expect("room");
    drop(tx);
    assert_eq!(rx.recv_timeout(PATIENCE), Ok(Received::new(b"the last")));
    assert_eq!(rx.recv(), Err(RecvError::Closed));
}

#[test]
fn a_ring_goes_on_when_its_file_system_is_unmounted() {
    of_each_kind_as_root("unmounted");
}

fn unmounted(arguments: &[&str]) {
    let plan = Plan::new(kind_of(arguments[0]));
    own_mounts();
    let directory = tempfile::tempdir().expect("a directory");
    let detach = || umount2(directory.path(), MntFlags::MNT_DETACH).expect("unmounted");
    mount_kind("tmpfs", directory.path(), "size=1m");
    let (tx, rx) = ends(&plan, &address(directory.path()));
    detach();
    go_on_and_leave(tx, rx);

    mount_kind("tmpfs", directory.path(), "size=1m");
    let mut rx = plan.consumer(&address(directory.path())).expect("a consumer");
    let mut other = Child::start(|line| {
        let mut tx = plan.producer(&address(directory.path())).expect("a producer");
        line.say("attached");
        line.expect("send");
        tx.send(b"from nowhere").expect("room");
        line.say("sent");
        line.hear();
    });
    other.line.expect("attached");
    detach();
    other.line.say("send");
    other.line.expect("sent");
    rx.expect(b"from nowhere");
    other.kill();
    assert_eq!(rx.recv(), Err(RecvError::PeerDead), "a death is noticed where no path leads any more");
    let fresh = plan.producer(&address(directory.path())).expect("a new ring where the directory was");
    assert_ne!(fresh.geometry().instance, rx.geometry().instance);
    drop(rx);
    assert_eq!(names_in(directory.path()), ["ring"], "the new ring keeps its name");
    drop(fresh);
    assert_eq!(names_in(directory.path()), [""; 0]);
}

#[test]
fn a_ring_goes_on_when_its_directory_is_removed() {
    of_each_kind("removed directory");
}

fn removed_directory(arguments: &[&str]) {
    let plan = Plan::new(kind_of(arguments[0]));
    let directory = tempfile::tempdir().expect("a directory");
    let below = directory.path().join("below");
    fs::create_dir(&below).expect("a directory");
    let (tx, rx) = ends(&plan, &address(&below));
    fs::remove_dir_all(&below).expect("removed");
    let error = plan.consumer(&address(&below)).map(drop).expect_err("no directory");
    assert!(error.to_string().contains("check that the directory exists"), "{error}");
    go_on_and_leave(tx, rx);
    assert_eq!(names_in(directory.path()), [""; 0]);
}

/// The kernel makes no file system read-only while somebody has a file of it open for writing, as every participant
/// has; but the way to its name may be a read-only one.
#[test]
fn the_name_stays_where_the_last_one_out_finds_it_read_only() {
    of_each_kind_as_root("read-only");
}

fn read_only(arguments: &[&str]) {
    let plan = Plan::new(kind_of(arguments[0]));
    own_mounts();
    let directory = tempfile::tempdir().expect("a directory");
    let tx = plan.producer(&address(directory.path())).expect("a producer");
    let descriptor = tx.descriptor().expect("a descriptor");
    bind(directory.path(), directory.path());
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(None::<&str>, directory.path(), None::<&str>, flags, None::<&str>).expect("read-only now");
    let rx = plan.consumer(&format!("fd:{}", descriptor.as_raw_fd())).expect("by descriptor");
    go_on_and_leave(tx, rx);
    assert_eq!(names_in(directory.path()), ["ring"]);
    for force in [false, true] {
        refused(remove(&*address(directory.path()), force), &["Read-only file system", "can be written to"]);
    }
    umount2(directory.path(), MntFlags::MNT_DETACH).expect("writable again");
    remove(&*address(directory.path()), false).expect("nobody uses it");
}

#[test]
fn the_name_stays_where_the_last_one_out_may_not_remove_it() {
    of_each_kind_as_root("not writable");
}

fn not_writable(arguments: &[&str]) {
    let plan = Plan::new(kind_of(arguments[0]));
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    chown(path, Some(NOBODY), None).expect("root may");
    let mut user = Child::start(|line| {
        become_user(NOBODY);
        let (tx, rx) = ends(&plan, &address(path));
        line.say("attached");
        line.expect("leave");
        go_on_and_leave(tx, rx);
        let parts = ["unlink", "Permission denied", "check who may read and write there"];
        refused(remove(&*address(path), false), &parts);
    });
    user.line.expect("attached");
    chown(path, Some(0), None).expect("root may");
    fs::set_permissions(path, fs::Permissions::from_mode(0o555)).expect("root may");
    user.line.say("leave");
    user.finish();
    assert_eq!(names_in(path), ["ring"]);
    remove(&*address(path), false).expect("nobody uses it, and root may");
}

#[test]
fn the_name_stays_in_a_directory_that_was_made_immutable() {
    of_each_kind_as_root("immutable");
}

fn immutable(arguments: &[&str]) {
    let plan = Plan::new(kind_of(arguments[0]));
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    let change =
        |flag| Command::new("chattr").arg(flag).arg(path).output().is_ok_and(|it| it.status.success());
    let (tx, rx) = ends(&plan, &address(path));
    if !change("+i") {
        return skipped("directories cannot be made immutable here");
    }
    go_on_and_leave(tx, rx);
    let refusal = remove(&*address(path), false);
    assert!(change("-i"), "it can be removed again");
    refused(refusal, &["unlink", "Operation not permitted", "check who may read and write there"]);
    assert_eq!(names_in(path), ["ring"]);
}
