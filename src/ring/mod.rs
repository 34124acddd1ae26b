//! The rings: arithmetic on positions and words. They know neither descriptors nor names, neither clocks nor types.

pub(crate) mod record;
