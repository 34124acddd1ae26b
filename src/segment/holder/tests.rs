//! Who is told, and who is not: real processes, whose descriptors are locked, closed, inherited and handed on.

use core::mem::MaybeUninit;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{fs, ptr};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal as Common;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Uid, dup, dup2_raw, fork, setresuid};
use tempfile::NamedTempFile;

use super::common::fork::end;
use super::common::role::{self, Entry, Role, listen, say};
use super::common::{PATIENCE, eventually};
use super::*;
use crate::notify::Inbox;
use crate::segment::lease;

/// The participant whose lease is held.
const ID: u32 = 3;
const TOKEN: u32 = 0xfeed_beef;
/// The descriptor of every role's lease: a number that nothing else in them has.
const FD: u32 = 200;
/// The test that roles enter by.
const ENTRY: &str = "segment::holder::tests::role";
/// How many signals are sent to one who does not take them.
const FLOOD: u32 = 100_000;
const NAMESPACES: CloneFlags = CloneFlags::CLONE_NEWPID.union(CloneFlags::CLONE_NEWNS);
/// The last process id given out in the namespace of whoever asks.
const LAST_PID: &str = "/proc/sys/kernel/ns_last_pid";

/// The file of a segment, and this process's lease of it.
struct Ring {
    path: String,
    lease: File,
    on: LockedFile,
}

impl Ring {
    fn at(path: &str) -> Ring {
        let lease = File::options().read(true).write(true).open(path).expect("the file");
        // Senders of one ring have leases of their own.
        assert!(lease::take(&lease, 1000 + std::process::id()).expect("lock"));
        let on = LockedFile::of(&lease).expect("descriptors").expect("it holds a lock");
        Ring { path: path.to_owned(), lease, on }
    }

    fn new() -> (Ring, NamedTempFile) {
        let file = NamedTempFile::new().expect("a temporary file");
        (Ring::at(file.path().to_str().expect("text")), file)
    }

    fn start(&self, role: &str) -> Role {
        self.start_with(role, &[])
    }

    /// A role that has this ring, and `more` arguments; it is ready when this returns. The signals are blocked in each
    /// of its threads, that of the test harness included.
    fn start_with(&self, role: &str, more: &[&str]) -> Role {
        let _inherited = Inbox::new(&[signal(), Signal::user1()]).expect("an inbox");
        let role = Role::start_at(ENTRY, role, &[&[&*self.path], more].concat());
        role.expect("ready");
        role
    }

    fn holder(&self, pid: u32) -> Option<Holder> {
        holder(self.on, ID, pid, call()).expect("descriptors")
    }
}

fn signal() -> Signal {
    Signal::realtime(5).expect("one of thirty")
}

/// What roles are ready for.
fn call() -> SignalCall {
    call_by(FD)
}

fn call_by(descriptor: u32) -> SignalCall {
    SignalCall { signal: signal().number().cast_unsigned(), descriptor, token: TOKEN }
}

#[test]
fn role() {
    let roles: [Entry; 16] = [
        ("namespaces", namespaces),
        ("inbox", |arguments| listening(arguments, by_inbox)),
        ("sigwaitinfo", |arguments| listening(arguments, by_sigwaitinfo)),
        ("flag", |arguments| listening(arguments, by_flag)),
        ("few pending", few_pending),
        ("ranges and duplicates", ranges_and_duplicates),
        ("successor", successor),
        ("stranger", stranger),
        ("pretender", pretender),
        ("another user", another_user),
        ("another user's sender", another_users_sender),
        ("without descriptors", without_descriptors),
        ("listener below", |arguments| in_a_namespace(|| listening(arguments, by_inbox))),
        ("sender below", |arguments| in_a_namespace(|| sender_below(arguments))),
        ("the number comes again", |arguments| in_a_namespace(|| the_number_comes_again(arguments))),
        ("first thread ended", first_thread_ended),
    ];
    role::enter(&roles);
}

/// In a role: the ring's file as descriptor [`FD`].
fn open(arguments: &[&str]) -> File {
    let file = File::options().read(true).write(true).open(arguments[0]).expect("the file");
    // SAFETY: nothing in a role has this number.
    File::from(unsafe { dup2_raw(file, FD.cast_signed()) }.expect("a descriptor"))
}

fn holding(arguments: &[&str]) -> File {
    let lease = open(arguments);
    assert!(lease::take(&lease, ID).expect("lock"));
    lease
}

/// In a role: listens until the test is over.
fn listening(arguments: &[&str], receive: fn()) {
    let lease = holding(arguments);
    assert!(lease::listen(&lease, ID, call()).expect("lock"));
    receive();
}

fn wait() {
    say("ready");
    assert_eq!(listen(), "");
}

/// The signal that roles get, as a set.
fn set() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset writes the whole set.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: it was written just now.
    let mut set = unsafe { set.assume_init() };
    // SAFETY: the set is initialized.
    unsafe { libc::sigaddset(&mut set, signal().number()) };
    set
}

fn by_inbox() {
    let inbox = Inbox::new(&[signal(), Signal::user1()]).expect("an inbox");
    say("ready");
    while listen() == "receive" {
        let notice = inbox.wait(Some(PATIENCE)).expect("an inbox").expect("a signal");
        say(format!("{} {:?} {}", notice.signal, notice.token, notice.pid));
    }
}

fn by_sigwaitinfo() {
    say("ready");
    assert_eq!(listen(), "receive");
    let mut info = MaybeUninit::uninit();
    // SAFETY: the set is initialized, and there is room for what is written.
    let number = unsafe { libc::sigwaitinfo(&set(), info.as_mut_ptr()) };
    assert_eq!(number, signal().number());
    // SAFETY: sigwaitinfo has written it.
    let info: libc::siginfo_t = unsafe { info.assume_init() };
    // SAFETY: a queued signal has a value.
    let value = unsafe { info.si_value() };
    // SAFETY: a queued signal has a sender.
    let pid = unsafe { info.si_pid() };
    say(format!("{} {} {} {pid}", number, info.si_code, value.sival_ptr.addr()));
}

fn by_flag() {
    let flag = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal().number(), flag.clone()).expect("a handler");
    // SAFETY: the set is initialized, and the mask before is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &set(), ptr::null_mut()) };
    say("ready");
    assert_eq!(listen(), "receive");
    eventually("the flag is set", || flag.load(Ordering::Relaxed));
    say("the flag is set");
}

#[test]
fn what_the_kernel_shows_is_read_and_everything_else_is_no_lock() {
    let whole = "pos:\t0\nlock:\t1: OFDLCK ADVISORY  WRITE -1 00:1b:705763 140737488355331 140737488355333\n\
                 lock:\t2: OFDLCK ADVISORY  WRITE -1 103:02:18446744073709551615 7 EOF\n";
    let lock = |device, inode, first, last| Lock { file: LockedFile { device, inode }, first, last };
    let first = lock((0, 0x1b), 705_763, 140_737_488_355_331, 140_737_488_355_333);
    let second = lock((0x103, 2), u64::MAX, 7, i64::MAX);
    assert_eq!(locks(whole).collect::<Vec<_>>(), [first, second]);
    assert_eq!([-1, 0, 2, 3].map(|from| first.covers(first.first + from)), [false, true, true, false]);
    let cut = whole.strip_suffix('\n').expect("a line's end");
    assert_eq!(locks(cut).collect::<Vec<_>>(), [first], "a line that may go on");
    for other in [
        "lock:\t1: POSIX  ADVISORY  WRITE 7 00:1b:1 5 5\n",
        "lock:\t1: FLOCK  ADVISORY  WRITE 7 00:1b:1 0 EOF\n",
        "lock:\t1: OFDLCK ADVISORY  READ -1 00:1b:1 5 5\n",
        "lock:\t1: OFDLCK *NOINODE* WRITE 5 5\n",
        "lock:\t1: OFDLCK ADVISORY  WRITE -1 00:1b 5 5\n",
        "lock:\t1: OFDLCK ADVISORY  WRITE -1 00:1b:1 5\n",
        "lock:\t1: OFDLCK ADVISORY  WRITE -1 00:1b:1 5 99999999999999999999\n",
        "lock:\n",
        "ino:\t1\n\n",
    ] {
        assert_eq!(locks(other).next(), None, "{other}");
    }
}

#[test]
fn who_listens_is_told_and_gets_token_and_code_in_each_way() {
    let (ring, _file) = Ring::new();
    let me = std::process::id();
    let (number, name) = (signal().number(), signal());
    for (role, received) in [
        ("inbox", format!("{name} Some({TOKEN}) {me}")),
        ("sigwaitinfo", format!("{number} {SI_QUEUE} {TOKEN} {me}")),
        ("flag", "the flag is set".to_owned()),
    ] {
        let mut role = ring.start(role);
        assert_eq!(ring.holder(role.pid()).expect("it listens").tell(signal(), TOKEN), Told::Yes);
        role.tell("receive");
        role.expect(&received);
        role.finish();
    }
}

#[test]
fn real_time_signals_queue_in_order() {
    let (ring, _file) = Ring::new();
    let mut role = ring.start("inbox");
    let holder = ring.holder(role.pid()).expect("it listens");
    (0..3).for_each(|token| assert_eq!(holder.tell(signal(), token), Told::Yes));
    for token in 0..3 {
        role.tell("receive");
        role.expect(&format!("SIGRTMIN+5 Some({token}) {}", std::process::id()));
    }
    role.finish();
}

#[test]
fn only_the_lease_that_is_asked_for_counts_and_only_while_its_holder_listens() {
    let (ring, _file) = Ring::new();
    let role = ring.start("inbox");
    let pid = role.pid();
    let nobody = |on, id, pid, fd| assert!(holder(on, id, pid, call_by(fd)).expect("descriptors").is_none());
    assert!(ring.holder(pid).is_some());
    for id in [0, ID - 1, ID + 1, u32::MAX] {
        nobody(ring.on, id, pid, FD);
    }
    for fd in [0, 1, FD + 1, u32::MAX] {
        nobody(ring.on, ID, pid, fd);
    }
    for pid in [0, 1, std::process::id(), 1 << 22, u32::MAX] {
        nobody(ring.on, ID, pid, FD);
    }
    let ready_for = |call| holder(ring.on, ID, pid, call).expect("descriptors").is_some();
    let SignalCall { signal, token, .. } = call();
    for signal in [0, signal - 1, signal + 1, 127] {
        assert!(!ready_for(SignalCall { signal, ..call() }));
    }
    for token in [0, token - 1, token + 1, u32::MAX] {
        assert!(!ready_for(SignalCall { token, ..call() }));
    }
    let other = LockedFile { inode: ring.on.inode + 1, ..ring.on };
    nobody(other, ID, pid, FD);
    let other = LockedFile { device: (ring.on.device.0, ring.on.device.1 + 1), ..ring.on };
    nobody(other, ID, pid, FD);
    let own = ring.lease.as_raw_fd().cast_unsigned();
    nobody(ring.on, 0, std::process::id(), own);
    assert!(lease::take(&ring.lease, 0).expect("lock"));
    nobody(ring.on, 0, std::process::id(), own);
    assert!(lease::listen(&ring.lease, 0, call()).expect("lock"));
    let found = holder(ring.on, 0, std::process::id(), call_by(own)).expect("descriptors");
    assert!(found.is_some(), "oneself");
    lease::listen_no_more(&ring.lease, 0, call());
    nobody(ring.on, 0, std::process::id(), own);
}

/// Holds the lease and is not ready for a signal, as one who has just taken a dead one's place.
fn successor(arguments: &[&str]) {
    let _lease = holding(arguments);
    wait();
}

/// Has the same descriptor open on the same file.
fn stranger(arguments: &[&str]) {
    let _file = open(arguments);
    wait();
}

/// Locks the byte of those who listen, and does not hold the lease.
fn pretender(arguments: &[&str]) {
    let file = open(arguments);
    assert!(lease::listen(&file, ID, call()).expect("lock"));
    wait();
}

/// The process is not told, neither after a new look nor after an `earlier` one, and has not noticed.
#[track_caller]
fn not_told(ring: &Ring, role: Role, earlier: Option<&Holder>) {
    assert!(ring.holder(role.pid()).is_none());
    if let Some(earlier) = earlier {
        assert_eq!(earlier.tell(signal(), TOKEN), Told::No);
    }
    let status = fs::read_to_string(format!("/proc/{}/status", role.pid())).expect("it lives");
    for pending in ["SigPnd:\t", "ShdPnd:\t"] {
        assert!(status.contains(&format!("{pending}0000000000000000\n")), "{status}");
    }
    role.finish();
}

#[test]
fn one_who_has_the_same_descriptor_or_but_one_of_both_locks_is_not_told() {
    let (ring, _file) = Ring::new();
    for role in ["stranger", "successor", "pretender"] {
        not_told(&ring, ring.start(role), None);
    }
}

fn ranges_and_duplicates(arguments: &[&str]) {
    let lease = open(arguments);
    for id in [ID - 1, ID, ID + 1] {
        assert!(lease::take(&lease, id).expect("lock"));
        assert!(lease::listen(&lease, id, call()).expect("lock"));
    }
    let _kept = dup(&lease).expect("a descriptor");
    // SAFETY: nothing in a role has this number.
    let _duplicate = unsafe { dup2_raw(&lease, FD.cast_signed() + 1) }.expect("a descriptor");
    wait();
}

#[test]
fn a_lock_that_covers_the_byte_counts_through_each_descriptor_that_shares_it() {
    let (ring, _file) = Ring::new();
    let role = ring.start("ranges and duplicates");
    for (id, fd) in [(ID, FD), (ID - 1, FD), (ID + 1, FD), (ID, FD + 1)] {
        assert!(holder(ring.on, id, role.pid(), call_by(fd)).expect("descriptors").is_some());
    }
    assert!(holder(ring.on, ID + 2, role.pid(), call()).expect("descriptors").is_none());
    role.finish();
}

#[test]
fn the_dead_are_not_told() {
    let (ring, _file) = Ring::new();
    let role = ring.start("inbox");
    let pid = role.pid();
    let earlier = ring.holder(pid).expect("it listens");
    role.kill();
    assert!(ring.holder(pid).is_none());
    assert_eq!(earlier.tell(signal(), TOKEN), Told::No);
}

fn few_pending(arguments: &[&str]) {
    setrlimit(Resource::RLIMIT_SIGPENDING, 64, 64).expect("less than before");
    listening(arguments, by_inbox);
}

#[test]
fn one_who_is_stopped_and_takes_nothing_delays_nobody() {
    let (ring, _file) = Ring::new();
    let mut role = ring.start("few pending");
    role.signal(Common::SIGSTOP);
    let mut pending = Vec::new();
    let started = Instant::now();
    for number in 0..FLOOD {
        match ring.holder(role.pid()).expect("it listens").tell(signal(), number) {
            Told::Yes => pending.push(number),
            Told::Later => {}
            Told::No => panic!("it lives"),
        }
    }
    assert!(pending.len() <= 64, "{pending:?}");
    let each = started.elapsed() / FLOOD;
    assert!(each < Duration::from_millis(1), "{each:?} each");
    // One that does not queue is never refused, and loses its token.
    let holder = ring.holder(role.pid()).expect("it listens");
    assert_eq!(holder.tell(Signal::user1(), TOKEN), Told::Yes);
    assert_eq!(holder.tell(signal(), FLOOD), Told::Later);
    role.signal(Common::SIGCONT);
    role.tell("receive");
    role.expect("SIGUSR1 None 0");
    for number in pending {
        role.tell("receive");
        role.expect(&format!("SIGRTMIN+5 Some({number}) {}", std::process::id()));
    }
    eventually("there is room again", || holder.tell(signal(), TOKEN) == Told::Yes);
    role.tell("receive");
    role.expect(&format!("SIGRTMIN+5 Some({TOKEN}) {}", std::process::id()));
    role.finish();
}

/// In a role: plays in a child, once its number was said.
fn in_a_child(play: impl FnOnce()) {
    let (mut said, saying) = io::pipe().expect("a pipe");
    // SAFETY: the other thread waits for this one, and nothing that it may have locked is needed.
    match unsafe { fork() }.expect("a child") {
        ForkResult::Parent { child } => {
            say(child);
            drop(saying);
            assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)), "the child's checks");
        }
        ForkResult::Child => {
            drop(saying);
            assert_eq!(said.read(&mut [0]).expect("a pipe"), 0);
            end(catch_unwind(AssertUnwindSafe(play)));
        }
    }
}

/// A role that plays in a child, and the child's number.
fn start_child(ring: &Ring, role: &str, more: &[&str]) -> (Role, u32) {
    let _inherited = Inbox::new(&[signal()]).expect("an inbox");
    let role = Role::start_at(ENTRY, role, &[&[&*ring.path], more].concat());
    let pid = role.hear().parse().expect("a number");
    role.expect("ready");
    (role, pid)
}

fn first_thread_ended(arguments: &[&str]) {
    in_a_child(|| end_the_first_thread(arguments));
}

fn end_the_first_thread(arguments: &[&str]) {
    let lease = holding(arguments);
    assert!(lease::listen(&lease, ID, call()).expect("lock"));
    std::thread::spawn(|| {
        let state = || fs::read_to_string("/proc/self/stat").expect("it is there");
        eventually("the first thread has ended", || state().contains(") Z "));
        wait();
        end(Ok(()));
    });
    // SAFETY: this ends the thread alone; what it has stays as it is.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
}

#[test]
fn a_process_whose_first_thread_has_ended_is_not_told() {
    let (ring, _file) = Ring::new();
    let (role, pid) = start_child(&ring, "first thread ended", &[]);
    assert!(ring.holder(pid).is_none());
    role.finish();
}

/// Does this hold? If not, says what was not tested, past the harness, which would keep it from being seen.
fn permits(what: &str, permitted: bool) -> bool {
    if !permitted {
        let _ = writeln!(io::stderr(), "SKIPPED: this test needs {what}");
    }
    permitted
}

fn permits_users() -> bool {
    permits("root", geteuid().is_root())
}

fn permits_namespaces() -> bool {
    let attempt = Role::start_at(ENTRY, "namespaces", &[]);
    permits("PID namespaces", attempt.hear() == "permitted")
}

fn namespaces(_: &[&str]) {
    say(if unshare(NAMESPACES).is_ok() { "permitted" } else { "not permitted" });
}

fn become_nobody() {
    let nobody = Uid::from_raw(65534);
    setresuid(nobody, nobody, nobody).expect("root may");
}

fn another_user(arguments: &[&str]) {
    let lease = holding(arguments);
    assert!(lease::listen(&lease, ID, call()).expect("lock"));
    become_nobody();
    wait();
}

fn another_users_sender(arguments: &[&str]) {
    let ring = Ring::at(arguments[0]);
    become_nobody();
    assert!(ring.holder(arguments[1].parse().expect("a number")).is_none());
    wait();
}

#[test]
fn processes_of_other_users_are_not_told() {
    if permits_users() {
        let (ring, _file) = Ring::new();
        not_told(&ring, ring.start("another user"), None);
        let root = ring.start("inbox");
        ring.start_with("another user's sender", &[&root.pid().to_string()]).finish();
        not_told_by_anybody(root);
    }
}

#[track_caller]
fn not_told_by_anybody(role: Role) {
    let status = fs::read_to_string(format!("/proc/{}/status", role.pid())).expect("it lives");
    assert!(status.contains("ShdPnd:\t0000000000000000\n"), "{status}");
    role.finish();
}

fn without_descriptors(arguments: &[&str]) {
    let ring = Ring::at(arguments[0]);
    setrlimit(Resource::RLIMIT_NOFILE, 0, 0).expect("less than before");
    let error =
        holder(ring.on, ID, arguments[1].parse().expect("a number"), call()).expect_err("no descriptor");
    assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
    wait();
}

#[test]
fn want_of_descriptors_is_no_verdict() {
    let (ring, _file) = Ring::new();
    let role = ring.start("inbox");
    ring.start_with("without descriptors", &[&role.pid().to_string()]).finish();
    role.finish();
}

/// Plays as the first process of a PID namespace.
fn in_a_namespace(play: impl FnOnce()) {
    unshare(NAMESPACES).expect("permitted");
    in_a_child(|| {
        assert_eq!(std::process::id(), 1);
        play();
    });
}

/// In a PID namespace: shows its processes.
fn own_proc() {
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).expect("private mounts");
    mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), none).expect("mounted");
}

fn the_number_comes_again(arguments: &[&str]) {
    own_proc();
    let ring = Ring::at(arguments[0]);
    for next in ["stranger", "successor"] {
        let role = ring.start("inbox");
        let pid = role.pid();
        let earlier = ring.holder(pid).expect("it listens");
        role.kill();
        fs::write(LAST_PID, (pid - 1).to_string()).expect("root may");
        let next = ring.start(next);
        assert_eq!(next.pid(), pid, "the number comes again");
        not_told(&ring, next, Some(&earlier));
    }
    wait();
}

#[test]
fn a_process_that_has_a_dead_listeners_number_is_not_told() {
    if permits_namespaces() && permits("a choice of process ids", Path::new(LAST_PID).exists()) {
        let (ring, _file) = Ring::new();
        start_child(&ring, "the number comes again", &[]).0.finish();
    }
}

/// Sees the processes of the namespace above, and may not signal them.
fn sender_below(arguments: &[&str]) {
    let ring = Ring::at(arguments[0]);
    let holder = ring.holder(arguments[1].parse().expect("a number")).expect("it can be seen");
    assert_eq!(holder.tell(signal(), TOKEN), Told::No);
    wait();
}

#[test]
fn a_process_in_another_pid_namespace_is_not_told_by_its_number_there_and_nobody_else_is() {
    if permits_namespaces() {
        let (ring, _file) = Ring::new();
        let (role, outside) = start_child(&ring, "listener below", &[]);
        assert!(ring.holder(1).is_none(), "its number there is another's here");
        assert!(ring.holder(outside).is_some(), "its number here would do");
        role.finish();
        let above = ring.start("inbox");
        start_child(&ring, "sender below", &[&above.pid().to_string()]).0.finish();
        not_told_by_anybody(above);
    }
}
