//! What an end of a durable ring knows of the disk.

use core::cell::Cell;
use core::time::Duration;

use super::end::End;
use super::{Batch, Consumer, Producer};
use crate::error::{SendError, SyncError};
use crate::ring::record::{Claimed, Findings, Pending, Refused};
use crate::sync::Ordering;

/// What was found in a durable ring that was not as its last users had left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovery {
    /// Messages that are whole and were not released. They are delivered marked as redelivered, since a consumer may
    /// have had them in hand before.
    pub kept: u64,
    /// Messages that are lost, as far as there are traces of them. All of them were sent after the last sync; what was
    /// pushed to batches that were dropped counts, too.
    pub dropped: u64,
}

impl From<Findings> for Recovery {
    fn from(Findings { kept, dropped, .. }: Findings) -> Recovery {
        Recovery { kept, dropped }
    }
}

/// When to sync, and how it went.
#[derive(Debug, Default)]
pub(in crate::channel) struct Durability {
    /// Sync after so many messages; 0: when asked.
    pub(super) every: u64,
    /// What was found when this end attached.
    pub(super) recovery: Option<Recovery>,
    /// Messages since the last sync.
    since: Cell<u64>,
    /// How the last sync failed, if it did.
    failed: Cell<Option<SyncError>>,
    /// When a blocked producer may next sync for room that is not worth it otherwise.
    pub(super) room_at: Cell<Duration>,
}

impl Durability {
    pub(super) fn new(every: u64, recovery: Option<Recovery>) -> Durability {
        Durability { every, recovery, ..Durability::default() }
    }

    /// How the last sync failed, if it did.
    pub(super) fn failed(&self) -> Option<SyncError> {
        self.failed.get()
    }

    /// Are there messages that were to be synced at the latest when this end leaves?
    pub(super) fn is_owing(&self) -> bool {
        self.every > 0 && self.since.get() > 0
    }

    /// Counts messages that were sent, or released.
    pub(super) fn count(&self, messages: u64) {
        self.since.set(self.since.get() + messages);
    }

    /// Is it time to sync?
    pub(super) fn is_due(&self) -> bool {
        self.every > 0 && self.since.get() >= self.every
    }
}

impl End {
    /// Writes the ring to the disk. After a failure, of whichever participant, the kernel may have forgotten what it could
    /// not write, so the next one writes everything.
    pub(super) fn sync(&self) -> Result<(), SyncError> {
        if !self.sizes().durable {
            return Err(SyncError::NotDurable);
        }
        if !self.is_home() {
            return Err(SyncError::Forked);
        }
        let failed = &self.control.producer.failed;
        let again = failed.load(Ordering::Relaxed) != 0;
        // Whoever has no lease has hosted memory, which is never durable.
        let written = self.segment.sync(again).ok_or(SyncError::NotDurable)?;
        let written = written.map_err(|error| SyncError::System { errno: error.raw_os_error().unwrap_or(0) });
        self.durability.failed.set(written.err());
        match written {
            Ok(()) if again => failed.store(0, Ordering::Relaxed),
            Ok(()) => {}
            Err(_) => failed.store(1, Ordering::Relaxed),
        }
        written?;
        self.durability.since.set(0);
        Ok(())
    }
}

impl Producer {
    /// Durable rings: writes the ring to the disk. Everything sent before survives a loss of power. Blocks until the
    /// disk has it, for milliseconds.
    ///
    /// # Errors
    /// What [`SyncError`] lists. After [`SyncError::System`] the next sync, of whichever participant, writes the whole ring.
    pub fn sync(&mut self) -> Result<(), SyncError> {
        let released = self.ring.released();
        self.end.sync()?;
        self.ring.note_synced(released);
        Ok(())
    }

    /// Durable rings: what was found when this end attached, if the ring was not as its last users had left it.
    pub fn recovery(&self) -> Option<Recovery> {
        self.end.durability.recovery
    }

    /// Sends in a durable ring. `timeout`: how long to wait for room; `None`: not at all.
    #[cold]
    #[inline(never)]
    pub(super) fn send_durably(
        &mut self,
        tag: u16,
        message: &[u8],
        timeout: Option<Option<Duration>>,
    ) -> Result<(), SendError> {
        let at_once = timeout.is_none();
        let sent = self.send_sealed(tag, message, at_once);
        match (sent, timeout) {
            (Ok(()), _) => {}
            (Err(refused), None) => return Err(self.now_or_never(refused, message.len())),
            (Err(refused), Some(timeout)) => {
                self.wait_after(refused, message.len(), timeout)?;
                self.send_sealed(tag, message, true)
                    .map_err(|refused| self.now_or_never(refused, message.len()))?;
            }
        }
        self.end.ring(&self.end.control.data_bell);
        self.keep_synced(1)
    }

    fn send_sealed(&mut self, tag: u16, message: &[u8], at_once: bool) -> Result<(), Option<Refused>> {
        if !self.end.is_home() {
            return Err(None);
        }
        match self.ring.send_sealed(tag, message) {
            Err(Refused::Full { .. }) if self.makes_room(message.len(), at_once) => {
                self.ring.send_sealed(tag, message).map_err(Some)
            }
            sent => sent.map_err(Some),
        }
    }

    /// Durable rings: makes room by a sync, if that is what is lacking. If not `at_once`, only if it is worth it.
    #[cold]
    #[inline(never)]
    pub(super) fn makes_room(&mut self, len: usize, at_once: bool) -> bool {
        self.end.sizes().durable && self.ring.gains_by_sync(len as u64, at_once) && self.sync().is_ok()
    }

    /// The same for one who waits: room that is not worth a sync otherwise is made once in a liveness interval.
    #[cold]
    #[inline(never)]
    pub(super) fn makes_room_now_and_then(&mut self, len: usize, time: Duration) -> bool {
        self.ring.gains_by_sync(len as u64, true)
            && self.end.once_an_interval(&self.end.durability.room_at, time)
            && self.sync().is_ok()
    }

    #[cold]
    #[inline(never)]
    pub(super) fn commit_durably(&mut self, claimed: Claimed, tag: u16) -> Result<(), SendError> {
        self.ring.commit_sealed(claimed, tag);
        self.end.ring(&self.end.control.data_bell);
        self.keep_synced(1)
    }

    /// Syncs after so many messages as the options say, of which `sent` more are sent now.
    fn keep_synced(&mut self, sent: u64) -> Result<(), SendError> {
        self.end.durability.count(sent);
        if self.end.durability.is_due() { Ok(self.sync()?) } else { Ok(()) }
    }
}

impl Batch<'_> {
    #[cold]
    #[inline(never)]
    pub(super) fn push_durably(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError> {
        let mut pushed = self.producer.ring.push_sealed(&mut self.pending, tag, message);
        if matches!(pushed, Err(Refused::Full { .. }))
            && self.producer.ring.batch_gains_by_sync(&self.pending, message.len() as u64)
            && self.producer.sync().is_ok()
        {
            pushed = self.producer.ring.push_sealed(&mut self.pending, tag, message);
        }
        pushed.map_err(|refused| self.producer.now_or_never(Some(refused), message.len()))
    }
}

impl Producer {
    #[cold]
    #[inline(never)]
    pub(super) fn commit_batch_durably(&mut self, pending: &Pending) -> Result<(), SendError> {
        let messages = self.ring.messages_in(pending);
        if self.ring.commit_sealed_batch(pending) {
            self.end.ring(&self.end.control.data_bell);
        }
        self.keep_synced(messages)
    }
}

impl Consumer {
    /// Durable rings: writes the ring to the disk. What was released before does not come again after a loss of power.
    /// Blocks until the disk has it, for milliseconds.
    ///
    /// # Errors
    /// What [`SyncError`] lists.
    pub fn sync(&mut self) -> Result<(), SyncError> {
        self.end.sync()
    }

    /// Durable rings: what was found when this end attached, if the ring was not as its last users had left it.
    pub fn recovery(&self) -> Option<Recovery> {
        self.end.durability.recovery
    }

    /// Durable rings: before a look for the next message, syncs what was released, if it is time to.
    #[inline]
    pub(super) fn keep_synced(&self) -> Result<(), SyncError> {
        if self.end.sizes().durable && self.end.durability.is_due() { self.end.sync() } else { Ok(()) }
    }

    /// Durable rings: releases what was taken.
    #[cold]
    #[inline(never)]
    pub(super) fn release_durably(&self, messages: u64) {
        if self.end.is_home() {
            self.ring.release_sealed();
            self.end.durability.count(messages);
            self.end.ring(&self.end.control.space_bell);
        }
    }
}
