//! The façade over atomics, fences and the futex: the only folder that names `core::sync::atomic` or
//! `loom`. The rest of the crate is written once against these names, so that the loom models run the
//! shipped code; what loom cannot run (system calls) has a stand-in here and nowhere else.

#[cfg(not(loom))]
mod futex;
#[cfg(loom)]
#[path = "futex_model.rs"]
mod futex;

#[cfg(not(loom))]
mod futex_any;
#[cfg(loom)]
#[path = "futex_any_model.rs"]
mod futex_any;

#[cfg(not(loom))]
mod semaphore;
#[cfg(loom)]
#[path = "semaphore_model.rs"]
mod semaphore;

mod home;
mod nap;

#[cfg(not(loom))]
mod membarrier;
#[cfg(loom)]
#[path = "membarrier_model.rs"]
mod membarrier;

#[cfg(fuzzing)]
mod lying;
#[cfg(not(any(loom, fuzzing)))]
pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64};
#[cfg(fuzzing)]
pub(crate) use lying::{AtomicU32, AtomicU64, obey, visit, within};

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::Ordering;
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};

#[cfg(loom)]
#[path = "access_model.rs"]
mod access;
#[cfg(loom)]
pub(crate) use access::Access;

pub(crate) use futex::Futex;
#[cfg(loom)]
pub(crate) use futex::Ticket;
pub(crate) use futex_any::{Awaited, sleep_on_any};
pub(crate) use home::Home;
#[cfg(loom)]
pub(crate) use membarrier::no_fence_for_wakers;
pub(crate) use membarrier::{heavy_fence, light_fence, register};
pub(crate) use nap::nap;
pub(crate) use semaphore::Semaphore;

#[cfg(not(loom))]
use core::time::Duration;

#[cfg(not(loom))]
use nix::{errno::Errno, libc};

/// An atomic for process-local statics, which loom's own types cannot be.
pub(crate) use core::sync::atomic::AtomicU32 as LocalU32;

/// Which fences the participants of a segment use between publishing and looking for a sleeper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fence {
    /// The sleeper pays: it runs `membarrier(GLOBAL_EXPEDITED)`, and the waker's fence is a compiler fence.
    Asymmetric,
    /// Both sides run a full fence, because some participant could not register with `membarrier`.
    Symmetric,
}

/// Why a sleep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// A wake-up, a changed word, or a signal: look again.
    LookAgain,
    /// The deadline passed.
    #[cfg_attr(loom, expect(dead_code, reason = "models have no clock"))]
    TimedOut,
}

/// How long to sleep between two looks where the system refuses to wake.
#[cfg(not(loom))]
const NAP: Duration = Duration::from_millis(1);

/// What the result of a sleep means.
#[cfg(not(loom))]
fn woken(result: libc::c_long) -> Woken {
    match (result == -1).then(Errno::last) {
        Some(Errno::ETIMEDOUT) => return Woken::TimedOut,
        None | Some(Errno::EAGAIN | Errno::EINTR) => {}
        // The system, or a filter, allows no such sleep: look now and then, at little cost.
        Some(_) => nap(NAP),
    }
    Woken::LookAgain
}

/// A time as the system takes it.
#[cfg(not(loom))]
fn timespec(time: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(time.subsec_nanos()),
    }
}

/// A look at a slot or record, or a change of one: the steps of which a call has a bound, which fuzzing counts.
#[cfg(not(fuzzing))]
#[inline(always)]
pub(crate) fn visit() {}

/// Tells the processor that this is a polling loop: one `pause`.
#[cfg(not(loom))]
#[inline(always)]
pub(crate) fn pause() {
    core::hint::spin_loop();
}

/// Lets the model run another thread.
#[cfg(loom)]
pub(crate) fn pause() {
    loom::thread::yield_now();
}
