//! What was accepted and is not written yet, and room for what is being put together. It knows no descriptor.
//!
//! ```text
//! bytes:   | written | owed              | open claim or batch | room
//!          0         done                accepted              end
//! ```
//!
//! A frame that a call had begun to write when its time was up is owed: the next call writes the rest first, so nothing is
//! torn. A stream's hello is owed from the beginning, and so goes with the first frame.

use super::layout::{GOODBYE, HELLO, WORD, header};

/// How much was accepted at a certain time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark(usize);

/// The bytes that are owed.
#[derive(Debug)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    done: usize,
    accepted: usize,
    end: usize,
}

impl Outbox {
    pub(super) fn new() -> Outbox {
        Outbox { bytes: HELLO.to_vec(), done: 0, accepted: WORD, end: WORD }
    }

    /// What is owed.
    pub(super) fn owed(&self) -> &[u8] {
        &self.bytes[self.done..self.accepted]
    }

    /// The first so many bytes of what is owed were written.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.done += bytes;
    }

    /// Forgets a claim or batch that was neither committed nor dropped.
    pub(super) fn begin(&mut self) {
        if self.done == self.accepted {
            self.done = 0;
            self.accepted = 0;
        }
        self.end = self.accepted;
    }

    /// Room for a message of `len` bytes behind what is there; it holds whatever was there before.
    pub(super) fn open(&mut self, len: usize) {
        self.end += WORD + len;
        if self.bytes.len() < self.end {
            self.bytes.resize(self.end, 0);
        }
    }

    /// The first `len` bytes of the claim.
    pub(super) fn payload(&self, len: usize) -> &[u8] {
        &self.bytes[self.accepted + WORD..][..len]
    }

    /// The first `len` bytes of the claim, to be filled.
    pub(super) fn payload_mut(&mut self, len: usize) -> &mut [u8] {
        &mut self.bytes[self.accepted + WORD..][..len]
    }

    /// How much is accepted now.
    pub(super) fn mark(&self) -> Mark {
        Mark(self.accepted)
    }

    /// Was anything written that was accepted behind the mark?
    pub(super) fn is_begun(&self, mark: Mark) -> bool {
        self.done > mark.0
    }

    /// What was accepted behind the mark was not, unless it is begun.
    pub(super) fn retract(&mut self, mark: Mark) {
        if !self.is_begun(mark) {
            self.accepted = mark.0;
            self.end = mark.0;
        }
    }

    /// Nobody will read what is owed.
    pub(super) fn forget(&mut self) {
        self.done = self.accepted;
    }

    /// Accepts the claim's first `len` bytes as a message.
    pub(super) fn commit(&mut self, len: usize, tag: u16) {
        self.bytes[self.accepted..][..WORD].copy_from_slice(&header(len, tag));
        self.accepted += WORD + len;
        self.end = self.accepted;
    }

    /// Appends a message to the batch.
    pub(super) fn push(&mut self, message: &[u8], tag: u16) {
        let at = self.end;
        self.open(message.len());
        self.bytes[at..][..WORD].copy_from_slice(&header(message.len(), tag));
        self.bytes[at + WORD..self.end].copy_from_slice(message);
    }

    /// Bytes of the batch.
    pub(super) fn open_len(&self) -> usize {
        self.end - self.accepted
    }

    /// Accepts the batch.
    pub(super) fn commit_all(&mut self) {
        self.accepted = self.end;
    }

    /// Accepts what is left of a frame whose beginning was written.
    pub(super) fn keep(&mut self, parts: [&[u8]; 2]) {
        self.begin();
        for part in parts {
            self.bytes.truncate(self.accepted);
            self.bytes.extend_from_slice(part);
            self.accepted += part.len();
        }
        self.end = self.accepted;
    }

    /// Accepts a goodbye.
    pub(super) fn say_goodbye(&mut self) {
        self.keep([&GOODBYE, &[]]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(outbox: &mut Outbox) -> Vec<u8> {
        let bytes = outbox.owed().to_vec();
        outbox.wrote(bytes.len());
        bytes
    }

    #[test]
    fn a_stream_begins_with_a_hello_and_ends_with_a_goodbye() {
        let mut outbox = Outbox::new();
        outbox.say_goodbye();
        assert_eq!(written(&mut outbox), [HELLO, GOODBYE].concat());
    }

    #[test]
    fn what_is_owed_comes_before_what_is_accepted_later() {
        let mut outbox = Outbox::new();
        outbox.wrote(5);
        outbox.keep([b"rest", b"of it"]);
        outbox.begin();
        outbox.open(3);
        outbox.payload_mut(3).copy_from_slice(b"abc");
        outbox.commit(2, 7);
        let expected = [&HELLO[5..], b"restof it", &header(2, 7), b"ab"].concat();
        assert_eq!(written(&mut outbox), expected);
    }

    #[test]
    fn what_is_not_begun_can_be_retracted() {
        let mut outbox = Outbox::new();
        for (writes, rest) in [(0, 8), (3, 5), (5, 0), (1, 18)] {
            outbox.begin();
            let mark = outbox.mark();
            outbox.push(b"0123456789a", 0);
            outbox.commit_all();
            outbox.wrote(writes);
            assert_eq!(outbox.is_begun(mark), rest == 18);
            outbox.retract(mark);
            assert_eq!(outbox.owed().len(), rest);
        }
        outbox.forget();
        assert!(outbox.owed().is_empty());
    }

    #[test]
    fn what_is_not_committed_is_forgotten() {
        let mut outbox = Outbox::new();
        written(&mut outbox);
        outbox.begin();
        outbox.push(b"leaked", 0);
        outbox.begin();
        outbox.open(100);
        outbox.begin();
        outbox.push(b"one", 1);
        outbox.push(b"", 2);
        assert_eq!(outbox.open_len(), 19);
        outbox.commit_all();
        assert_eq!(written(&mut outbox), [&header(3, 1), &b"one"[..], &header(0, 2)].concat());
        assert_eq!(outbox.open_len(), 0);
    }
}
