//! The alarm: a descriptor that becomes readable when a bell is rung, for those who sleep in `epoll` or `poll` and
//! not in a futex.
//!
//! A waker knows nothing of it. It changes the bell's word and wakes whoever sleeps on it, and the alarm is one of the
//! sleepers; so it may stand beside threads that sleep, and a wake-up for one sleeper may reach it. There are two ways:
//!
//! | way | who sleeps on the word | descriptor | needs |
//! |---|---|---|---|
//! | `uring` | a request in the kernel | the io_uring's own | Linux 6.7, and leave to use io_uring (many containers give none) |
//! | `watch` | a thread of this process, on up to 127 words | an eventfd | Linux 5.16; before that, or without leave for `futex_waitv`, the thread looks every 5 ms |
//!
//! # Why no wake-up is lost
//!
//! As for a thread that sleeps (see `wait::bell`): the owner announces its sleep, arms with the announced word, looks for
//! its condition, and awaits the descriptor. Arming compares the word, by the kernel or by the thread before it sleeps, and
//! every waker changes the word before it wakes; so a ring after the announcement, however early, is seen.
//!
//! A wake-up for one sleeper that reaches an alarm is used up by it. Whoever stops awaiting calls [`Alarm::disarm`],
//! which tells whether that happened, and wakes another in its place.
#![expect(dead_code, reason = "no channel awaits it yet")]

mod uring;
mod watch;

use core::time::Duration;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use crate::layout::Shared;
use crate::layout::bell::BellLine;
use crate::sync::Home;
use uring::Request;
use watch::Post;

/// A descriptor that becomes readable when a bell is rung. Dropping it takes a pending arming back; a wake-up that reached
/// it is lost then, so `disarm` first. In a forked child it can only be dropped, which does nothing to the parent's.
pub(crate) struct Alarm {
    home: Home,
    way: Way,
}

/// Who sleeps on the word.
enum Way {
    Uring(Request),
    Watch(Post),
}

impl Alarm {
    /// An alarm of the process `home`, which is this one, for bells in memory that `memory` keeps. Does not block. An
    /// error: no descriptor is to be had.
    pub(crate) fn new(home: Home, memory: Arc<dyn Send + Sync>) -> io::Result<Alarm> {
        let way = match Request::new() {
            Ok(request) => Way::Uring(request),
            // Where only descriptors are lacking, there is none for the other way either.
            Err(_) => Way::Watch(Post::new(home, memory)?),
        };
        Ok(Alarm { home, way })
    }

    /// Makes the descriptor readable once `bell` is rung after `announced`, and at the latest at `deadline` on the monotonic
    /// clock. What an earlier arming left to be read is taken away first. A pending one stands if it is for the same and due no
    /// later. Does not block.
    ///
    /// The descriptor may become readable too early: look, and arm again.
    pub(crate) fn arm(
        &mut self,
        bell: &Shared<BellLine>,
        announced: u32,
        deadline: Duration,
    ) -> io::Result<()> {
        match &mut self.way {
            Way::Uring(request) => request.arm(&bell.word, announced, deadline),
            Way::Watch(post) => post.arm(bell, announced, deadline),
        }
    }

    /// Is an arming pending, and the descriptor not readable?
    pub(crate) fn is_armed(&mut self) -> bool {
        match &mut self.way {
            Way::Uring(request) => request.is_armed(),
            Way::Watch(post) => post.is_armed(),
        }
    }

    /// Takes the arming back, and what it left to be read. `true`: a wake-up has reached it, or may have, that another
    /// sleeper may wait for. Does not block.
    pub(crate) fn disarm(&mut self) -> io::Result<bool> {
        match &mut self.way {
            Way::Uring(request) => request.disarm(),
            Way::Watch(post) => post.disarm(),
        }
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.way {
            Way::Uring(request) => request.as_fd(),
            Way::Watch(post) => post.as_fd(),
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if self.home.is_here() {
            // What cannot be taken back ends with the descriptor, a moment later.
            let _ = self.disarm();
        }
    }
}
