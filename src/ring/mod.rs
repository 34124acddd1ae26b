//! The rings: arithmetic on positions and words. They know neither descriptors nor names, neither clocks nor types.

mod backoff;
#[cfg(not(loom))]
mod copy;
pub(crate) mod halves;
mod lag;
pub(crate) mod record;
pub(crate) mod slots;

pub(crate) use lag::Pace;
