//! What the runtime does to its tasks: it moves them, drops them, ends.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::{self, Thread};

use nix::errno::Errno;
use nix::libc;
use ringway::{RecvError, SendError};

use crate::filter::{Denied, deny};
use crate::hand::{must_wait, must_yield};
use crate::kinds::{FOR_EVER, KINDS, Kind, Plan};
use crate::runtimes::{Runtime, many_threads, meanwhile, one_thread, polled, within_patience};

const MESSAGES: u64 = 500;

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls a future that has a new thread for each poll.
fn block_on_new_threads<T: Send + 'static>(
    runtime: &tokio::runtime::Runtime,
    mut task: Pin<Box<dyn Future<Output = T> + Send>>,
) -> T {
    let waker = Arc::new(Unpark(thread::current())).into();
    loop {
        let (handle, waker) = (runtime.handle().clone(), std::task::Waker::clone(&waker));
        let poller = thread::spawn(move || {
            let _inside = handle.enter();
            (task.as_mut().poll(&mut Context::from_waker(&waker)), task)
        });
        match poller.join().expect("no panic") {
            (Poll::Ready(result), _) => return result,
            (Poll::Pending, pending) => task = pending,
        }
        thread::park();
    }
}

#[test]
fn a_task_that_is_polled_by_another_thread_each_time_receives_and_sends_everything() {
    for kind in KINDS {
        moves(Plan::new(kind, FOR_EVER));
    }
}

pub fn moves(plan: Plan) {
    within_patience(move || {
        let runtime = many_threads();
        let (mut tx, rx) = plan.pair();
        let (back, mut out) = plan.pair();
        let other = thread::spawn(move || {
            for number in 0..MESSAGES {
                tx.send(number).expect("sent");
                // Nothing comes before this is answered, so the task waits each time.
                assert_eq!(out.recv(), Ok(number));
            }
        });
        let task = Box::pin(async move {
            let (mut rx, mut back) = (rx.on(Runtime::ManyThreads), back.on(Runtime::ManyThreads));
            for number in 0..MESSAGES {
                assert_eq!(rx.recv().await, Ok(number));
                back.send(number).await.expect("sent");
            }
        });
        block_on_new_threads(&runtime, task);
        other.join().expect("no panic");
    });
}

#[test]
fn a_runtime_that_ends_drops_its_tasks_and_their_peers_hear_a_goodbye() {
    for kind in KINDS {
        for new in [one_thread, many_threads] {
            within_patience(move || {
                let (mut tx, rx) = Plan::new(kind, FOR_EVER).pair();
                let (full, mut out) = Plan::new(kind, FOR_EVER).pair();
                let runtime = new();
                runtime.block_on(async move {
                    let mut full = full;
                    let more = full.fill();
                    let (mut rx, mut full) = (rx.on(Runtime::ManyThreads), full.on(Runtime::ManyThreads));
                    assert!(polled(1, rx.recv()).await.is_none());
                    assert!(polled(1, full.send(more)).await.is_none());
                    tokio::spawn(async move { rx.recv().await });
                    tokio::spawn(async move { full.send(more).await });
                    tokio::task::yield_now().await;
                });
                drop(runtime);
                tx.fill();
                assert_eq!(tx.send(0), Err(SendError::Closed));
                let end = std::iter::repeat_with(|| out.recv()).find_map(Result::err);
                assert_eq!(end, Some(RecvError::Closed));
            });
        }
    }
}

#[test]
fn a_handle_that_outlives_its_runtime_says_that_it_cannot_wait() {
    for kind in KINDS {
        for new in [one_thread, many_threads] {
            let (mut tx, rx) = Plan::new(kind, FOR_EVER).pair();
            let (mut full, mut out) = Plan::new(kind, FOR_EVER).pair();
            let more = full.fill();
            let runtime = new();
            let (mut rx, mut full) =
                runtime.block_on(async { (rx.on(Runtime::ManyThreads), full.on(Runtime::ManyThreads)) });
            {
                let mut pending = pin!(rx.recv());
                must_wait(pending.as_mut());
                drop(runtime);
                let error = must_yield(pending).expect_err("no runtime");
                assert_eq!(error, RecvError::Unarmed { errno: libc::ECANCELED }, "{error}");
            }
            let error = must_yield(pin!(full.send(more))).expect_err("no runtime");
            assert_eq!(error, SendError::Unarmed { errno: libc::ECANCELED }, "{error}");
            // What needs no waiting goes on.
            tx.send(1).expect("sent");
            assert_eq!(must_yield(pin!(rx.recv())), Ok(1));
            assert_eq!(out.recv(), Ok(0));
            assert_eq!(must_yield(pin!(full.send(more))), Ok(()));
        }
    }
}

#[test]
fn a_handle_that_is_dropped_while_armed_leaves_nothing_behind() {
    for kind in KINDS {
        for runtime in crate::runtimes::RUNTIMES {
            let plan = Plan::new(kind, FOR_EVER);
            let name = crate::common::names::Name::new("task-armed");
            let (mut tx, rx) = (plan.producer(&name), plan.consumer(&name));
            runtime.run(async move {
                let mut rx = rx.on(runtime);
                assert!(polled(1, rx.recv()).await.is_none());
                drop(rx);
                let next = plan.consumer(&name);
                tx.send(1).expect("sent");
                let mut rx = next.on(runtime);
                assert_eq!(rx.recv().await, Ok(1));
                assert_eq!(meanwhile(rx.recv(), || tx.send(2).expect("sent")).await, Ok(2));
                drop((tx, rx));
                assert!(!name.exists());
            });
        }
    }
}

/// In a role: the kernel takes no requests from now on.
pub fn refused_a_watch(kind: Kind) {
    let plan = Plan::new(kind, FOR_EVER);
    let ((mut tx, rx), (mut full, mut out)) = (plan.pair(), plan.pair());
    let more = full.fill();
    let (mut rx, _) = rx.by_hand();
    let mut full = full.on(Runtime::Hand);
    deny(&[Denied::always(libc::SYS_io_uring_enter, Errno::ENOMEM)]);
    for _ in 0..3 {
        let received = must_yield(pin!(rx.recv()));
        assert_eq!(received, Err(RecvError::Unarmed { errno: libc::ENOMEM }));
        let sent = must_yield(pin!(full.send(more)));
        assert_eq!(sent, Err(SendError::Unarmed { errno: libc::ENOMEM }));
    }
    // What needs no waiting goes on.
    tx.send(1).expect("sent");
    assert_eq!(must_yield(pin!(rx.recv())), Ok(1));
    assert_eq!(out.recv(), Ok(0));
    assert_eq!(must_yield(pin!(full.send(more))), Ok(()));
}
