//! Messages that describe themselves: number, length, and a pattern that follows from both.

/// Bytes before the pattern.
const HEAD: usize = 4;

/// The message `number` of `len` bytes, at least four.
pub fn payload(number: u16, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len);
    bytes.extend(number.to_le_bytes());
    bytes.extend((len as u16).to_le_bytes());
    bytes.extend((HEAD..len).map(|at| pattern(number, at)));
    bytes
}

fn pattern(number: u16, at: usize) -> u8 {
    (number as u8).wrapping_mul(31).wrapping_add((at as u8).wrapping_mul(7)) ^ (number >> 8) as u8
}

/// The number of a message; `None`: it is not whole.
pub fn read(bytes: &[u8]) -> Option<u16> {
    let [n0, n1, l0, l1, rest @ ..] = bytes else {
        return None;
    };
    let number = u16::from_le_bytes([*n0, *n1]);
    let whole = usize::from(u16::from_le_bytes([*l0, *l1])) == bytes.len()
        && rest.iter().enumerate().all(|(at, byte)| *byte == pattern(number, at + HEAD));
    whole.then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_back_and_a_torn_one_does_not() {
        for (number, len) in [(1, 4), (700, 5), (65_000, 300)] {
            let bytes = payload(number, len);
            assert_eq!(read(&bytes), Some(number));
            assert_eq!(read(&bytes[..len - 1]), None);
            for at in 0..len {
                let mut torn = bytes.clone();
                torn[at] ^= 0x40;
                assert_ne!(read(&torn), Some(number), "byte {at} of {len}");
            }
        }
        assert_eq!(read(&[]), None);
    }
}
