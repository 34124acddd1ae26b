//! Told by a signal: what a participant that asks for it is sent when data arrives, and how it receives that.
//!
//! A signal says that there is something to look at, and which ring by a token that the receiver chose. It carries no
//! message: whoever is told drains the ring until it is empty, asks again, and looks once more.
//!
//! A process that is sent a signal which it neither blocks nor handles dies of it. So the order is: first be ready, in
//! one of the three ways below, then ask; and at the end first take the asking back (or drop the ring's end), then stop
//! being ready. A signal that was on its way may come even then. Before `exec`, too, the asking is to be taken back:
//! the new program has the mask and not the handlers.
//!
//! **Blocked, and read from a descriptor** ([`Inbox`], by signalfd): for loops, epoll and event libraries. Nothing is
//! interrupted.
//!
//! **Blocked, and waited for** (`sigwaitinfo`, `sigtimedwait`): for a thread that does nothing else. The signal's code
//! is `SI_QUEUE`, its value the token, in `sival_int`.
//!
//! **Handled**: a handler runs between any two instructions, perhaps inside of `malloc` or of a lock. It may do what is
//! async-signal-safe and nothing else: it must not allocate, lock, print, or touch a ring, whose calls do not expect to
//! be interrupted by themselves. Let it set a flag, as the `signal-hook` crate does, and look at the flag outside:
//!
//! ```no_run
//! # use std::sync::{Arc, atomic::{AtomicBool, Ordering}};
//! let arrived = Arc::new(AtomicBool::new(false));
//! let signal = ringway::notify::Signal::realtime(1)?;
//! signal_hook::flag::register(signal.number(), arrived.clone())?;
//! // … ask to be told by `signal`, and work …
//! if arrived.swap(false, Ordering::Acquire) { /* drain the ring */ }
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! # Threads
//!
//! The signal is sent to the process, and the kernel gives it to any thread that does not block it. So a signal that is to
//! be blocked is to be blocked in every thread: block it before the first thread is spawned, for new threads (and
//! `exec`ed programs) have the mask of their maker. One thread that was forgotten is enough for the process to die.
//!
//! # What is lost
//!
//! Nothing that matters, if one looks until the ring is empty. Real-time signals queue: two rings that share one are
//! told of by two signals. `SIGUSR1` and `SIGUSR2` do not: while one is pending, another of the same number is merged
//! into it, and the token is the first one's. So whoever shares one of them between rings looks at all of them, as
//! after any [`Notice`] without a token. Where a user has more signals pending than `RLIMIT_SIGPENDING` allows, a
//! real-time signal is sent later instead, and `SIGUSR1` or `SIGUSR2` comes without its token.

mod inbox;
mod signal;

pub use inbox::{Inbox, Notice};
pub use signal::Signal;
