//! The traffic of a sample: the same loops over every rival.

use std::thread::yield_now;

use anyhow::Result;

use super::control::{Job, Side};
use super::payload::{Check, Payload};
use super::plan::{BATCH, Pattern};

/// The sending end of a rival.
pub trait Tx {
    /// A sample begins in which the end is polled with so many pauses at most between two looks.
    fn begin(&mut self, _pauses: u32) {}

    /// Sends the message numbered `number`; waits while there is no room.
    fn send(&mut self, payload: &mut Payload, number: u64) -> Result<()>;

    /// Sends `count` messages from `first` on, published together where the rival can.
    fn send_batch(&mut self, payload: &mut Payload, first: u64, count: u64) -> Result<()> {
        (first..first + count).try_for_each(|number| self.send(payload, number))
    }
}

/// The receiving end of a rival.
pub trait Rx {
    /// As of [`Tx::begin`].
    fn begin(&mut self, _pauses: u32) {}

    /// Receives one message and checks it; waits until there is one.
    fn recv(&mut self, check: &mut Check) -> Result<()>;

    /// Receives and checks at least one message, more where the rival can take them together.
    fn recv_batch(&mut self, check: &mut Check) -> Result<()> {
        self.recv(check)
    }
}

/// A sending end whose calls do not wait.
pub trait Offer {
    /// Sends the message if there is room; was there?
    fn offer(&mut self, payload: &mut Payload, number: u64) -> Result<bool>;

    /// Sends as many of `count` messages as there is room for, published together where the rival can; how many.
    fn offer_batch(&mut self, payload: &mut Payload, first: u64, _count: u64) -> Result<u64> {
        Ok(u64::from(self.offer(payload, first)?))
    }
}

/// A receiving end whose calls do not wait.
pub trait Poll {
    /// Receives a message and checks it if there is one; was there?
    fn poll(&mut self, check: &mut Check) -> Result<bool>;

    /// The same with all messages that are there, up to a batch.
    fn poll_batch(&mut self, check: &mut Check) -> Result<bool> {
        self.poll(check)
    }
}

/// An end that is polled: a side pauses before it looks again, twice as long each time up to a limit, and lets others
/// have its core once in a while. The limit is 1 in round trips; in streams a side that lags behind moves fewer lines
/// to and fro, which is what the rings that wait in their own way do, too.
#[derive(Debug)]
pub struct Polled<T> {
    /// The end.
    end: T,
    /// The most pauses between two looks.
    most: u32,
}

/// Pauses without success before a side yields.
const PATIENCE: u32 = 1 << 14;

impl<T> Polled<T> {
    /// An end that is looked at as often as possible until told otherwise.
    pub fn new(end: T) -> Self {
        Self { end, most: 1 }
    }

    /// Waits until `look` finds something.
    #[inline(always)]
    fn wait<R>(&mut self, mut look: impl FnMut(&mut T) -> Result<Option<R>>) -> Result<R> {
        let (mut pauses, mut spent) = (1, 0);
        loop {
            if let Some(found) = look(&mut self.end)? {
                return Ok(found);
            }
            for _ in 0..pauses {
                std::hint::spin_loop();
            }
            spent += pauses;
            pauses = (2 * pauses).min(self.most);
            if spent >= PATIENCE || cfg!(test) {
                yield_now();
                spent = 0;
            }
        }
    }
}

impl<T: Offer> Tx for Polled<T> {
    fn begin(&mut self, pauses: u32) {
        self.most = pauses;
    }

    #[inline(always)]
    fn send(&mut self, payload: &mut Payload, number: u64) -> Result<()> {
        self.wait(|end| Ok(end.offer(payload, number)?.then_some(())))
    }

    #[inline(always)]
    fn send_batch(&mut self, payload: &mut Payload, first: u64, count: u64) -> Result<()> {
        let (mut next, end_of_batch) = (first, first + count);
        while next < end_of_batch {
            next += self.wait(|end| {
                let sent = end.offer_batch(payload, next, end_of_batch - next)?;
                Ok((sent > 0).then_some(sent))
            })?;
        }
        Ok(())
    }
}

impl<T: Poll> Rx for Polled<T> {
    fn begin(&mut self, pauses: u32) {
        self.most = pauses;
    }

    #[inline(always)]
    fn recv(&mut self, check: &mut Check) -> Result<()> {
        self.wait(|end| Ok(end.poll(check)?.then_some(())))
    }

    #[inline(always)]
    fn recv_batch(&mut self, check: &mut Check) -> Result<()> {
        self.wait(|end| Ok(end.poll_batch(check)?.then_some(())))
    }
}

/// One side's part in a job.
#[derive(Debug)]
pub struct Part {
    /// Which side.
    side: Side,
    /// What is to be done.
    job: Job,
    /// What to send.
    payload: Payload,
    /// What to expect.
    check: Check,
}

impl Part {
    /// Prepares the payload and the check of `job`.
    pub fn new(side: Side, job: Job) -> Self {
        let check = Check::new(job.size, first_number(&job));
        Self { side, job, payload: Payload::new(job.size), check }
    }

    /// Moves the messages.
    pub fn play(&mut self, tx: &mut impl Tx, rx: &mut impl Rx) -> Result<()> {
        let Self { side, job, payload, check } = self;
        let first = first_number(job);
        let end = first + job.count;
        match (job.pattern, side) {
            (Pattern::RoundTrip, Side::Sender) => (first..end).try_for_each(|number| {
                tx.send(payload, number)?;
                rx.recv(check)
            }),
            (Pattern::RoundTrip, Side::Receiver) => (first..end).try_for_each(|number| {
                rx.recv(check)?;
                tx.send(payload, number)
            }),
            (Pattern::Single, Side::Sender) => (first..end).try_for_each(|number| tx.send(payload, number)),
            (Pattern::Batch, Side::Sender) => (first..end)
                .step_by(BATCH as usize)
                .try_for_each(|number| tx.send_batch(payload, number, BATCH.min(end - number))),
            (Pattern::Single, Side::Receiver) => (first..end).try_for_each(|_| rx.recv(check)),
            (Pattern::Batch, Side::Receiver) => {
                while check.next() < end {
                    rx.recv_batch(check)?;
                }
                Ok(())
            }
        }
    }
}

/// The number of the first message of a job; no two jobs of a pair share a number.
fn first_number(job: &Job) -> u64 {
    job.id << 32
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A queue that takes and gives two messages at a time, every other time.
    #[derive(Default)]
    struct Moody {
        queue: VecDeque<Vec<u8>>,
        looks: u32,
    }

    impl Moody {
        fn is_in_the_mood(&mut self) -> bool {
            self.looks += 1;
            self.looks.is_multiple_of(2)
        }
    }

    impl Offer for Moody {
        fn offer(&mut self, payload: &mut Payload, number: u64) -> Result<bool> {
            let takes = self.is_in_the_mood();
            if takes {
                self.queue.push_back(payload.numbered(number).to_vec());
            }
            Ok(takes)
        }

        fn offer_batch(&mut self, payload: &mut Payload, first: u64, count: u64) -> Result<u64> {
            let count = if self.is_in_the_mood() { count.min(2) } else { 0 };
            for number in first..first + count {
                self.queue.push_back(payload.numbered(number).to_vec());
            }
            Ok(count)
        }
    }

    impl Poll for Moody {
        fn poll(&mut self, check: &mut Check) -> Result<bool> {
            let Some(message) = self.queue.pop_front() else { return Ok(false) };
            check.take(&message)?;
            Ok(true)
        }
    }

    #[test]
    fn who_is_polled_gets_every_message_in_order() {
        let mut end = Polled::new(Moody::default());
        let mut payload = Payload::new(64);
        Tx::begin(&mut end, 4);
        for number in 0..10 {
            end.send(&mut payload, number).expect("sent");
        }
        end.send_batch(&mut payload, 10, 31).expect("sent");
        let mut check = Check::new(64, 0);
        while check.next() < 41 {
            end.recv(&mut check).expect("received");
        }
        assert!(end.end.queue.is_empty());
    }
}
