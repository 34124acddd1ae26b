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
    let (mut to, mut rest) = (start.cast(), from);
    while let Some((block, others)) = rest.split_first_chunk::<32>() {
        // SAFETY: the caller gives room for as many words as `from` has, aligned.
        to = unsafe { put(to, block) };
        rest = others;
    }
    if let Some((half, others)) = rest.split_first_chunk::<16>() {
        // SAFETY: as above.
        to = unsafe { put(to, half) };
        rest = others;
    }
    if let Some((word, others)) = rest.split_first_chunk::<8>() {
        // SAFETY: as above.
        to = unsafe { put(to, word) };
        rest = others;
    }
    if !rest.is_empty() {
        // SAFETY: the room is rounded up to a multiple of eight, so the whole last word belongs to it.
        unsafe { put(to, &last_word(rest)) };
    }
}

/// Stores the words of `from`; where the next one goes.
///
/// # Safety
/// As [`copy_words`].
#[inline(always)]
unsafe fn put<const BYTES: usize>(mut to: NonNull<AtomicU64>, from: &[u8; BYTES]) -> NonNull<AtomicU64> {
    let (words, _) = from.as_chunks::<8>();
    for word in words {
        // SAFETY: the caller gives room for this word, aligned.
        unsafe { to.as_ref() }.store(u64::from_ne_bytes(*word), Ordering::Relaxed);
        // SAFETY: at most one past the last word.
        to = unsafe { to.add(1) };
    }
    to
}

/// Up to seven bytes, and zeros behind them.
#[inline(always)]
fn last_word(mut bytes: &[u8]) -> [u8; 8] {
    let (mut word, mut bits) = (0, 0);
    if let Some((four, others)) = bytes.split_first_chunk() {
        (word, bits, bytes) = (u64::from(u32::from_le_bytes(*four)), 32, others);
    }
    if let Some((two, others)) = bytes.split_first_chunk() {
        word |= u64::from(u16::from_le_bytes(*two)) << bits;
        (bits, bytes) = (bits + 16, others);
    }
    if let [one, ..] = bytes {
        word |= u64::from(*one) << bits;
    }
    word.to_le_bytes()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_length_all_bytes_arrive_and_the_last_word_is_filled_up() {
        let from: [u8; 128] = core::array::from_fn(|at| at as u8 + 1);
        for len in 0..=from.len() {
            let room: [AtomicU64; 18] = core::array::from_fn(|_| AtomicU64::new(u64::MAX));
            // SAFETY: room for more than all of it.
            unsafe { copy_words(NonNull::from(&room).cast(), &from[..len]) };
            let found = room.each_ref().map(|word| word.load(Ordering::Relaxed).to_ne_bytes());
            let found = found.as_flattened();
            let whole = len.next_multiple_of(8);
            assert_eq!(found[..len], from[..len]);
            assert!(found[len..whole].iter().all(|byte| *byte == 0), "{len}");
            assert!(found[whole..].iter().all(|byte| *byte == 0xff), "{len}");
        }
    }
}
