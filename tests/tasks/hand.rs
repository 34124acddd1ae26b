//! Polling by hand: the test waits for the descriptor itself, and polls when it wants to.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ringway::task::Reactor;

use crate::common::PATIENCE;

thread_local! {
    /// The descriptor that a future of this thread has last found unreadable.
    static AWAITED: RefCell<Option<Watched>> = const { RefCell::new(None) };
}

/// A descriptor that the test looks at.
#[derive(Clone, Debug)]
pub struct Watched(Arc<OwnedFd>);

impl Watched {
    pub fn of(end: &impl AsFd) -> Watched {
        Watched(Arc::new(end.as_fd().try_clone_to_owned().expect("a descriptor")))
    }

    pub fn is_readable(&self) -> bool {
        self.is_readable_within(PollTimeout::ZERO)
    }

    /// Waits until it is readable, which must come.
    #[track_caller]
    pub fn wait(&self) {
        let patience = PollTimeout::try_from(PATIENCE).expect("a time");
        assert!(self.is_readable_within(patience), "nobody has woken it");
    }

    fn is_readable_within(&self, timeout: PollTimeout) -> bool {
        loop {
            match poll(&mut [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)], timeout) {
                Err(Errno::EINTR) => {}
                found => return found.expect("a descriptor") == 1,
            }
        }
    }
}

impl Reactor for Watched {
    fn poll_readable(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_readable() {
            return Poll::Ready(Ok(()));
        }
        AWAITED.set(Some(self.clone()));
        Poll::Pending
    }
}

/// Has somebody asked to be polled again?
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Polls once. Pending, it is told of by the descriptor that it waits for; one that only lets others have a turn is polled again.
pub fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    loop {
        let woken = Arc::new(Woken::default());
        let polled = future.as_mut().poll(&mut Context::from_waker(&Waker::from(woken.clone())));
        if polled.is_ready() || !woken.0.load(Ordering::Relaxed) {
            return polled;
        }
    }
}

/// Polls once; it must be pending.
#[track_caller]
pub fn must_wait<F: Future<Output: std::fmt::Debug>>(future: Pin<&mut F>) {
    let polled = poll_once(future);
    assert!(polled.is_pending(), "{polled:?}");
}

/// Polls once; it must yield something.
#[track_caller]
pub fn must_yield<F: Future>(future: Pin<&mut F>) -> F::Output {
    match poll_once(future) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("pending"),
    }
}

/// Waits for what the future waits for that was polled last.
#[track_caller]
pub fn wait() {
    AWAITED.take().expect("something to wait for").wait();
}

/// Polls until it yields something.
#[track_caller]
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        match poll_once(future.as_mut()) {
            Poll::Ready(result) => return result,
            Poll::Pending => wait(),
        }
    }
}
