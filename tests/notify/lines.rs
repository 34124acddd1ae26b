//! Where participants have their lines in a ring's file, as the tests of liars write them.

use crate::kinds::Kind;

/// Where a line has its fields: part of the layout, so a change here is a new layout version.
pub const PID: u64 = 4;
pub const MARKS: u64 = 16;
pub const CALL: u64 = 24;
/// Bytes of a line.
pub const LEN: usize = 128;

/// The mark of one who sleeps.
pub const ASLEEP: u32 = 2;

/// The line of the `nth` consumer in a ring of such a kind, made by this binary's plan.
pub fn of_nth_consumer(kind: Kind, nth: u64) -> u64 {
    let places = if kind == Kind::Spsc { 1 } else { 4 };
    4096 + (places + nth) * LEN as u64
}

/// The line of the first consumer.
pub fn of_consumer(kind: Kind) -> u64 {
    of_nth_consumer(kind, 0)
}

/// What a line says of how to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    pub kind: u64,
    pub signal: u64,
    pub descriptor: u64,
    pub token: u64,
}

impl Call {
    pub fn of(word: u64) -> Call {
        Call { kind: word & 3, signal: word >> 2 & 127, descriptor: word >> 9 & 0x7f_ffff, token: word >> 32 }
    }

    pub fn word(self) -> u64 {
        self.kind | self.signal << 2 | self.descriptor << 9 | self.token << 32
    }
}
