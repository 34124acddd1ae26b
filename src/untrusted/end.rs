//! What both ends have: the two halves, the proof that the other side lives, and how they wait.
#![allow(unsafe_code)]

use core::cell::Cell;
use core::time::Duration;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::channel::Peer;
use crate::error::Corrupt;
use crate::handover::socket::is_hung_up;
use crate::layout::Shared;
use crate::layout::halves::{Control, DATA_AT};
use crate::ring::halves::{self, Window};
use crate::segment::mapping::Mapping;
use crate::segment::process::Home;
use crate::sync::Fence;
use crate::wait::across::{self, Across};
use crate::wait::{self, Budget, Condition, Patience, Wait, now};

/// This side's half, and the descriptor by which the other side gets it.
#[derive(Debug)]
pub(super) struct Given {
    mapping: Mapping,
    file: File,
}

impl Given {
    pub(super) fn to((mapping, file): (Mapping, File)) -> Given {
        Given { mapping, file }
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// An end of a ring in two halves.
#[derive(Debug)]
pub(super) struct End {
    pub(super) own: Shared<Control>,
    pub(super) theirs: Shared<Control>,
    /// What the control lines and the ring's window lead into.
    own_half: Mapping,
    their_half: Mapping,
    /// Hung up when the other side is gone.
    socket: OwnedFd,
    fence: Fence,
    home: Home,
    patience: Patience,
    budget: Budget,
    /// When to ask next whether the other side is gone.
    ask_at: Cell<Duration>,
}

impl End {
    /// `asymmetric`: both sides are registered with `membarrier`.
    pub(super) fn new(
        given: Given,
        taken: Mapping,
        socket: OwnedFd,
        asymmetric: bool,
        home: Home,
        patience: Patience,
    ) -> End {
        End {
            own: given.mapping.part(0),
            theirs: taken.part(0),
            own_half: given.mapping,
            their_half: taken,
            socket,
            fence: if asymmetric { Fence::Asymmetric } else { Fence::Symmetric },
            home,
            patience,
            budget: Budget::new(patience.spin),
            ask_at: Cell::new(Duration::ZERO),
        }
    }

    /// The ring of `size` bytes in this side's half, to be written.
    pub(super) fn own_window(&self, size: u64) -> Window {
        window(&self.own_half, size)
    }

    /// The ring of `size` bytes in the other side's half, to be read.
    pub(super) fn their_window(&self, size: u64) -> Window {
        window(&self.their_half, size)
    }

    /// Is this the process whose handle it is?
    #[inline(always)]
    pub(super) fn is_home(&self) -> bool {
        self.home.is_here()
    }

    /// Wakes the other side if it sleeps.
    #[inline(always)]
    pub(super) fn ring(&self) {
        across::ring(&self.own, &self.theirs, self.fence);
    }

    /// Is the other side gone?
    pub(super) fn is_gone(&self) -> bool {
        is_hung_up(&self.socket)
    }

    /// What is known of the other side, of which `is_left` says whether it took leave.
    pub(super) fn peer(&self, is_left: impl FnOnce() -> Result<bool, Corrupt>) -> Peer {
        let gone = self.is_gone();
        match is_left() {
            Ok(true) => Peer::Closed,
            _ if gone => Peer::Dead,
            _ => Peer::Attached,
        }
    }

    pub(super) fn set_wait(&mut self, wait: Wait) {
        self.patience.how = wait;
    }

    /// How a call with this time limit waits.
    pub(super) fn patience(&self, timeout: Option<Duration>) -> Patience {
        let began = now();
        let spin = match self.patience.how {
            Wait::Adaptive => self.budget.next(),
            Wait::Spin | Wait::Park => self.patience.spin,
        };
        let deadline = timeout.map(|timeout| began.saturating_add(timeout));
        Patience { began, spin, deadline, ..self.patience }
    }

    /// Notes how a wait went.
    pub(super) fn end_wait(&self, patience: &Patience) {
        if patience.how == Wait::Adaptive && !patience.spin.is_zero() {
            self.budget.note(now().saturating_sub(patience.began));
        }
    }

    /// Says goodbye, unless this is a forked child's copy.
    pub(super) fn leave(&self) {
        if self.is_home() {
            halves::close(&self.own);
            self.ring();
        }
    }
}

/// What a look of one who waits says.
pub(super) trait Looks {
    /// What is waited for: there, or not now, or not any more.
    fn look(&mut self) -> Result<bool, Corrupt>;
    /// Has the other side said goodbye?
    fn is_left(&mut self) -> Result<bool, Corrupt>;
}

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// What was waited for is there.
    Ready,
    Closed,
    PeerDead,
    Corrupt(Corrupt),
}

/// Waits until `looks` finds something or the other side is gone; `None`: the time is up.
pub(super) fn wait(end: &End, patience: &Patience, looks: impl Looks) -> Option<Ended> {
    let across = Across { own: &end.own, theirs: &end.theirs, fence: end.fence };
    wait::wait(across, patience, &mut Waiting { end, patience, looks })
}

/// A wait in progress.
struct Waiting<'a, L> {
    end: &'a End,
    patience: &'a Patience,
    looks: L,
}

impl<L: Looks> Waiting<'_, L> {
    /// What there is now, or that nothing will come.
    fn now(&mut self) -> Result<Option<Ended>, Corrupt> {
        if self.looks.look()? {
            return Ok(Some(Ended::Ready));
        }
        if !self.looks.is_left()? {
            return Ok(None);
        }
        // What it did before it left.
        Ok(Some(if self.looks.look()? { Ended::Ready } else { Ended::Closed }))
    }
}

impl<L: Looks> Condition for Waiting<'_, L> {
    type Found = Ended;

    fn poll(&mut self) -> Option<Ended> {
        let found = self.looks.look();
        if found == Ok(false) {
            crate::sync::pause();
        }
        found.map_or_else(|corrupt| Some(Ended::Corrupt(corrupt)), |found| found.then_some(Ended::Ready))
    }

    fn look(&mut self) -> Option<Ended> {
        self.now().unwrap_or_else(|corrupt| Some(Ended::Corrupt(corrupt)))
    }

    fn check(&mut self, time: Duration) -> Option<Ended> {
        self.end.ask_at.set(time.saturating_add(self.patience.interval));
        // Whatever it did before it went is seen by the look after this.
        let gone = self.end.is_gone();
        self.look().or(gone.then_some(Ended::PeerDead))
    }

    fn first_check(&self, _started: Duration) -> Duration {
        self.end.ask_at.get()
    }

    fn before_sleep(&mut self) {}

    fn last_look(&mut self) -> Option<Ended> {
        let time = now();
        if time < self.end.ask_at.get() { self.look() } else { self.check(time) }
    }
}

fn window(half: &Mapping, size: u64) -> Window {
    let base = half.at(DATA_AT, size);
    // SAFETY: `at` has checked that the bytes are in the mapping, which is page-aligned and which the end keeps beside the
    // window; whoever only reads a half never writes through its window.
    unsafe { Window::new(base, size) }
}
