//! The segment as a wire format: what lies where, proved at compile time.
//!
//! ```text
//! 0      header, one page, never written after creation                    header.rs
//! 4096   participant table, one line each                                  participant.rs
//!        ring control: lines of their own                                  spsc.rs, mpmc.rs, duplex.rs, bell.rs
//!        ring data, page aligned (`spsc`: for a payload alignment above 8 the first
//!        record begins `alignment − 8` bytes into it, so payloads are aligned)
//! ```
//!
//! A ring of which each side has a half of its own lies otherwise: halves.rs.
//!
//! All fields have a fixed width and are read with one load each. Lines are 128 bytes: adjacent-line
//! prefetchers pair up 64-byte lines, and a segment must look the same to every process, whatever
//! `CachePadded` is on its target.

pub(crate) mod bell;
pub(crate) mod call;
pub(crate) mod duplex;
pub(crate) mod halves;
pub(crate) mod header;
mod line;
pub(crate) mod mpmc;
pub(crate) mod participant;
mod sizes;
pub(crate) mod spsc;

pub use duplex::Side;
pub use header::{Kind, Wake};
pub(crate) use line::{Line, Shared};
pub use participant::Role;
pub(crate) use sizes::Sizes;

/// The page size that the layout is built on, whatever the machine's is.
pub(crate) const PAGE: u64 = 4096;

/// `bytes`, rounded up to whole pages.
pub(crate) fn pages(bytes: u64) -> u64 {
    bytes.next_multiple_of(PAGE)
}
