//! Handles with a descriptor, for `epoll`, `poll`, and whatever is built on them.

use core::ops::{Deref, DerefMut};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::armed::Armed;
use super::endpoint::Endpoint;
use super::select::Source;
use super::waiter::MakesRoom;
use crate::error::OpenError;
use crate::wait::alarm::Alarm;

/// A consumer or producer with a descriptor that becomes readable when there is something to do.
///
/// The descriptor tells of that only while it is *armed*: arm it when there is nothing to do, and wait if
/// [`arm`](Pollable::arm) says so. Nobody pays for a descriptor that is not armed; an armed one costs whoever sends one
/// system call, as a sleeping thread does (two in an `mpmc` ring, if nobody waits for it).
///
/// ```
/// use std::os::fd::AsFd;
/// use ringway::RecvError;
/// # fn wait_for(_: impl AsFd) {}
///
/// let (mut tx, rx) = ringway::spsc::pair()?;
/// let mut rx = rx.pollable()?;
/// # tx.send(b"hello")?;
/// # tx.close();
/// loop {
///     match rx.try_recv() {
///         Ok(message) => assert_eq!(&message[..], b"hello"),
///         Err(RecvError::Empty) => {}
///         Err(_end) => break,
///     }
///     if rx.arm()? {
///         wait_for(rx.as_fd()); // by epoll, level- or edge-triggered, among others
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It may become readable for nothing, at least once per liveness interval: to be armed again, which asks the system whether
/// the peer lives. Where io_uring waits on futexes (Linux 6.7, unless forbidden) the descriptor is an io_uring's, and the
/// thread that armed it may get `EINTR` from a system call that sleeps; elsewhere it is an eventfd, which a thread of
/// ringway's own writes, one for up to 127 armed handles.
///
/// The handle goes on as it was: a `Pollable` derefs to it. Dropping it drops the handle.
#[derive(Debug)]
pub struct Pollable<E> {
    armed: Armed,
    endpoint: fn(&E) -> &Endpoint,
    end: E,
}

impl<E> Pollable<E> {
    pub(super) fn new(end: E, endpoint: fn(&E) -> &Endpoint) -> Result<Pollable<E>, OpenError> {
        let segment = &endpoint(&end).segment;
        let alarm = Alarm::new(segment.home(), segment.mapping.clone())
            .map_err(|source| segment.system("make a descriptor to wait for", source))?;
        Ok(Pollable { armed: Armed::new(alarm), endpoint, end })
    }
}

impl<E> Pollable<E> {
    /// The handle alone. The descriptor is closed; an arming is taken back as by [`disarm`](Pollable::disarm).
    pub fn into_inner(mut self) -> E {
        let endpoint = (self.endpoint)(&self.end);
        if endpoint.is_home() && self.armed.is_announced() {
            endpoint.line.set_asleep(false);
            // What cannot be taken back may have been reached.
            if self.armed.take_back(&endpoint.seat()).unwrap_or(true) {
                endpoint.wake_another();
            }
        }
        self.end
    }
}

impl<E: Source> Pollable<E> {
    /// Arms the descriptor: it becomes readable when there is a message to receive, or an end to be told of by `try_recv`.
    /// `false`: there is already, and it is not armed. Does not block; while nothing is there it makes a few system calls.
    ///
    /// An armed descriptor that nobody waits for any more should be [disarmed](Pollable::disarm).
    ///
    /// # Errors
    /// The system lacks memory, or threads.
    pub fn arm(&mut self) -> io::Result<bool> {
        self.armed.arm(&mut self.end)
    }

    /// Takes an arming back; does nothing if there is none. For a consumer of an `mpmc` ring that stops waiting: a message
    /// wakes one of those who wait, which would be this one otherwise, and the others would find the message only at their
    /// next liveness check.
    ///
    /// # Errors
    /// The system lacks memory.
    pub fn disarm(&mut self) -> io::Result<()> {
        self.armed.disarm(&mut self.end)
    }
}

impl<E: MakesRoom> Pollable<E> {
    /// Arms the descriptor: it becomes readable when a message of `len` bytes fits, or there is an end to be told of by
    /// `try_send`. `false`: it does already, and the descriptor is not armed. Does not block.
    ///
    /// # Errors
    /// As [`Pollable::arm`].
    pub fn arm_for(&mut self, len: usize) -> io::Result<bool> {
        self.armed.arm(&mut self.end.room_for(len))
    }

    /// Takes an arming for room back.
    ///
    /// # Errors
    /// As [`Pollable::disarm`].
    pub fn disarm_room(&mut self) -> io::Result<()> {
        self.armed.disarm(&mut self.end.room_for(0))
    }
}

impl<E> Pollable<E> {
    /// Wakes another in this one's place if there is something left to do.
    pub(crate) fn pass_on(&mut self)
    where
        E: Source,
    {
        self.end.pass_on();
    }

    /// Is this the process whose handle it is?
    pub(crate) fn is_home(&self) -> bool {
        (self.endpoint)(&self.end).is_home()
    }

    /// Is it armed where others wait for the same?
    fn is_armed_beside_others(&self) -> bool {
        self.armed.is_announced() && !(self.endpoint)(&self.end).seat().alone
    }

    /// Waits for nothing any more. Where others wait, too, a wake-up that reaches nobody would be theirs. (Alone, it is kept
    /// for the next time.)
    pub(crate) fn give_up(&mut self)
    where
        E: Source,
    {
        if self.is_armed_beside_others() {
            // What cannot be taken back ends at the deadline.
            let _ = self.disarm();
        }
    }

    /// Waits for room no more: as [`give_up`](Pollable::give_up).
    pub(crate) fn give_up_room(&mut self)
    where
        E: MakesRoom,
    {
        if self.is_armed_beside_others() {
            // As above.
            let _ = self.disarm_room();
        }
        self.end.give_up_room();
    }
}

impl<E> AsFd for Pollable<E> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.armed.alarm.as_fd()
    }
}

impl<E> Deref for Pollable<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.end
    }
}

impl<E> DerefMut for Pollable<E> {
    fn deref_mut(&mut self) -> &mut E {
        &mut self.end
    }
}
