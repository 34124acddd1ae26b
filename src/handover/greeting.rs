//! What goes over the socket beside the descriptor, byte by byte. All words are little-endian.
//!
//! ```text
//! 0    52 49 4e 47 48 41 4e 44       "RINGHAND"
//! 8    version of the greeting, 1
//! 12   kind of ring: 1 spsc, 2 mpmc
//! 16   role of the receiver: 1 producer, 2 consumer
//! 20   zero
//! ```

use super::socket::check_magic;
use crate::error::{Corrupt, HandoverError};
use crate::layout::{Kind, Role};

/// Bytes of a greeting.
pub(super) const LEN: usize = 24;

/// What a greeting begins with.
pub(super) const MAGIC: [u8; 8] = *b"RINGHAND";
/// The version of the greeting that this crate reads and writes.
const VERSION: u32 = 1;

/// What is handed over, and to be what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    pub(super) kind: Kind,
    pub(super) role: Role,
}

impl Greeting {
    pub(super) fn bytes(self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        let words = [VERSION, self.kind.number(), number(self.role)];
        for (place, word) in bytes[8..].chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    pub(super) fn read(bytes: &[u8; LEN]) -> Result<Greeting, HandoverError> {
        check_magic(bytes, &MAGIC)?;
        match word(bytes, 8) {
            VERSION => {}
            found => return Err(HandoverError::Version { found, expected: VERSION }),
        }
        let corrupt = |what, found: u32, allowed| Corrupt { what, found: found.into(), allowed };
        let kinds = [Kind::Spsc, Kind::Mpmc];
        let (kind, role, rest) = (word(bytes, 12), word(bytes, 16), word(bytes, 20));
        let kind = kinds
            .into_iter()
            .find(|known| known.number() == kind)
            .ok_or_else(|| corrupt("kind of ring in the greeting", kind, 2))?;
        let roles = [Role::Producer, Role::Consumer];
        let role = roles
            .into_iter()
            .find(|known| number(*known) == role)
            .ok_or_else(|| corrupt("role in the greeting", role, 2))?;
        if rest != 0 {
            return Err(corrupt("end of the greeting", rest, 0).into());
        }
        Ok(Greeting { kind, role })
    }
}

fn word(bytes: &[u8; LEN], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn number(role: Role) -> u32 {
    match role {
        Role::Producer => 1,
        Role::Consumer => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREETING: Greeting = Greeting { kind: Kind::Mpmc, role: Role::Consumer };

    #[test]
    fn greetings_come_back_as_they_went_out() {
        for kind in [Kind::Spsc, Kind::Mpmc] {
            for role in [Role::Producer, Role::Consumer] {
                let greeting = Greeting { kind, role };
                assert_eq!(Greeting::read(&greeting.bytes()).expect("a greeting"), greeting);
            }
        }
        assert_eq!(GREETING.bytes(), *b"RINGHAND\x01\0\0\0\x02\0\0\0\x02\0\0\0\0\0\0\0");
    }

    #[test]
    fn every_wrong_byte_is_refused_or_another_greeting() {
        for at in 0..LEN {
            let mut bytes = GREETING.bytes();
            bytes[at] ^= 0x80;
            let error = Greeting::read(&bytes).expect_err("a wrong byte");
            match at {
                0..8 => assert!(matches!(error, HandoverError::Foreign { .. }), "{error}"),
                8..12 => assert!(matches!(error, HandoverError::Version { expected: 1, .. }), "{error}"),
                _ => assert!(matches!(error, HandoverError::Corrupt(_)), "{error}"),
            }
        }
    }
}
