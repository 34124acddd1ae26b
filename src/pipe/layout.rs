//! What a stream looks like, byte by byte. All words are little-endian.
//!
//! ```text
//! hello      52 49 4e 47 57 41 59 01       "RINGWAY" and the stream's version, 1
//! frame      header word, then its payload; frames follow one another without padding
//! goodbye    header word of kind 5 with length and tag 0
//! ```
//!
//! The header word is that of `frame`: payload length in bits 0 to 31, tag in 32 to 47, kind (1: a message) in 48
//! to 55, zero above. The hello tells frames from bytes that never were any; the goodbye tells a producer that left from
//! one that died. Behind a goodbye may come another hello: several producers may take turns at one pipe.
//!
//! A length is checked against the largest message before anything is made of it.

use crate::error::Corrupt;
use crate::frame;

/// Bytes of a hello, of a header, and of a goodbye.
pub(super) const WORD: usize = frame::HEADER as usize;

/// What a stream begins with.
pub(super) const HELLO: [u8; WORD] = *b"RINGWAY\x01";

/// What a stream ends with.
pub(super) const GOODBYE: [u8; WORD] = frame::GOODBYE.to_le_bytes();

/// What a header announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// A message of `len` bytes.
    Message { len: usize, tag: u16 },
    /// The end.
    Goodbye,
}

/// The header of a message of `len` bytes, which is no more than the largest.
pub(super) fn header(len: usize, tag: u16) -> [u8; WORD] {
    frame::message(len as u64, tag).to_le_bytes()
}

/// Takes a header apart.
pub(super) fn read(bytes: [u8; WORD], largest: usize) -> Result<Header, Corrupt> {
    let word = u64::from_le_bytes(bytes);
    match frame::as_message(word) {
        Some((len, tag)) if len <= largest as u64 => Ok(Header::Message { len: len as usize, tag }),
        Some((len, _)) => Err(Corrupt { what: "frame length", found: len, allowed: largest as u64 }),
        None if word == frame::GOODBYE => Ok(Header::Goodbye),
        None => Err(Corrupt { what: "frame header", found: word, allowed: frame::GOODBYE }),
    }
}

/// Is this how a stream begins?
pub(super) fn check_hello(bytes: [u8; WORD]) -> Result<(), Corrupt> {
    if bytes == HELLO {
        return Ok(());
    }
    let (found, allowed) = (u64::from_le_bytes(bytes), u64::from_le_bytes(HELLO));
    Err(Corrupt { what: "beginning of the stream", found, allowed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_as_they_went_in() {
        for (len, tag) in [(0, 0), (1, 7), (1 << 24, u16::MAX)] {
            assert_eq!(read(header(len, tag), 1 << 24), Ok(Header::Message { len, tag }));
        }
        assert_eq!(read(GOODBYE, 0), Ok(Header::Goodbye));
        assert_eq!(header(0x0102, 0x0304), [2, 1, 0, 0, 4, 3, 1, 0]);
    }

    #[test]
    fn what_is_no_header_is_corrupt() {
        for bytes in [[0; 8], HELLO, [1, 0, 0, 0, 0, 0, 5, 0], [0, 0, 0, 0, 0, 0, 1, 1], [0xff; 8]] {
            assert_eq!(read(bytes, 100).map_err(|corrupt| corrupt.what), Err("frame header"), "{bytes:?}");
        }
        assert_eq!(
            read(header(101, 0), 100),
            Err(Corrupt { what: "frame length", found: 101, allowed: 100 })
        );
    }

    #[test]
    fn a_hello_of_another_version_is_none() {
        assert_eq!(check_hello(HELLO), Ok(()));
        assert!(check_hello(*b"RINGWAY\x02").is_err());
        assert!(check_hello(*b"\x01YAWGNIR").is_err());
    }
}
