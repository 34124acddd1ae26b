//! A pinned thread that answers questions and makes no system call while it does, which the kernel confirms.
//!
//! In two terminals, in either order: `latency_sensitive worker` and `latency_sensitive measure`. Without
//! arguments it is both, and then lets a thread break the rule to show that the rule is enforced.
//!
//! What keeps the kernel out:
//! - `try_recv` and `try_send`, which never wait;
//! - a peer that waits by [`Wait::Spin`] and so never sleeps: a sleeper would have to be woken, by a system call;
//! - rings whose pages are all mapped when attaching (`prefault`, the default), so that none faults later;
//! - one core for the thread alone, as far as there are enough of them.
//!
//! Before its loop the worker asks the kernel to kill it at any system call but `exit` (a seccomp filter; strict
//! mode would do but for containers, which run under a filter already). So it cannot clean up when it is done:
//! it exits without a goodbye, and its peer leaves last and removes the rings.
#![allow(unsafe_code)]

use std::error::Error;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use nix::libc;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use ringway::{RecvError, Tune, Wait, spsc};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Questions, and the time after which fewer will do.
const QUESTIONS: u64 = 200_000;
const BUDGET: Duration = Duration::from_secs(1);
/// How long to wait for the other side before giving it up.
const PATIENCE: Duration = Duration::from_secs(10);
/// The tag of the message that ends the worker.
const STOP: u16 = 1;

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let (role, name) = (arguments.next(), arguments.next());
    let name = name.unwrap_or_else(|| "latency_sensitive".to_owned());
    match role.as_deref() {
        Some("worker") => worker(&name),
        Some("measure") => measure(&name),
        Some("culprit") => culprit(),
        Some(other) => Err(format!("{other:?} is no role: give `worker` or `measure`, or nothing").into()),
        None => both(&format!("latency_sensitive-{}", std::process::id())),
    }
}

fn both(name: &str) -> Outcome {
    let program = std::env::current_exe()?;
    let mut worker = Command::new(&program).args(["worker", name]).spawn()?;
    measure(name)?;
    let end = worker.wait()?;
    if !end.success() {
        return Err(format!("the worker {}", told(end)).into());
    }
    println!("the worker made no system call: the kernel would have killed it");

    let end = Command::new(&program).arg("culprit").status()?;
    if end.signal() != Some(libc::SIGSYS) {
        return Err(format!("a thread that broke the rule was not killed for it: {end}").into());
    }
    println!("a thread that did make one was killed");
    Ok(())
}

/// How the worker ended, in words.
fn told(end: ExitStatus) -> String {
    match end.signal() {
        Some(libc::SIGSYS) => "made a system call and was killed".to_owned(),
        _ => format!("failed: {end}"),
    }
}

fn options() -> spsc::Options {
    spsc::options().size(64 << 10).wait(Wait::Spin).tune(Tune::Latency).prefault(true)
}

/// What the worker makes of a question.
fn answer_to(question: u64) -> u64 {
    !question
}

/// Answers until it is told to stop, without the kernel.
fn worker(name: &str) -> Outcome {
    let mut questions = options().consumer(format!("{name}.questions"))?;
    let mut answers = options().producer(format!("{name}.answers"))?;
    pin(Core::Last)?;
    forbid_system_calls()?;
    exit(if answer_all(&mut questions, &mut answers).is_some() { 0 } else { 1 })
}

/// The loop. `None` when anything but questions came, each answered at once, and the word to stop.
fn answer_all(questions: &mut spsc::Consumer, answers: &mut spsc::Producer) -> Option<()> {
    loop {
        let question = match questions.try_recv() {
            Ok(message) if message.tag() == STOP => return Some(()),
            Ok(message) => u64::from_le_bytes(message[..].try_into().ok()?),
            Err(RecvError::Empty) => continue,
            Err(_) => return None,
        };
        answers.try_send(&answer_to(question).to_le_bytes()).ok()?;
    }
}

/// Asks, checks the answers, and measures how long they take.
fn measure(name: &str) -> Outcome {
    let mut questions = options().producer(format!("{name}.questions"))?;
    let mut answers = options().consumer(format!("{name}.answers"))?;
    pin(Core::First)?;
    let mut times = Histogram::<u64>::new(3)?;
    let started = Instant::now();
    for question in 0..QUESTIONS {
        let asked = Instant::now();
        questions.send(&question.to_le_bytes())?;
        let answer = u64::from_le_bytes(answers.recv_timeout(PATIENCE)?[..].try_into()?);
        times.record(asked.elapsed().as_nanos() as u64)?;
        if answer != answer_to(question) {
            return Err(format!("{answer} is no answer to {question}").into());
        }
        if started.elapsed() >= BUDGET {
            break;
        }
    }
    questions.send_tagged(STOP, &[])?;
    // The worker cannot say goodbye; that its lease is gone says it has ended.
    match answers.recv_timeout(PATIENCE) {
        Err(RecvError::PeerDead) => {}
        other => return Err(format!("the worker did not end: {other:?}").into()),
    }
    let [p50, p99, max] = [0.5, 0.99, 1.0].map(|quantile| times.value_at_quantile(quantile));
    println!("{} questions answered; ns per round trip: p50 {p50}, p99 {p99}, max {max}", times.len());
    Ok(())
}

/// Breaks the rule.
fn culprit() -> Outcome {
    forbid_system_calls()?;
    std::thread::yield_now();
    exit(0)
}

/// A core to run on.
#[derive(Clone, Copy)]
enum Core {
    First,
    Last,
}

/// Pins this thread to the first or the last of the cores it may use; they are one where there is one.
fn pin(which: Core) -> Outcome {
    let this_thread = Pid::from_raw(0);
    let allowed = sched_getaffinity(this_thread)?;
    let mut cores = (0..CpuSet::count()).filter(|core| allowed.is_set(*core) == Ok(true));
    let core = match which {
        Core::First => cores.next(),
        Core::Last => cores.next_back(),
    };
    let mut only = CpuSet::new();
    only.set(core.ok_or("no core to run on")?)?;
    Ok(sched_setaffinity(this_thread, &only)?)
}

/// From here on the kernel kills this process at any system call but `exit`.
fn forbid_system_calls() -> io::Result<()> {
    const NUMBER_AT: u32 = core::mem::offset_of!(libc::seccomp_data, nr) as u32;
    let step = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut filter = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, NUMBER_AT),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, libc::SYS_exit as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: takes numbers only. Without this promise an ordinary user may set no filter.
    checked(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    // SAFETY: `program` and the steps that it points to live until the call, which copies them, has returned.
    checked(unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) })
}

/// Ends this thread, the only one of its process, by the one system call that is left to it.
fn exit(code: i32) -> ! {
    // SAFETY: takes a number only. No other thread borrows from this one's stack.
    unsafe { libc::syscall(libc::SYS_exit, code) };
    unreachable!("exit does not return")
}

fn checked(returned: libc::c_int) -> io::Result<()> {
    if returned == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
