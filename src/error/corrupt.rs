//! A word that no member of a ring writes.

/// A word in shared memory, or in a stream, that this protocol never writes: a peer is broken or hostile, or the segment
/// was damaged. The endpoint that met it stays where it is and meets it again; no other endpoint is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "corrupt segment or stream: {what} is {found:#x}, which this protocol never writes there (limit {allowed:#x}); remove the ring and create it anew, or close the stream"
)]
pub struct Corrupt {
    /// What was read.
    pub what: &'static str,
    /// The value found.
    pub found: u64,
    /// The limit, or the value expected, there.
    pub allowed: u64,
}
