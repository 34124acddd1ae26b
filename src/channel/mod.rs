//! Channels: a ring, a bell and a segment joined into producers and consumers.

mod geometry;
pub mod inspect;
mod peer;
pub mod spsc;
mod window;

pub use geometry::{Backing, Geometry};
pub use peer::Peer;
