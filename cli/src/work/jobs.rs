//! How standard input becomes jobs: pure, no input or output.

use memchr::memchr;

use super::args::JobFraming;
use crate::framing::{Frame, FramingError, Splitter};

/// Finds jobs in the input, one after the other, and counts them.
#[derive(Debug)]
pub struct Jobs {
    kind: Kind,
    largest: usize,
    /// Jobs found.
    found: u64,
}

/// What a job is.
#[derive(Debug)]
enum Kind {
    /// A line.
    Line(Splitter),
    /// What follows its length.
    Prefixed(Splitter),
    /// All of the input.
    Whole,
}

/// Why the input cannot become jobs.
#[derive(Debug, PartialEq, Eq)]
pub enum BadInput {
    /// A job is larger than the queue takes.
    TooLong {
        /// Which: `line 3 of standard input`.
        which: String,
        /// Its bytes, as far as they are known.
        len: usize,
        /// Is that all of it?
        exact: bool,
    },
    /// The input ended inside a job.
    Truncated(FramingError),
}

impl Jobs {
    /// Finds jobs of at most `largest` bytes.
    pub fn new(framing: JobFraming, largest: usize) -> Self {
        let kind = match (framing.lines, framing.length_prefixed) {
            (true, _) => Kind::Line(Splitter::lines(largest)),
            (_, true) => Kind::Prefixed(Splitter::length_prefixed(largest)),
            _ => Kind::Whole,
        };
        Self { kind, largest, found: 0 }
    }

    /// The job at the front of `input`, or `None` if it is not all there yet. What was returned is taken from the front
    /// of `input` before the next call, or [`put_back`](Jobs::put_back).
    pub fn next<'a>(&mut self, input: &'a [u8], ended: bool) -> Result<Option<Frame<'a>>, BadInput> {
        let next = match &mut self.kind {
            Kind::Line(splitter) | Kind::Prefixed(splitter) => splitter.next(input, ended),
            Kind::Whole => whole(input, self.largest, ended),
        };
        let next = next.map_err(|error| self.explain(error, input))?;
        self.found += u64::from(next.is_some());
        Ok(next)
    }

    /// The job that was returned last stays in the input.
    pub fn put_back(&mut self) {
        self.found -= 1;
    }

    fn explain(&self, error: FramingError, input: &[u8]) -> BadInput {
        let FramingError::TooLong { len, .. } = error else {
            return BadInput::Truncated(error);
        };
        let number = self.found + 1;
        let (which, exact) = match self.kind {
            Kind::Line(_) => (format!("line {number} of standard input"), memchr(b'\n', input).is_some()),
            Kind::Prefixed(_) => (format!("job {number} of standard input"), true),
            Kind::Whole => ("standard input".to_owned(), false),
        };
        BadInput::TooLong { which, len, exact }
    }
}

/// The only job of an input; one that is empty has none.
fn whole(input: &[u8], largest: usize, ended: bool) -> Result<Option<Frame<'_>>, FramingError> {
    match input.len() {
        len if len > largest => Err(FramingError::TooLong { len, largest }),
        consumed @ 1.. if ended => Ok(Some(Frame { payload: input, mark: 0, consumed })),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: JobFraming = JobFraming { lines: true, length_prefixed: false };
    const PREFIXED: JobFraming = JobFraming { lines: false, length_prefixed: true };
    const WHOLE: JobFraming = JobFraming { lines: false, length_prefixed: false };

    #[test]
    fn the_whole_input_is_one_job_and_an_empty_one_none() {
        let mut jobs = Jobs::new(WHOLE, 8);
        assert_eq!(jobs.next(b"one\ntwo", false), Ok(None));
        let frame = jobs.next(b"one\ntwo", true).expect("it fits").expect("a job");
        assert_eq!((frame.payload, frame.consumed, jobs.found), (&b"one\ntwo"[..], 7, 1));
        assert_eq!(Jobs::new(WHOLE, 8).next(b"", true), Ok(None));
    }

    #[test]
    fn a_job_that_does_not_fit_is_named_and_measured() {
        let mut lines = Jobs::new(LINES, 4);
        lines.next(b"one\n12345\n", false).expect("it fits").expect("a job");
        let too_long = |which: &str, len, exact| BadInput::TooLong { which: which.to_owned(), len, exact };
        assert_eq!(lines.next(b"12345\nx", false), Err(too_long("line 2 of standard input", 5, true)));
        assert_eq!(lines.next(b"123456", false), Err(too_long("line 2 of standard input", 6, false)));
        let prefix = 9u32.to_le_bytes();
        let prefixed = Jobs::new(PREFIXED, 4).next(&prefix, false);
        assert_eq!(prefixed, Err(too_long("job 1 of standard input", 9, true)));
        assert_eq!(Jobs::new(WHOLE, 4).next(b"12345", false), Err(too_long("standard input", 5, false)));
    }

    #[test]
    fn what_is_put_back_is_found_again() {
        let mut jobs = Jobs::new(LINES, 8);
        jobs.next(b"one\n", false).expect("it fits").expect("a job");
        jobs.put_back();
        let again = jobs.next(b"one\n", false).expect("it fits").expect("a job");
        assert_eq!((again.payload, jobs.found), (&b"one"[..], 1));
    }
}
