//! An input, read from its beginning; behind its end there are zeros.

/// What is left of an input.
pub(super) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Input(data)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(super) fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    pub(super) fn word(&mut self) -> u64 {
        let mut word = [0; 8];
        let bytes = self.take(8);
        word[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(word)
    }

    /// A number less than `limit`, which is at most 65536.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        let low = u64::from(self.byte());
        if limit <= 256 { low % limit } else { (low | u64::from(self.byte()) << 8) % limit }
    }

    /// A script of lies, which stands in front with its length.
    pub(super) fn script(&mut self) -> &'a [u8] {
        let len = self.below(1 << 12);
        self.take(len as usize)
    }
}
