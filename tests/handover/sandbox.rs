//! Children that may open nothing: what they have attached to works on, what they would attach to says what it needs.

use nix::errno::Errno;
use nix::libc;
use nix::mount::{MntFlags, umount2};
use nix::unistd::geteuid;
use ringway::{HandoverError, OpenError, Role as Part, handover, spsc};

use crate::common::role::{Entry, Role, say};
use crate::filter::{Denied, deny};
use crate::mounts::own_mounts;
use crate::{refused, skipped};

pub const ROLES: [Entry; 3] = [("filtered", filtered), ("no proc", without_proc), ("no shm", without_shm)];

/// Hands two rings to a child in `role`, which takes one before its sandbox comes down and the other one after.
fn answers(role: &str) {
    let mut early = spsc::options().lone_producer().expect("a ring");
    let mut back = spsc::options().lone_consumer().expect("a ring");
    let late = spsc::options().lone_producer().expect("a ring");
    let child = Role::start_with(role, &[], |command| {
        handover::to_child(command, "early", &early, Part::Consumer).expect("handed");
        handover::to_child(command, "back", &back, Part::Producer).expect("handed");
        handover::to_child(command, "late", &late, Part::Consumer).expect("handed");
    });
    // One that is not permitted here says so, and ends.
    if child.hear() == "attached" {
        early.send(b"from outside").expect("room");
        assert_eq!(&back.recv().expect("a message")[..], b"from outside");
        child.expect("told");
    }
    child.finish();
}

/// Attaches, has the sandbox come down, and answers from inside.
fn answer(sandbox: impl FnOnce(), needs: Option<&[&str]>) {
    let take = |name| handover::from_parent(name).expect("handed");
    let mut rx = take("early").consumer(&spsc::options()).expect("a consumer");
    let mut tx = take("back").producer(&spsc::options()).expect("a producer");
    sandbox();
    say("attached");
    tx.send(&rx.recv().expect("a message")).expect("room");
    let late = take("late");
    match needs {
        None => drop(late.consumer(&spsc::options()).expect("a consumer")),
        Some(parts) => {
            let error = refused(late.consumer(&spsc::options()), parts);
            assert!(matches!(error, OpenError::System { .. } | OpenError::NoDescriptor { .. }), "{error:?}");
            let error = refused(handover::from_parent("late"), &["taken already"]);
            assert!(matches!(error, HandoverError::Stale { .. }), "{error:?}");
        }
    }
    say("told");
}

#[test]
fn a_child_that_may_open_nothing_uses_what_it_has_attached_to() {
    answers("filtered");
}

fn filtered(_: &[&str]) {
    let calls = [libc::SYS_openat, libc::SYS_openat2, libc::SYS_memfd_create, libc::SYS_socket];
    let sandbox = || {
        deny(&calls.map(|call| Denied::always(call, Errno::EPERM)));
        std::fs::File::open("/dev/null").expect_err("nothing can be opened");
    };
    answer(sandbox, Some(&["open anew", "check who may read and write there"]));
}

#[test]
fn a_child_without_proc_uses_what_it_has_attached_to() {
    if geteuid().is_root() { answers("no proc") } else { skipped("\"no proc\" needs root") }
}

fn without_proc(_: &[&str]) {
    let sandbox = || {
        own_mounts_or_say_so();
        umount2("/proc", MntFlags::MNT_DETACH).expect("unmounted");
    };
    answer(sandbox, Some(&["/proc", "is not mounted"]));
}

#[test]
fn a_child_without_shared_memory_of_its_own_attaches_all_the_same() {
    if geteuid().is_root() { answers("no shm") } else { skipped("\"no shm\" needs root") }
}

fn without_shm(_: &[&str]) {
    let sandbox = || {
        own_mounts_or_say_so();
        crate::mounts::mount_kind("tmpfs", std::path::Path::new("/dev"), "size=4k");
        std::fs::File::open("/dev/shm").expect_err("there is none");
    };
    answer(sandbox, None);
}

fn own_mounts_or_say_so() {
    use nix::sched::{CloneFlags, unshare};
    if unshare(CloneFlags::CLONE_NEWNS) == Err(Errno::EPERM) {
        say("not permitted");
    }
    own_mounts();
}
