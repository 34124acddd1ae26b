//! The record: an 8-byte header word, then the payload, padded to the ring's alignment.
//!
//! ```text
//!  63      56 55      48 47              32 31                             0
//! +----------+----------+------------------+--------------------------------+
//! |    0     |   kind   |       tag        |         payload length         |
//! +----------+----------+------------------+--------------------------------+
//! ```
//!
//! The word zero means "not committed yet": a kind is never zero. A padding record has the length that makes
//! it reach the end of the ring. A sealed message, of a durable ring, ends with a checksum. In a stream of bytes a record
//! is called a frame, and is not padded. Everything here is pure: it knows words and lengths, no memory.

mod seal;

use crate::error::Corrupt;
pub(crate) use seal::{number_of, seal, seal_at, sealed_footprint};

/// Bytes of a record's header.
pub(crate) const HEADER: u64 = 8;

/// The header word of a record that is not committed.
pub(crate) const UNCOMMITTED: u64 = 0;

/// `kind` (with the reserved byte) of a record that carries a message.
const MESSAGE: u64 = 1;
/// `kind` of a record that fills the rest of the ring before its end.
const PADDING: u64 = 2;
/// `kind` of a record that carries a message and a seal.
const SEALED: u64 = 3;
/// `kind` of a record that fills the rest of a durable ring before its end.
const SEALED_PADDING: u64 = 4;
/// `kind` of a stream's last frame, by which its producer says goodbye; a ring has none.
const GOODBYE_KIND: u64 = 5;

/// The header word of a goodbye.
pub(crate) const GOODBYE: u64 = GOODBYE_KIND << 48;

/// A committed header word, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// A message of `len` bytes.
    Message { len: u64, tag: u16 },
    /// Nothing until the end of the ring, `len` bytes after this header.
    Padding { len: u64 },
    /// A message of `len` bytes, and behind it a seal.
    Sealed { len: u64, tag: u16 },
    /// Nothing until the end of the ring, and then the message with this number.
    SealedPadding { number: u32 },
}

/// The header word of a message of `len` bytes.
#[inline(always)]
pub(crate) fn message(len: u64, tag: u16) -> u64 {
    debug_assert!(len <= u64::from(u32::MAX));
    len | u64::from(tag) << 32 | MESSAGE << 48
}

/// The header word of a message of `len` bytes with a seal.
#[inline(always)]
pub(crate) fn sealed(len: u64, tag: u16) -> u64 {
    debug_assert!(len <= u64::from(u32::MAX));
    len | u64::from(tag) << 32 | SEALED << 48
}

/// The header word of a padding record of `footprint` bytes, header included.
#[inline(always)]
pub(crate) fn padding(footprint: u64) -> u64 {
    (footprint - HEADER) | PADDING << 48
}

/// The header word of padding until the end of a durable ring, in front of the message with this number.
#[inline(always)]
pub(crate) fn sealed_padding(number: u32) -> u64 {
    u64::from(number) | SEALED_PADDING << 48
}

/// Length and tag, if the word is that of a message.
#[inline(always)]
pub(crate) fn as_message(word: u64) -> Option<(u64, u16)> {
    (word >> 48 == MESSAGE).then_some((word & u64::from(u32::MAX), (word >> 32) as u16))
}

/// Takes a committed word apart.
#[inline(always)]
pub(crate) fn parse(word: u64) -> Result<Record, Corrupt> {
    let len = word & u64::from(u32::MAX);
    match word >> 48 {
        MESSAGE => Ok(Record::Message { len, tag: (word >> 32) as u16 }),
        PADDING => Ok(Record::Padding { len }),
        SEALED => Ok(Record::Sealed { len, tag: (word >> 32) as u16 }),
        SEALED_PADDING => Ok(Record::SealedPadding { number: len as u32 }),
        found => Err(Corrupt { what: "record kind", found, allowed: SEALED_PADDING }),
    }
}

/// Bytes that a record with `len` bytes of payload takes in a ring whose records are aligned to `align`, a
/// power of two.
#[inline(always)]
pub(crate) fn footprint(len: u64, align: u64) -> u64 {
    Footprint::new(align).of(len)
}

/// The [`footprint`] of every length, with what they have in common worked out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Footprint {
    /// What is added to the length before it is rounded down.
    more: u64,
    /// The bits that are left of it.
    mask: u64,
}

impl Footprint {
    /// In a ring whose records are aligned to `align`, a power of two.
    #[inline(always)]
    pub(crate) fn new(align: u64) -> Footprint {
        Footprint { more: HEADER + (align - 1), mask: !(align - 1) }
    }

    /// Bytes that a record with `len` bytes of payload takes.
    #[inline(always)]
    pub(crate) fn of(self, len: u64) -> u64 {
        (len + self.more) & self.mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_as_they_went_in() {
        for (len, tag) in [(0, 0), (1, 7), (u64::from(u32::MAX), u16::MAX)] {
            assert_ne!(message(len, tag), UNCOMMITTED);
            assert_eq!(parse(message(len, tag)), Ok(Record::Message { len, tag }));
            assert_eq!(parse(sealed(len, tag)), Ok(Record::Sealed { len, tag }));
        }
        assert_eq!(parse(padding(8)), Ok(Record::Padding { len: 0 }));
        assert_eq!(parse(padding(64)), Ok(Record::Padding { len: 56 }));
        assert_eq!(parse(sealed_padding(u32::MAX)), Ok(Record::SealedPadding { number: u32::MAX }));
    }

    #[test]
    fn a_word_of_no_known_kind_is_corrupt() {
        for word in [1, 5 << 48, 1 << 56 | message(4, 0), u64::MAX] {
            assert_eq!(parse(word).map_err(|corrupt| corrupt.what), Err("record kind"), "{word:#x}");
        }
    }

    #[test]
    fn a_record_is_padded_to_the_alignment() {
        assert_eq!(footprint(0, 8), 8);
        assert_eq!(footprint(1, 8), 16);
        assert_eq!(footprint(56, 8), 64);
        assert_eq!(footprint(57, 64), 128);
    }
}
