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
mod home;

#[cfg(not(loom))]
mod membarrier;
#[cfg(loom)]
#[path = "membarrier_model.rs"]
mod membarrier;

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};

#[cfg(loom)]
#[path = "access_model.rs"]
mod access;
#[cfg(loom)]
pub(crate) use access::Access;

pub(crate) use futex::{Futex, Woken};
#[cfg(not(loom))]
pub(crate) use futex_any::{Awaited, sleep_on_any};
pub(crate) use home::Home;
pub(crate) use membarrier::{heavy_fence, light_fence, register};

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
