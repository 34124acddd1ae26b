//! Requests and their replies.
//!
//! ```text
//! 0    what it is: "RWASK\0\0" or "RWREPLY", and the version of this head, 1
//! 8    the request's number, little-endian
//! 16   the payload
//! ```
//!
//! A reply carries the number of its request. Numbers go up from one that is random for each endpoint, so a reply that comes
//! late, even one to a predecessor that died, has the number of no request that is waited for.

use core::fmt;
use core::ops::Deref;
use core::time::Duration;

use super::Endpoint;
use super::link::{Link, Received, Receiving, Sending};
use crate::error::{RecvError, RequestError, SendError, ServeError};
use crate::pipe::limit::Limit;

/// Bytes before the payload.
pub(super) const HEAD: usize = 16;

const REQUEST: [u8; 8] = *b"RWASK\0\0\x01";
const REPLY: [u8; 8] = *b"RWREPLY\x01";

/// While there is no room for a request: how long to wait before replies that come late are thrown away once more. The other
/// side may be waiting for their room.
const RELIEF: Duration = Duration::from_millis(10);

/// What a message is, and the number of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    Request(u64),
    Reply(u64),
}

impl Head {
    fn bytes(self) -> [u8; HEAD] {
        let (what, number) = match self {
            Head::Request(number) => (REQUEST, number),
            Head::Reply(number) => (REPLY, number),
        };
        let mut bytes = [0; HEAD];
        bytes[..8].copy_from_slice(&what);
        bytes[8..].copy_from_slice(&number.to_le_bytes());
        bytes
    }

    /// The head of a message; `None`: it has none.
    fn of(message: &[u8]) -> Option<Head> {
        let (what, rest) = message.split_first_chunk::<8>()?;
        let number = u64::from_le_bytes(*rest.first_chunk()?);
        match *what {
            REQUEST => Some(Head::Request(number)),
            REPLY => Some(Head::Reply(number)),
            _ => None,
        }
    }
}

/// How a request ends that was not answered, for want of a message.
fn unanswered(error: RecvError, sent: bool) -> RequestError {
    match error {
        RecvError::TimedOut => RequestError::TimedOut { sent },
        RecvError::Closed => RequestError::Closed { sent },
        RecvError::PeerDead => RequestError::PeerDead { sent },
        error => RequestError::Recv(error),
    }
}

impl<L: Link> Endpoint<L> {
    /// Asks the other side, which serves ([`Endpoint::next_request`]), and waits for its reply, for at most `timeout`. The
    /// reply is borrowed in place. Replies to requests that were given up before are dropped on the way, and counted
    /// ([`Endpoint::late_replies`]).
    ///
    /// # Errors
    /// [`RequestError::TimedOut`], [`RequestError::Closed`] or [`RequestError::PeerDead`] when no reply comes, each of which
    /// says whether the request was sent; [`RequestError::Crossed`] when the other side asks at the same time;
    /// [`RequestError::Foreign`] for a message that [`Endpoint::send`] has sent; [`RequestError::TooLarge`]; else what
    /// sending and receiving calls fail with. Another request may follow any of them.
    pub fn request(&mut self, message: &[u8], timeout: Duration) -> Result<Reply<'_, L>, RequestError> {
        self.request_tagged(0, message, timeout)
    }

    /// Asks the other side with `tag`, a number that it sees beside the request.
    ///
    /// # Errors
    /// As [`Endpoint::request`].
    pub fn request_tagged(
        &mut self,
        tag: u16,
        message: &[u8],
        timeout: Duration,
    ) -> Result<Reply<'_, L>, RequestError> {
        let limit = Limit::after(timeout);
        self.number = self.number.wrapping_add(1);
        self.ask(tag, message, limit)?;
        let taken = self.await_reply(limit)?;
        Ok(Reply { message: self.link.ends().1.message_of(taken) })
    }

    /// Sends a request.
    fn ask(&mut self, tag: u16, message: &[u8], limit: Limit) -> Result<(), RequestError> {
        let head = Head::Request(self.number).bytes();
        self.drop_late(limit, false)?;
        loop {
            let sent = self.link.ends().0.send_behind(head, tag, message, Some(relief(limit)));
            if self.is_done(sent, limit, false)? {
                break;
            }
        }
        loop {
            let flushed = self.link.ends().0.flush(Some(relief(limit)));
            if self.is_done(flushed, limit, true)? {
                return Ok(());
            }
        }
    }

    /// Has a step of sending a request succeeded? If not for want of room, makes the other side go on, for another try.
    fn is_done(
        &mut self,
        result: Result<(), SendError>,
        limit: Limit,
        sent: bool,
    ) -> Result<bool, RequestError> {
        match result {
            Ok(()) => Ok(true),
            Err(SendError::TimedOut) if limit.is_over() => Err(RequestError::TimedOut { sent }),
            Err(SendError::TimedOut) => self.drop_late(limit, sent).map(|()| false),
            Err(SendError::TooLarge { len, largest }) => Err(RequestError::TooLarge { len, largest }),
            Err(SendError::PeerDead) => Err(RequestError::PeerDead { sent }),
            // A stream does not tell on its way there how the other side ended; on its way back it does.
            Err(SendError::Closed) => match self.drop_late(Limit::Never, sent) {
                Ok(()) => Err(RequestError::Closed { sent }),
                Err(error) => Err(error),
            },
            Err(error) => Err(RequestError::Send(error)),
        }
    }

    /// Drops the replies that are there while none is waited for. `sent`: whether the request is, for errors.
    fn drop_late(&mut self, limit: Limit, sent: bool) -> Result<(), RequestError> {
        loop {
            match self.link.ends().1.take_within(Limit::Now) {
                Ok(taken) => self.drop_if_late(taken, sent)?,
                Err(RecvError::Empty) => return Ok(()),
                Err(error) => return Err(unanswered(error, sent)),
            }
            if limit.is_over() {
                return Ok(());
            }
        }
    }

    fn await_reply(&mut self, limit: Limit) -> Result<TakenBy<L>, RequestError> {
        loop {
            let (_, consumer) = self.link.ends();
            let taken = consumer.take_within(limit).map_err(|error| unanswered(error, true))?;
            if Head::of(consumer.bytes_of(&taken)) == Some(Head::Reply(self.number)) {
                return Ok(taken);
            }
            self.drop_if_late(taken, true)?;
            if limit.is_over() {
                return Err(RequestError::TimedOut { sent: true });
            }
        }
    }

    /// Drops a message that is not the reply that is waited for. Only a late reply is no error.
    fn drop_if_late(&mut self, taken: TakenBy<L>, sent: bool) -> Result<(), RequestError> {
        let message = self.link.ends().1.message_of(taken);
        match Head::of(&message) {
            Some(Head::Reply(_)) => {}
            Some(Head::Request(_)) => return Err(RequestError::Crossed { sent }),
            None => return Err(RequestError::Foreign { len: message.len() }),
        }
        drop(message);
        self.late += 1;
        Ok(())
    }

    /// Waits for the next request of the other side, for at most `timeout` if there is one. It is borrowed in place until it
    /// is [replied](Request::reply) to. Replies that come late are dropped and counted.
    ///
    /// # Errors
    /// [`ServeError::Recv`] with [`RecvError::TimedOut`], [`RecvError::Closed`] or [`RecvError::PeerDead`], and whatever else
    /// receiving calls fail with; [`ServeError::Foreign`] for a message that [`Endpoint::send`] has sent.
    pub fn next_request(&mut self, timeout: Option<Duration>) -> Result<Request<'_, L>, ServeError> {
        let limit = Limit::within(timeout);
        let (taken, number) = self.await_request(limit)?;
        let (producer, consumer) = self.link.ends();
        Ok(Request { message: consumer.message_of(taken), producer, number })
    }

    fn await_request(&mut self, limit: Limit) -> Result<(TakenBy<L>, u64), ServeError> {
        let (producer, consumer) = self.link.ends();
        // The rest of a reply goes first. If it cannot, since the other side is gone, receiving tells how it went.
        if producer.flush(limit.left()) == Err(SendError::TimedOut) {
            return Err(RecvError::TimedOut.into());
        }
        loop {
            let taken = consumer.take_within(limit)?;
            match Head::of(consumer.bytes_of(&taken)) {
                Some(Head::Request(number)) => return Ok((taken, number)),
                Some(Head::Reply(_)) => {
                    drop(consumer.message_of(taken));
                    self.late += 1;
                }
                None => return Err(ServeError::Foreign { len: consumer.message_of(taken).len() }),
            }
            if limit.is_over() {
                return Err(RecvError::TimedOut.into());
            }
        }
    }

    /// How many replies this endpoint has dropped, since nobody waited for them any more.
    pub fn late_replies(&self) -> u64 {
        self.late
    }

    /// Bytes of the largest request, which is 16 less than the largest message. A reply may be as large as the other side's
    /// largest request.
    pub fn largest_request(&self) -> usize {
        self.link.producer().largest_behind()
    }
}

/// A message that the consumer of `L` has taken.
type TakenBy<L> = <<L as Link>::Consumer as Receiving>::Taken;
/// Its guard.
type MessageOf<'a, L> = <<L as Link>::Consumer as Receiving>::Message<'a>;

/// How long to wait for room before replies that come late are dropped.
fn relief(limit: Limit) -> Duration {
    limit.left().map_or(RELIEF, |left| left.min(RELIEF))
}

/// A reply, borrowed in place. Dropping it releases its room.
#[must_use = "a reply that is dropped at once is released unread"]
pub struct Reply<'a, L: Link + 'a> {
    message: MessageOf<'a, L>,
}

impl<L: Link> Reply<'_, L> {
    /// The number that the server gave the reply; 0 if it gave none.
    pub fn tag(&self) -> u16 {
        self.message.tag()
    }
}

impl<L: Link> Deref for Reply<'_, L> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.message[HEAD..]
    }
}

impl<L: Link> fmt::Debug for Reply<'_, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("tag", &self.tag()).field("bytes", &&**self).finish()
    }
}

/// A request, borrowed in place. Dropping it without a reply releases its room, and the other side waits until its time is up.
#[must_use = "a request that is dropped gets no reply"]
pub struct Request<'a, L: Link + 'a> {
    message: MessageOf<'a, L>,
    producer: &'a mut L::Producer,
    number: u64,
}

impl<L: Link> Request<'_, L> {
    /// Replies with a copy of `reply`, and then releases the request; blocks while there is no room for it.
    ///
    /// # Errors
    /// [`SendError::TooLarge`]; else as [`Endpoint::send`]. Nothing was sent then, and the request is released.
    pub fn reply(self, reply: &[u8]) -> Result<(), SendError> {
        self.reply_tagged(0, reply)
    }

    /// Replies with a copy of `reply` and `tag`, a number that the other side sees beside it.
    ///
    /// # Errors
    /// As [`Request::reply`].
    pub fn reply_tagged(self, tag: u16, reply: &[u8]) -> Result<(), SendError> {
        self.producer.send_behind(Head::Reply(self.number).bytes(), tag, reply, None)
    }

    /// Replies with a copy of `reply`; blocks while there is no room for it, for at most `timeout`. Of a reply that a stream
    /// has taken in part by then the rest goes when the next request is waited for.
    ///
    /// # Errors
    /// [`SendError::TimedOut`]; else as [`Request::reply`].
    pub fn reply_timeout(self, reply: &[u8], timeout: Duration) -> Result<(), SendError> {
        self.producer.send_behind(Head::Reply(self.number).bytes(), 0, reply, Some(timeout))
    }

    /// The number that the other side gave the request; 0 if it gave none.
    pub fn tag(&self) -> u16 {
        self.message.tag()
    }

    /// Had an earlier server this request in hand, which died before it released it? It may have replied. Never over a stream.
    pub fn redelivered(&self) -> bool {
        self.message.redelivered()
    }

    /// Bytes of the largest reply.
    pub fn largest_reply(&self) -> usize {
        self.producer.largest_behind()
    }
}

impl<L: Link> Deref for Request<'_, L> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.message[HEAD..]
    }
}

impl<L: Link> fmt::Debug for Request<'_, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("tag", &self.tag()).field("bytes", &&**self).finish()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn heads_come_back_as_they_went_in() {
        for head in [Head::Request(0), Head::Request(u64::MAX), Head::Reply(7)] {
            let mut message = head.bytes().to_vec();
            assert_eq!(Head::of(&message), Some(head));
            message.extend(b"payload");
            assert_eq!(Head::of(&message), Some(head));
        }
        assert_ne!(Head::Request(7).bytes(), Head::Reply(7).bytes());
    }

    #[test]
    fn what_has_no_head_is_neither() {
        let whole = Head::Request(5).bytes();
        for len in 0..HEAD {
            assert_eq!(Head::of(&whole[..len]), None, "{len}");
        }
        assert_eq!(Head::of(b"RWASK\0\0\x02 of a later version"), None);
        assert_eq!(Head::of(&[0; 64]), None);
    }
}
