//! What has arrived and was not taken yet: bytes in, messages out. It knows no descriptor.
//!
//! One buffer. A read goes behind what is there, and takes the next frames along, so that many small messages come with
//! one system call. Of a frame that is known to be large only the rest is read: so a large message is read to where
//! it is handed out from, nothing has to be moved, and the next frame begins at the front. There its pages in the pipe
//! and in the buffer are aligned alike, without which copying 64 KiB takes 8 % longer.
//!
//! The buffer grows when bytes that really arrived have filled it, to twice its size at most, and never beyond the largest
//! frame and [`AHEAD`]: a length in a header allocates nothing.

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes};

use super::layout::{self, Header, WORD};
use crate::error::Corrupt;
use crate::seq::Seq;

/// Bytes that a read may take beyond the frame that it is for.
const AHEAD: usize = 64 << 10;
/// Bytes of the buffer at first.
const INITIAL: usize = 2 * AHEAD;
/// Bytes that may be moved to the front before a read; a frame of which more is there, or missing, is large.
const TRIFLE: usize = 4096;
/// Bytes of a page.
const PAGE: usize = 4096;

/// A page of the buffer.
#[derive(Clone, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C, align(4096))]
struct Page([u8; PAGE]);

/// A message in the buffer, or where it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    at: usize,
    len: usize,
    pub(super) tag: u16,
    /// Where its frame begins in the stream.
    pub(super) sequence: Seq,
}

/// What lies in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A message.
    Message(Found),
    /// Its producer's goodbye.
    Goodbye,
    /// Nothing whole yet.
    Nothing,
}

/// The bytes that have arrived and were not taken.
#[derive(Debug)]
pub(super) struct Inbox {
    pages: Vec<Page>,
    start: usize,
    end: usize,
    /// Where `start` is in the stream.
    position: Seq,
    /// Was the stream's hello taken?
    begun: bool,
    largest: usize,
}

impl Inbox {
    pub(super) fn new(largest: usize) -> Inbox {
        Inbox { pages: Vec::new(), start: 0, end: 0, position: Seq(0), begun: false, largest }
    }

    pub(super) fn largest(&self) -> usize {
        self.largest
    }

    /// Takes what lies in front, unless it is not whole. A corrupt word stays.
    pub(super) fn take(&mut self) -> Result<Next, Corrupt> {
        let next = self.look()?;
        match next {
            Next::Message(found) => self.pass(WORD + found.len),
            Next::Goodbye => {
                self.pass(WORD);
                self.begun = false;
            }
            Next::Nothing => {}
        }
        Ok(next)
    }

    /// What lies in front. Takes the hello of a stream, and nothing else.
    pub(super) fn look(&mut self) -> Result<Next, Corrupt> {
        if !self.begun {
            let Some(word) = self.word() else { return Ok(Next::Nothing) };
            layout::check_hello(word)?;
            self.pass(WORD);
            self.begun = true;
        }
        let Some(word) = self.word() else { return Ok(Next::Nothing) };
        Ok(match layout::read(word, self.largest)? {
            Header::Message { len, tag } if WORD + len <= self.held() => {
                Next::Message(Found { at: self.start + WORD, len, tag, sequence: self.position })
            }
            Header::Message { .. } => Next::Nothing,
            Header::Goodbye => Next::Goodbye,
        })
    }

    /// The bytes of the message that was taken last.
    pub(super) fn payload(&self, found: &Found) -> &[u8] {
        &self.pages.as_bytes()[found.at..found.at + found.len]
    }

    /// Where the next bytes are to be read to; never empty. What was taken may be written over.
    pub(super) fn room(&mut self) -> &mut [u8] {
        let frame = self.frame();
        self.make_room(frame);
        let missing = frame.saturating_sub(self.held());
        let is_large = self.held().max(missing) > TRIFLE;
        let wanted = if is_large { missing.max(1) } else { missing + AHEAD };
        let to = self.len().min(self.end + wanted);
        &mut self.pages.as_mut_bytes()[self.end..to]
    }

    /// So many bytes were read to the room.
    pub(super) fn arrived(&mut self, bytes: usize) {
        self.end += bytes;
    }

    /// Has a stream begun, or at least something come?
    pub(super) fn is_under_way(&self) -> bool {
        self.begun || self.held() > 0
    }

    /// Nothing more comes. What is not whole is thrown away, and another stream may begin. `true`: this one was under way.
    pub(super) fn cut(&mut self) -> bool {
        let cut = self.is_under_way();
        self.pass(self.held());
        self.begun = false;
        cut
    }

    /// Makes room behind what is there, of which the first `frame` bytes belong together.
    fn make_room(&mut self, frame: usize) {
        if self.held() <= TRIFLE || self.start + frame > self.len() {
            self.pages.as_mut_bytes().copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.len() {
            let most = self.largest.saturating_add(WORD + AHEAD).max(INITIAL);
            let pages = (2 * self.end).clamp(INITIAL, most).div_ceil(PAGE);
            self.pages.resize(pages, Page::new_zeroed());
        }
    }

    /// Bytes of the frame in front, as far as they are known.
    fn frame(&self) -> usize {
        let header = self.word().filter(|_| self.begun).map(|word| layout::read(word, self.largest));
        match header {
            Some(Ok(Header::Message { len, .. })) => WORD + len,
            _ => WORD,
        }
    }

    /// The word in front.
    fn word(&self) -> Option<[u8; WORD]> {
        self.pages.as_bytes()[self.start..self.end].first_chunk().copied()
    }

    /// Bytes of the buffer.
    fn len(&self) -> usize {
        self.pages.len() * PAGE
    }

    /// Bytes that are there.
    fn held(&self) -> usize {
        self.end - self.start
    }

    fn pass(&mut self, bytes: usize) {
        self.start += bytes;
        self.position = self.position.after(bytes as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream of messages of these lengths, message `k` filled with `k`.
    fn stream(lens: &[usize]) -> Vec<u8> {
        let mut bytes = layout::HELLO.to_vec();
        for (k, len) in lens.iter().enumerate() {
            bytes.extend(layout::header(*len, k as u16));
            bytes.extend(vec![k as u8; *len]);
        }
        bytes.extend(layout::GOODBYE);
        bytes
    }

    /// Feeds a stream in pieces of at most `piece` bytes; the lengths of what came out.
    fn feed(inbox: &mut Inbox, mut bytes: &[u8], piece: usize) -> Vec<usize> {
        let (mut lens, mut sequence) = (Vec::new(), None);
        loop {
            match inbox.take().expect("sound") {
                Next::Message(found) => {
                    assert_eq!(usize::from(found.tag), lens.len() % 65536);
                    assert!(inbox.payload(&found).iter().all(|byte| *byte == found.tag as u8));
                    assert!(sequence.is_none_or(|last| found.sequence.since(last) < 1 << 32));
                    sequence = Some(found.sequence);
                    lens.push(found.len);
                }
                Next::Goodbye => return lens,
                Next::Nothing => {
                    let room = inbox.room();
                    let count = room.len().min(piece).min(bytes.len());
                    assert!(count > 0, "a goodbye before the bytes end, and always room");
                    room[..count].copy_from_slice(&bytes[..count]);
                    bytes = &bytes[count..];
                    inbox.arrived(count);
                }
            }
        }
    }

    #[test]
    fn messages_come_out_whole_however_they_arrive() {
        let lens = [0, 1, 7, 8, 9, 5000, 0, 65536, 65528, 3, 300_000, 1, 700_000, 262_144, 12];
        for piece in [1, 7, 4096, 65536, usize::MAX] {
            let mut inbox = Inbox::new(1 << 20);
            assert_eq!(feed(&mut inbox, &stream(&lens), piece), lens, "pieces of {piece}");
            assert_eq!(feed(&mut inbox, &stream(&lens), piece), lens, "another stream");
        }
    }

    #[test]
    fn the_buffer_is_bounded_and_a_length_allocates_nothing() {
        let mut inbox = Inbox::new(1 << 30);
        let mut claim = layout::HELLO.to_vec();
        claim.extend(layout::header(1 << 30, 0));
        inbox.room()[..16].copy_from_slice(&claim);
        inbox.arrived(16);
        assert_eq!(inbox.take(), Ok(Next::Nothing));
        for _ in 0..20 {
            assert!(!inbox.room().is_empty());
            assert!(inbox.len() <= INITIAL.max(2 * inbox.end));
            let count = inbox.room().len();
            inbox.arrived(count);
        }
        let mut inbox = Inbox::new(1000);
        feed(&mut inbox, &stream(&[1000; 5000]), usize::MAX);
        assert_eq!(inbox.len(), INITIAL);
    }

    #[test]
    fn a_corrupt_word_is_met_again() {
        for bytes in [&b"GET / HTTP/1.1\r\n"[..], &[&layout::HELLO[..], &[0; 8]].concat()] {
            let mut inbox = Inbox::new(1000);
            inbox.room()[..bytes.len()].copy_from_slice(bytes);
            inbox.arrived(bytes.len());
            let first = inbox.take().expect_err("corrupt");
            assert_eq!(inbox.take(), Err(first));
        }
    }

    #[test]
    fn what_was_cut_off_is_forgotten() {
        let mut inbox = Inbox::new(1000);
        assert!(!inbox.cut());
        let torn = &stream(&[500])[..100];
        inbox.room()[..100].copy_from_slice(torn);
        inbox.arrived(100);
        assert_eq!(inbox.take(), Ok(Next::Nothing));
        assert!(inbox.cut());
        assert!(!inbox.cut());
        assert_eq!(feed(&mut inbox, &stream(&[3]), 5), [3]);
    }
}
