//! The kernel sleeps on the word: one io_uring per alarm, with one request at a time.
//!
//! An arming is two linked requests: to wait on the futex, and a deadline for that. Each leaves a completion, and the
//! descriptor is readable while there are any. What the kernel does with them (6.18):
//!
//! | what happens | completion of the wait | of the deadline |
//! |---|---|---|
//! | the word is another one already | `-EAGAIN`, at once | `-ECANCELED` |
//! | a wake-up | 0 | `-ECANCELED` |
//! | the deadline | `-ECANCELED` | positive |
//! | the deadline, after the thread that armed has ended | none: it goes on waiting | `-ECANCELED` |
//! | it is taken back | `-ECANCELED` | `-ECANCELED` |
//!
//! So the first completion of either means that the arming has gone off, and only the wait's says that the request is
//! out of the futex's queue.
//!
//! Completions are the work of the thread that armed, or of the kernel's once it has ended. The kernel interrupts that thread
//! for it, whether it runs or sleeps: its `epoll_wait` may fail with `EINTR`. Until it has run, another thread that takes
//! the arming back may not learn whether a wake-up came first; then it assumes so. Completions that come later yet are told by
//! their number, and make the descriptor readable once for nothing.
#![allow(unsafe_code)]

use core::time::Duration;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use io_uring::squeue::Flags;
use io_uring::types::{TimeoutFlags, Timespec};
use io_uring::{IoUring, opcode, squeue};
use nix::errno::Errno;
use nix::libc;

use crate::sync::{Futex, LocalU32, Ordering};

/// Requests at a time: two of an arming.
const REQUESTS: u32 = 2;
/// Completions that the queue holds: of an arming, of taking it back, and late ones. The kernel keeps what is beyond.
const COMPLETIONS: u32 = 8;
/// The word has 32 bits, and any process may wake its sleepers (`FUTEX2_SIZE_U32`, no `FUTEX2_PRIVATE`).
const SHARED_U32: u32 = 2;

/// Does io_uring wait on futexes for this process?
static SUPPORT: LocalU32 = LocalU32::new(UNKNOWN);
const UNKNOWN: u32 = 0;
const THERE: u32 = 1;
const MISSING: u32 = 2;

/// Which of an alarm's requests a completion is of; their numbers are multiples of `ARMING` and this.
const WAIT: u64 = 0;
const DEADLINE: u64 = 1;
const TAKING_BACK: u64 = 2;
const ARMING: u64 = 4;

/// An alarm by io_uring.
pub(super) struct Request {
    ring: IoUring,
    /// Where the kernel reads the deadline when it takes the requests.
    until: Box<Timespec>,
    /// The number of the last arming.
    number: u64,
    /// What the wait that the kernel has is for.
    waiting: Option<Arming>,
    /// The last arming's deadline is over, or nobody keeps it any more.
    is_due: bool,
    /// A wake-up has reached the last arming.
    is_woken: bool,
    /// What came of the last attempt to take an arming back.
    taken_back: Option<i32>,
}

/// What an arming is for.
struct Arming {
    address: usize,
    expected: u32,
    deadline: Duration,
}

impl Request {
    /// An error: this process cannot wait on futexes by io_uring.
    pub(super) fn new() -> io::Result<Request> {
        if SUPPORT.load(Ordering::Relaxed) == MISSING {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let mut ring = IoUring::builder().setup_cqsize(COMPLETIONS).build(REQUESTS)?;
        if SUPPORT.load(Ordering::Relaxed) == UNKNOWN {
            let found = if waits_on_futexes(&mut ring) { THERE } else { MISSING };
            SUPPORT.store(found, Ordering::Relaxed);
            if found == MISSING {
                return Err(io::ErrorKind::Unsupported.into());
            }
        }
        Ok(Request {
            ring,
            until: Box::new(Timespec::new()),
            number: 0,
            waiting: None,
            is_due: false,
            is_woken: false,
            taken_back: None,
        })
    }

    pub(super) fn arm(&mut self, word: &Futex, expected: u32, deadline: Duration) -> io::Result<()> {
        self.collect()?;
        let arming = Arming { address: word.address().addr(), expected, deadline };
        if !self.is_due && self.waiting.as_ref().is_some_and(|pending| pending.covers(&arming)) {
            return Ok(());
        }
        self.take_back()?;
        self.number += ARMING;
        (self.is_due, self.is_woken) = (false, false);
        self.waiting = Some(arming);
        // A deadline beyond the kernel's range is none.
        *self.until = deadline.min(Duration::from_secs(i64::MAX as u64)).into();
        let wait = wait(word, expected).flags(Flags::IO_LINK).user_data(self.number + WAIT);
        let limit = opcode::LinkTimeout::new(&raw const *self.until).flags(TimeoutFlags::ABS);
        submit(&mut self.ring, &[wait, limit.build().user_data(self.number + DEADLINE)])
    }

    pub(super) fn is_armed(&mut self) -> bool {
        self.waiting.is_some() && !self.is_due && self.ring.completion().is_empty()
    }

    pub(super) fn disarm(&mut self) -> io::Result<bool> {
        self.collect()?;
        self.take_back()?;
        Ok(core::mem::take(&mut self.is_woken))
    }

    /// Takes the wait out of the futex's queue, if it is there.
    fn take_back(&mut self) -> io::Result<()> {
        if self.waiting.is_none() {
            return Ok(());
        }
        self.taken_back = None;
        let cancel = opcode::AsyncCancel::new(self.number + WAIT).build();
        submit(&mut self.ring, &[cancel.user_data(self.number + TAKING_BACK)])?;
        self.collect()?;
        if self.waiting.take().is_some() {
            // Its completion is still to come. It was in the queue, or else it may have been woken.
            self.is_woken = self.taken_back.is_none_or(|result| result < 0);
        }
        Ok(())
    }

    /// Takes the completions that are there, and has the kernel take the requests that it did not take before.
    fn collect(&mut self) -> io::Result<()> {
        loop {
            for completion in self.ring.completion() {
                match completion.user_data().checked_sub(self.number) {
                    Some(WAIT) => {
                        self.waiting = None;
                        self.is_woken = completion.result() == 0;
                    }
                    Some(DEADLINE) => self.is_due = true,
                    Some(TAKING_BACK) => self.taken_back = Some(completion.result()),
                    // Of an earlier arming.
                    _ => {}
                }
            }
            let requests = self.ring.submission();
            if requests.is_empty() && !requests.cq_overflow() {
                return Ok(());
            }
            drop(requests);
            submit(&mut self.ring, &[])?;
        }
    }
}

impl AsFd for Request {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the ring keeps its descriptor open for as long as it lives.
        unsafe { BorrowedFd::borrow_raw(self.ring.as_raw_fd()) }
    }
}

impl Arming {
    /// Is whoever asks for `other` served by this one?
    fn covers(&self, other: &Arming) -> bool {
        (self.address, self.expected) == (other.address, other.expected) && self.deadline <= other.deadline
    }
}

/// A request to wait while `word` is `expected`.
fn wait(word: &Futex, expected: u32) -> squeue::Entry {
    let any = libc::FUTEX_BITSET_MATCH_ANY as u32;
    opcode::FutexWait::new(word.address(), expected.into(), any.into(), SHARED_U32).build()
}

/// Gives `requests` to the kernel.
fn submit(ring: &mut IoUring, requests: &[squeue::Entry]) -> io::Result<()> {
    // SAFETY: the kernel reads a deadline as it takes the request, from a place that lives as long as the ring; it keeps no
    // address of a futex word, but what it identifies the memory by.
    unsafe { ring.submission().push_multiple(requests) }.map_err(io::Error::other)?;
    loop {
        match ring.submit() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.map(drop),
        }
    }
}

/// Tries it, with a word that is not what is expected: that ends at once.
fn waits_on_futexes(ring: &mut IoUring) -> bool {
    let word = Futex::default();
    let tried = submit(ring, &[wait(&word, 1)]);
    tried.is_ok()
        && ring.completion().next().is_some_and(|completion| completion.result() == -(Errno::EAGAIN as i32))
}
