//! What is pending sleeps: it is polled when it is woken, and once per liveness interval.

use std::time::{Duration, Instant};

use crate::kinds::{FOR_EVER, KINDS, Kind, Plan};
use crate::runtimes::{RUNTIMES, Runtime, counted, meanwhile, one_thread, within_patience};

/// How long nothing happens, many times as long as anything that would look again on its own.
const QUIET: Duration = Duration::from_millis(300);

/// Polls for what is no wake-up: the first one, the one that finds it, and one for which the descriptor was readable too early.
const FEW: u32 = 4;

#[test]
fn what_is_pending_is_polled_only_when_it_is_woken() {
    for runtime in RUNTIMES {
        for kind in KINDS {
            let (mut tx, rx) = Plan::new(kind, FOR_EVER).pair();
            runtime.run(async move {
                let mut rx = rx.on(runtime);
                let late = || {
                    std::thread::spawn(move || {
                        std::thread::sleep(QUIET);
                        tx.send(1).expect("sent");
                        tx
                    });
                };
                let (received, polls) = counted(meanwhile(rx.recv(), late)).await;
                assert_eq!(received, Ok(1));
                assert!(polls <= FEW, "{polls} polls, {runtime:?}, {kind:?}");
            });
            let (mut tx, mut rx) = Plan::new(kind, FOR_EVER).pair();
            runtime.run(async move {
                let full = tx.fill();
                let mut tx = tx.on(runtime);
                let late = || {
                    std::thread::spawn(move || {
                        std::thread::sleep(QUIET);
                        assert_eq!(rx.recv(), Ok(0));
                        rx
                    });
                };
                let (sent, polls) = counted(meanwhile(tx.send(full), late)).await;
                assert_eq!(sent, Ok(()));
                assert!(polls <= FEW, "{polls} polls, {runtime:?}, {kind:?}");
            });
        }
    }
}

#[test]
fn what_is_pending_looks_after_its_peer_once_per_liveness_interval() {
    const INTERVAL: Duration = Duration::from_millis(20);
    for runtime in RUNTIMES {
        let (mut tx, rx) = Plan::new(Kind::Spsc, INTERVAL).pair();
        runtime.run(async move {
            let mut rx = rx.on(runtime);
            let late = || {
                std::thread::spawn(move || {
                    std::thread::sleep(QUIET);
                    tx.send(1).expect("sent");
                    tx
                });
            };
            let began = Instant::now();
            let (received, polls) = counted(meanwhile(rx.recv(), late)).await;
            assert_eq!(received, Ok(1));
            let intervals = began.elapsed().as_nanos() / INTERVAL.as_nanos();
            assert!(u128::from(polls) <= intervals + u128::from(FEW), "{polls} polls in {intervals}");
            assert!(polls > 2, "it looks");
        });
    }
}

/// Tasks that wait cost the runtime's thread nothing: it is left to a timer, and nobody is polled meanwhile.
#[test]
fn a_hundred_pending_tasks_are_not_polled_while_nothing_comes() {
    within_patience(|| {
        one_thread().block_on(async {
            let mut tasks = Vec::new();
            let mut senders = Vec::new();
            for _ in 0..100 {
                let (tx, rx) = Plan::new(Kind::Spsc, FOR_EVER).pair();
                senders.push(tx);
                tasks.push(tokio::spawn(async move {
                    let mut rx = rx.on(Runtime::OneThread);
                    counted(async move { rx.recv().await }).await
                }));
            }
            tokio::time::sleep(QUIET).await;
            for tx in &mut senders {
                tx.send(1).expect("sent");
            }
            for task in tasks {
                let (received, polls) = task.await.expect("no panic");
                assert_eq!(received, Ok(1));
                assert!(polls <= FEW, "{polls} polls");
            }
        });
    });
}
