//! What an end of a durable ring knows of the disk.

use core::cell::Cell;

use super::end::End;
use crate::error::SyncError;
use crate::ring::record::Recovered;

/// What was found in a durable ring that was not as its last users had left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// Messages that are whole and were not released. They are delivered marked as redelivered, since a consumer may
    /// have had them in hand before.
    pub kept: u64,
    /// Messages that are lost, as far as there are traces of them. All of them were sent after the last sync.
    pub dropped: u64,
}

impl From<Recovered> for Recovery {
    fn from(Recovered { kept, dropped }: Recovered) -> Recovery {
        Recovery { kept, dropped }
    }
}

/// When to sync, and how it went.
#[derive(Debug, Default)]
pub(super) struct Durability {
    /// Sync after so many messages; 0: when asked.
    pub(super) every: u64,
    /// What was found when this end attached.
    pub(super) recovery: Option<Recovery>,
    /// Messages since the last sync.
    since: Cell<u64>,
    /// A sync that failed: the kernel may have forgotten what it could not write, so a later one proves nothing.
    failed: Cell<Option<SyncError>>,
}

impl Durability {
    pub(super) fn new(every: u64, recovery: Option<Recovery>) -> Durability {
        Durability { every, recovery, ..Durability::default() }
    }

    /// Why nothing is synced any more.
    pub(super) fn failed(&self) -> Option<SyncError> {
        self.failed.get()
    }

    /// Are there messages that were to be synced at the latest when this end leaves?
    pub(super) fn is_owing(&self) -> bool {
        self.every > 0 && self.since.get() > 0
    }

    /// Counts messages. Is it time to sync?
    pub(super) fn count(&self, messages: u64) -> bool {
        self.since.set(self.since.get() + messages);
        self.every > 0 && self.since.get() >= self.every
    }
}

impl End {
    /// Writes the ring to the disk.
    pub(super) fn sync(&self) -> Result<(), SyncError> {
        if !self.sizes().durable {
            return Err(SyncError::NotDurable);
        }
        if !self.is_home() {
            return Err(SyncError::Forked);
        }
        if let Some(error) = self.durability.failed() {
            return Err(error);
        }
        // Whoever has no lease has hosted memory, which is never durable.
        let written = self.segment.sync().ok_or(SyncError::NotDurable)?;
        written.map_err(|error| {
            let error = SyncError::System { errno: error.raw_os_error().unwrap_or(0) };
            self.durability.failed.set(Some(error));
            error
        })?;
        self.durability.since.set(0);
        Ok(())
    }
}
