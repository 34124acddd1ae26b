//! The asymmetric fence: a pair of fences of which the rare side pays for both.
//!
//! `membarrier(GLOBAL_EXPEDITED)` interrupts every processor that runs a thread of a registered process and
//! returns when each has passed a full fence. So when the sleeper calls it, the waker needs only a compiler
//! fence between its store and its load: either that pair ran wholly after the interrupt, and sees the
//! sleeper's bit, or its store is visible to the sleeper's second look. (Method: `membarrier(2)`; the same
//! pairing is used by liburcu and by folly's `AsymmetricThreadFence`.)
#![allow(unsafe_code)]

use core::sync::atomic::{Ordering, compiler_fence, fence};

use nix::libc;

use super::Fence;

/// Registers this process as one that `heavy_fence` of others reaches. `false`: this kernel cannot.
pub(crate) fn register() -> bool {
    membarrier(libc::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED)
}

/// The waker's half: between publishing and looking for a sleeper.
#[inline(always)]
pub(crate) fn light_fence(kind: Fence) {
    match kind {
        // edge: asleep (waker's half; the processor's half is made by the sleeper's `heavy_fence`)
        Fence::Asymmetric => compiler_fence(Ordering::SeqCst),
        // edge: asleep (waker's half)
        Fence::Symmetric => fence(Ordering::SeqCst),
    }
}

/// The sleeper's half: between saying that it sleeps and looking a last time.
pub(crate) fn heavy_fence(kind: Fence) {
    // edge: asleep (sleeper's half; alone it suffices when the waker's half is a fence too)
    fence(Ordering::SeqCst);
    if kind == Fence::Asymmetric {
        // A refusal leaves the bounded wait as the remedy: the sleeper looks again after an interval.
        membarrier(libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED);
    }
}

fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: membarrier takes no pointers.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}
