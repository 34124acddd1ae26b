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
mod typed;

pub use reactor::Reactor;

use core::fmt;
use core::future::{Future, poll_fn};
use core::mem;
use core::ops::{Deref, DerefMut};
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;

use nix::errno::Errno;

use crate::channel::verbs::{Receives, Sends};
use crate::channel::waiter::MakesRoom;
use crate::channel::{Pollable, Source};
use crate::error::{RecvError, SendError};

/// How often in a row a task finds something to do at once before it lets others have a turn.
const SPELL: u32 = 128;

/// A consumer or producer for tasks. It derefs to the handle that it was made of. Dropping it drops the handle.
///
/// A message that is held over an `await` keeps the task from moving to another thread: copy it, or drop it before. A task that
/// always finds something to do lets others have a turn now and then.
pub struct Async<E> {
    // Before the descriptor that it watches is closed.
    reactor: Box<dyn Reactor>,
    end: Pollable<E>,
    /// It was armed, and has not taken anything since.
    has_waited: bool,
    /// How often in a row there was something to do.
    spell: u32,
}

impl<E> Async<E> {
    /// The handle, for tasks of the runtime whose `reactor` watches the handle's descriptor.
    pub fn new(end: Pollable<E>, reactor: impl Reactor + 'static) -> Async<E> {
        Async { reactor: Box::new(reactor), end, has_waited: false, spell: 0 }
    }

    /// Pending once after each spell.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.spell += 1;
        if self.spell <= SPELL {
            return Poll::Ready(());
        }
        self.spell = 0;
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Lets others have a turn, if it is time to.
    async fn turn(&mut self) {
        poll_fn(|cx| self.poll_turn(cx)).await;
    }

    /// Arms the descriptor by `arm` until that says that there is something to do.
    fn poll_armed(
        &mut self,
        cx: &mut Context<'_>,
        arm: impl Fn(&mut Pollable<E>) -> io::Result<bool>,
    ) -> Poll<io::Result<()>> {
        while arm(&mut self.end)? {
            (self.has_waited, self.spell) = (true, 0);
            ready!(self.reactor.poll_readable(cx))?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<E: Source + Receives> Async<E> {
    /// Receives the next message, borrowed in place; waits while there is none. Dropping the future takes nothing.
    ///
    /// # Errors
    /// As the handle's `recv`; [`RecvError::Unarmed`] when the system refuses to wait.
    pub async fn recv(&mut self) -> Result<E::Message<'_>, RecvError> {
        let taken = loop {
            self.turn().await;
            match self.take() {
                Err(RecvError::Empty) => {}
                taken => break taken?,
            }
            Ready(self).await.map_err(|error| RecvError::Unarmed { errno: number_of(&error) })?;
        };
        self.end.message_of(taken)
    }

    /// Takes the next message if there is one.
    fn take(&mut self) -> Result<E::Taken, RecvError> {
        let taken = self.end.take()?;
        if mem::take(&mut self.has_waited) {
            // The wake-up may have been meant for more than one message.
            self.end.pass_on();
        }
        Ok(taken)
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_armed(cx, Pollable::arm)
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
        self.0.end.give_up();
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
        Room(self).until(message.len(), |end| end.send_now(tag, message)).await
    }

    /// Claims room for a message of `len` bytes, to be filled in place; waits while the ring is full. Dropping the future
    /// claims nothing.
    ///
    /// # Errors
    /// As [`Async::send`].
    pub async fn claim(&mut self, len: usize) -> Result<E::Claim<'_>, SendError> {
        let claimed = Room(self).until(len, |end| end.claim_now(len)).await?;
        Ok(self.end.claim_of(claimed))
    }
}

/// Waits until there is room, or an end to be told of.
struct Room<'a, E: MakesRoom>(&'a mut Async<E>);

impl<E: MakesRoom> Room<'_, E> {
    /// Attempts something that needs room for `len` bytes, again and again with a wait in between.
    async fn until<T>(
        self,
        len: usize,
        mut attempt: impl FnMut(&mut E) -> Result<T, SendError>,
    ) -> Result<T, SendError> {
        loop {
            self.0.turn().await;
            match attempt(&mut self.0.end) {
                Err(SendError::Full { .. }) => {}
                done => return done,
            }
            let armed = poll_fn(|cx| self.0.poll_armed(cx, |end| end.arm_for(len)));
            armed.await.map_err(|error| SendError::Unarmed { errno: number_of(&error) })?;
        }
    }
}

impl<E: MakesRoom> Drop for Room<'_, E> {
    fn drop(&mut self) {
        self.0.end.give_up_room();
    }
}

impl<E> Drop for Async<E> {
    fn drop(&mut self) {
        if !self.end.is_home() {
            // The list of what the runtime watches is the parent's, too.
            mem::forget(mem::replace(&mut self.reactor, Box::new(Nothing)));
        }
    }
}

/// Watches nothing.
struct Nothing;

impl Reactor for Nothing {
    fn poll_readable(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The system's number of an error; of a runtime's own, that it takes no waits any more.
fn number_of(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(Errno::ECANCELED as i32)
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
