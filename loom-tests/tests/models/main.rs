//! Loom models of the shipped `ring`, `wait` and `layout`; run by `ci/loom.sh`.
//!
//! Each model is one concern with two or three threads. Letters are messages; a dot is a look that found
//! nothing; a lower-case letter is a message that was marked as redelivered. The record ring's models are named after
//! its edges, those of the slot ring are in `slots`, that of the ring in two halves is `halves`.
#![cfg(loom)]

mod bell;
mod goodbye;
mod halves;
mod handover;
mod publish;
mod reclaim;
mod slots;
