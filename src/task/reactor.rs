//! What a runtime does for a task that waits.

use core::task::{Context, Poll};
use std::io;

/// A runtime's watch over one descriptor.
pub trait Reactor: Send {
    /// Ready when the descriptor may have become readable since this last said so; else the task is woken when it does. It
    /// may be ready too early: the caller looks, arms the descriptor again, and asks again.
    ///
    /// # Errors
    /// The runtime is shutting down, or cannot watch.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}
