//! Whoever sends to those who are awake makes no system call, whatever else they could be woken by: the kernel kills the sender
//! for any.
#![allow(unsafe_code)]

use std::os::unix::process::ExitStatusExt;
use std::thread;

use nix::libc;
use nix::sys::prctl::set_no_new_privs;
use ringway::notify::Signal;
use ringway::{RecvError, Wait, Wake, mpmc, spsc};

use crate::common::names::Name;
use crate::common::role::{Entry, Role, listen, say};
use crate::{HOUR, INTERVAL, await_sleepers};

pub const ROLES: [Entry; 2] = [("send in silence", send_in_silence), ("stay awake", stay_awake)];

const MESSAGES: u32 = 100_000;

/// What the end of a thread takes.
const ALLOWED: [libc::c_long; 5] =
    [libc::SYS_exit, libc::SYS_madvise, libc::SYS_munmap, libc::SYS_rt_sigprocmask, libc::SYS_sigaltstack];

/// From now on this thread's process is killed for every other system call of this thread.
fn be_silent() {
    let step = |code: u32, k: u32, jt: u8| libc::sock_filter { code: code as u16, jt, jf: 0, k };
    let mut program = vec![step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0)];
    for (left, call) in (1..=ALLOWED.len()).rev().zip(ALLOWED) {
        program.push(step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, call as u32, left as u8));
    }
    program.push(step(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_KILL_PROCESS, 0));
    program.push(step(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0));
    set_no_new_privs().expect("anybody may");
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: `program` leads to as many steps as it says, and the kernel copies them within the call.
    let result = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

/// Rings that hold all the messages, so that nobody waits for room.
fn records(wake: &str) -> spsc::Options {
    spsc::options().size(1 << 22).wake(wake_of(wake)).liveness(HOUR).wait(Wait::Spin)
}

fn slots(wake: &str) -> mpmc::Options {
    mpmc::options().slots(1 << 17).slot_size(0).wake(wake_of(wake)).liveness(HOUR).wait(Wait::Spin)
}

fn wake_of(text: &str) -> Wake {
    if text == "semaphore" { Wake::Semaphore } else { Wake::Futex }
}

/// Sends everything, in a thread that may make no system call; says how often it woke somebody.
fn send_in_silence(arguments: &[&str]) {
    let &[kind, wake, name] = arguments else { panic!("three arguments") };
    let wakes = if kind == "spsc" {
        let mut tx = records(wake).producer(name).expect("a producer");
        say("attached");
        listen();
        let stream = move || {
            be_silent();
            (0..MESSAGES).for_each(|k| tx.send(&k.to_ne_bytes()).expect("room"));
            tx
        };
        thread::spawn(stream).join().expect("no panic").counters().wakes
    } else {
        let mut tx = slots(wake).producer(name).expect("a producer");
        say("attached");
        listen();
        let stream = move || {
            be_silent();
            (0..MESSAGES).for_each(|k| tx.send(&k.to_ne_bytes()).expect("room"));
            tx
        };
        thread::spawn(stream).join().expect("no panic").counters().wakes
    };
    say(wakes);
    listen();
}

/// Receives everything without ever sleeping, by `next`.
fn receive_awake(mut next: impl FnMut() -> Result<u32, RecvError>) {
    say("awake");
    for k in 0..MESSAGES {
        let received = std::iter::repeat_with(&mut next).find(|received| *received != Err(RecvError::Empty));
        assert_eq!(received, Some(Ok(k)));
    }
    say("received");
    listen();
}

fn number(message: &[u8]) -> u32 {
    u32::from_ne_bytes(message.try_into().expect("four bytes"))
}

/// Receives everything as one who could be woken by this or that, but asks for nothing.
fn stay_awake(arguments: &[&str]) {
    let &[kind, wake, name, how] = arguments else { panic!("four arguments") };
    let signal = Signal::realtime(1).expect("one of thirty");
    if kind == "spsc" {
        let mut rx = records(wake).consumer(name).expect("a consumer");
        match how {
            "descriptor" => {
                let mut rx = rx.pollable().expect("a descriptor");
                receive_awake(|| rx.try_recv().map(|message| number(&message)));
            }
            "signal" => {
                let mut rx = rx.signalled(signal, 1).expect("signals");
                receive_awake(|| rx.try_recv().map(|message| number(&message)));
            }
            _ => receive_awake(|| rx.recv().map(|message| number(&message))),
        }
    } else {
        let mut rx = slots(wake).consumer(name).expect("a consumer");
        match how {
            "descriptor" => {
                let mut rx = rx.pollable().expect("a descriptor");
                receive_awake(|| rx.try_recv().map(|message| number(&message)));
            }
            "signal" => {
                let mut rx = rx.signalled(signal, 1).expect("signals");
                receive_awake(|| rx.try_recv().map(|message| number(&message)));
            }
            _ => receive_awake(|| rx.recv().map(|message| number(&message))),
        }
    }
}

/// Sends to a receiver that is awake, and could be woken in the way of `how`.
fn send_to_one_awake(kind: &str, wake: &str, how: &str) {
    let name = Name::new("silent");
    let mut sender = Role::start("send in silence", &[kind, wake, &name]);
    sender.expect("attached");
    let receiver = Role::start("stay awake", &[kind, wake, &name, how]);
    receiver.expect("awake");
    sender.tell("go");
    assert_eq!(sender.hear(), "0", "{kind} with {wake}, {how}: nobody was woken");
    receiver.expect("received");
    sender.finish();
    receiver.finish();
}

#[test]
fn whoever_sends_to_a_spinning_receiver_makes_no_system_call() {
    for kind in ["spsc", "mpmc"] {
        send_to_one_awake(kind, "futex", "spinning");
        send_to_one_awake(kind, "semaphore", "spinning");
    }
}

#[test]
fn whoever_sends_to_a_descriptors_owner_that_is_awake_makes_no_system_call() {
    for kind in ["spsc", "mpmc"] {
        send_to_one_awake(kind, "futex", "descriptor");
        send_to_one_awake(kind, "semaphore", "descriptor");
    }
}

#[test]
fn whoever_sends_to_a_signals_owner_that_is_awake_makes_no_system_call() {
    for kind in ["spsc", "mpmc"] {
        send_to_one_awake(kind, "futex", "signal");
        send_to_one_awake(kind, "semaphore", "signal");
    }
}

/// The tests above would notice.
#[test]
fn whoever_sends_to_a_sleeper_makes_a_system_call() {
    for wake in ["futex", "semaphore"] {
        let name = Name::new("loud");
        let mut sender = Role::start("send in silence", &["spsc", wake, &name]);
        sender.expect("attached");
        let options = records(wake).wait(Wait::Park).liveness(INTERVAL);
        let mut rx = options.consumer(&*name).expect("a consumer");
        let sleeper = thread::spawn(move || rx.recv().map(|message| message.to_vec()));
        await_sleepers(&name, 1);
        sender.tell("go");
        let status = sender.wait();
        assert_eq!(status.signal(), Some(libc::SIGSYS), "{status}");
        let received = sleeper.join().expect("no panic");
        assert_eq!(received, Ok(vec![0; 4]), "it looks for what nobody woke it for");
    }
}
