//! The slots' memory under loom: the same functions over memory on the heap, with a check of every access, and for
//! participants that can die.
//!
//! Payload is plain bytes, which must not be touched by two threads of which neither happens before the other. A
//! slot's payload is one thing to be owned, wherever it lies, and all slots of a span belong to who fills or reads
//! the span: filling is an exclusive access to each, reading a shared one. Payload bytes are the real ones.
//!
//! A participant does nothing to others but by writing slot words, so its deaths are those after each word that it
//! writes. Each view of a table has a [`Life`], and unwinds when that is over.
//!
//! Loom compares an access with the last one to the same atomic alone, to see whether the other order is to be tried,
//! too. A participant that loads a word before it changes it would so hide that another has loaded it before. So every
//! load is preceded by one of the reader's own *mark*, and such a change by stores to the marks of the others.
#![allow(unsafe_code)]

use core::cell::{Cell, UnsafeCell};
use core::ptr::NonNull;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use super::word::Word;
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

/// Participants, whose ids are lower.
const READERS: u32 = 6;

/// A slot word, seen by a participant.
#[derive(Debug)]
pub(crate) struct SlotWord<'a> {
    slot: &'a Memory,
    view: &'a View,
    loaded: &'a Cell<bool>,
}

impl SlotWord<'_> {
    pub(crate) fn load(&self, order: Ordering) -> u64 {
        self.loaded.set(true);
        self.slot.marks[self.view.reader as usize].load(Ordering::Relaxed);
        self.slot.word.load(order)
    }

    /// Says to all other readers that the word changes, if this one has loaded it.
    fn mark(&self) {
        if !self.loaded.take() {
            return;
        }
        for reader in (0..READERS).filter(|reader| *reader != self.view.reader) {
            self.slot.marks[reader as usize].store(0, Ordering::Relaxed);
        }
    }

    pub(crate) fn store(&self, value: u64, order: Ordering) {
        self.mark();
        self.slot.word.store(value, order);
        self.view.life.wrote();
    }

    pub(crate) fn compare_exchange(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.mark();
        let before = self.slot.word.compare_exchange(current, new, success, failure)?;
        self.view.life.wrote();
        Ok(before)
    }
}

/// A slot's memory, and the check of its payload.
#[derive(Debug, Default)]
struct Memory {
    word: AtomicU64,
    marks: [AtomicU64; READERS as usize],
    meta: AtomicU64,
    payload: Access,
}

/// What all participants share.
#[derive(Debug)]
struct Ring {
    slots: Vec<Memory>,
    inline: Vec<UnsafeCell<u64>>,
    blocks: Vec<UnsafeCell<u64>>,
}

// SAFETY: loom runs one thread at a time, and `slots` checks that accesses to `inline` and `blocks` are ordered.
unsafe impl Sync for Ring {}

/// What a participant sees it with.
#[derive(Debug)]
struct View {
    ring: Arc<Ring>,
    reader: u32,
    /// Which words this participant has loaded since it changed them last.
    loaded: Vec<Cell<bool>>,
    life: Life,
}

/// Slots on the heap, seen by a participant.
#[derive(Debug)]
pub(crate) struct Table {
    view: Box<View>,
    sizes: Sizes,
}

impl Table {
    /// # Safety
    /// None needed: models never map a segment, so this is never reached.
    pub(crate) unsafe fn new(_descriptors: NonNull<u8>, _blocks: NonNull<u8>, _sizes: Sizes) -> Table {
        unreachable!("models build their tables on the heap")
    }

    /// Free slots of a ring that stands at `position`.
    pub(crate) fn on_heap(sizes: Sizes, position: u64) -> Table {
        let zeroed = |bytes: u64| (0..bytes / 8).map(|_| UnsafeCell::new(0)).collect();
        let slot = |index| {
            let (lap, used) = (position / sizes.slots, index < position % sizes.slots);
            let word = AtomicU64::new(Word::free(lap + u64::from(used)).0);
            Memory { word, ..Memory::default() }
        };
        let ring = Ring {
            slots: (0..sizes.slots).map(slot).collect(),
            inline: zeroed(sizes.slots * sizes.inline),
            blocks: zeroed(sizes.slots * sizes.slot_size),
        };
        Table::seen_by(Arc::new(ring), sizes, 0, Life::new())
    }

    /// The same slots, seen by participant `reader` with this life.
    pub(crate) fn view(&self, reader: u32, life: &Life) -> Table {
        Table::seen_by(Arc::clone(&self.view.ring), self.sizes, reader, life.clone())
    }

    fn seen_by(ring: Arc<Ring>, sizes: Sizes, reader: u32, life: Life) -> Table {
        let loaded = vec![Cell::new(false); sizes.slots as usize];
        Table { view: Box::new(View { ring, reader, loaded, life }), sizes }
    }

    fn index(&self, index: u64) -> usize {
        (index & (self.sizes.slots - 1)) as usize
    }

    pub(crate) fn slot(&self, index: u64) -> Slot {
        Slot { view: NonNull::from(&*self.view), index: self.index(index) }
    }

    /// The slots of a span, and where the `len` bytes of its payload begin; `None` if they do not fit.
    fn payload(&self, index: u64, span: u64, len: u64) -> Option<(&[Memory], *mut u8)> {
        let first = self.index(index);
        let ring = &self.view.ring;
        let slots = ring.slots.get(first..first + span as usize)?;
        let (words, room) = if span == 1 && len <= self.sizes.inline {
            (&ring.inline, self.sizes.inline)
        } else {
            (&ring.blocks, self.sizes.slot_size)
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

    pub(crate) fn write_one(&mut self, _slot: &Slot, index: u64, payload: &[u8]) {
        self.write(index, 1, payload);
    }

    pub(crate) fn bytes_of_one(&self, _slot: &Slot, index: u64, len: u64) -> &[u8] {
        self.bytes(index, 1, len)
    }

    pub(crate) fn write(&mut self, index: u64, span: u64, payload: &[u8]) {
        self.bytes_mut(index, span, payload.len() as u64).copy_from_slice(payload);
    }
}

/// A slot, seen by a participant. Whoever keeps one keeps the table too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    view: NonNull<View>,
    index: usize,
}

// SAFETY: as the table's view, which is sent with it.
unsafe impl Send for Slot {}

impl Slot {
    fn view(&self) -> &View {
        // SAFETY: the table, which is kept, has its view in a box that it never replaces.
        unsafe { self.view.as_ref() }
    }

    pub(crate) fn word(&self) -> SlotWord<'_> {
        let view = self.view();
        SlotWord { slot: &view.ring.slots[self.index], view, loaded: &view.loaded[self.index] }
    }

    pub(crate) fn load_meta(&self) -> u64 {
        self.view().ring.slots[self.index].meta.load(Ordering::Relaxed)
    }

    pub(crate) fn store_meta(&self, meta: u64) {
        self.view().ring.slots[self.index].meta.store(meta, Ordering::Relaxed);
    }
}
