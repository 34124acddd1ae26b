//! Other programs: a participant that becomes one has left without a goodbye, although its process lives; one that
//! starts one takes its lease with it when it dies, although that program lives.

use std::ffi::CString;
use std::fs;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, execv};
use ringway::{Peer, RecvError};

use crate::common::eventually;
use crate::common::names::Name;
use crate::common::role::{Entry, Role, listen, say};
use crate::kinds::{KINDS, Plan, kind_of};
use crate::skipped;

pub const ROLES: [Entry; 2] =
    [("become another program", become_another), ("start another program", start_another)];

/// Ends when its standard input does.
const PROGRAM: &str = "/bin/cat";

#[test]
fn a_participant_that_becomes_another_program_is_dead_and_its_place_free() {
    if !has_program() {
        return;
    }
    for kind in KINDS {
        let name = Name::new("exec");
        let plan = Plan::new(kind);
        let mut rx = plan.consumer(&name).expect("a consumer");
        let mut other = Role::start("become another program", &[kind.as_str(), &name]);
        other.expect("attached");
        rx.expect(b"last words");
        assert_eq!(rx.peer(), Peer::Attached);
        other.tell("go");
        eventually("it is another program", || program_of(other.pid()) == "cat");
        assert_eq!(rx.recv(), Err(RecvError::PeerDead));
        assert_eq!(rx.peer(), Peer::Dead);
        assert_eq!(kill(Pid::from_raw(other.pid() as i32), None), Ok(()), "the process lives");
        assert_eq!(ring_descriptors(other.pid()), Vec::<String>::new(), "descriptors are close-on-exec");
        let mut tx = plan.producer(&name).expect("the place is free");
        tx.send(b"on").expect("room");
        rx.expect(b"on");
        other.finish();
        assert_eq!(rx.peer(), Peer::Attached, "the end of that process was another's");
    }
}

fn has_program() -> bool {
    let there = fs::exists(PROGRAM).expect("a look");
    if !there {
        skipped(&format!("there is no {PROGRAM}"));
    }
    there
}

/// Has an end of a ring, the other end of another, and descriptors of both.
fn become_another(arguments: &[&str]) {
    let plan = Plan::new(kind_of(arguments[0]));
    let mut tx = plan.producer(arguments[1]).expect("a producer");
    let (_tx, rx) = plan.pair().expect("a pair");
    let _descriptors = (tx.descriptor().expect("a descriptor"), rx.descriptor().expect("a descriptor"));
    tx.send(b"last words").expect("room");
    say("attached");
    listen();
    let program = CString::new(PROGRAM).expect("a path");
    let never = execv(&program, &[&program]);
    panic!("{never:?}");
}

#[test]
fn a_dead_participant_is_dead_although_a_program_that_it_started_lives() {
    if !has_program() {
        return;
    }
    for kind in KINDS {
        let name = Name::new("spawn");
        let plan = Plan::new(kind);
        let mut rx = plan.consumer(&name).expect("a consumer");
        let other = Role::start("start another program", &[kind.as_str(), &name]);
        let program = Pid::from_raw(other.hear().parse().expect("a process"));
        rx.expect(b"last words");
        assert_eq!(rx.peer(), Peer::Attached);
        other.signal(Signal::SIGKILL);
        assert_eq!(rx.recv(), Err(RecvError::PeerDead));
        assert_eq!(kill(program, None), Ok(()), "the program lives");
        assert_eq!(ring_descriptors(program.as_raw() as u32), Vec::<String>::new());
        plan.producer(&name).expect("the place is free");
        // The program ends when its standard input does, which `other` holds.
        drop(other);
    }
}

fn start_another(arguments: &[&str]) {
    let mut tx = Plan::new(kind_of(arguments[0])).producer(arguments[1]).expect("a producer");
    tx.send(b"last words").expect("room");
    let mut program = Command::new(PROGRAM).stdout(Stdio::null()).spawn().expect("a program");
    say(program.id());
    program.wait().expect("it outlives this process");
}

fn program_of(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).expect("it lives").trim_end().to_owned()
}

/// What leads to a ring among a process's descriptors.
fn ring_descriptors(pid: u32) -> Vec<String> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("it lives");
    let targets = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets.map(|target| target.display().to_string()).filter(|target| target.contains("ringway")).collect()
}
