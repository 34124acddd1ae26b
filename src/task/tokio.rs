//! The watch of tokio.
#![allow(unsafe_code)]

use core::task::{Context, Poll, ready};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::{Async, Reactor};
use crate::channel::Pollable;

impl<E> Async<E> {
    /// The handle, for tasks of the tokio runtime in which this is called. Takes one more descriptor.
    ///
    /// # Errors
    /// No descriptor is to be had, or the runtime cannot watch it: the system lacks memory, or the limit on watches is
    /// reached.
    ///
    /// # Panics
    /// Outside of a tokio runtime, or in one without I/O (`enable_io`).
    pub fn on_tokio(end: Pollable<E>) -> io::Result<Async<E>> {
        let descriptor = end.as_fd().try_clone_to_owned()?;
        // SAFETY: the watch owns the descriptor, which nobody else knows, and closes it when it is dropped.
        let watch = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }?;
        Ok(Async::new(end, watch))
    }
}

impl Reactor for AsyncFd<OwnedFd> {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_read_ready(cx))?.clear_ready();
        Poll::Ready(Ok(()))
    }
}
