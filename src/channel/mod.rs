//! Channels: a ring, a bell and a segment joined into producers and consumers.

mod common;
mod endpoint;
mod geometry;
pub mod inspect;
pub mod mpmc;
mod peer;
mod settle;
pub mod spsc;
mod tune;
mod window;

pub use geometry::{Backing, Geometry};
pub use peer::Peer;
pub use tune::Tune;
