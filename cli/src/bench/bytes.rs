//! Bytes in a shared area of words: the copy in and the view out that the yardsticks use.
//!
//! Short messages are copied word by word: a load wider than the stores that made the message would wait for
//! all of them to reach the cache. Long ones are copied by `memcpy`.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering};

/// What a side does between two looks that find nothing: one `pause`. Tests have fewer cores than threads and
/// yield.
#[inline(always)]
pub fn relax() {
    if cfg!(test) {
        std::thread::yield_now();
    } else {
        std::hint::spin_loop();
    }
}

/// Longest message that is copied word by word, bytes.
const WORDWISE: usize = 128;

/// Copies `bytes` to the start of `area`, which nobody else touches meanwhile; the rest of the last word is
/// zeroed or kept.
#[inline(always)]
pub fn copy_in(area: &[AtomicU64], bytes: &[u8]) {
    let area = &area[..bytes.len().div_ceil(8)];
    if bytes.len() > WORDWISE {
        let target = area.as_ptr().cast_mut().cast::<u8>();
        // SAFETY: `area` is at least as long as `bytes`, its words may be written through a shared reference,
        // and `bytes` is private memory of the caller.
        unsafe { target.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        return;
    }
    let (blocks, rest) = bytes.as_chunks::<32>();
    let (block_slots, rest_slots) = area.split_at(blocks.len() * 4);
    for (slots, block) in block_slots.as_chunks::<4>().0.iter().zip(blocks) {
        copy_words(slots, block);
    }
    copy_words(rest_slots, rest);
}

/// Copies to as many words as `bytes` needs, one at a time.
#[inline(always)]
fn copy_words(slots: &[AtomicU64], bytes: &[u8]) {
    let (words, rest) = bytes.as_chunks::<8>();
    for (slot, word) in slots.iter().zip(words) {
        slot.store(u64::from_ne_bytes(*word), Ordering::Relaxed);
    }
    if !rest.is_empty() {
        let mut word = [0; 8];
        word[..rest.len()].copy_from_slice(rest);
        slots[words.len()].store(u64::from_ne_bytes(word), Ordering::Relaxed);
    }
}

/// The first `len` bytes of `area`.
///
/// The caller must have acquired them: the writer published them and does not touch them again before they
/// are released.
#[inline(always)]
pub fn view(area: &[AtomicU64], len: usize) -> &[u8] {
    let area = &area[..len.div_ceil(8)];
    // SAFETY: the words cover `len` initialized bytes, and every caller in this bench reads them between the
    // acquire that found them published and the release that gives them back.
    unsafe { std::slice::from_raw_parts(area.as_ptr().cast(), len) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_copied_in_is_seen() {
        let area: Vec<AtomicU64> = (0..40).map(|_| AtomicU64::new(u64::MAX)).collect();
        for len in [0, 1, 7, 8, 9, 127, 128, 129, 300] {
            let bytes: Vec<u8> = (0..len).map(|at| at as u8).collect();
            copy_in(&area, &bytes);
            assert_eq!(view(&area, len), bytes, "{len} bytes");
        }
    }
}
