//! Channels: a ring, a bell and a segment joined into producers and consumers.

mod armed;
pub(crate) mod common;
pub(crate) mod duplex;
mod endpoint;
mod geometry;
pub mod inspect;
pub mod mpmc;
mod peer;
mod pollable;
mod select;
pub(crate) mod settle;
mod signalled;
pub mod spsc;
mod tune;
pub(crate) mod verbs;
pub(crate) mod waiter;
pub(crate) mod window;

pub use geometry::{Backing, Geometry};
pub use peer::Peer;
pub use pollable::Pollable;
pub use select::{Select, Source};
pub use signalled::Signalled;
pub use tune::Tune;
