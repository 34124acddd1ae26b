//! The seal: the word that a durable ring's record ends with.
//!
//! ```text
//!  63                             32 31                             0
//! +--------------------------------+--------------------------------+
//! |        message number          |             CRC-32             |
//! +--------------------------------+--------------------------------+
//! ```
//!
//! The checksum covers the record's position in the stream, how much padding lies before it, its header word, the number and
//! the payload. What an earlier lap, or a lost one, left at the same place is sound in itself, but has another position; and
//! padding that an earlier lap left leads to a record that had none before it.
//!
//! Numbers grow from record to record and are given once: what was sealed and never committed has a lower number than what
//! was committed in its place. Padding says which number it leads to, so that of a record behind it, too, the one that was
//! committed is told from one that was not.

use super::HEADER;

/// Bytes of a seal.
const SEAL: u64 = 8;

/// How far behind the record's beginning its seal lies.
#[inline(always)]
pub(crate) fn seal_at(len: u64) -> u64 {
    HEADER + ((len + (SEAL - 1)) & !(SEAL - 1))
}

/// Bytes that a sealed record with `len` bytes of payload takes in a ring whose records are aligned to `align`, a
/// power of two.
#[inline(always)]
pub(crate) fn sealed_footprint(len: u64, align: u64) -> u64 {
    (seal_at(len) + SEAL + (align - 1)) & !(align - 1)
}

/// The seal of the record at position `at`, behind `pad` bytes of padding, with the header `word`.
pub(crate) fn seal(at: u64, pad: u64, word: u64, number: u32, payload: &[u8]) -> u64 {
    let mut hasher = crc32fast::Hasher::new();
    let mut head = [0; 28];
    head[..8].copy_from_slice(&at.to_le_bytes());
    head[8..16].copy_from_slice(&pad.to_le_bytes());
    head[16..24].copy_from_slice(&word.to_le_bytes());
    head[24..].copy_from_slice(&number.to_le_bytes());
    hasher.update(&head);
    hasher.update(payload);
    u64::from(number) << 32 | u64::from(hasher.finalize())
}

/// The number of the message that a seal belongs to.
#[inline(always)]
pub(crate) fn number_of(seal: u64) -> u32 {
    (seal >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::sealed;

    #[test]
    fn a_seal_lies_behind_the_payload_and_within_the_record() {
        for len in 0..100 {
            assert!(seal_at(len) >= HEADER + len && seal_at(len).is_multiple_of(8));
            for align in [8, 64] {
                assert!(seal_at(len) + SEAL <= sealed_footprint(len, align));
                assert!(sealed_footprint(len, align) < seal_at(len) + SEAL + align);
            }
        }
    }

    #[test]
    fn a_seal_breaks_with_every_bit() {
        let (at, word, payload) = (4096, sealed(5, 3), *b"hello");
        let sound = seal(at, 0, word, 7, &payload);
        assert_eq!(number_of(sound), 7);
        for bit in 0..64 {
            assert_ne!(seal(at ^ 1 << bit, 0, word, 7, &payload), sound);
            assert_ne!(seal(at, 1 << bit, word, 7, &payload), sound);
            assert_ne!(seal(at, 0, word ^ 1 << bit, 7, &payload), sound);
        }
        for bit in 0..40 {
            let mut damaged = payload;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(seal(at, 0, word, 7, &damaged), sound);
        }
    }
}
