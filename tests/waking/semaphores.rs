//! Rings whose sleepers are woken by semaphores: as others in everything but that.
#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ringway::inspect::inspect;
use ringway::{RecvError, SendError, Wait, Wake, mpmc, spsc};

use crate::bed::{Bed, counters, everywhere};
use crate::common::names::Name;
use crate::common::role::Role;
use crate::common::{PATIENCE, eventually};
use crate::kinds::{KINDS, Kind, Plan, Received};
use crate::{HOUR, INTERVAL, SHORT, await_sleepers, no_wake_up_is_lost};

/// Runs `check` on rings with semaphores, small ones, whose sleepers wait to be woken.
fn with_semaphores(liveness: Duration, check: impl Fn(&Bed)) {
    for wait in [Wait::Park, Wait::Adaptive] {
        everywhere(|plan| Plan { size: 256, wait, wake: Wake::Semaphore, liveness, ..plan }, &check);
    }
}

#[test]
fn the_wake_kind_is_the_rings_and_not_the_handles() {
    for (made, asked) in [(Wake::Semaphore, Wake::Futex), (Wake::Futex, Wake::Semaphore)] {
        everywhere(
            |plan| Plan { wake: made, ..plan },
            |bed| {
                let tx = bed.producer();
                let opened = Plan { wake: asked, ..bed.plan }.consumer(&bed.address()).expect("a consumer");
                assert_eq!((tx.geometry().wake, opened.geometry().wake), (made, made));
                assert_eq!(inspect(&*bed.address()).expect("a ring").geometry.wake, made);
            },
        );
    }
}

#[test]
fn a_sleeper_is_woken_at_its_semaphore() {
    with_semaphores(HOUR, |bed| {
        let (mut tx, mut rx) = bed.ends();
        thread::scope(|scope| {
            let receiver = scope.spawn(move || {
                for k in 0..20_u8 {
                    assert_eq!(rx.recv_timeout(PATIENCE), Ok(Received::new(&[k; 24])));
                }
                rx
            });
            await_sleepers(&bed.address(), 1);
            for k in 0..20_u8 {
                tx.send(&[k; 24]).expect("room");
                thread::sleep(Duration::from_micros(200));
            }
            rx = receiver.join().expect("woken each time");
            let filled = tx.fill(&[7; 24]);
            let sender = scope.spawn(move || {
                tx.send_timeout(&[8; 24], PATIENCE).expect("room");
                tx
            });
            await_sleepers(&bed.address(), 2);
            (0..filled).for_each(|_| rx.expect(&[7; 24]));
            rx.expect(&[8; 24]);
            drop(sender.join().expect("woken"));
        });
    });
}

/// Nobody is called who does not wait any more.
#[test]
fn a_time_limit_ends_a_sleep_and_leaves_no_call() {
    with_semaphores(HOUR, |bed| {
        let (mut tx, mut rx) = bed.ends();
        for limit in [Duration::ZERO, SHORT] {
            assert_eq!(rx.recv_timeout(limit), Err(RecvError::TimedOut));
        }
        let filled = tx.fill(&[1; 24]);
        assert!(counters(&tx).wakes <= 1, "once to find out that nobody waits");
        assert_eq!(tx.send_timeout(&[1; 24], SHORT), Err(SendError::TimedOut));
        (0..filled).for_each(|_| rx.expect(&[1; 24]));
        drop(tx);
        assert_eq!(rx.recv(), Err(RecvError::Closed));
        drop(rx);
    });
}

#[test]
fn a_goodbye_wakes_who_sleeps_at_a_semaphore() {
    with_semaphores(HOUR, |bed| {
        let (tx, mut rx) = bed.ends();
        thread::scope(|scope| {
            let sleeper = scope.spawn(move || rx.recv_timeout(PATIENCE));
            await_sleepers(&bed.address(), 1);
            drop(tx);
            assert_eq!(sleeper.join().expect("no panic"), Err(RecvError::Closed));
        });
        let (mut tx, rx) = bed.ends();
        tx.fill(&[1; 24]);
        thread::scope(|scope| {
            let sleeper = scope.spawn(move || tx.send_timeout(&[1; 24], PATIENCE));
            await_sleepers(&bed.address(), 1);
            drop(rx);
            assert_eq!(sleeper.join().expect("no panic"), Err(SendError::Closed));
        });
    });
}

#[test]
fn a_death_is_noticed_by_who_sleeps_at_a_semaphore() {
    for kind in KINDS {
        let name = Name::new("death");
        let plan = Plan { wake: Wake::Semaphore, wait: Wait::Park, liveness: INTERVAL, ..Plan::new(kind) };
        let mut rx = plan.consumer(&name).expect("a consumer");
        let producer = Role::start("send on demand", &[kind.as_str(), &name]);
        producer.expect("attached");
        let sleeper = thread::spawn(move || rx.recv_timeout(PATIENCE));
        await_sleepers(&name, 1);
        producer.kill();
        assert_eq!(sleeper.join().expect("no panic"), Err(RecvError::PeerDead));
        let mut tx = plan.producer(&name).expect("a producer");
        let consumer = Role::start("receive on demand", &[kind.as_str(), &name]);
        consumer.expect("attached");
        tx.fill(b"x");
        let sleeper = thread::spawn(move || tx.send_timeout(b"x", PATIENCE));
        await_sleepers(&name, 1);
        consumer.kill();
        assert_eq!(sleeper.join().expect("no panic"), Err(SendError::PeerDead));
    }
}

fn queue() -> mpmc::Options {
    mpmc::options()
        .slots(64)
        .slot_size(64)
        .participants(8)
        .wake(Wake::Semaphore)
        .wait(Wait::Park)
        .liveness(HOUR)
}

/// Receives until the producers are gone, and tells which messages.
fn receive_and_tell(mut rx: mpmc::Consumer, told: mpsc::Sender<u8>) {
    while let Ok(message) = rx.recv() {
        told.send(message[0]).expect("the test listens");
    }
}

#[test]
fn several_sleepers_of_a_queue_are_woken_one_for_each_message() {
    let name = Name::new("several");
    let mut tx = queue().producer(&*name).expect("a producer");
    let consumers: Vec<_> = (0..3).map(|_| queue().consumer(&*name).expect("a consumer")).collect();
    let (telling, told) = mpsc::channel();
    thread::scope(|scope| {
        for rx in consumers {
            let telling = telling.clone();
            scope.spawn(move || receive_and_tell(rx, telling));
        }
        await_sleepers(&name, 3);
        for k in 0..50 {
            tx.send(&[k]).expect("room");
            assert_eq!(told.recv_timeout(PATIENCE), Ok(k), "one of them is woken");
        }
        let mut batch = tx.batch().expect("at home");
        (50..60).for_each(|k| batch.push(&[k]).expect("room"));
        batch.commit().expect("at home");
        let mut received: Vec<u8> =
            (0..10).map(|_| told.recv_timeout(PATIENCE).expect("each is received")).collect();
        received.sort_unstable();
        assert!(received.into_iter().eq(50..60));
        drop(tx);
    });
}

/// Whoever asked first has died; whoever lives is called.
#[test]
fn a_message_wakes_the_living_beside_those_who_were_killed_in_their_sleep() {
    let name = Name::new("beside");
    let mut tx = queue().producer(&*name).expect("a producer");
    let killed: Vec<_> = (0..2).map(|_| Role::start("sleep", &["mpmc", &name])).collect();
    killed.iter().for_each(|role| role.expect("attached"));
    await_sleepers(&name, 2);
    let mut rx = queue().consumer(&*name).expect("a consumer");
    let sleeper = thread::spawn(move || rx.recv_timeout(PATIENCE).map(|message| message.to_vec()));
    await_sleepers(&name, 3);
    killed.into_iter().for_each(Role::kill);
    tx.send(b"for the living").expect("room");
    let received = no_wake_up_is_lost(|| sleeper.join().expect("no panic"));
    assert_eq!(received, Ok(b"for the living".to_vec()));
    let spent = tx.counters().wakes;
    (0..20).for_each(|_| tx.send(b"x").expect("room"));
    assert!(tx.counters().wakes <= spent + 1, "the dead cost {} wake-ups", tx.counters().wakes);
}

/// The one that was killed is succeeded, and its successor is woken as if nothing had been.
#[test]
fn whoever_takes_the_place_of_a_sleeper_that_was_killed_is_woken() {
    for kind in KINDS {
        let name = Name::new("place");
        let plan = crate::roles::plan(kind.as_str());
        let mut tx = plan.producer(&name).expect("a producer");
        for round in 0..3 {
            let killed = Role::start("sleep", &[kind.as_str(), &name]);
            killed.expect("attached");
            await_sleepers(&name, 1);
            killed.kill();
            let mut rx = plan.consumer(&name).expect("its place is free");
            tx.send(&[round; 8]).expect("room");
            rx.expect(&[round; 8]);
            let sleeper = thread::spawn(move || rx.recv_timeout(PATIENCE));
            await_sleepers(&name, 1);
            tx.send(&[round; 9]).expect("room");
            let received = no_wake_up_is_lost(|| sleeper.join().expect("no panic"));
            assert_eq!(received, Ok(Received::new(&[round; 9])));
        }
    }
}

/// A consumer whose time is up at the very moment when it is called for a message: another one gets it, or it itself.
#[test]
fn a_call_that_meets_the_end_of_a_time_limit_is_not_lost() {
    let name = Name::new("limit");
    let mut tx = queue().producer(&*name).expect("a producer");
    let mut hasty = queue().consumer(&*name).expect("a consumer");
    let patient = queue().consumer(&*name).expect("a consumer");
    let (telling, told) = mpsc::channel();
    thread::scope(|scope| {
        let (once, rounds) = mpsc::channel::<Duration>();
        let also_telling = telling.clone();
        scope.spawn(move || {
            for limit in rounds {
                if let Ok(message) = hasty.recv_timeout(limit) {
                    also_telling.send(message[0]).expect("the test listens");
                }
            }
        });
        scope.spawn(move || receive_and_tell(patient, telling));
        for k in 0..200 {
            once.send(Duration::from_micros(u64::from(k) % 25 * 20)).expect("it listens");
            thread::sleep(Duration::from_micros(u64::from(k) % 7 * 70));
            tx.send(&[k]).expect("room");
            assert_eq!(told.recv_timeout(PATIENCE), Ok(k), "one of them is woken");
        }
        drop((once, tx));
    });
}

/// One process, one ring of each kind of wake-up.
#[test]
fn rings_of_both_wake_kinds_live_side_by_side() {
    no_wake_up_is_lost(|| KINDS.into_iter().for_each(side_by_side));
}

fn side_by_side(kind: Kind) {
    let plan = Plan { wait: Wait::Park, liveness: HOUR, ..Plan::new(kind) };
    let rings = [Wake::Futex, Wake::Semaphore].map(|wake| Plan { wake, ..plan }.pair().expect("a pair"));
    let (there, back): (Vec<_>, Vec<_>) = rings.into_iter().unzip();
    let [mut to_left, mut to_right] = <[_; 2]>::try_from(there).map_err(drop).expect("two");
    let [mut left, mut right] = <[_; 2]>::try_from(back).map_err(drop).expect("two");
    thread::scope(|scope| {
        scope.spawn(move || {
            for k in 0..200_u8 {
                left.expect(&[k; 40]);
                to_right.send(&[k; 41]).expect("room");
            }
        });
        for k in 0..200_u8 {
            to_left.send(&[k; 40]).expect("room");
            right.expect(&[k; 41]);
        }
    });
}

/// A page of memory of this process's own.
#[derive(Clone, Copy)]
#[repr(C, align(4096))]
struct Page([u8; 4096]);

#[test]
fn hosted_memory_holds_semaphores_too() {
    let options = spsc::options().size(4096).wake(Wake::Semaphore).wait(Wait::Park).liveness(HOUR);
    let len = options.hosted_len().expect("possible options");
    let mut memory = vec![Page([0; 4096]); len.div_ceil(4096)];
    let memory = NonNull::from(memory.as_mut_slice()).cast();
    // SAFETY: the memory outlives both ends, and nothing else uses it.
    let tx = unsafe { options.clone().create_new(true).producer_in(memory, len, None) };
    // SAFETY: as above.
    let rx = unsafe { options.consumer_in(memory, len, None) };
    let (mut tx, mut rx) = (tx.expect("a producer"), rx.expect("a consumer"));
    assert_eq!(rx.geometry().wake, Wake::Semaphore);
    let exchange = || {
        thread::scope(|scope| {
            scope.spawn(move || {
                for k in 0..50_u8 {
                    assert_eq!(&rx.recv_timeout(PATIENCE).expect("woken")[..], [k; 16]);
                }
            });
            for k in 0..50_u8 {
                tx.send(&[k; 16]).expect("room");
                thread::sleep(Duration::from_micros(300));
            }
        });
        tx
    };
    let tx = no_wake_up_is_lost(exchange);
    eventually("somebody was woken", || tx.counters().wakes > 0);
}
