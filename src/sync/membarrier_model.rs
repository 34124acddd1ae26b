//! The asymmetric fence under loom. What `membarrier` makes of the waker's compiler fence depends on where the waker is when
//! it is interrupted:
//!
//! - between its store and its look, or so close that it makes no difference: a full fence, which is what stands here unless
//!   a model says otherwise;
//! - before its store, or after its look: nothing is needed at the place of the fence, and nothing stands there
//!   ([`no_fence_for_wakers`]); instead everything on one side of the interrupt happens before everything on the other, and
//!   the model says which side is which.

use core::sync::atomic::AtomicBool;

use loom::sync::atomic::{Ordering, fence};

use super::Fence;

loom::lazy_static! {
    static ref NO_LIGHT_FENCE: AtomicBool = AtomicBool::new(false);
}

/// From now on, in this execution of a model, the waker's half is no fence.
pub(crate) fn no_fence_for_wakers() {
    NO_LIGHT_FENCE.store(true, core::sync::atomic::Ordering::Relaxed);
}

/// There is no process to register in a model.
pub(crate) fn register() -> bool {
    true
}

/// The waker's half.
pub(crate) fn light_fence(_kind: Fence) {
    if !NO_LIGHT_FENCE.load(core::sync::atomic::Ordering::Relaxed) {
        // edge: asleep (waker's half)
        fence(Ordering::SeqCst);
    }
}

/// The sleeper's half.
pub(crate) fn heavy_fence(_kind: Fence) {
    // edge: asleep (sleeper's half)
    fence(Ordering::SeqCst);
}
