//! Why a message is not sent, not received, or not on the disk.

use std::io;

use super::{Corrupt, who};
use crate::layout::Role;
/// Why a message was not sent. Unless the text says otherwise the ring is as it was, and the call may be
/// repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// There is no room now, and the call was not to wait.
    #[error("full: the record needs {need} bytes, {free} are free; wait for the consumer")]
    Full {
        /// Bytes needed, header and padding included.
        need: u64,
        /// Bytes free; of a pipe nothing is known but that it took none.
        free: u64,
    },
    /// There was no room before the time was up.
    #[error("timed out: no room came")]
    TimedOut,
    /// `mpmc`: there was no room before the time was up, since a participant that lives, perhaps a stopped one, held the
    /// slot that was needed.
    #[error("stalled: a {role}, {}, holds the slot that is needed and does not let go; it lives: continue it or end it", who(*pid))]
    Stalled {
        /// What the holder does.
        role: Role,
        /// Its process, by its own account.
        pid: u32,
    },
    /// The message can never fit into this ring, or is larger than this pipe's largest.
    #[error(
        "the message is {len} bytes long, the largest that is taken is {largest}; create the ring larger (for a pipe: set `largest` on both sides), or send in pieces"
    )]
    TooLarge {
        /// Bytes of the message.
        len: usize,
        /// Bytes that fit.
        largest: usize,
    },
    /// The ring is full and its consumer has said goodbye. Pipes: nobody reads any more; whether the consumer left or died
    /// a pipe does not tell.
    #[error("closed: the consumer has detached, and nothing more fits")]
    Closed,
    /// The ring is full and its consumer died without saying goodbye; a new consumer may go on from the first
    /// message that was not released. Sockets: nobody reads any more, and the way back ended without a goodbye.
    #[error(
        "peer dead: the consumer died, and nothing more fits; start a new consumer (of a ring: it goes on where the dead one stopped)"
    )]
    PeerDead,
    /// The ring is full, and its name was removed before a consumer came, or leads to another ring by now: whoever
    /// opens the name does not come here. FIFOs: what has the name now is not to be used.
    #[error(
        "unlinked: nothing more fits, and the name was removed or given to another; attach by the name again"
    )]
    Unlinked,
    /// This handle was inherited by a forked child; it belongs to the parent.
    #[error("forked: this handle belongs to the parent process; open one of its own in the child")]
    Forked,
    /// A task could not wait: the system refused to arm the descriptor. Nothing was sent.
    #[error("cannot wait: {}; free memory, or wait in a blocking call", io::Error::from_raw_os_error(*errno))]
    Unarmed {
        /// The system's error number; `ECANCELED`: the runtime is shutting down.
        errno: i32,
    },
    /// Durable rings: the ring could not be written to the disk. A message that fitted was sent, but may not survive a
    /// loss of power.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// A word in the segment is not what the protocol writes; every further call meets it again.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// Pipes: a system call failed. The message was not sent.
    #[error("write: {}; try again once the system is well, or close this end", io::Error::from_raw_os_error(*errno))]
    System {
        /// The system's error number.
        errno: i32,
    },
}

/// Why no message was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecvError {
    /// There is no message now, and the call was not to wait.
    #[error("empty: there is no message now")]
    Empty,
    /// No message came before the time was up.
    #[error("timed out: no message came")]
    TimedOut,
    /// `mpmc`: no message came before the time was up, since a producer that lives, perhaps a stopped one, held a claim
    /// in front of what follows.
    #[error("stalled: a {role}, {}, holds a claim that is not committed; it lives: continue it or end it", who(*pid))]
    Stalled {
        /// What the holder does.
        role: Role,
        /// Its process, by its own account.
        pid: u32,
    },
    /// The producer has said goodbye, and everything it sent was received.
    #[error("closed: the producer has detached, and everything was received")]
    Closed,
    /// The producer died without saying goodbye, and everything it committed was received. `mpmc`: no producer lives,
    /// and one has died since the last one came.
    #[error("peer dead: the producer died; everything it committed was received")]
    PeerDead,
    /// The ring is empty, and its name was removed before a producer came, or leads to another ring by now: whoever
    /// opens the name does not come here. FIFOs: the same.
    #[error(
        "unlinked: there is no message, and the name was removed or given to another; attach by the name again"
    )]
    Unlinked,
    /// This handle was inherited by a forked child; it belongs to the parent.
    #[error("forked: this handle belongs to the parent process; open one of its own in the child")]
    Forked,
    /// A task could not wait: the system refused to arm the descriptor. No message was taken.
    #[error("cannot wait: {}; free memory, or wait in a blocking call", io::Error::from_raw_os_error(*errno))]
    Unarmed {
        /// The system's error number; `ECANCELED`: the runtime is shutting down.
        errno: i32,
    },
    /// Durable rings: the ring could not be written to the disk, as the options ask for. No message was taken.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// A word in the segment or stream is not what the protocol writes; every further call meets it again.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// Pipes: a system call failed. Nothing was taken.
    #[error("read: {}; try again once the system is well, or close this end", io::Error::from_raw_os_error(*errno))]
    System {
        /// The system's error number.
        errno: i32,
    },
}

/// Why a durable ring was not written to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// The ring is not durable.
    #[error(
        "not durable: the ring has no checksums, so nothing could be recovered; create it with durable(true)"
    )]
    NotDurable,
    /// This handle was inherited by a forked child; it belongs to the parent.
    #[error("forked: this handle belongs to the parent process; open one of its own in the child")]
    Forked,
    /// The system could not write. What is on the disk since the last sync is not known until one succeeds; it writes the
    /// whole ring.
    #[error("fdatasync: {}; sync again once the disk is well", io::Error::from_raw_os_error(*errno))]
    System {
        /// The system's error number.
        errno: i32,
    },
}
