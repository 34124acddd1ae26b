//! The door for the loom models: what is private to the crate and what they run, on the heap. Wrappers only.

mod bell;
pub mod halves;
pub mod record;
pub mod slots;

pub use bell::{Armed, Bell, no_fence_for_wakers};
