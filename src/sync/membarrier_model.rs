//! The asymmetric fence under loom: a full fence on each side, which is what `membarrier` makes of the
//! waker's compiler fence.

use loom::sync::atomic::{Ordering, fence};

use super::Fence;

/// There is no process to register in a model.
pub(crate) fn register() -> bool {
    true
}

/// The waker's half.
pub(crate) fn light_fence(_kind: Fence) {
    // edge: asleep (waker's half)
    fence(Ordering::SeqCst);
}

/// The sleeper's half.
pub(crate) fn heavy_fence(_kind: Fence) {
    // edge: asleep (sleeper's half)
    fence(Ordering::SeqCst);
}
