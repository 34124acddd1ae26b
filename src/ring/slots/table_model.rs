//! The slots' memory under loom: the same functions over memory on the heap, with a check of every access, and for
//! participants that can die.
//!
//! Payload is plain bytes, which must not be touched by two threads of which neither happens before the other. A
//! slot's payload is one thing to be owned, wherever it lies, and all slots of a span belong to who fills or reads
//! the span: filling is an exclusive access to each, reading a shared one. Payload bytes are the real ones.
//!
//! A participant does nothing to others but by writing slot words, so its deaths are those after each word that it
//! writes. Each view of a table has a [`Life`], and unwinds when that is over.
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::ptr::NonNull;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use crate::layout::mpmc::Sizes;
use crate::sync::{Access, AtomicU64, LocalU32, Ordering};

/// How many more words a participant writes; `u32::MAX`: as many as it likes.
#[derive(Clone, Debug)]
pub(crate) struct Life(Arc<LocalU32>);

/// What a dying participant unwinds with.
struct Death;

impl Life {
    /// A life without an end.
    pub(crate) fn new() -> Life {
        Life(Arc::new(LocalU32::new(u32::MAX)))
    }

    /// Does `act`, up to the `words`th word that it writes. `None`: it died.
    pub(crate) fn spend<T>(&self, words: u32, act: impl FnOnce() -> T) -> Option<T> {
        self.0.store(words, Ordering::Relaxed);
        match catch_unwind(AssertUnwindSafe(act)) {
            Ok(done) => Some(done),
            Err(death) if death.is::<Death>() => None,
            Err(panic) => resume_unwind(panic),
        }
    }

    /// A word was written.
    fn wrote(&self) {
        let left = self.0.load(Ordering::Relaxed);
        if left == u32::MAX {
            return;
        }
        self.0.store(left - 1, Ordering::Relaxed);
        if left == 1 {
            resume_unwind(Box::new(Death));
        }
    }
}

/// A slot word, seen by a participant.
#[derive(Debug)]
pub(crate) struct SlotWord<'a> {
    word: &'a AtomicU64,
    life: &'a Life,
}

impl SlotWord<'_> {
    pub(crate) fn load(&self, order: Ordering) -> u64 {
        self.word.load(order)
    }

    pub(crate) fn store(&self, value: u64, order: Ordering) {
        self.word.store(value, order);
        self.life.wrote();
    }

    pub(crate) fn compare_exchange(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        let before = self.word.compare_exchange(current, new, success, failure)?;
        self.life.wrote();
        Ok(before)
    }
}

/// A slot, and the check of its payload.
#[derive(Debug, Default)]
struct Slot {
    word: AtomicU64,
    meta: AtomicU64,
    payload: Access,
}

#[derive(Debug)]
struct Memory {
    slots: Vec<Slot>,
    inline: Vec<UnsafeCell<u64>>,
    blocks: Vec<UnsafeCell<u64>>,
}

// SAFETY: loom runs one thread at a time, and `slots` checks that accesses to `inline` and `blocks` are ordered.
unsafe impl Sync for Memory {}

/// Slots on the heap, seen by a participant.
#[derive(Debug)]
pub(crate) struct Table {
    memory: Arc<Memory>,
    sizes: Sizes,
    life: Life,
}

impl Table {
    /// # Safety
    /// None needed: models never map a segment, so this is never reached.
    pub(crate) unsafe fn new(_descriptors: NonNull<u8>, _blocks: NonNull<u8>, _sizes: Sizes) -> Table {
        unreachable!("models build their tables on the heap")
    }

    /// Zeroed slots.
    pub(crate) fn on_heap(sizes: Sizes) -> Table {
        let zeroed = |bytes: u64| (0..bytes / 8).map(|_| UnsafeCell::new(0)).collect();
        let memory = Memory {
            slots: (0..sizes.slots).map(|_| Slot::default()).collect(),
            inline: zeroed(sizes.slots * sizes.inline),
            blocks: zeroed(sizes.slots * sizes.slot_size),
        };
        Table { memory: Arc::new(memory), sizes, life: Life::new() }
    }

    /// The same slots, seen by a participant with this life.
    pub(crate) fn view(&self, life: &Life) -> Table {
        Table { memory: Arc::clone(&self.memory), sizes: self.sizes, life: life.clone() }
    }

    fn index(&self, index: u64) -> usize {
        (index & (self.sizes.slots - 1)) as usize
    }

    fn slot(&self, index: u64) -> &Slot {
        &self.memory.slots[self.index(index)]
    }

    pub(crate) fn word(&self, index: u64) -> SlotWord<'_> {
        SlotWord { word: &self.slot(index).word, life: &self.life }
    }

    pub(crate) fn load_meta(&self, index: u64) -> u64 {
        self.slot(index).meta.load(Ordering::Relaxed)
    }

    pub(crate) fn store_meta(&self, index: u64, meta: u64) {
        self.slot(index).meta.store(meta, Ordering::Relaxed);
    }

    /// The slots of a span, and where the `len` bytes of its payload begin; `None` if they do not fit.
    fn payload(&self, index: u64, span: u64, len: u64) -> Option<(&[Slot], *mut u8)> {
        let first = self.index(index);
        let slots = self.memory.slots.get(first..first + span as usize)?;
        let (words, room) = if span == 1 && len <= self.sizes.inline {
            (&self.memory.inline, self.sizes.inline)
        } else {
            (&self.memory.blocks, self.sizes.slot_size)
        };
        let start = words[first * (room / 8) as usize..].as_ptr();
        (len <= span * room).then_some((slots, start.cast_mut().cast()))
    }

    pub(crate) fn fits(&self, index: u64, span: u64, len: u64) -> bool {
        self.payload(index, span, len).is_some()
    }

    pub(crate) fn bytes(&self, index: u64, span: u64, len: u64) -> &[u8] {
        let (slots, start) = self.payload(index, span, len).expect("a message lies within its span");
        slots.iter().for_each(|slot| slot.payload.shared());
        // SAFETY: in the table, and checked: nobody writes these bytes.
        unsafe { core::slice::from_raw_parts(start, len as usize) }
    }

    pub(crate) fn bytes_mut(&mut self, index: u64, span: u64, len: u64) -> &mut [u8] {
        let (slots, start) = self.payload(index, span, len).expect("a claim lies within its span");
        slots.iter().for_each(|slot| slot.payload.exclusive());
        // SAFETY: in the table, and checked: nobody reads or writes these bytes.
        unsafe { core::slice::from_raw_parts_mut(start, len as usize) }
    }

    pub(crate) fn move_inline(&mut self, index: u64, len: u64) {
        // More than fits a descriptor, so that the block is meant.
        let block = self.bytes(index, 1, self.sizes.slot_size)[..len as usize].to_vec();
        self.write(index, 1, &block);
    }

    pub(crate) fn write(&mut self, index: u64, span: u64, payload: &[u8]) {
        self.bytes_mut(index, span, payload.len() as u64).copy_from_slice(payload);
    }
}
