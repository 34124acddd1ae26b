//! Death is what the kernel says it is: a killed process is dead, a stopped one is not.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use ringway::spsc::{Peer, options};
use ringway::{OpenError, RecvError, SendError, Wait};

use crate::common::eventually;
use crate::common::names::Name;
use crate::common::role::Role;

/// Two liveness intervals: how long a blocked side may take to notice.
const NOTICED: Duration = Duration::from_millis(100);

#[test]
fn everything_a_killed_producer_committed_is_received() {
    let name = Name::new("filled");
    let mut rx = options().size(1 << 14).consumer(&*name).expect("a consumer");
    let producer = Role::start("fill", &[&name]);
    let committed: u64 = producer.hear().parse().expect("a number");
    producer.kill();
    assert_eq!(rx.peer(), Peer::Dead);
    for number in 0..committed {
        assert_eq!(&rx.recv().expect("committed")[..], number.to_ne_bytes());
    }
    assert_eq!(rx.recv().map(drop), Err(RecvError::PeerDead));
    assert_eq!(rx.recv_timeout(Duration::MAX).map(drop), Err(RecvError::PeerDead));
    assert_eq!(rx.wait_for_message(None), Err(RecvError::PeerDead));
    assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty), "without a system call it cannot know");
    let mut tx = options().producer(&*name).expect("the place is free");
    tx.send(b"on").expect("room");
    assert_eq!(&rx.recv().expect("a message")[..], b"on");
}

#[test]
fn a_producer_killed_mid_stream_leaves_no_torn_message() {
    for wait in [Wait::Spin, Wait::Adaptive, Wait::Park] {
        let name = Name::new("flood");
        let mut rx = options().size(1 << 14).wait(wait).consumer(&*name).expect("a consumer");
        let mut producer = Some(Role::start("flood", &[&name]));
        let mut killed = None;
        let end = (0_u64..).find_map(|number| {
            if number == 20_000 {
                killed = producer.take().map(Role::kill).map(|()| Instant::now());
            }
            match rx.recv() {
                Ok(message) => {
                    assert_eq!(&message[..], number.to_ne_bytes());
                    None
                }
                Err(error) => Some(error),
            }
        });
        assert_eq!(end, Some(RecvError::PeerDead), "{wait:?}");
        println!("{wait:?}: noticed after {:?}", killed.expect("killed before").elapsed());
    }
}

/// Calls with limits so short that none of them asks the kernel whether the producer lives do so among them.
#[test]
fn short_limits_hide_no_death() {
    for wait in [Wait::Spin, Wait::Adaptive, Wait::Park] {
        let name = Name::new("short");
        let mut rx = options().size(1 << 14).wait(wait).consumer(&*name).expect("a consumer");
        let producer = Role::start("fill", &[&name]);
        producer.hear();
        producer.kill();
        let mut end = Ok(());
        eventually("the death is noticed", || {
            end = rx.recv_timeout(Duration::from_micros(10)).map(drop);
            end == Err(RecvError::PeerDead)
        });
    }
}

/// The promise is 100 ms. A busy machine may break it now and then; always breaking it is a fault.
#[test]
fn a_death_is_noticed_within_two_intervals() {
    let fastest = (0..5).map(|_| time_to_notice()).min();
    assert!(fastest.is_some_and(|fastest| fastest < NOTICED), "noticed after {fastest:?}");
}

fn time_to_notice() -> Duration {
    let name = Name::new("notice");
    let mut rx = options().consumer(&*name).expect("a consumer");
    let producer = Role::start("fill", &[&name]);
    let committed: u64 = producer.hear().parse().expect("a number");
    for _ in 0..committed {
        drop(rx.recv().expect("committed"));
    }
    std::thread::scope(|scope| {
        let noticed = scope.spawn(|| {
            assert_eq!(rx.recv().map(drop), Err(RecvError::PeerDead));
            Instant::now()
        });
        std::thread::sleep(Duration::from_millis(20));
        let killed = Instant::now();
        producer.kill();
        noticed.join().expect("it notices").saturating_duration_since(killed)
    })
}

#[test]
fn what_a_killed_consumer_held_goes_to_the_next_one() {
    let name = Name::new("held");
    let mut tx = options().size(1 << 10).producer(&*name).expect("a producer");
    for k in 0..5_u8 {
        tx.send(&[k; 40]).expect("room");
    }
    let consumer = Role::start("hold", &[&name, "2"]);
    let held: Vec<u64> = (0..2).map(|_| consumer.hear().parse().expect("a sequence")).collect();
    consumer.kill();
    assert_eq!(tx.peer(), Peer::Dead);
    while tx.try_send(&[9; 40]).is_ok() {}
    assert_eq!(tx.send(&[9; 40]), Err(SendError::PeerDead));
    assert_eq!(tx.claim(40).map(drop), Err(SendError::PeerDead));
    assert_eq!(tx.wait_for_space(40, None), Err(SendError::PeerDead));
    let mut rx = options().consumer(&*name).expect("the place is free");
    for (k, held) in (0..5_u8).zip(held.into_iter().map(Some).chain([None; 3])) {
        let message = rx.recv().expect("not released");
        assert_eq!(&message[..], [k; 40]);
        assert_eq!(message.redelivered(), held.is_some(), "message {k}");
        assert!(held.is_none_or(|held| held == message.sequence()), "message {k}");
    }
    tx.send(&[9; 40]).expect("room again");
}

/// A producer that waits while its consumer dies hears of it.
#[test]
fn a_waiting_producer_notices_a_death() {
    for wait in [Wait::Spin, Wait::Adaptive, Wait::Park] {
        let name = Name::new("waiting");
        let mut tx = options().size(1 << 10).wait(wait).producer(&*name).expect("a producer");
        let consumer = Role::start("attach", &[&name]);
        consumer.expect("attached");
        while tx.try_send(&[0; 40]).is_ok() {}
        std::thread::scope(|scope| {
            scope.spawn(|| assert_eq!(tx.send(&[0; 40]), Err(SendError::PeerDead)));
            std::thread::sleep(Duration::from_millis(10));
            consumer.kill();
        });
    }
}

#[test]
fn a_stopped_process_is_not_dead() {
    let name = Name::new("stopped");
    let mut tx = options().size(64).liveness(Duration::from_millis(5)).producer(&*name).expect("a producer");
    let mut consumer = Role::start("attach", &[&name]);
    consumer.expect("attached");
    consumer.signal(Signal::SIGSTOP);
    eventually("the consumer is stopped", || state_of(consumer.pid()) == Some('T'));
    assert_eq!(tx.peer(), Peer::Attached);
    while tx.try_send(&[0; 24]).is_ok() {}
    assert_eq!(tx.send_timeout(&[0; 24], Duration::from_millis(50)), Err(SendError::TimedOut));
    let error = options().consumer(&*name).expect_err("nobody takes over");
    assert!(matches!(error, OpenError::AlreadyAttached { pid, .. } if pid == consumer.pid()), "{error}");
    consumer.signal(Signal::SIGCONT);
    consumer.tell("alive");
    consumer.expect("alive");
    assert_eq!(tx.peer(), Peer::Attached);
    consumer.finish();
    assert_eq!(tx.peer(), Peer::Closed);
}

/// The state letter of a process.
fn state_of(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}
