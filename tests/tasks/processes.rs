//! Tasks of different processes, that find each other by a ring's name; and processes that may not use io_uring.

use nix::errno::Errno;
use nix::libc;
use ringway::RecvError;

use crate::common::names::Name;
use crate::common::role::{Entry, Role, say};
use crate::filter::{Denied, deny};
use crate::kinds::{FOR_EVER, KINDS, Kind, Plan};
use crate::runtimes::{RUNTIMES, Runtime};
use crate::{cancelled, ends, runtime, verbs};

pub const ROLES: [Entry; 3] =
    [("send", send), ("without io_uring", without_io_uring), ("no watch", no_watch)];

const MESSAGES: u64 = 5000;

fn place(arguments: &[&str]) -> (Runtime, Kind) {
    let [runtime, kind] = [0, 1].map(|nth| arguments[nth].parse::<usize>().expect("a number"));
    (RUNTIMES[runtime], KINDS[kind])
}

/// Sends numbers in a task.
fn send(arguments: &[&str]) {
    let (runtime, kind) = place(arguments);
    let tx = Plan::new(kind, FOR_EVER).producer(arguments[2]);
    runtime.run(async move {
        let mut tx = tx.on(runtime);
        for number in 0..MESSAGES {
            tx.send(number).await.expect("sent");
        }
    });
    say("sent");
}

#[test]
fn tasks_of_two_processes_talk_through_a_named_ring() {
    for (at, runtime) in RUNTIMES.into_iter().enumerate() {
        for (of, kind) in KINDS.into_iter().enumerate() {
            let name = Name::new("task");
            let rx = Plan::new(kind, FOR_EVER).consumer(&name);
            // The other side is of another runtime.
            let other = (at + 1) % RUNTIMES.len();
            let sender = Role::start("send", &[&other.to_string(), &of.to_string(), &name]);
            runtime.run(async move {
                let mut rx = rx.on(runtime);
                for number in 0..MESSAGES {
                    assert_eq!(rx.recv().await, Ok(number));
                }
                assert_eq!(rx.recv().await, Err(RecvError::Closed));
            });
            sender.expect("sent");
            sender.finish();
            assert!(!name.exists(), "the last one to leave removes the name");
        }
    }
}

#[test]
fn tasks_are_woken_where_io_uring_is_forbidden() {
    let roles = (0..RUNTIMES.len()).flat_map(|runtime| (0..KINDS.len()).map(move |kind| (runtime, kind)));
    for (runtime, kind) in roles {
        Role::start("without io_uring", &[&runtime.to_string(), &kind.to_string()]).finish();
    }
}

fn without_io_uring(arguments: &[&str]) {
    deny(&[Denied::always(libc::SYS_io_uring_setup, Errno::EPERM)]);
    let (runtime, kind) = place(arguments);
    let plan = Plan::new(kind, FOR_EVER);
    verbs::receives(runtime, plan);
    verbs::sends(runtime, plan);
    cancelled::receives(runtime, plan);
    cancelled::sends(runtime, plan);
    ends::goodbyes(runtime, kind);
    ends::deaths(runtime, kind);
    if runtime == Runtime::ManyThreads {
        runtime::moves(plan);
    }
}

#[test]
fn a_task_that_cannot_wait_says_so_again_and_again_and_goes_on_when_it_can() {
    for kind in 0..KINDS.len() {
        Role::start("no watch", &["0", &kind.to_string()]).finish();
    }
}

/// The kernel takes no more requests.
fn no_watch(arguments: &[&str]) {
    runtime::refused_a_watch(place(arguments).1);
}
