//! The runtimes, and what a future is wrapped in to be watched.

use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::pin;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::thread;

use ringway::Pollable;
use ringway::task::{Async, Reactor};

use crate::common::PATIENCE;
use crate::hand::{self, Watched};

/// Who waits for a descriptor, and wakes the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// tokio, with one thread.
    OneThread,
    /// tokio, with several, among which tasks move.
    ManyThreads,
    /// async-io: a reactor of another kind.
    AsyncIo,
    /// The test itself.
    Hand,
}

pub const RUNTIMES: [Runtime; 4] =
    [Runtime::OneThread, Runtime::ManyThreads, Runtime::AsyncIo, Runtime::Hand];

/// async-io's watch.
struct Watch(async_io::Async<OwnedFd>);

impl Reactor for Watch {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_readable(cx)
    }
}

impl Runtime {
    /// The handle, for tasks of this runtime, in which this is called.
    pub fn watch<E>(self, end: Pollable<E>) -> Async<E> {
        match self {
            Runtime::OneThread | Runtime::ManyThreads => Async::on_tokio(end).expect("a watch"),
            Runtime::AsyncIo => {
                let descriptor = end.as_fd().try_clone_to_owned().expect("a descriptor");
                Async::new(end, Watch(async_io::Async::new(descriptor).expect("a watch")))
            }
            Runtime::Hand => {
                let watched = Watched::of(&end);
                Async::new(end, watched)
            }
        }
    }

    /// Runs `task`, which must end, as a task of this runtime.
    #[track_caller]
    pub fn run<T: Send + 'static>(self, task: impl Future<Output = T> + Send + 'static) -> T {
        within_patience(move || match self {
            Runtime::OneThread => one_thread().block_on(task),
            Runtime::ManyThreads => {
                let runtime = many_threads();
                let task = runtime.spawn(task);
                runtime.block_on(task).expect("no panic")
            }
            Runtime::AsyncIo => async_io::block_on(task),
            Runtime::Hand => hand::block_on(task),
        })
    }
}

pub fn one_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

pub fn many_threads() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(3).enable_all().build().expect("a runtime")
}

/// What `play` returns, which must end in time.
#[track_caller]
pub fn within_patience<T: Send + 'static>(play: impl FnOnce() -> T + Send + 'static) -> T {
    let (ending, ended) = mpsc::channel::<()>();
    let player = thread::spawn(move || {
        let _ending = ending;
        play()
    });
    assert_ne!(ended.recv_timeout(PATIENCE), Err(mpsc::RecvTimeoutError::Timeout), "still pending");
    player.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// What `future` yields; once it is pending, `act`s.
pub async fn meanwhile<T>(future: impl Future<Output = T>, act: impl FnOnce()) -> T {
    let (mut future, mut act) = (pin!(future), Some(act));
    let result = poll_fn(|cx| {
        let polled = future.as_mut().poll(cx);
        if let (true, Some(act)) = (polled.is_pending(), act.take()) {
            act();
        }
        polled
    });
    let result = result.await;
    assert!(act.is_none(), "it was never pending");
    result
}

/// What `future` yields if it does so within `polls` polls; `None`: it was dropped.
pub async fn polled<T>(polls: u64, future: impl Future<Output = T>) -> Option<T> {
    let (mut future, mut left) = (pin!(future), polls);
    poll_fn(|cx| {
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// What `future` yields, and after how many polls.
pub async fn counted<T>(future: impl Future<Output = T>) -> (T, u32) {
    let (mut future, mut polls) = (pin!(future), 0);
    let result = poll_fn(|cx| {
        polls += 1;
        future.as_mut().poll(cx)
    });
    let result = result.await;
    (result, polls)
}
