//! Copying small payloads into the ring.
#![allow(unsafe_code)]

use core::ptr::NonNull;

use crate::sync::{AtomicU64, Ordering};

/// Copies word by word. Loads wider than the stores that wrote the source shortly before would wait until
/// those have left the store buffer; the stores are atomic so that no compiler makes wide copies of them.
///
/// # Safety
/// `start` must be 8-aligned and lead to writable memory that nobody else touches now, of the length of `from`
/// rounded up to a multiple of eight.
#[inline(always)]
pub(crate) unsafe fn copy_words(start: NonNull<u8>, from: &[u8]) {
    let (blocks, rest) = from.as_chunks::<32>();
    let mut to = start.cast::<[AtomicU64; 4]>();
    for block in blocks {
        let (words, _) = block.as_chunks::<8>();
        // SAFETY: the caller gives room for as many words as `from` has, aligned.
        let target = unsafe { to.as_ref() };
        for (target, word) in target.iter().zip(words) {
            target.store(u64::from_ne_bytes(*word), Ordering::Relaxed);
        }
        // SAFETY: at most one past the last block.
        to = unsafe { to.add(1) };
    }
    // SAFETY: behind the whole blocks there is room for the rest, rounded up.
    unsafe { copy_rest(to.cast(), rest) };
}

/// Copies what is left behind whole blocks, the last word padded with zeros.
///
/// # Safety
/// As [`copy_words`].
#[inline(always)]
unsafe fn copy_rest(mut to: NonNull<AtomicU64>, from: &[u8]) {
    let (words, rest) = from.as_chunks::<8>();
    for word in words {
        // SAFETY: the caller gives room for this word, aligned.
        unsafe { to.as_ref() }.store(u64::from_ne_bytes(*word), Ordering::Relaxed);
        // SAFETY: at most one past the last word.
        to = unsafe { to.add(1) };
    }
    if !rest.is_empty() {
        let last = rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        // SAFETY: the room is rounded up to a multiple of eight, so the whole last word belongs to it.
        unsafe { to.as_ref() }.store(u64::from_le(last), Ordering::Relaxed);
    }
}
