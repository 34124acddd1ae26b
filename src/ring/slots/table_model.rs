//! The slots' memory under loom.
