//! Several rings at once, in one blocking call.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use ringway::{RecvError, Select, SendError, Source, Wait, Wake, mpmc, spsc};

use crate::bed::source;
use crate::common::PATIENCE;
use crate::common::names::Name;
use crate::kinds::{KINDS, Kind, Plan, Received, Rx, Tx};
use crate::{HOUR, SHORT, await_sleepers, no_wake_up_is_lost};

const WAITS: [Wait; 3] = [Wait::Spin, Wait::Adaptive, Wait::Park];
const WAKES: [Wake; 2] = [Wake::Futex, Wake::Semaphore];

/// Rings of both kinds and both wake kinds.
fn rings() -> (Vec<Tx>, Vec<Rx>) {
    let plans = KINDS.into_iter().flat_map(|kind| WAKES.map(|wake| (kind, wake)));
    plans
        .map(|(kind, wake)| {
            let plan = Plan { size: 4096, wake, liveness: HOUR, ..Plan::new(kind) };
            plan.pair().expect("a pair")
        })
        .unzip()
}

/// What these consumers wait for.
fn sources(rings: &mut [Rx]) -> Vec<&mut dyn Source> {
    rings.iter_mut().map(source).collect()
}

/// How often each ring is served, in so many waits, where one message is taken at a time.
fn served(mut select: Select, rings: &mut [Rx], waits: usize) -> Vec<usize> {
    let mut served = vec![0; rings.len()];
    for _ in 0..waits {
        let ready = select.wait(&mut sources(rings));
        rings[ready].try_recv().expect("it is ready");
        served[ready] += 1;
    }
    served
}

#[test]
fn a_fair_select_serves_all_that_are_ready_in_turn() {
    for wait in WAITS {
        let (mut there, mut rings) = rings();
        (0..20).for_each(|_| there.iter_mut().for_each(|tx| tx.send(b"x").expect("room")));
        let served = served(Select::fair().how(wait), &mut rings, 40);
        assert_eq!(served, [10; 4], "{wait:?}");
    }
}

#[test]
fn a_fair_select_passes_a_ring_that_is_always_ready() {
    for wait in WAITS {
        let (mut there, mut rings) = rings();
        (0..20).for_each(|_| there[0].send(b"x").expect("room"));
        there[3].send(b"y").expect("room");
        let served = served(Select::fair().how(wait), &mut rings, 4);
        assert_eq!(served, [3, 0, 0, 1], "{wait:?}");
    }
}

#[test]
fn a_select_by_priority_serves_the_first_that_is_ready() {
    for wait in WAITS {
        let (mut there, mut rings) = rings();
        (0..3).for_each(|_| there.iter_mut().for_each(|tx| tx.send(b"x").expect("room")));
        for expected in [[3, 0, 0, 0], [0, 3, 0, 0], [0, 0, 3, 0], [0, 0, 0, 3]] {
            assert_eq!(served(Select::priority().how(wait), &mut rings, 3), expected, "{wait:?}");
        }
    }
}

#[test]
fn a_select_looks_without_waiting() {
    let (mut there, mut rings) = rings();
    let mut select = Select::fair();
    assert_eq!(select.ready(&mut sources(&mut rings)), None);
    there[2].send(b"x").expect("room");
    assert_eq!(select.ready(&mut sources(&mut rings)), Some(2));
    assert_eq!(select.ready(&mut sources(&mut rings)), Some(2), "nothing was taken");
}

#[test]
fn a_select_of_no_rings_is_never_ready_and_not_waited_for() {
    let mut select = Select::fair();
    assert_eq!(select.ready(&mut []), None);
    for limit in [None, Some(SHORT)] {
        let waited = catch_unwind(AssertUnwindSafe(|| match limit {
            None => Some(select.wait(&mut [])),
            Some(limit) => select.wait_timeout(&mut [], limit),
        }));
        waited.expect_err("it says that this never ends");
    }
}

#[test]
fn a_select_keeps_its_limit() {
    for wait in WAITS {
        let (mut there, mut rings) = rings();
        let mut select = Select::fair().how(wait);
        for limit in [Duration::ZERO, SHORT, 10 * SHORT] {
            let started = Instant::now();
            assert_eq!(select.wait_timeout(&mut sources(&mut rings), limit), None, "{wait:?}");
            assert!(started.elapsed() >= limit, "{wait:?}: {:?} of {limit:?}", started.elapsed());
        }
        there[1].send(b"x").expect("room");
        for limit in [Duration::ZERO, Duration::MAX] {
            assert_eq!(select.wait_timeout(&mut sources(&mut rings), limit), Some(1), "{wait:?}");
        }
    }
}

#[test]
fn a_select_is_woken_by_each_of_its_rings() {
    for wait in WAITS {
        let (mut there, mut rings) = rings();
        no_wake_up_is_lost(|| {
            thread::scope(|scope| {
                let (telling, told) = mpsc::channel();
                scope.spawn(move || {
                    let mut select = Select::fair().how(wait);
                    while let Some(ready) = select.wait_timeout(&mut sources(&mut rings), PATIENCE) {
                        match rings[ready].try_recv() {
                            Ok(message) => telling.send((ready, message)).expect("the test listens"),
                            Err(end) => return assert_eq!(end, RecvError::Closed),
                        }
                    }
                });
                for k in 0..80 {
                    let ring = usize::from(k) * 7 % there.len();
                    there[ring].send(&[k]).expect("room");
                    assert_eq!(told.recv_timeout(PATIENCE), Ok((ring, Received::new(&[k]))), "{wait:?}");
                    if k.is_multiple_of(2) {
                        thread::sleep(Duration::from_micros(400));
                    }
                }
                drop(there);
            });
        });
    }
}

/// Fills the rings, and makes room in one at a time.
#[test]
fn a_select_waits_for_rooms_and_for_messages_together() {
    for wake in WAKES {
        let options = spsc::options().size(256).wake(wake).liveness(HOUR);
        let (mut record_tx, mut record_rx) = options.pair().expect("a pair");
        let options = mpmc::options().slots(4).slot_size(64).participants(2).wake(wake).liveness(HOUR);
        let (mut slot_tx, mut slot_rx) = options.pair().expect("a pair");
        let (mut ring_tx, mut ring_rx) = options.pair().expect("a pair");
        while record_tx.try_send(&[1; 24]).is_ok() {}
        while slot_tx.try_send(&[2; 24]).is_ok() {}
        let (telling, told) = mpsc::channel();
        no_wake_up_is_lost(|| {
            thread::scope(|scope| {
                scope.spawn(move || {
                    let mut select = Select::fair().how(Wait::Park);
                    for _ in 0..60 {
                        let (mut record, mut slot) = (record_tx.room(24), slot_tx.room(24));
                        let mut rings: [&mut dyn Source; 3] = [&mut record, &mut slot, &mut ring_rx];
                        let ready = select.wait_timeout(&mut rings, PATIENCE).expect("a wake-up was lost");
                        match ready {
                            0 => record_tx.try_send(&[1; 24]).expect("room"),
                            1 => slot_tx.try_send(&[2; 24]).expect("room"),
                            _ => drop(ring_rx.try_recv().expect("a message")),
                        }
                        telling.send(ready).expect("the test listens");
                    }
                });
                for k in 0..60 {
                    match k % 3 {
                        0 => drop(record_rx.recv().expect("it is full")),
                        1 => drop(slot_rx.recv().expect("it is full")),
                        _ => ring_tx.send(b"x").expect("room"),
                    }
                    assert_eq!(told.recv_timeout(PATIENCE), Ok(k % 3));
                }
            });
        });
    }
}

#[test]
fn what_never_fits_is_ready_to_be_told() {
    let (mut record, _rx) = spsc::options().size(256).pair().expect("a pair");
    let (mut slot, _rx) = mpmc::options().slots(4).slot_size(64).pair().expect("a pair");
    let mut select = Select::fair();
    for len in [record.largest() + 1, 1 << 20, usize::MAX] {
        assert_eq!(select.wait_timeout(&mut [&mut record.room(len)], SHORT), Some(0), "{len} bytes");
        assert!(matches!(record.try_claim(len).map(drop), Err(SendError::TooLarge { .. })));
    }
    for len in [slot.largest() + 1, 1 << 20, usize::MAX] {
        assert_eq!(select.wait_timeout(&mut [&mut slot.room(len)], SHORT), Some(0), "{len} bytes");
        assert!(matches!(slot.try_claim(len).map(drop), Err(SendError::TooLarge { .. })));
    }
}

/// More than the system sleeps on at once.
#[test]
fn a_select_waits_for_more_rings_than_the_system_has_room_for() {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("a limit");
    let options = spsc::options().size(64).liveness(HOUR);
    let pairs: Vec<_> = (0..150).map_while(|_| options.pair().ok()).collect();
    assert_eq!(pairs.len(), 150, "descriptors: {soft} and {hard}");
    let (mut there, mut rings): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    thread::scope(|scope| {
        let (telling, told) = mpsc::channel();
        scope.spawn(move || {
            let mut select = Select::fair().how(Wait::Park);
            for _ in 0..10 {
                let mut sources: Vec<_> = rings.iter_mut().map(|ring| ring as &mut dyn Source).collect();
                let ready = select.wait(&mut sources);
                rings[ready].try_recv().map(drop).expect("a message");
                telling.send(ready).expect("the test listens");
            }
        });
        for k in 0..10 {
            let ring = (k * 61 + 149) % 150;
            there[ring].send(b"x").expect("room");
            assert_eq!(told.recv_timeout(PATIENCE), Ok(ring));
        }
    });
}

/// Two that wait for this queue among other rings, and two that wait for nothing else: each message is received, and none of
/// them sleeps on while there is one.
#[test]
fn selects_and_blocked_consumers_share_a_queue() {
    for wake in WAKES {
        let name = Name::new("shared");
        let options = mpmc::options()
            .slots(64)
            .slot_size(64)
            .participants(4)
            .wake(wake)
            .liveness(HOUR)
            .wait(Wait::Park);
        let mut tx = options.producer(&*name).expect("a producer");
        let (telling, told) = mpsc::channel();
        thread::scope(|scope| {
            let mut others = Vec::new();
            for wait in [Wait::Park, Wait::Adaptive] {
                let mut rx = options.consumer(&*name).expect("a consumer");
                let (other_tx, mut other) = spsc::options().size(64).liveness(HOUR).pair().expect("a pair");
                others.push(other_tx);
                let telling = telling.clone();
                scope.spawn(move || {
                    let mut select = Select::fair().how(wait);
                    loop {
                        if select.wait(&mut [&mut other, &mut rx]) == 0 {
                            match other.try_recv() {
                                Err(RecvError::Closed) => return,
                                message => drop(message.expect("a message")),
                            }
                        } else if let Ok(message) = rx.try_recv() {
                            telling.send(message[0]).expect("the test listens");
                        }
                    }
                });
            }
            for _ in 0..2 {
                let mut rx = options.consumer(&*name).expect("a consumer");
                let telling = telling.clone();
                scope.spawn(move || {
                    while let Ok(message) = rx.recv() {
                        telling.send(message[0]).expect("the test listens");
                    }
                });
            }
            await_sleepers(&name, 4);
            for k in 0..200_u8 {
                // At the same moment something else ends the sleep of those who wait for several.
                others[usize::from(k % 2)].send(b"x").expect("room");
                tx.send(&[k]).expect("room");
                assert_eq!(told.recv_timeout(PATIENCE), Ok(k), "one of them is woken");
            }
            drop((tx, others));
        });
    }
}

#[test]
fn a_goodbye_is_ready_until_the_ring_is_left_out() {
    for kind in [Kind::Spsc, Kind::Mpmc] {
        let plan = Plan { liveness: HOUR, ..Plan::new(kind) };
        let (gone, mut rx) = plan.pair().expect("a pair");
        let (mut tx, mut other) = plan.pair().expect("a pair");
        drop(gone);
        let mut select = Select::fair();
        assert_eq!(select.wait(&mut [source(&mut rx), source(&mut other)]), 0);
        assert_eq!(rx.try_recv(), Err(RecvError::Closed));
        tx.send(b"x").expect("room");
        assert_eq!(select.wait(&mut [source(&mut rx), source(&mut other)]), 1, "it stands in nobody's way");
        assert_eq!(select.wait_timeout(&mut [source(&mut other)], SHORT), Some(0));
    }
}
