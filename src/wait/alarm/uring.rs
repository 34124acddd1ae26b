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
//! for it, whether it runs or sleeps: its `epoll_wait` may fail with `EINTR`. In a sleep that nothing interrupts (`vfork`, a
//! file system that hangs) it comes to it later, and neither a wake-up nor the deadline makes the descriptor readable before. A
//! thread that takes another one's arming back does not wait for that: it may not learn whether a wake-up came first, and then
//! assumes so. Completions that come later yet are told by their number, and make the descriptor readable once for nothing.
//!
//! The ring of a killed process is taken apart by a worker of the kernel's, soon after the death (milliseconds, on a busy
//! machine). Until then its request is a sleeper like any other, and may take a wake-up that was for one of several; the
//! others find what it was for when they look the next time.
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

#[cfg(test)]
mod tests {
    use std::thread;

    use super::super::Alarm;
    use super::super::tests::{Scene, arm, await_readable, far, is_readable};
    use super::*;
    use crate::wait::bell;

    /// Plays `scene` with this many alarms, if this kernel has such requests.
    fn with<const N: usize>(play: impl FnOnce(&Scene, [Alarm; N])) {
        let scene = Scene::new();
        if scene.by_uring().is_some() {
            play(&scene, [(); N].map(|()| scene.by_uring().expect("another one")));
        }
    }

    #[test]
    fn a_wake_up_for_some_reaches_as_many() {
        with(|scene, mut alarms: [Alarm; 5]| {
            let announced = bell::announce(&scene.bell);
            for alarm in &mut alarms {
                alarm.arm(&scene.bell, announced, far()).expect("armed");
            }
            for reached in 1..=4 {
                assert_eq!(scene.bell.word.wake(1), 1);
                assert_eq!(alarms.iter().filter(|alarm| is_readable(alarm)).count(), reached);
            }
            let woken = alarms.iter_mut().filter_map(|alarm| alarm.disarm().expect("disarmed").then_some(()));
            assert_eq!(woken.count(), 4);
            assert_eq!(scene.bell.word.wake(1), 0, "the fifth was taken back");
        });
    }

    #[test]
    fn a_pending_arming_is_one_sleeper_and_a_dropped_one_is_none() {
        with(|scene, [mut alarm]| {
            let announced = bell::announce(&scene.bell);
            for _ in 0..3 {
                alarm.arm(&scene.bell, announced, far()).expect("armed");
            }
            assert_eq!(scene.bell.word.wake(9), 1);
            arm(scene, &mut alarm);
            drop(alarm);
            assert_eq!(scene.bell.word.wake(9), 0);
        });
    }

    #[test]
    fn a_changed_word_is_no_wake_up() {
        with(|scene, [mut alarm]| {
            let announced = bell::announce(&scene.bell);
            assert!(bell::ring(&scene.bell).found_somebody());
            alarm.arm(&scene.bell, announced, far()).expect("armed");
            assert!(is_readable(&alarm));
            assert!(!alarm.disarm().expect("disarmed"));
        });
    }

    /// A wake-up that the waker counts is one that the alarm tells.
    #[test]
    fn a_wake_up_and_a_disarm_agree_on_which_came_first() {
        with(|scene, [mut alarm]| {
            for _ in 0..500 {
                arm(scene, &mut alarm);
                thread::scope(|threads| {
                    let waker = threads.spawn(|| scene.bell.word.wake(1));
                    let was_woken = alarm.disarm().expect("disarmed");
                    assert_eq!(waker.join().expect("no panic"), u32::from(was_woken));
                });
                assert!(!is_readable(&alarm));
            }
        });
    }

    /// The same, where the completion is the work of another thread, which may not have come to it: a wake-up may be told that
    /// was none, but none goes untold.
    #[test]
    fn no_wake_up_goes_untold_by_an_alarm_that_another_thread_armed() {
        with(|scene, [mut alarm]| {
            for _ in 0..500 {
                thread::scope(|threads| {
                    let armer = threads.spawn(|| arm(scene, &mut alarm));
                    armer.join().expect("no panic");
                });
                thread::scope(|threads| {
                    let waker = threads.spawn(|| scene.bell.word.wake(1));
                    let was_woken = alarm.disarm().expect("disarmed");
                    assert!(waker.join().expect("no panic") == 0 || was_woken);
                });
            }
        });
    }

    #[test]
    fn the_queue_of_an_ended_thread_is_left_after_the_deadline() {
        with(|scene, [mut alarm]| {
            thread::scope(|threads| {
                threads.spawn(|| {
                    let announced = bell::announce(&scene.bell);
                    alarm.arm(&scene.bell, announced, crate::wait::now()).expect("armed");
                });
            });
            await_readable(&alarm);
            assert!(!alarm.is_armed() && !alarm.disarm().expect("disarmed"));
            assert_eq!(scene.bell.word.wake(1), 0);
        });
    }

    #[test]
    fn completions_beyond_the_queue_are_taken_away() {
        let Ok(mut request) = Request::new() else { return };
        let scene = Scene::new();
        for late in 1..100 {
            submit(&mut request.ring, &[opcode::Nop::new().build().user_data(u64::MAX - late)])
                .expect("taken");
        }
        assert!(request.ring.submission().cq_overflow());
        request.arm(&scene.bell.word, 0, far()).expect("armed");
        assert!(request.is_armed());
        assert_eq!(scene.bell.word.wake(1), 1);
        assert!(!request.is_armed());
    }

    #[test]
    fn a_forked_child_drops_it_without_taking_the_arming_back() {
        with(|scene, [mut inherited]| {
            arm(scene, &mut inherited);
            let _parents = inherited.as_fd().try_clone_to_owned().expect("a descriptor");
            scene.generation.store(2, Ordering::Relaxed);
            drop(inherited);
            assert_eq!(scene.bell.word.wake(1), 1);
        });
    }
}
