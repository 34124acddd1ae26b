//! Process ids say nothing: peers in different PID namespaces have the same ones, and a dead peer's comes again. Only
//! leases say who lives.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid, getpid};
use ringway::inspect::{Report, inspect};
use ringway::{Peer, RecvError, Role as End, SendError};

use crate::common::names::Name;
use crate::common::role::Entry;
use crate::common::{PATIENCE, eventually};
use crate::forked::{Child, Line, become_user};
use crate::kinds::{Plan, Received, kind_of};
use crate::mounts::{bind, mount_kind, names_in, own_mounts};
use crate::{of_each_kind_as_root, skipped};

pub const ROLES: [Entry; 4] = [
    ("equal pids", equal_pids),
    ("two paths", two_paths),
    ("the pid comes again", the_pid_comes_again),
    ("user namespaces", user_namespaces),
];

/// The last process id given out in the namespace of whoever asks.
const LAST_PID: &str = "/proc/sys/kernel/ns_last_pid";

fn plan(kind: &str) -> Plan {
    Plan { liveness: Duration::from_millis(5), ..Plan::new(kind_of(kind)) }
}

/// The process ids that the participants with `role` said.
fn said_pids(report: &Report, role: End) -> Vec<u32> {
    let with_role = report.participants.iter().filter(|one| one.role == role && one.state == Peer::Attached);
    with_role.map(|one| one.pid).collect()
}

/// Attaches as the first process of its PID namespace, with its own /proc if asked to, and answers.
fn produce(line: &mut Line, plan: &Plan, address: &str, own_proc: bool) {
    if own_proc {
        mount_kind("proc", Path::new("/proc"), "");
    }
    let mut tx = plan.producer(address).expect("a producer");
    line.say("attached");
    while line.hear() == "send" {
        tx.send(b"from pid 1").expect("room");
        line.say("sent");
    }
    assert_eq!(tx.peer(), Peer::Attached, "the consumer lives");
}

#[test]
fn peers_in_different_pid_namespaces_are_never_mistaken_for_each_other() {
    of_each_kind_as_root("equal pids");
}

fn equal_pids(arguments: &[&str]) {
    own_mounts();
    let plan = plan(arguments[0]);
    for own_proc in [false, true] {
        let name = Name::new("equal");
        let name = &*name;
        let mut far = Child::start_in_pid_namespace(|line| produce(line, &plan, name, own_proc));
        far.line.expect("attached");
        let mut near = Child::start_in_pid_namespace(|line| {
            let mut rx = plan.consumer(name).expect("a consumer");
            line.say("attached");
            rx.expect(b"from pid 1");
            line.say("received");
            assert_eq!(rx.recv_timeout(Duration::from_millis(50)), Err(RecvError::TimedOut));
            line.say("alive");
            assert_eq!(rx.recv(), Err(RecvError::PeerDead));
            assert_eq!(rx.peer(), Peer::Dead);
            line.say("dead");
            line.expect("another has sent");
            rx.expect(b"from pid 1");
        });
        near.line.expect("attached");
        let report = inspect(name).expect("a ring");
        let pids = [End::Producer, End::Consumer].map(|role| said_pids(&report, role));
        assert_eq!(pids, [[1], [1]], "both are number 1");
        far.line.say("send");
        far.line.expect("sent");
        near.line.expect("received");
        near.line.expect("alive");
        far.kill();
        near.line.expect("dead");
        let mut next = Child::start_in_pid_namespace(|line| produce(line, &plan, name, own_proc));
        next.line.expect("attached");
        next.line.say("send");
        next.line.expect("sent");
        near.line.say("another has sent");
        near.finish();
        next.kill();
    }
}

/// The same directory under two paths, in two mount namespaces.
#[test]
fn a_ring_is_the_same_by_every_path_in_every_mount_namespace() {
    of_each_kind_as_root("two paths");
}

fn two_paths(arguments: &[&str]) {
    own_mounts();
    let plan = plan(arguments[0]);
    let (directory, other) =
        (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("another"));
    let address = |directory: &Path| format!("file:{}", directory.join("ring").display());
    let mut rx = plan.consumer(&address(directory.path())).expect("a consumer");
    let mut far = Child::start_in_pid_namespace(|line| {
        bind(directory.path(), other.path());
        mount_kind("tmpfs", directory.path(), "size=4k");
        produce(line, &plan, &address(other.path()), true);
    });
    far.line.expect("attached");
    far.line.say("send");
    far.line.expect("sent");
    rx.expect(b"from pid 1");
    far.line.say("leave");
    far.finish();
    assert_eq!(rx.peer(), Peer::Closed);
    assert_eq!(rx.recv(), Err(RecvError::Closed));
    drop(rx);
    assert_eq!(names_in(directory.path()), [""; 0], "the last one out unlinks");
}

#[test]
fn a_process_with_a_dead_peers_pid_is_not_mistaken_for_it() {
    of_each_kind_as_root("the pid comes again");
}

fn the_pid_comes_again(arguments: &[&str]) {
    own_mounts();
    if !Path::new(LAST_PID).exists() {
        return skipped("this kernel gives no choice of process ids");
    }
    let plan = plan(arguments[0]);
    // In a namespace of our own nobody else takes the number.
    let first = Child::start_in_pid_namespace(|_| {
        let name = Name::new("again");
        let mut tx = plan.producer(&name).expect("a producer");
        let mut victim = Child::start(|line| {
            let mut rx = plan.consumer(&name).expect("a consumer");
            rx.expect(b"first");
            line.say("attached");
            line.hear();
        });
        tx.send(b"first").expect("room");
        victim.line.expect("attached");
        assert_eq!(tx.peer(), Peer::Attached);
        let pid = victim.pid();
        victim.kill();
        let mut stranger = with_pid(pid, |line| {
            line.expect("attach");
            let mut rx = plan.consumer(&name).expect("the place is free");
            rx.expect(b"second");
            line.say("attached");
            line.expect("leave");
        });
        assert_eq!(tx.peer(), Peer::Dead, "the stranger is not the dead peer");
        let sent = tx.fill(b"second");
        assert_eq!(tx.send(b"second"), Err(SendError::PeerDead));
        assert_eq!(kill(stranger.pid(), None), Ok(()), "the stranger lives");
        assert_eq!(signals_of(pid), ["0000000000000000"; 2], "nobody signalled it");
        assert!(sent > 0 && !stranger.has_ended());
        stranger.line.say("attach");
        stranger.line.expect("attached");
        assert_eq!(tx.peer(), Peer::Attached, "now it takes part");
        stranger.line.say("leave");
        stranger.finish();
        assert_eq!(tx.peer(), Peer::Closed);
    });
    first.finish();
}

/// A child with this process id.
fn with_pid(pid: Pid, body: impl FnOnce(&mut Line)) -> Child {
    fs::write(LAST_PID, (pid.as_raw() - 1).to_string()).expect("root may");
    let child = Child::start(|line| {
        assert_eq!(getpid(), pid);
        body(line);
    });
    assert_eq!(child.pid(), pid, "the number comes again");
    child
}

/// The pending signals of a process, its own and its thread's.
fn signals_of(pid: Pid) -> Vec<String> {
    mount_kind("proc", Path::new("/proc"), "");
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    let pending =
        status.lines().filter_map(|line| line.strip_prefix("SigPnd:").or(line.strip_prefix("ShdPnd:")));
    pending.map(|signals| signals.trim().to_owned()).collect()
}

/// A user namespace that has the same user under another number.
#[test]
fn peers_in_different_user_namespaces_exchange_if_they_are_the_same_user() {
    of_each_kind_as_root("user namespaces");
}

fn user_namespaces(arguments: &[&str]) {
    own_mounts();
    let permitted = || unshare(CloneFlags::CLONE_NEWUSER).is_ok();
    let mut attempt = Child::start(|line| line.say(permitted()));
    if attempt.line.hear() != "true" {
        return skipped("user namespaces are not permitted here");
    }
    let plan = plan(arguments[0]);
    let name = Name::new("users");
    let mut tx = plan.producer(&name).expect("a producer");
    let mut same = in_user_namespace(0, |line| {
        let mut rx = plan.consumer(&name).expect("the same user");
        line.say("attached");
        assert_eq!(rx.recv_timeout(PATIENCE), Ok(Received::new(b"hello")));
        line.say("received");
        line.hear();
    });
    same.line.expect("attached");
    tx.send(b"hello").expect("room");
    same.line.expect("received");
    same.signal(Signal::SIGKILL);
    eventually("the consumer is dead", || tx.peer() == Peer::Dead);
    drop(same);
    let another = in_user_namespace(65534, |_| {
        let error = plan.consumer(&name).map(drop).expect_err("another user's ring");
        assert!(error.to_string().contains("Permission denied"), "{error}");
    });
    another.finish();
}

/// A child of the user `outside`, in a user namespace of its own, where that user is 0.
fn in_user_namespace(outside: u32, body: impl FnOnce(&mut Line)) -> Child {
    let mut child = Child::start(|line| {
        become_user(outside);
        unshare(CloneFlags::CLONE_NEWUSER).expect("a user namespace");
        line.say("map me");
        line.expect("mapped");
        assert!(geteuid().is_root());
        body(line);
    });
    child.line.expect("map me");
    fs::write(format!("/proc/{}/uid_map", child.pid()), format!("0 {outside} 1")).expect("root may");
    child.line.say("mapped");
    child
}
