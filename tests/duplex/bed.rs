//! Both sides of a new duplex, over either link.

use std::time::Duration;

use ringway::duplex::{Endpoint, Streams, options};
use ringway::pipe;

/// Bytes of the largest message, over either link.
pub const LARGEST: usize = (1 << 15) - 8;

/// A time that no test waits for, unless it fails.
pub const LONG: Duration = crate::common::PATIENCE;
/// A time that is waited for to the end.
pub const SHORT: Duration = Duration::from_millis(20);

pub fn rings() -> (Endpoint, Endpoint) {
    options().size(1 << 16).pair().expect("a pair")
}

pub fn streams() -> (Endpoint<Streams>, Endpoint<Streams>) {
    let [here, there] = pipe::options().largest(LARGEST).duplex_pair().expect("a pair");
    (here.into(), there.into())
}
