//! Models of the slot ring, by edge.
//!
//! A participant's death is the end of its life, anywhere between two slot words that it writes; its lease is free
//! then.

mod claim;
mod commit;
mod free;
mod hint;
mod repair;
mod take;
mod wake;
