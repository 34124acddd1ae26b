#![doc = include_str!("../README.md")]

#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(loom)]
#[doc(hidden)]
pub mod model;

mod channel;
pub mod connect;
pub mod duplex;
mod error;
mod frame;
pub mod handover;
mod layout;
pub mod notify;
pub mod pipe;
mod ring;
mod segment;
mod seq;
pub mod shape;
mod sync;
pub mod task;
pub mod untrusted;
mod wait;

pub use channel::{Backing, Geometry, Peer, Pollable, Select, Signalled, Source, Tune};
pub use channel::{inspect, mpmc, spsc};
pub use error::{
    AddressError, ConnectError, Corrupt, HandoverError, OpenError, RecvError, RequestError, SendError,
    ServeError, SignalError, SyncError,
};
pub use layout::participant::Counters;
pub use layout::{Kind, Role, Side, Wake};
pub use ringway_derive::Shape;
pub use segment::Owner;
pub use segment::address::Address;
pub use shape::Shape;
pub use sync::Fence;
pub use wait::Wait;

/// Built without bell, fork check and counters, to measure what they cost (`--cfg ringway_bare`). Such a build
/// wakes nobody.
const BARE: bool = cfg!(ringway_bare);

// The derive names this crate as its users do.
extern crate self as ringway;
