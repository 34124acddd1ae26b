//! What can be said of a participant: its lease proves life, its line says whether it took leave.

use std::io;

use crate::layout::participant::{Entry, Said};

/// What is known of the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Peer {
    /// Nobody was there yet.
    Absent,
    /// It is there, running or stopped.
    Attached,
    /// It has said goodbye.
    Closed,
    /// It died without saying goodbye: the kernel has dropped its lease.
    Dead,
    /// It was there, and nothing can prove that it still is: a hosted ring without leases.
    Unknown,
}

/// The state of the participant that has `line`. `lives`: whether its lease is held, as far as that can be told.
pub(crate) fn state(line: &Entry, lives: impl Fn() -> Option<io::Result<bool>>) -> Peer {
    loop {
        match (lives(), line.said()) {
            (_, Said::Closed) => return Peer::Closed,
            (Some(Ok(true)), _) => return Peer::Attached,
            (_, Said::Nothing) => return Peer::Absent,
            (_, Said::Buried) => return Peer::Dead,
            (Some(Ok(false)), Said::Attached) => {}
            (None | Some(Err(_)), Said::Attached) => return Peer::Unknown,
        }
        // The lease was free, and "attached" was read after that: either from one who died, or from a new one
        // who had taken the lease in between. Whoever holds no lease now was not the latter.
        if let Some(Ok(false)) = lives() {
            return if line.said() == Said::Closed { Peer::Closed } else { Peer::Dead };
        }
    }
}
