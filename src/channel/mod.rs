//! Channels: a ring, a bell and a segment joined into producers and consumers.

mod geometry;
pub mod inspect;
pub mod spsc;
mod window;

pub use geometry::{Backing, Geometry};
