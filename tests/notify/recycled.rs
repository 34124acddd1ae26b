//! Process ids that come again, in a PID namespace where nobody else takes them.

use std::fs;
use std::path::Path;

use nix::unistd::{Pid, getpid};
use ringway::notify::{Inbox, Signal};

use crate::asker::{consumer_asks, plan, signal, start};
use crate::common::image::{patch, read_u64};
use crate::common::names::Name;
use crate::common::role::Entry;
use crate::forked::{Child, Line};
use crate::kinds::{KINDS, Plan, Tx, kind_of};
use crate::lines::{self, Call};
use crate::mounts::{mount_kind, own_mounts};
use crate::{realtime, skipped};

pub const ROLES: [Entry; 1] = [("the pid comes again", the_pid_comes_again)];

/// The last process id given out in the namespace of whoever asks.
const LAST_PID: &str = "/proc/sys/kernel/ns_last_pid";
const TOKEN: u32 = 12;

/// What a process is that has the number of one who died while it waited to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// It takes no part.
    Stranger,
    /// It takes the dead one's place, and asks for no signal.
    Silent,
    /// It takes the dead one's place, and asks for a signal of its own.
    Asks(Signal, u32),
}

#[test]
fn a_process_that_has_a_dead_ones_number_place_and_descriptor_is_not_told_for_it() {
    if nix::unistd::geteuid().is_root() {
        KINDS.into_iter().for_each(|kind| start("the pid comes again", &[kind.as_str()]).finish());
    } else {
        skipped("process ids are chosen by root alone");
    }
}

fn the_pid_comes_again(arguments: &[&str]) {
    own_mounts();
    if !Path::new(LAST_PID).exists() {
        return skipped("this kernel gives no choice of process ids");
    }
    let plan = plan(kind_of(arguments[0]));
    let first = Child::start_in_pid_namespace(|_| {
        mount_kind("proc", Path::new("/proc"), "");
        let _inbox = Inbox::new(&[signal(), realtime(3), Signal::user1()]).expect("an inbox");
        for next in [
            Next::Stranger,
            Next::Silent,
            Next::Asks(realtime(3), TOKEN),
            Next::Asks(Signal::user1(), TOKEN),
            Next::Asks(signal(), TOKEN + 1),
        ] {
            comes_again(&plan, next);
        }
    });
    first.finish();
}

/// The inbox that a child has its signals from: one that it has inherited is its parent's.
fn inbox() -> Inbox {
    Inbox::new(&[signal(), realtime(3), Signal::user1()]).expect("an inbox")
}

fn comes_again(plan: &Plan, next: Next) {
    let name = Name::new("again");
    let mut tx = plan.producer(&name).expect("a producer");
    let line = lines::of_consumer(plan.kind);
    let mut victim = Child::start(|line| {
        let _inbox = inbox();
        let mut rx = consumer_asks(plan.consumer(&name).expect("a consumer"), signal(), TOKEN);
        assert!(rx.arm());
        line.say("armed");
        line.hear();
    });
    victim.line.expect("armed");
    let pid = victim.pid();
    let (said, asked) = (read_u64(&name.path(), line), read_u64(&name.path(), line + lines::CALL));
    victim.kill();
    let mut heir = with_pid(pid, |line| take_its_place(plan, &name, next, line));
    heir.line.expect("ready");
    // What the dead one wrote is there again, as it is until its successor has said hello; and the bell was not rung since.
    patch(&name.path(), line, &said.to_ne_bytes());
    patch(&name.path(), line + lines::CALL, &asked.to_ne_bytes());
    if next != Next::Stranger {
        let held = fs::read_link(format!("/proc/{pid}/fd/{}", Call::of(asked).descriptor));
        assert_eq!(held.expect("a descriptor"), name.path(), "the descriptor is the dead one's");
    }
    tx.try_send(b"something").expect("room");
    heir.line.say("look");
    heir.line.expect("nothing");
    if let Next::Asks(_, token) = next {
        sends_again(&mut tx, &mut heir, token);
    }
    heir.line.say("leave");
    heir.finish();
    assert_eq!(read_u64(&name.path(), line + lines::CALL), 0, "the dead one's wish is forgotten");
}

/// It gets the signal that it asks for itself.
fn sends_again(tx: &mut Tx, heir: &mut Child, token: u32) {
    heir.line.say("arm");
    heir.line.expect("armed");
    tx.try_send(b"something").expect("room");
    heir.line.say("look");
    heir.line.expect(&format!("Some({token})"));
}

fn take_its_place(plan: &Plan, name: &str, next: Next, line: &mut Line) {
    let inbox = inbox();
    let rx = (next != Next::Stranger).then(|| plan.consumer(name).expect("the place is free"));
    let mut rx = match (rx, next) {
        (Some(rx), Next::Asks(signal, token)) => {
            let mut rx = consumer_asks(rx, signal, token);
            assert!(rx.arm());
            Some(rx)
        }
        // Kept, and silent.
        (rx, _) => {
            std::mem::forget(rx);
            None
        }
    };
    line.say("ready");
    loop {
        match &*line.hear() {
            "look" => match inbox.try_next().expect("an inbox") {
                Some(notice) => line.say(format!("{:?}", notice.token)),
                None => line.say("nothing"),
            },
            "arm" => {
                let rx = rx.as_mut().expect("it asks");
                while rx.attempt() == "something" {}
                line.say(if rx.arm() { "armed" } else { "ready" });
            }
            _ => break,
        }
    }
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
