//! Handles of either kind with descriptors, and ways to wait for these.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use ringway::{Pollable, RecvError, SendError, mpmc, spsc};

use crate::common::PATIENCE;
use crate::kinds::{Rx, Tx};

/// A consumer with a descriptor.
pub enum PolledRx {
    Spsc(Pollable<spsc::Consumer>),
    Mpmc(Pollable<mpmc::Consumer>),
}

impl PolledRx {
    pub fn new(rx: Rx) -> PolledRx {
        match rx {
            Rx::Spsc(rx) => PolledRx::Spsc(rx.pollable().expect("a descriptor")),
            Rx::Mpmc(rx) => PolledRx::Mpmc(rx.pollable().expect("a descriptor")),
        }
    }

    pub fn arm(&mut self) -> io::Result<bool> {
        match self {
            PolledRx::Spsc(rx) => rx.arm(),
            PolledRx::Mpmc(rx) => rx.arm(),
        }
    }

    pub fn disarm(&mut self) {
        match self {
            PolledRx::Spsc(rx) => rx.disarm(),
            PolledRx::Mpmc(rx) => rx.disarm(),
        }
        .expect("disarmed");
    }

    pub fn try_recv(&mut self) -> Result<Vec<u8>, RecvError> {
        match self {
            PolledRx::Spsc(rx) => rx.try_recv().map(|message| message.to_vec()),
            PolledRx::Mpmc(rx) => rx.try_recv().map(|message| message.to_vec()),
        }
    }

    pub fn into_inner(self) -> Rx {
        match self {
            PolledRx::Spsc(rx) => Rx::Spsc(rx.into_inner()),
            PolledRx::Mpmc(rx) => Rx::Mpmc(rx.into_inner()),
        }
    }

    /// Receives the next message by waiting for the descriptor in the way of `watch`: the first thing that is told.
    pub fn recv(&mut self, watch: &Watch) -> Result<Vec<u8>, RecvError> {
        loop {
            match self.try_recv() {
                Err(RecvError::Empty) => {}
                told => return told,
            }
            if self.arm().expect("armed") {
                watch.wait(self.as_fd());
            }
        }
    }
}

impl AsFd for PolledRx {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            PolledRx::Spsc(rx) => rx.as_fd(),
            PolledRx::Mpmc(rx) => rx.as_fd(),
        }
    }
}

/// A producer with a descriptor.
pub enum PolledTx {
    Spsc(Pollable<spsc::Producer>),
    Mpmc(Pollable<mpmc::Producer>),
}

impl PolledTx {
    pub fn new(tx: Tx) -> PolledTx {
        match tx {
            Tx::Spsc(tx) => PolledTx::Spsc(tx.pollable().expect("a descriptor")),
            Tx::Mpmc(tx) => PolledTx::Mpmc(tx.pollable().expect("a descriptor")),
        }
    }

    pub fn arm_for(&mut self, len: usize) -> io::Result<bool> {
        match self {
            PolledTx::Spsc(tx) => tx.arm_for(len),
            PolledTx::Mpmc(tx) => tx.arm_for(len),
        }
    }

    pub fn disarm(&mut self) {
        match self {
            PolledTx::Spsc(tx) => tx.disarm_room(),
            PolledTx::Mpmc(tx) => tx.disarm_room(),
        }
        .expect("disarmed");
    }

    pub fn try_send(&mut self, message: &[u8]) -> Result<(), SendError> {
        match self {
            PolledTx::Spsc(tx) => tx.try_send(message),
            PolledTx::Mpmc(tx) => tx.try_send(message),
        }
    }

    /// Sends `message` by waiting for the descriptor in the way of `watch`: the first thing that is told.
    pub fn send(&mut self, watch: &Watch, message: &[u8]) -> Result<(), SendError> {
        loop {
            match self.try_send(message) {
                Err(SendError::Full { .. }) => {}
                told => return told,
            }
            if self.arm_for(message.len()).expect("armed") {
                watch.wait(self.as_fd());
            }
        }
    }
}

impl AsFd for PolledTx {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            PolledTx::Spsc(tx) => tx.as_fd(),
            PolledTx::Mpmc(tx) => tx.as_fd(),
        }
    }
}

/// A way to wait for one descriptor.
pub enum Watch {
    Poll,
    Epoll(Epoll),
}

impl Watch {
    /// Each way to wait for `descriptor`.
    pub fn each(descriptor: impl AsFd) -> [Watch; 3] {
        let epoll = |flags| {
            let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).expect("a descriptor");
            epoll.add(&descriptor, EpollEvent::new(flags, 0)).expect("it can be watched");
            Watch::Epoll(epoll)
        };
        [Watch::Poll, epoll(EpollFlags::EPOLLIN), epoll(EpollFlags::EPOLLIN | EpollFlags::EPOLLET)]
    }

    /// Waits until `descriptor` is readable, for as long as that may take; or is interrupted.
    #[track_caller]
    pub fn wait(&self, descriptor: BorrowedFd<'_>) {
        let limit = u16::try_from(PATIENCE.as_millis() / 2).expect("a minute");
        let found = match self {
            Watch::Poll => poll(&mut [PollFd::new(descriptor, PollFlags::POLLIN)], PollTimeout::from(limit)),
            Watch::Epoll(epoll) => epoll
                .wait(&mut [EpollEvent::empty()], EpollTimeout::from(limit))
                .map(|count| i32::try_from(count).expect("one")),
        };
        assert!(matches!(found, Ok(1) | Err(Errno::EINTR)), "a wake-up was lost: {found:?}");
    }
}

fn readable_within(descriptor: impl AsFd, timeout: PollTimeout) -> bool {
    loop {
        let mut descriptors = [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)];
        match poll(&mut descriptors, timeout) {
            Err(Errno::EINTR) => {}
            found => return found.expect("a descriptor") == 1,
        }
    }
}

pub fn is_readable(descriptor: impl AsFd) -> bool {
    readable_within(descriptor, PollTimeout::ZERO)
}

#[track_caller]
pub fn await_readable(descriptor: impl AsFd) {
    let limit = u16::try_from(PATIENCE.as_millis() / 2).expect("a minute");
    assert!(readable_within(descriptor, limit.into()), "not readable");
}
