//! Rings for tasks: `recv`, `send` and `claim` to be awaited, on any runtime.
//!
//! ```
//! use ringway::task::Async;
//! # #[cfg(feature = "tokio")]
//! # tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
//! # let name = format!("doc-task-{}", std::process::id());
//! # let mut tx = ringway::spsc::producer(&name)?;
//! # tx.send(b"hello")?;
//! # tx.close();
//! let rx = ringway::spsc::consumer(&name)?.pollable()?;
//! let mut rx = Async::on_tokio(rx)?;                   // with the feature `tokio`
//! while let Ok(message) = rx.recv().await {
//!     assert_eq!(&message[..], b"hello");              // borrowed in place
//! }
//! # Ok::<_, Box<dyn std::error::Error>>(()) })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! A task that finds nothing arms the ring's descriptor ([`Pollable`]) and leaves it to the runtime to wake it when the
//! descriptor is readable. Another runtime needs nothing but a [`Reactor`]: `examples/smol_consumer.rs` has one of ten lines.
//!
//! Futures may be dropped at any time: a message that was not handed out stays in the ring, and a message that was not sent is
//! not sent. Between two awaits nothing is locked, and no thread runs for it.

mod reactor;
#[cfg(feature = "tokio")]
mod stream;
#[cfg(feature = "tokio")]
mod tokio;

pub use reactor::Reactor;

use core::fmt;
use core::future::{Future, poll_fn};
use core::ops::{Deref, DerefMut};
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;

use crate::channel::verbs::{Receives, Sends};
use crate::channel::waiter::MakesRoom;
use crate::channel::{Pollable, Source};
use crate::error::{RecvError, SendError};

/// A consumer or producer for tasks. It derefs to the handle that it was made of. Dropping it drops the handle.
///
/// A message that is held over an `await` keeps the task from moving to another thread: copy it, or drop it before.
pub struct Async<E> {
    // Before the descriptor that it watches is closed.
    reactor: Box<dyn Reactor>,
    end: Pollable<E>,
}

impl<E> Async<E> {
    /// The handle, for tasks of the runtime whose `reactor` watches the handle's descriptor.
    pub fn new(end: Pollable<E>, reactor: impl Reactor + 'static) -> Async<E> {
        Async { reactor: Box::new(reactor), end }
    }
}

impl<E: Source + Receives> Async<E> {
    /// Receives the next message, borrowed in place; waits while there is none. Dropping the future takes nothing.
    ///
    /// # Errors
    /// As the handle's `recv`; [`RecvError::Unarmed`] when the system refuses to wait.
    pub async fn recv(&mut self) -> Result<E::Message<'_>, RecvError> {
        let mut has_waited = false;
        let taken = loop {
            match self.end.take() {
                Err(RecvError::Empty) => {}
                taken => break taken?,
            }
            Ready(self).await.map_err(|error| RecvError::Unarmed { errno: number_of(&error) })?;
            has_waited = true;
        };
        if has_waited {
            // The wake-up may have been meant for more than one message.
            self.end.pass_on();
        }
        self.end.message_of(taken)
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.end.arm()? {
            ready!(self.reactor.poll_readable(cx))?;
        }
        Poll::Ready(Ok(()))
    }
}

/// Waits until there is something to receive, or an end to be told of.
struct Ready<'a, E: Source>(&'a mut Async<E>);

impl<E: Source + Receives> Future for Ready<'_, E> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().0.poll_ready(cx)
    }
}

impl<E: Source> Drop for Ready<'_, E> {
    fn drop(&mut self) {
        // Where others wait, too, a wake-up that reaches nobody would be theirs. (Alone, it is kept for the next await.)
        if !self.0.end.is_alone() {
            let _ = self.0.end.disarm();
        }
    }
}

impl<E: Sends + MakesRoom> Async<E> {
    /// Sends a copy of `message`; waits while the ring is full. Dropping the future sends nothing.
    ///
    /// # Errors
    /// As the handle's `send`; [`SendError::Unarmed`] when the system refuses to wait.
    pub async fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.send_tagged(0, message).await
    }

    /// Sends a copy of `message` with `tag`; waits while the ring is full. Dropping the future sends nothing.
    ///
    /// # Errors
    /// As [`Async::send`].
    pub async fn send_tagged(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError> {
        loop {
            match self.end.send_now(tag, message) {
                Err(SendError::Full { .. }) => self.room(message.len()).await?,
                sent => return sent,
            }
        }
    }

    /// Claims room for a message of `len` bytes, to be filled in place; waits while the ring is full. Dropping the future
    /// claims nothing.
    ///
    /// # Errors
    /// As [`Async::send`].
    pub async fn claim(&mut self, len: usize) -> Result<E::Claim<'_>, SendError> {
        let claimed = loop {
            match self.end.claim_now(len) {
                Err(SendError::Full { .. }) => self.room(len).await?,
                claimed => break claimed?,
            }
        };
        Ok(self.end.claim_of(claimed))
    }

    /// Waits until a message of `len` bytes may fit, or there is an end to be told of.
    async fn room(&mut self, len: usize) -> Result<(), SendError> {
        let armed = poll_fn(|cx| {
            while self.end.arm_for(len)? {
                ready!(self.reactor.poll_readable(cx))?;
            }
            Poll::Ready(Ok(()))
        });
        armed.await.map_err(|error: io::Error| SendError::Unarmed { errno: number_of(&error) })
    }
}

/// The system's number of an error.
fn number_of(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or_default()
}

impl<E> Deref for Async<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.end
    }
}

impl<E> DerefMut for Async<E> {
    fn deref_mut(&mut self) -> &mut E {
        &mut self.end
    }
}

impl<E: fmt::Debug> fmt::Debug for Async<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Async").field("end", &self.end).finish_non_exhaustive()
    }
}
