//! A ring that always has something to do leaves the runtime's thread to other tasks, too.

use std::time::Duration;

use tokio::time::timeout;
use tokio_stream::StreamExt;

use crate::kinds::{FOR_EVER, KINDS, Plan, Rx};
use crate::runtimes::{Runtime, one_thread, within_patience};

const SOON: Duration = Duration::from_millis(20);

/// A loop without end, in which nothing ever waits; a timer ends it.
fn interrupted(endless: impl Future<Output = ()> + Send + 'static) {
    within_patience(move || {
        one_thread().block_on(async { timeout(SOON, endless).await.expect_err("without end") });
    });
}

#[test]
fn a_ring_that_is_never_empty_does_not_hold_up_a_timer() {
    for kind in KINDS {
        interrupted(async move {
            let (mut tx, rx) = Plan::new(kind, FOR_EVER).pair();
            let mut rx = rx.on(Runtime::OneThread);
            for number in 0.. {
                tx.try_send(number).expect("room");
                assert_eq!(rx.recv().await, Ok(number));
            }
        });
    }
}

#[test]
fn a_ring_that_is_never_full_does_not_hold_up_a_timer() {
    for kind in KINDS {
        interrupted(async move {
            let (tx, mut rx) = Plan::new(kind, FOR_EVER).pair();
            let mut tx = tx.on(Runtime::OneThread);
            for number in 0.. {
                tx.send(number).await.expect("sent");
                tx.claim(number, false).await.expect("room");
                assert_eq!(rx.recv(), Ok(number));
            }
        });
    }
}

#[test]
fn a_stream_that_is_never_empty_does_not_hold_up_a_timer() {
    for kind in KINDS {
        interrupted(async move {
            let (mut tx, rx) = Plan::new(kind, FOR_EVER).pair();
            let mut refill = move || tx.try_send(0).expect("room");
            refill();
            match rx {
                Rx::Spsc(rx) => {
                    let mut stream = Runtime::OneThread.watch(rx.pollable().expect("a descriptor"));
                    while stream.next().await.is_some() {
                        refill();
                    }
                }
                Rx::Mpmc(rx) => {
                    let mut stream = Runtime::OneThread.watch(rx.pollable().expect("a descriptor"));
                    while stream.next().await.is_some() {
                        refill();
                    }
                }
            }
        });
    }
}

/// The two ends of one ring in one thread, where neither need ever wait for the other for long.
#[test]
fn two_busy_tasks_of_one_thread_take_turns_with_a_third() {
    for kind in KINDS {
        interrupted(async move {
            let (tx, rx) = Plan::new(kind, FOR_EVER).pair();
            let (mut tx, mut rx) = (tx.on(Runtime::OneThread), rx.on(Runtime::OneThread));
            let sending = async {
                for number in 0.. {
                    tx.send(number).await.expect("sent");
                }
            };
            let receiving = async {
                for number in 0.. {
                    assert_eq!(rx.recv().await, Ok(number));
                }
            };
            tokio::join!(sending, receiving);
        });
    }
}
