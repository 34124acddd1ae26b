//! How a byte stream becomes messages and comes back: pure, no input or output.
//!
//! | framing | a message is | written back as |
//! |---|---|---|
//! | chunk | what one read gave | itself |
//! | lines | a line without its newline | itself and a newline, unless tagged [`UNTERMINATED`] |
//! | length-prefixed | what its four length bytes announce | its length, then itself |

use memchr::memchr;
use thiserror::Error;

/// Bit of the tag that marks a last line that had no newline, so that the receiver adds none. An empty message with this
/// mark is written as nothing in every framing: it stands for an empty stream whose receiver has not come yet.
pub const UNTERMINATED: u16 = 1 << 15;

/// Bytes of a length prefix.
pub const PREFIX: usize = size_of::<u32>();

/// How a stream is cut into messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Pieces of at most this many bytes; `None` leaves the choice to the ring.
    Chunk(Option<usize>),
    /// Lines.
    Lines,
    /// Messages that follow their length.
    LengthPrefixed,
}

/// One message found at the front of the input.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The message.
    pub payload: &'a [u8],
    /// What the framing adds to its tag.
    pub mark: u16,
    /// Bytes of input that it took.
    pub consumed: usize,
}

/// Why the input cannot be cut into messages.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FramingError {
    /// A message is larger than the ring takes.
    #[error(
        "standard input holds a message of {len} bytes or more and the ring takes {largest}; create the ring with a larger --size"
    )]
    TooLong {
        /// Bytes seen or announced.
        len: usize,
        /// Bytes of the largest message.
        largest: usize,
    },
    /// The input ended inside a message.
    #[error("standard input ended inside a message: {found} of {expected} bytes; is it length-prefixed?")]
    Truncated {
        /// Bytes there were, with the prefix.
        found: usize,
        /// Bytes there should have been, with the prefix.
        expected: usize,
    },
}

/// Finds messages in the input, one after the other.
#[derive(Debug)]
pub struct Splitter {
    kind: SplitKind,
    largest: usize,
}

/// What a [`Splitter`] looks for.
#[derive(Debug)]
enum SplitKind {
    /// Newlines; the first `clean` bytes of the input were searched and hold none.
    Lines { clean: usize },
    /// Length prefixes.
    LengthPrefixed,
}

impl Splitter {
    /// Finds lines of at most `largest` bytes.
    pub fn lines(largest: usize) -> Self {
        Self { kind: SplitKind::Lines { clean: 0 }, largest }
    }

    /// Finds length-prefixed messages of at most `largest` bytes.
    pub fn length_prefixed(largest: usize) -> Self {
        Self { kind: SplitKind::LengthPrefixed, largest }
    }

    /// The message at the front of `input`, or `None` if it is not all there yet.
    /// Between two calls `input` may lose a message that was returned, and grow at its end.
    pub fn next<'a>(&mut self, input: &'a [u8], ended: bool) -> Result<Option<Frame<'a>>, FramingError> {
        match &mut self.kind {
            SplitKind::Lines { clean } => next_line(input, clean, self.largest, ended),
            SplitKind::LengthPrefixed => next_prefixed(input, self.largest, ended),
        }
    }
}

/// The line at the front of `input`, of which the first `clean` bytes hold no newline.
fn next_line<'a>(
    input: &'a [u8],
    clean: &mut usize,
    largest: usize,
    ended: bool,
) -> Result<Option<Frame<'a>>, FramingError> {
    let newline = memchr(b'\n', &input[*clean..]).map(|at| *clean + at);
    let len = newline.unwrap_or(input.len());
    if len > largest {
        return Err(FramingError::TooLong { len, largest });
    }
    let (mark, consumed) = match newline {
        Some(at) => (0, at + 1),
        None if ended && len > 0 => (UNTERMINATED, len),
        None => {
            *clean = len;
            return Ok(None);
        }
    };
    *clean = 0;
    Ok(Some(Frame { payload: &input[..len], mark, consumed }))
}

/// The length-prefixed message at the front of `input`.
fn next_prefixed(input: &[u8], largest: usize, ended: bool) -> Result<Option<Frame<'_>>, FramingError> {
    let Some((prefix, rest)) = input.split_first_chunk::<PREFIX>() else {
        return match input.len() {
            found @ 1.. if ended => Err(FramingError::Truncated { found, expected: PREFIX }),
            _ => Ok(None),
        };
    };
    let len = u32::from_le_bytes(*prefix) as usize;
    if len > largest {
        return Err(FramingError::TooLong { len, largest });
    }
    match rest.get(..len) {
        Some(payload) => Ok(Some(Frame { payload, mark: 0, consumed: PREFIX + len })),
        None if ended => Err(FramingError::Truncated { found: input.len(), expected: PREFIX + len }),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every message of `input`, which arrives `step` bytes at a time.
    fn split(mut splitter: Splitter, input: &[u8], step: usize) -> Result<Vec<(Vec<u8>, u16)>, FramingError> {
        let (mut frames, mut start, mut end) = (Vec::new(), 0, 0);
        loop {
            let ended = end == input.len();
            while let Some(frame) = splitter.next(&input[start..end], ended)? {
                frames.push((frame.payload.to_vec(), frame.mark));
                start += frame.consumed;
            }
            if ended {
                return Ok(frames);
            }
            end = (end + step).min(input.len());
        }
    }

    fn line(text: &str, mark: u16) -> (Vec<u8>, u16) {
        (text.as_bytes().to_vec(), mark)
    }

    #[test]
    fn lines_do_not_depend_on_how_the_input_arrives() {
        for step in 1..12 {
            let frames = split(Splitter::lines(8), b"one\n\n\ntwo\nlast", step);
            assert_eq!(
                frames,
                Ok(vec![
                    line("one", 0),
                    line("", 0),
                    line("", 0),
                    line("two", 0),
                    line("last", UNTERMINATED)
                ])
            );
            assert_eq!(split(Splitter::lines(8), b"a\n", step), Ok(vec![line("a", 0)]));
            assert_eq!(split(Splitter::lines(8), b"", step), Ok(vec![]));
        }
    }

    #[test]
    fn a_line_longer_than_the_ring_takes_is_refused_before_its_end() {
        assert_eq!(split(Splitter::lines(4), b"12345", 5), Err(FramingError::TooLong { len: 5, largest: 4 }));
        assert_eq!(split(Splitter::lines(5), b"12345\n", 5), Ok(vec![line("12345", 0)]));
    }

    #[test]
    fn prefixed_messages_do_not_depend_on_how_the_input_arrives() {
        let input =
            [&3u32.to_le_bytes()[..], b"abc", &0u32.to_le_bytes(), &1u32.to_le_bytes(), b"d"].concat();
        for step in 1..20 {
            let frames = split(Splitter::length_prefixed(8), &input, step);
            assert_eq!(frames, Ok(vec![line("abc", 0), line("", 0), line("d", 0)]));
        }
    }

    #[test]
    fn input_that_ends_inside_a_message_is_an_error() {
        let input = [&3u32.to_le_bytes()[..], b"ab"].concat();
        assert_eq!(
            split(Splitter::length_prefixed(8), &input, 2),
            Err(FramingError::Truncated { found: 6, expected: 7 })
        );
        assert_eq!(
            split(Splitter::length_prefixed(8), &input[..2], 2),
            Err(FramingError::Truncated { found: 2, expected: 4 })
        );
        assert_eq!(
            split(Splitter::length_prefixed(2), &input, 9),
            Err(FramingError::TooLong { len: 3, largest: 2 })
        );
    }
}
