//! The ring's further ways to wake a receiver: a semaphore, a descriptor in an epoll, a signal.

use anyhow::{Result, bail};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use ringway::notify::{Inbox, Signal};
use ringway::spsc::{Consumer, Producer};
use ringway::{Pollable, RecvError, Signalled};

use super::payload::Check;
use super::traffic::Rx;

/// A receiver that sleeps in an epoll.
pub struct Polled {
    /// The receiver.
    rx: Pollable<Consumer>,
    /// Where its descriptor is.
    epoll: Epoll,
}

impl Polled {
    /// A ring's two ends, the receiving one with its descriptor in an epoll.
    pub fn new((tx, rx): (Producer, Consumer)) -> Result<(Producer, Self)> {
        let rx = rx.pollable()?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&rx, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        Ok((tx, Self { rx, epoll }))
    }
}

impl Rx for Polled {
    fn recv(&mut self, check: &mut Check) -> Result<()> {
        loop {
            match self.rx.try_recv() {
                Ok(message) => return check.take(&message),
                Err(RecvError::Empty) => {}
                Err(error) => return Err(error.into()),
            }
            if self.rx.arm()? {
                match self.epoll.wait(&mut [EpollEvent::empty()], EpollTimeout::NONE) {
                    Ok(_) | Err(Errno::EINTR) => {}
                    Err(error) => bail!("cannot wait for a descriptor: {error}"),
                }
            }
        }
    }
}

/// A receiver that sleeps until a signal comes.
pub struct Told {
    /// The receiver.
    rx: Signalled<Consumer>,
    /// Where the signal comes.
    inbox: Inbox,
}

impl Told {
    /// A ring's two ends, the receiving one told by a signal.
    pub fn new((tx, rx): (Producer, Consumer)) -> Result<(Producer, Self)> {
        let signal = Signal::realtime(1)?;
        let inbox = Inbox::new(&[signal])?;
        Ok((tx, Self { rx: rx.signalled(signal, 0)?, inbox }))
    }
}

impl Rx for Told {
    fn recv(&mut self, check: &mut Check) -> Result<()> {
        loop {
            match self.rx.try_recv() {
                Ok(message) => return check.take(&message),
                Err(RecvError::Empty) => {}
                Err(error) => return Err(error.into()),
            }
            if self.rx.arm() {
                self.inbox.wait(None)?;
            }
        }
    }
}
