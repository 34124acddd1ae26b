//! Kernels and containers that lack a system call: fences, futexes, locks.

use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use ringway::{Fence, OpenError, RecvError, SendError, Wait};

use crate::common::PATIENCE;
use crate::common::names::Name;
use crate::common::role::Entry;
use crate::filter::{Denied, deny};
use crate::forked::Child;
use crate::kinds::{Plan, Received, kind_of};
use crate::{of_each_kind, refused};

pub const ROLES: [Entry; 5] = [
    ("no membarrier", no_membarrier),
    ("membarrier lost", membarrier_lost),
    ("no futex", no_futex),
    ("a peer without futex", peer_without_futex),
    ("no locks", no_locks),
];

const HOUR: Duration = Duration::from_secs(3600);
const MESSAGES: u64 = 2000;

fn membarrier(errno: Errno) -> [Denied; 1] {
    [Denied::always(libc::SYS_membarrier, errno)]
}

fn futex() -> [Denied; 1] {
    [Denied::always(libc::SYS_futex, Errno::EPERM)]
}

/// Four messages fill the ring, so both sides sleep again and again.
fn tiny(kind: &str, liveness: Duration) -> Plan {
    Plan { size: 256, wait: Wait::Park, liveness, ..Plan::new(kind_of(kind)) }
}

/// What a side of a stream may not use: before it attaches, or from then on.
#[derive(Default)]
struct Lacks {
    before: Vec<Denied>,
    after: Vec<Denied>,
}

/// A stream between two processes. `fence`: what both must report; a wake-up that is lost where nobody looks again
/// for an hour is a time-out.
fn stream(plan: &Plan, producer: Lacks, consumer: Lacks, fence: Option<Fence>) {
    let name = Name::new("filtered");
    let started = Instant::now();
    let mut receiver = Child::start(|line| {
        deny(&consumer.before);
        let mut rx = plan.consumer(&name).expect("a consumer");
        line.say("attached");
        line.expect("go");
        assert!(fence.is_none_or(|fence| rx.geometry().fence == fence));
        deny(&consumer.after);
        for number in 0..MESSAGES {
            assert_eq!(rx.recv_timeout(PATIENCE), Ok(Received::new(&number.to_ne_bytes())));
        }
    });
    receiver.line.expect("attached");
    let mut sender = Child::start(|line| {
        deny(&producer.before);
        let mut tx = plan.producer(&name).expect("a producer");
        line.say("attached");
        line.expect("go");
        assert!(fence.is_none_or(|fence| tx.geometry().fence == fence));
        deny(&producer.after);
        for number in 0..MESSAGES {
            tx.send_timeout(&number.to_ne_bytes(), PATIENCE).expect("sent");
        }
    });
    sender.line.expect("attached");
    [&mut sender, &mut receiver].into_iter().for_each(|child| child.line.say("go"));
    sender.finish();
    receiver.finish();
    assert!(started.elapsed() < PATIENCE, "a wake-up was lost: {:?}", started.elapsed());
}

#[test]
fn without_membarrier_both_sides_wake_each_other() {
    of_each_kind("no membarrier");
}

fn no_membarrier(arguments: &[&str]) {
    let plan = tiny(arguments[0], HOUR);
    for errno in [Errno::ENOSYS, Errno::EPERM] {
        for (producers, consumers) in [(true, false), (false, true), (true, true)] {
            let lacks = |lacks| Lacks {
                before: if lacks { membarrier(errno).into() } else { Vec::new() },
                after: Vec::new(),
            };
            stream(&plan, lacks(producers), lacks(consumers), Some(Fence::Symmetric));
        }
    }
}

/// Where it is refused to one who had registered for it, the liveness interval bounds every sleep.
#[test]
fn a_membarrier_that_is_lost_later_delays_a_message_by_an_interval_at_most() {
    of_each_kind("membarrier lost");
}

fn membarrier_lost(arguments: &[&str]) {
    let lost = || Lacks { before: Vec::new(), after: membarrier(Errno::EPERM).into() };
    stream(&tiny(arguments[0], Duration::from_millis(2)), lost(), lost(), None);
}

#[test]
fn without_futexes_waits_keep_their_limits_and_spare_the_processor() {
    of_each_kind("no futex");
}

fn no_futex(arguments: &[&str]) {
    for wait in [Wait::Spin, Wait::Adaptive, Wait::Park] {
        let plan = Plan { wait, ..Plan::new(kind_of(arguments[0])) };
        // The harness's own threads need futexes.
        let child = Child::start(|_| {
            deny(&futex());
            let (_tx, mut rx) = plan.pair().expect("a pair");
            let (mut tx, _rx) = plan.pair().expect("a pair");
            tx.fill(&[0; 40]);
            let limit = Duration::from_millis(300);
            let (started, busy) = (Instant::now(), processor_time());
            assert_eq!(rx.recv_timeout(limit), Err(RecvError::TimedOut));
            assert_eq!(tx.send_timeout(&[0; 40], limit), Err(SendError::TimedOut));
            assert!(started.elapsed() >= 2 * limit, "{:?}", started.elapsed());
            let busy = processor_time() - busy;
            assert!(
                wait != Wait::Park || busy < limit,
                "{busy:?} of processor time for {:?} of waiting",
                2 * limit
            );
        });
        child.finish();
    }
}

/// Processor time that this process has used.
fn processor_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("usage");
    Duration::from_micros((usage.user_time() + usage.system_time()).num_microseconds() as u64)
}

#[test]
fn a_peer_without_futexes_is_only_slower() {
    of_each_kind("a peer without futex");
}

fn peer_without_futex(arguments: &[&str]) {
    let plan = tiny(arguments[0], Duration::from_millis(2));
    let lacks = || Lacks { before: futex().into(), after: Vec::new() };
    stream(&plan, lacks(), Lacks::default(), None);
    stream(&plan, Lacks::default(), lacks(), None);
    stream(&plan, lacks(), lacks(), None);
}

/// Without locks nobody could tell who lives, so there is no ring.
#[test]
fn without_locks_there_is_an_error_and_no_ring() {
    of_each_kind("no locks");
}

fn no_locks(arguments: &[&str]) {
    let plan = Plan::new(kind_of(arguments[0]));
    let (there, fresh) = (Name::new("there"), Name::new("fresh"));
    plan.create_ring(&there).expect("a ring");
    // Of all commands of `fcntl` that are used here only those of OFD locks have this bit.
    let command = Some((1, libc::F_OFD_GETLK as u32 & 0x20));
    deny(&[Denied { call: libc::SYS_fcntl, only_if: command, errno: Errno::ENOLCK }]);
    for name in [&there, &fresh] {
        for attempt in [plan.producer(name).map(drop), plan.consumer(name).map(drop), plan.pair().map(drop)] {
            let error = refused(attempt, &["lock (OFD)", "No locks available"]);
            assert!(matches!(error, OpenError::System { .. }), "{error:?}");
        }
    }
    assert!(there.exists() && !fresh.exists());
}
