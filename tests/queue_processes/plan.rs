//! What a soak's ring is like and what its messages hold: everybody can tell, from a producer's number and a
//! message's serial, how long the message is and which bytes it has.

use ringway::mpmc::{Options, options};

use crate::common::random::Random;

/// Bytes of a message that say which one it is: its serial, as far as it is long enough.
const HEAD: usize = 8;
/// Participants of each role that the ring takes.
pub const PLACES: usize = 24;

/// A ring and its messages.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub slots: usize,
    pub slot_size: usize,
    /// Bytes of the shortest message.
    pub least: usize,
    pub at_most_once: bool,
}

impl Plan {
    pub fn text(&self) -> String {
        format!("{} {} {} {}", self.slots, self.slot_size, self.least, u8::from(self.at_most_once))
    }

    pub fn parse(text: &str) -> Plan {
        let numbers: Vec<usize> =
            text.split(' ').map(|number| number.parse().expect("a plan is numbers")).collect();
        let [slots, slot_size, least, at_most_once] = numbers[..] else { panic!("four numbers: {text}") };
        Plan { slots, slot_size, least, at_most_once: at_most_once == 1 }
    }

    pub fn options(&self) -> Options {
        let ring = options().slots(self.slots).slot_size(self.slot_size);
        ring.participants(PLACES).at_most_once(self.at_most_once)
    }

    /// How long the message `serial` of `producer` is: mostly short, now and then half the ring.
    pub fn length(&self, producer: u16, serial: u64) -> usize {
        let mut random = Random::new(seed(producer, serial));
        let largest = (self.slots / 2 * self.slot_size).max(48);
        let most = match random.below(100) {
            0..=39 => 48,
            40..=74 => 3 * self.slot_size,
            75..=97 => largest / 8,
            _ => largest,
        };
        random.between(self.least as u64, most.min(largest).max(self.least) as u64) as usize
    }
}

fn seed(producer: u16, serial: u64) -> u64 {
    Random::new(u64::from(producer) << 48 ^ serial).next()
}

/// The bytes behind the head.
fn words(producer: u16, serial: u64) -> impl Iterator<Item = [u8; 8]> {
    let mut word = seed(producer, serial) | 1;
    std::iter::repeat_with(move || {
        word = word.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        word.to_le_bytes()
    })
}

/// Writes the message `serial` of `producer`.
pub fn fill(message: &mut [u8], producer: u16, serial: u64) {
    let (head, rest) = message.split_at_mut(message.len().min(HEAD));
    head.copy_from_slice(&serial.to_le_bytes()[..head.len()]);
    for (bytes, word) in rest.chunks_mut(8).zip(words(producer, serial)) {
        bytes.copy_from_slice(&word[..bytes.len()]);
    }
}

/// As much of its serial as a message holds, and whether all its bytes are those of one message of `producer`.
pub fn check(message: &[u8], producer: u16) -> (u64, bool) {
    let (head, rest) = message.split_at(message.len().min(HEAD));
    let mut serial = [0; HEAD];
    serial[..head.len()].copy_from_slice(head);
    let serial = u64::from_le_bytes(serial);
    let mut pieces = rest.chunks(8).zip(words(producer, serial));
    (serial, pieces.all(|(bytes, word)| *bytes == word[..bytes.len()]))
}

/// As much of `serial` as a message of `length` bytes holds.
pub fn head_of(serial: u64, length: usize) -> u64 {
    let bits = 8 * length.min(HEAD) as u32;
    serial & u64::MAX.checked_shr(64 - bits).unwrap_or(0)
}

#[test]
fn a_message_says_which_one_it_is() {
    let mut message = [0; 77];
    for length in [0, 1, 7, 8, 9, 77] {
        let message = &mut message[..length];
        fill(message, 3, 0x0123_4567);
        assert_eq!(check(message, 3), (head_of(0x0123_4567, length), true));
    }
    message[76] ^= 1;
    assert!(!check(&message, 3).1);
    assert_eq!((head_of(0x0123, 1), head_of(0x0123, 8)), (0x23, 0x0123));
}
