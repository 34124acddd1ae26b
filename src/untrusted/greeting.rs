//! What goes over the socket beside the descriptor of a half, in both directions. All words are little-endian.
//!
//! ```text
//! 0    52 49 4e 47 48 41 4c 46       "RINGHALF"
//! 8    version of the greeting and of the halves, 1
//! 12   role of the sender: 1 producer, 2 consumer
//! 16   1: the sender is registered with membarrier; else 0
//! 20   zero
//! 24   bytes of the ring, in 64 bits; of a consumer zero
//! ```

use crate::error::{Corrupt, HandoverError};
use crate::handover::socket::check_magic;
use crate::layout::{Role, halves};

/// Bytes of a greeting.
pub(super) const LEN: usize = 32;
/// What a greeting begins with.
pub(super) const MAGIC: [u8; 8] = *b"RINGHALF";
/// The version that this crate reads and writes.
const VERSION: u32 = 1;

/// What a side says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    pub(super) role: Role,
    pub(super) registered: bool,
    /// Bytes of the ring; of a consumer 0.
    pub(super) size: u64,
}

impl Greeting {
    pub(super) fn bytes(self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        let words = [VERSION, number(self.role), self.registered.into(), 0];
        for (place, word) in bytes[8..24].chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes[24..].copy_from_slice(&self.size.to_le_bytes());
        bytes
    }

    pub(super) fn read(bytes: &[u8; LEN]) -> Result<Greeting, HandoverError> {
        check_magic(bytes, &MAGIC)?;
        let corrupt = |what, found: u64, allowed| Err(Corrupt { what, found, allowed }.into());
        let (words, _) = bytes.as_chunks::<4>();
        let word = |at: usize| u32::from_le_bytes(words[at / 4]);
        let size = u64::from(word(28)) << 32 | u64::from(word(24));
        if word(8) != VERSION {
            return Err(HandoverError::Version { found: word(8), expected: VERSION });
        }
        let role = match word(12) {
            1 => Role::Producer,
            2 => Role::Consumer,
            other => return corrupt("role in the greeting", other.into(), 2),
        };
        if word(16) > 1 {
            return corrupt("membarrier in the greeting", word(16).into(), 1);
        }
        if word(20) != 0 {
            return corrupt("rest of the greeting", word(20).into(), 0);
        }
        match role {
            Role::Consumer if size != 0 => return corrupt("ring size in a consumer's greeting", size, 0),
            Role::Producer if !is_a_size(size) => {
                return corrupt("ring size in the greeting", size, halves::SIZE_MAX);
            }
            _ => {}
        }
        Ok(Greeting { role, registered: word(16) == 1, size })
    }
}

fn is_a_size(size: u64) -> bool {
    size.is_power_of_two() && (halves::SIZE_MIN..=halves::SIZE_MAX).contains(&size)
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

    const PRODUCER: Greeting = Greeting { role: Role::Producer, registered: true, size: 1 << 20 };
    const CONSUMER: Greeting = Greeting { role: Role::Consumer, registered: false, size: 0 };

    #[test]
    fn greetings_come_back_as_they_went_out() {
        for greeting in [PRODUCER, CONSUMER, Greeting { size: halves::SIZE_MAX, ..PRODUCER }] {
            assert_eq!(Greeting::read(&greeting.bytes()).expect("a greeting"), greeting);
        }
        assert_eq!(PRODUCER.bytes(), *b"RINGHALF\x01\0\0\0\x01\0\0\0\x01\0\0\0\0\0\0\0\0\0\x10\0\0\0\0\0");
    }

    #[test]
    fn every_wrong_byte_is_refused() {
        for greeting in [PRODUCER, CONSUMER] {
            for at in 0..LEN {
                let mut bytes = greeting.bytes();
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
}
