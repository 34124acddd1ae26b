//! When a handle's descriptor is readable, and when it is not.

use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use ringway::{RecvError, SendError, Wake, mpmc, spsc};

use crate::bed::{counters, everywhere};
use crate::common::{PATIENCE, eventually};
use crate::kinds::{KINDS, Kind, Plan};
use crate::polled::{PolledRx, PolledTx, Watch, await_readable, is_readable};
use crate::{HOUR, INTERVAL, await_sleepers, no_wake_up_is_lost};

/// A small ring, whose armed handles wait to be woken.
fn small(plan: Plan) -> Plan {
    Plan { size: 256, liveness: HOUR, ..plan }
}

const MESSAGES: u8 = 60;

/// A pause, for some of the messages.
fn now_and_then(k: u8) {
    if k.is_multiple_of(3) {
        thread::sleep(Duration::from_micros(300));
    }
}

#[test]
fn a_consumer_that_waits_for_its_descriptor_receives_everything() {
    for wake in [Wake::Futex, Wake::Semaphore] {
        everywhere(
            |plan| Plan { wake, ..small(plan) },
            |bed| {
                let (mut tx, rx) = bed.ends();
                let mut rx = PolledRx::new(rx);
                thread::scope(|scope| {
                    scope.spawn(move || {
                        for k in 0..3 * MESSAGES {
                            now_and_then(k);
                            tx.send(&[k; 24]).expect("room");
                        }
                    });
                    let watches = Watch::each(&rx);
                    for k in 0..3 * MESSAGES {
                        assert_eq!(rx.recv(&watches[usize::from(k / MESSAGES)]), Ok(vec![k; 24]));
                    }
                    assert_eq!(rx.recv(&watches[2]), Err(RecvError::Closed));
                });
            },
        );
    }
}

#[test]
fn a_producer_that_waits_for_its_descriptor_sends_everything() {
    for wake in [Wake::Futex, Wake::Semaphore] {
        everywhere(
            |plan| Plan { wake, ..small(plan) },
            |bed| {
                let (tx, mut rx) = bed.ends();
                let mut tx = PolledTx::new(tx);
                thread::scope(|scope| {
                    scope.spawn(move || {
                        for k in 0..3 * MESSAGES {
                            now_and_then(k);
                            rx.expect(&[k; 24]);
                        }
                    });
                    let watches = Watch::each(&tx);
                    for k in 0..3 * MESSAGES {
                        assert_eq!(tx.send(&watches[usize::from(k / MESSAGES)], &[k; 24]), Ok(()));
                    }
                    let full = (0..).find_map(|_| tx.send(&watches[2], &[0; 24]).err());
                    assert_eq!(full, Some(SendError::Closed));
                });
            },
        );
    }
}

#[test]
fn a_typed_consumer_and_a_typed_producer_wait_for_their_descriptors() {
    let options = spsc::options().size(256).liveness(HOUR).typed::<u64>();
    let (tx, rx) = options.pair().expect("a pair");
    let (mut tx, mut rx) = (tx.pollable().expect("a descriptor"), rx.pollable().expect("a descriptor"));
    let sender = thread::spawn(move || {
        for k in 0..1000 {
            while tx.try_send(&k).is_err() {
                if tx.arm_for(8).expect("armed") {
                    Watch::Poll.wait(tx.as_fd());
                }
            }
        }
    });
    for k in 0..1000 {
        let received = loop {
            if let Ok(message) = rx.try_recv() {
                break *message;
            }
            if rx.arm().expect("armed") {
                Watch::Poll.wait(rx.as_fd());
            }
        };
        assert_eq!(received, k);
    }
    sender.join().expect("no panic");
}

#[test]
fn only_an_armed_descriptor_becomes_readable() {
    everywhere(small, |bed| {
        let (mut tx, rx) = bed.ends();
        let mut rx = PolledRx::new(rx);
        tx.send(b"not awaited").expect("room");
        assert!(!is_readable(&rx));
        assert_eq!(counters(&tx).wakes, 0, "nobody was to be woken");
        assert!(!rx.arm().expect("looked"), "there is something already");
        assert!(!is_readable(&rx));
        assert_eq!(rx.try_recv(), Ok(b"not awaited".to_vec()));
        for _ in 0..3 {
            assert!(rx.arm().expect("armed"), "once or thrice");
            assert!(!is_readable(&rx));
        }
        tx.send(b"awaited").expect("room");
        await_readable(&rx);
        assert_eq!(rx.try_recv(), Ok(b"awaited".to_vec()));
        assert!(rx.arm().expect("armed"));
        assert!(!is_readable(&rx), "what was there to be read is taken away");
        rx.disarm();
        tx.send(b"not awaited any more").expect("room");
        assert!(!is_readable(&rx));
    });
}

#[test]
fn only_room_that_suffices_ends_a_producers_wait() {
    everywhere(small, |bed| {
        let (mut tx, mut rx) = bed.ends();
        let filled = tx.fill(&[1; 24]);
        let mut tx = PolledTx::new(tx);
        assert!(tx.arm_for(24).expect("armed"));
        assert!(!is_readable(&tx));
        rx.expect(&[1; 24]);
        await_readable(&tx);
        assert!(!tx.arm_for(24).expect("looked"), "there is room");
        assert!(tx.arm_for(100).expect("armed"), "but not for so much");
        (1..filled).for_each(|_| rx.expect(&[1; 24]));
        await_readable(&tx);
        assert!(!tx.arm_for(100).expect("looked"));
        tx.try_send(&[2; 100]).expect("room");
        assert!(!is_readable(&tx), "what was told is taken away");
        while tx.try_send(&[1; 24]).is_ok() {}
        assert!(tx.arm_for(24).expect("armed"));
        tx.disarm();
        rx.expect(&[2; 100]);
        assert!(!is_readable(&tx), "nobody waits any more");
    });
}

#[test]
fn what_never_fits_is_told_and_not_waited_for() {
    for kind in KINDS {
        let (tx, _rx) = small(Plan::new(kind)).pair().expect("a pair");
        let largest = tx.geometry().largest as usize;
        let mut tx = PolledTx::new(tx);
        for len in [largest + 1, 1 << 20] {
            assert!(!tx.arm_for(len).expect("looked"), "{len} bytes");
            let refused = tx.try_send(&vec![0; len]);
            assert_eq!(refused, Err(SendError::TooLarge { len, largest }));
        }
    }
}

/// How often an idle handle that is armed is woken for nothing: to look whether its peer lives.
#[test]
fn an_idle_descriptor_is_readable_once_or_twice_per_liveness_interval() {
    for kind in KINDS {
        let (_tx, rx) = Plan { liveness: INTERVAL, ..Plan::new(kind) }.pair().expect("a pair");
        let mut rx = PolledRx::new(rx);
        for watch in Watch::each(&rx) {
            let (started, mut woken) = (Instant::now(), 0);
            while started.elapsed() < 10 * INTERVAL {
                assert_eq!(rx.try_recv(), Err(RecvError::Empty));
                if rx.arm().expect("armed") {
                    watch.wait(rx.as_fd());
                    woken += 1;
                }
            }
            let most = 2 * (started.elapsed().as_millis() / INTERVAL.as_millis() + 1);
            assert!(woken <= most, "{kind:?}: {woken} times in {:?}", started.elapsed());
        }
    }
}

/// Whoever armed a handle and forgot it costs those who send one wake-up; a queue, where others may sleep, one more to find
/// out that nobody does.
#[test]
fn a_handle_that_is_armed_and_forgotten_costs_one_wake_up_for_each_arming() {
    everywhere(
        |plan| Plan { size: 4096, ..small(plan) },
        |bed| {
            let (mut tx, rx) = bed.ends();
            let mut rx = PolledRx::new(rx);
            let each = if bed.plan.kind == Kind::Spsc { 1 } else { 2 };
            for armings in 1..=3 {
                assert!(rx.arm().expect("armed"));
                (0..10).for_each(|_| tx.send(&[7; 24]).expect("room"));
                await_readable(&rx);
                assert!((armings..=each * armings).contains(&counters(&tx).wakes), "{}", counters(&tx).wakes);
                while rx.try_recv().is_ok() {}
            }
        },
    );
}

#[test]
fn a_handle_is_waited_for_by_a_thread_that_did_not_arm_it() {
    everywhere(small, |bed| {
        let (mut tx, rx) = bed.ends();
        let mut rx = PolledRx::new(rx);
        for k in 0..10 {
            // The thread that arms it has ended when it is awaited.
            rx = thread::spawn(move || {
                assert!(rx.arm().expect("armed"));
                rx
            })
            .join()
            .expect("no panic");
            tx.send(&[k; 8]).expect("room");
            await_readable(&rx);
            assert_eq!(rx.try_recv(), Ok(vec![k; 8]));
        }
    });
}

#[test]
fn the_handle_goes_on_without_its_descriptor() {
    everywhere(small, |bed| {
        let (mut tx, rx) = bed.ends();
        let mut rx = PolledRx::new(rx);
        assert!(rx.arm().expect("armed"));
        let mut rx = rx.into_inner();
        let sleeper = thread::spawn(move || {
            rx.expect(b"woken");
            rx
        });
        eventually("it waits", || tx.peer() == ringway::Peer::Attached);
        tx.send(b"woken").expect("room");
        drop(sleeper.join().expect("no panic"));
        let mut rx = PolledRx::new(bed.consumer());
        assert!(rx.arm().expect("armed"));
        // Dropped while it is armed.
        drop(rx);
        let mut rx = bed.consumer();
        tx.send(b"to the next one").expect("room");
        rx.expect(b"to the next one");
    });
}

fn queue() -> mpmc::Options {
    mpmc::options().slots(64).slot_size(64).participants(4).liveness(HOUR)
}

/// A consumer of a queue that is armed takes a wake-up that another waits for, and stops waiting in one of these ways.
fn passes_on(stop: impl Fn(PolledRx) -> Option<PolledRx>) {
    for wake in [Wake::Futex, Wake::Semaphore] {
        let (mut tx, rx) = queue().wake(wake).pair().expect("a pair");
        let mut other = rx.try_clone().expect("a place");
        let mut rx = PolledRx::new(crate::kinds::Rx::Mpmc(rx));
        assert!(rx.arm().expect("armed"));
        thread::scope(|scope| {
            let sleeper = scope.spawn(move || {
                let received = other.recv_timeout(PATIENCE).map(|message| message.to_vec());
                (received, other)
            });
            eventually("the other sleeps", || tx.counters().wakes == 0 && is_asleep(&tx));
            tx.send(b"for either").expect("room");
            // Perhaps the other was first in line.
            eventually("one of them is woken", || is_readable(&rx) || sleeper.is_finished());
            let kept = stop(rx);
            let (received, other) = no_wake_up_is_lost(|| sleeper.join().expect("no panic"));
            assert_eq!(received, Ok(b"for either".to_vec()));
            drop((kept, other));
        });
    }
}

/// Does the second consumer of the queue say that it has slept?
fn is_asleep(tx: &mpmc::Producer) -> bool {
    let descriptor = tx.descriptor().expect("a descriptor");
    let address = format!("fd:{}", std::os::fd::AsRawFd::as_raw_fd(&descriptor));
    let report = ringway::inspect::inspect(&*address).expect("a ring");
    report.participants.iter().filter(|one| one.counters.sleeps > 0).count() == 2
}

#[test]
fn a_disarmed_handle_gives_the_wake_up_to_another_consumer() {
    passes_on(|mut rx| {
        rx.disarm();
        Some(rx)
    });
}

#[test]
fn a_handle_without_its_descriptor_gives_the_wake_up_to_another_consumer() {
    let kept = std::cell::RefCell::new(Vec::new());
    passes_on(|rx| {
        kept.borrow_mut().push(rx.into_inner());
        None
    });
}

#[test]
fn a_dropped_handle_gives_the_wake_up_to_another_consumer() {
    passes_on(|rx| {
        drop(rx);
        None
    });
}

/// Three of a queue's consumers wait for their descriptors, and one in a call: each message wakes one of them.
#[test]
fn consumers_with_and_without_descriptors_share_a_queue() {
    let name = crate::common::names::Name::new("share");
    let mut tx = queue().producer(&*name).expect("a producer");
    let (telling, told) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..3 {
            let telling = telling.clone();
            let rx = queue().consumer(&*name).expect("a place");
            scope.spawn(move || {
                let mut rx = PolledRx::new(crate::kinds::Rx::Mpmc(rx));
                let watches = Watch::each(&rx);
                while let Ok(message) = rx.recv(&watches[1]) {
                    telling.send(message[0]).expect("the test listens");
                }
            });
        }
        let mut rx = queue().consumer(&*name).expect("a place");
        scope.spawn(move || {
            while let Ok(message) = rx.recv() {
                telling.send(message[0]).expect("the test listens");
            }
        });
        await_sleepers(&name, 4);
        for k in 0..200 {
            tx.send(&[k]).expect("room");
            assert_eq!(told.recv_timeout(PATIENCE), Ok(k), "one of them is woken");
        }
        drop(tx);
    });
}
