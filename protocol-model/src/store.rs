//! The set of all states seen, numbered in the order in which they were found.
//!
//! States lie one behind the other in pages that never move, and a table of their numbers finds them: a state is
//! known exactly if its bytes are equal, no fingerprint stands in for it.

/// States of a page.
const PAGE: usize = 1 << 12;

/// Numbered runs of bytes, all of one length, each present once.
pub struct Store {
    stride: usize,
    len: usize,
    pages: Vec<Vec<u8>>,
    /// A power of two of places; 0: empty, otherwise one more than a state's number.
    table: Vec<u32>,
}

impl Store {
    /// A store of runs of `stride` bytes.
    pub fn new(stride: usize) -> Store {
        Store { stride, len: 0, pages: vec![], table: vec![0; 1 << 12] }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The bytes of the one with this number.
    pub fn get(&self, number: u32) -> &[u8] {
        let start = number as usize % PAGE * self.stride;
        &self.pages[number as usize / PAGE][start..start + self.stride]
    }

    /// The number of `bytes`, and whether they are new.
    pub fn insert(&mut self, bytes: &[u8]) -> (u32, bool) {
        if self.len * 10 >= self.table.len() * 7 {
            self.grow();
        }
        let place = self.place(bytes);
        if self.table[place] != 0 {
            return (self.table[place] - 1, false);
        }
        if self.len.is_multiple_of(PAGE) {
            self.pages.push(Vec::with_capacity(PAGE * self.stride));
        }
        self.pages[self.len / PAGE].extend_from_slice(bytes);
        self.len += 1;
        self.table[place] = self.len as u32;
        (self.len as u32 - 1, true)
    }

    /// Where `bytes` are in the table, or would be.
    fn place(&self, bytes: &[u8]) -> usize {
        let mask = self.table.len() - 1;
        let mut place = hash(bytes) as usize & mask;
        while self.table[place] != 0 && self.get(self.table[place] - 1) != bytes {
            place = (place + 1) & mask;
        }
        place
    }

    fn grow(&mut self) {
        self.table = vec![0; self.table.len() * 2];
        for number in 0..self.len as u32 {
            let mask = self.table.len() - 1;
            let mut place = hash(self.get(number)) as usize & mask;
            while self.table[place] != 0 {
                place = (place + 1) & mask;
            }
            self.table[place] = number + 1;
        }
    }
}

/// Spreads the bytes over 64 bits; only the speed depends on how well.
fn hash(bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut hash = 0_u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = (hash.rotate_left(23) ^ u64::from_le_bytes(word)).wrapping_mul(FACTOR);
        hash ^= hash >> 29;
    }
    hash ^ hash >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_run_is_stored_once_and_found_again() {
        let mut store = Store::new(3);
        let run = |number: u32| [number as u8, (number >> 8) as u8, 7];
        for number in 0..3 * PAGE as u32 {
            assert_eq!(store.insert(&run(number)), (number, true));
        }
        for number in (0..3 * PAGE as u32).rev() {
            assert_eq!(store.insert(&run(number)), (number, false));
            assert_eq!(store.get(number), run(number));
        }
        assert_eq!(store.len(), 3 * PAGE);
    }
}
