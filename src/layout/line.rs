//! A cache line of its own, and a reference into a segment.
#![allow(unsafe_code)]

use core::ops::Deref;
#[cfg(not(loom))]
use core::ptr::NonNull;

/// A value on 128 bytes of its own, in every process and on every target.
#[derive(Debug, Default)]
#[repr(C, align(128))]
pub(crate) struct Line<T>(pub(crate) T);

impl<T> Deref for Line<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

/// A reference to a part of a segment that holds only atomics. Whoever keeps one keeps the mapping too.
#[cfg(not(loom))]
#[derive(Debug)]
pub(crate) struct Shared<T>(NonNull<T>);

#[cfg(not(loom))]
impl<T> Shared<T> {
    /// # Safety
    /// `memory` must be aligned for `T`, readable and writable for `size_of::<T>()` bytes for as long as this
    /// value or a clone of it is used, and `T` must consist of atomics, so that every bit pattern is valid
    /// and other processes may write it.
    pub(crate) unsafe fn new(memory: NonNull<u8>) -> Self {
        let part = memory.cast::<T>();
        debug_assert!(part.is_aligned());
        Shared(part)
    }
}

#[cfg(not(loom))]
impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Shared(self.0)
    }
}

#[cfg(not(loom))]
impl<T> Deref for Shared<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: `new` was promised a valid, aligned `T` of atomics for as long as this value is used.
        unsafe { self.0.as_ref() }
    }
}

// SAFETY: a `Shared` is a reference to atomics, which any thread may use.
#[cfg(not(loom))]
unsafe impl<T: Sync> Send for Shared<T> {}
// SAFETY: as above.
#[cfg(not(loom))]
unsafe impl<T: Sync> Sync for Shared<T> {}

/// The same part on the heap, for models.
#[cfg(loom)]
#[derive(Debug)]
pub(crate) struct Shared<T>(std::sync::Arc<T>);

#[cfg(loom)]
impl<T> Shared<T> {
    /// A part of no segment.
    pub(crate) fn on_heap(part: T) -> Self {
        Shared(std::sync::Arc::new(part))
    }

    /// # Safety
    /// None needed: models never map a segment, so this is never reached.
    pub(crate) unsafe fn new(_memory: core::ptr::NonNull<u8>) -> Self {
        unreachable!("models build their parts on the heap")
    }
}

#[cfg(loom)]
impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Shared(self.0.clone())
    }
}

#[cfg(loom)]
impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
