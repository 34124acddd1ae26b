//! The consumer's handle.

use core::time::Duration;
use std::os::fd::OwnedFd;

use super::end::End;
use super::message::OnDrop;
use super::{Drain, Message, Peer, Tune};
use crate::channel::Geometry;
use crate::channel::endpoint::Endpoint;
use crate::channel::verbs::Receives;
use crate::channel::waiter::Waits;
use crate::channel::{Pollable, Signalled};
use crate::error::{OpenError, RecvError};
use crate::layout::participant::Counters;
use crate::notify::Signal;
use crate::ring::record::{self, Found};
use crate::wait::{self, Condition, Wait, now};

/// The receiving end of a ring. Dropping it says goodbye: once the ring is full, the producer gets
/// [`SendError::Closed`](crate::SendError::Closed). Dropping blocks for up to 5 s if a process was stopped while it
/// joined or left the ring.
#[derive(Debug)]
pub struct Consumer {
    pub(super) ring: record::Consumer,
    pub(super) end: End,
}

impl Consumer {
    pub(in crate::channel) fn attach(end: End, tune: Tune) -> Result<Consumer, OpenError> {
        let sizes = end.sizes();
        let (control, line) = (end.control.clone(), end.line.clone());
        let ring = record::Consumer::attach(end.window(), control, line, sizes, tune.pace())
            .map_err(|corrupt| end.refuse(corrupt))?;
        end.say_hello();
        Ok(Consumer { ring, end })
    }

    /// Receives the next message, borrowed in place; blocks while the ring is empty. It is released when the
    /// [`Message`] is dropped. When a producer dies and another attaches at once, the messages of the second
    /// follow those of the first.
    ///
    /// # Errors
    /// Once everything that was committed has been received: [`RecvError::Closed`] when the producer has said
    /// goodbye, [`RecvError::PeerDead`] when it died, [`RecvError::Unlinked`] when the ring has lost its name.
    /// [`RecvError::Forked`] in a forked child.
    #[inline(always)]
    pub fn recv(&mut self) -> Result<Message<'_>, RecvError> {
        match self.take_soon() {
            Some(found) => Ok(Message::new(self, found, OnDrop::Plain)),
            None => self.take_waiting(None).map(|taken| self.guard(taken)),
        }
    }

    /// Receives the next message if there is one now. Makes no system call but to wake a sleeping producer when
    /// the message is dropped. An empty ring costs one `pause`; the first empty look after a dense stream waits as
    /// [`Tune`] says.
    ///
    /// # Errors
    /// [`RecvError::Empty`]; else as [`Consumer::recv`], but a dead producer is noticed only after something that waits
    /// for this ring has found it (such as [`Select`](crate::Select)); [`Consumer::peer`] asks.
    #[inline(always)]
    pub fn try_recv(&mut self) -> Result<Message<'_>, RecvError> {
        match self.take_ready() {
            Some(found) => Ok(Message::new(self, found, OnDrop::Plain)),
            None => self.take_now().map(|taken| self.guard(taken)),
        }
    }

    /// Receives the next message; blocks while the ring is empty, for at most `timeout`.
    ///
    /// # Errors
    /// [`RecvError::TimedOut`]; else as [`Consumer::recv`].
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Message<'_>, RecvError> {
        match self.take_soon() {
            Some(found) => Ok(Message::new(self, found, OnDrop::Plain)),
            None => self.take_waiting(Some(timeout)).map(|taken| self.guard(taken)),
        }
    }

    /// Takes whatever is there, message by message, and releases it together: the fastest way to empty a ring.
    ///
    /// # Errors
    /// [`RecvError::Forked`] in a forked child.
    #[inline]
    pub fn drain(&mut self) -> Result<Drain<'_>, RecvError> {
        if !self.end.is_home() {
            return Err(RecvError::Forked);
        }
        self.keep_synced()?;
        Ok(Drain::new(self))
    }

    /// Blocks until there is a message, for at most `timeout`; takes none.
    ///
    /// # Errors
    /// As [`Consumer::recv_timeout`].
    pub fn wait_for_message(&mut self, timeout: Option<Duration>) -> Result<(), RecvError> {
        if !self.end.is_home() {
            return Err(RecvError::Forked);
        }
        if self.ring.is_ready() { Ok(()) } else { self.wait(timeout) }
    }

    /// The short way: a message is there. `None` for every other reason, which the long way tells apart.
    #[inline(always)]
    pub(super) fn take_ready(&mut self) -> Option<Found> {
        if self.end.is_home() { self.ring.find_ready() } else { None }
    }

    /// The short way of a call that may wait: a message is there, or will be in a moment.
    #[inline(always)]
    fn take_soon(&mut self) -> Option<Found> {
        let found = self.take_ready();
        if found.is_none() && self.spin() { self.take_ready() } else { found }
    }

    /// Looks for a moment, before a wait begins in earnest: most waits are that short.
    #[inline(never)]
    fn spin(&mut self) -> bool {
        self.end.may_look_around() && (0..wait::POLLS).any(|_| self.ring.poll())
    }

    // The long ways return what is no `Message` yet: one that may come of a call is kept in memory, where the short way would store
    // its own in pieces, and load it at one go, which waits until the pieces have left the store buffer.
    #[inline(never)]
    fn take_now(&mut self) -> Result<Taken, RecvError> {
        if !self.end.is_home() {
            return Err(RecvError::Forked);
        }
        self.keep_synced()?;
        // If the producer had said goodbye before it, an empty look is the last.
        let closed = self.end.peer_said_goodbye();
        if self.ring.poll() {
            return self.take();
        }
        if self.end.takes_suspicion()
            && let Some(found) = (Next { consumer: self }).check(now())
        {
            return found.and_then(|()| self.take());
        }
        Err(if closed { RecvError::Closed } else { RecvError::Empty })
    }

    #[inline(never)]
    fn take_waiting(&mut self, timeout: Option<Duration>) -> Result<Taken, RecvError> {
        if !self.end.is_home() {
            return Err(RecvError::Forked);
        }
        self.keep_synced()?;
        if !self.ring.is_ready() {
            self.wait(timeout)?;
        }
        self.take()
    }

    /// Takes the next message; blocks while the ring is empty, for at most `timeout`. What is taken is released when its
    /// guard is dropped.
    pub(crate) fn take_within(&mut self, timeout: Option<Duration>) -> Result<Taken, RecvError> {
        match self.take_soon() {
            Some(found) => Ok(Taken { found, on_drop: OnDrop::Plain }),
            None => self.take_waiting(timeout),
        }
    }

    /// The bytes of what was taken.
    pub(crate) fn bytes_of(&self, taken: &Taken) -> &[u8] {
        self.ring.hand_out(&taken.found)
    }

    /// Takes the message that a look has found.
    #[inline(always)]
    fn take(&mut self) -> Result<Taken, RecvError> {
        let found = match self.ring.find_ready() {
            Some(found) => found,
            None => self.ring.find()?.ok_or(RecvError::Empty)?,
        };
        let on_drop = if self.end.sizes().durable { OnDrop::Sealed } else { OnDrop::Plain };
        Ok(Taken { found, on_drop })
    }

    #[inline(always)]
    pub(crate) fn guard(&self, taken: Taken) -> Message<'_> {
        Message::new(self, taken.found, taken.on_drop)
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<(), RecvError> {
        let patience = self.end.begin_wait(timeout);
        let seat = self.end.seat();
        let found = wait::wait(seat.sleeper(), &patience, &mut Next { consumer: self });
        self.end.end_wait(&patience);
        found.unwrap_or(Err(RecvError::TimedOut))
    }

    #[inline(always)]
    pub(super) fn release(&self) {
        // What a forked child inherited is the parent's to release.
        if self.end.is_home() {
            self.ring.release();
            self.end.ring(&self.end.control.space_bell);
        }
    }

    /// What is known of the producer. Makes a system call.
    pub fn peer(&self) -> Peer {
        self.end.peer()
    }

    /// Bytes that records can take at once; a record is a message and 8 bytes, padded to the alignment.
    pub fn capacity(&self) -> usize {
        self.end.sizes().capacity() as usize
    }

    /// Bytes of the largest message.
    pub fn largest(&self) -> usize {
        self.end.sizes().largest() as usize
    }

    /// Bytes of records that are sent and not released. Walks them.
    ///
    /// # Errors
    /// [`RecvError::Corrupt`].
    pub fn used(&self) -> Result<usize, RecvError> {
        Ok(self.ring.backlog()? as usize)
    }

    /// Does the ring's name still lead to it? Always `true` for a ring without a name; `false` once somebody has
    /// removed the name or given it to another ring: those who open the name from then on do not come here. Makes two
    /// system calls.
    pub fn is_linked(&self) -> bool {
        self.end.is_linked()
    }

    /// What the ring is made of. Reads /proc to say what pages it is on.
    pub fn geometry(&self) -> Geometry {
        self.end.geometry()
    }

    /// What this consumer has done since it attached, up to now.
    pub fn counters(&self) -> Counters {
        self.end.counters(self.ring.received())
    }

    /// Changes how blocking calls wait.
    pub fn set_wait(&mut self, wait: Wait) {
        self.end.set_wait(wait);
    }

    /// Changes how a stream is polled.
    pub fn set_tune(&mut self, tune: Tune) {
        self.ring.set_pace(tune.pace());
    }

    /// A new descriptor of the segment (close-on-exec), to hand to another process, which attaches to
    /// `fd:N`. It shares no lease with this consumer.
    ///
    /// # Errors
    /// What [`OpenError`] lists; hosted memory has none.
    pub fn descriptor(&self) -> Result<OwnedFd, OpenError> {
        self.end.descriptor()
    }

    /// The same consumer with a descriptor, to be waited for by `epoll` or `poll`.
    ///
    /// # Errors
    /// [`OpenError::System`] when no descriptor is to be had. The handle is closed then.
    pub fn pollable(self) -> Result<Pollable<Consumer>, OpenError> {
        Pollable::new(self, |consumer| &consumer.end)
    }

    /// The same handle, for which the process is sent `signal` with `token` when there is something to do. Be ready for the
    /// signal before: see [`notify`](crate::notify).
    ///
    /// # Errors
    /// [`OpenError::System`] in hosted memory without leases, or when the system refuses. The handle is closed then.
    pub fn signalled(self, signal: Signal, token: u32) -> Result<Signalled<Consumer>, OpenError> {
        Signalled::new(self, |consumer| &consumer.end, signal, token)
    }

    /// Says goodbye; the same as dropping the consumer.
    pub fn close(self) {}
}

impl Drop for Consumer {
    fn drop(&mut self) {
        if self.end.segment.home().is_here() {
            self.ring.write_down();
            if self.end.durability.is_owing() {
                // Nobody is there any more to hear of a failure; what was not synced was not promised.
                let _ = self.end.sync();
            }
            self.end.say_goodbye(&self.end.control.space_bell, || self.ring.is_drained());
        }
    }
}

/// A message that is taken, and how to release it.
#[derive(Debug)]
pub struct Taken {
    found: Found,
    on_drop: OnDrop,
}

impl Receives for Consumer {
    type Taken = Taken;
    type Message<'a> = Message<'a>;

    fn take(&mut self) -> Result<Taken, RecvError> {
        match self.take_ready() {
            Some(found) => Ok(Taken { found, on_drop: OnDrop::Plain }),
            None => self.take_now(),
        }
    }

    fn message_of(&mut self, taken: Taken) -> Result<Message<'_>, RecvError> {
        Ok(self.guard(taken))
    }
}

impl Waits for Consumer {
    type Wanted<'a> = Next<'a>;

    fn wanted(&mut self) -> Next<'_> {
        Next { consumer: self }
    }

    fn endpoint(&self) -> &Endpoint {
        &self.end
    }

    fn is_beside(&self) -> bool {
        self.end.is_beside()
    }
}

/// A message, or a reason why there will be none.
#[derive(Debug)]
pub(crate) struct Next<'a> {
    consumer: &'a mut Consumer,
}

impl Next<'_> {
    /// Looks a last time, now that `error` is known, and reports it only if there is nothing.
    #[cold]
    fn last(&mut self, error: RecvError) -> Option<Result<(), RecvError>> {
        Some(if self.consumer.ring.is_ready() { Ok(()) } else { Err(error) })
    }

    #[inline(always)]
    fn ready_or_goodbye(&mut self, ready: bool) -> Option<Result<(), RecvError>> {
        match ready {
            true => Some(Ok(())),
            false if self.consumer.end.peer_said_goodbye() => self.last(RecvError::Closed),
            false => None,
        }
    }
}

impl Condition for Next<'_> {
    type Found = Result<(), RecvError>;

    #[inline(always)]
    fn poll(&mut self) -> Option<Self::Found> {
        let ready = self.consumer.ring.poll();
        self.ready_or_goodbye(ready)
    }

    fn look(&mut self) -> Option<Self::Found> {
        let ready = self.consumer.ring.is_ready();
        self.ready_or_goodbye(ready)
    }

    fn check(&mut self, time: Duration) -> Option<Self::Found> {
        self.consumer.end.note_look(time);
        match self.consumer.end.peer() {
            Peer::Dead => self.last(RecvError::PeerDead),
            Peer::Closed => self.last(RecvError::Closed),
            peer if self.consumer.end.waits_in_vain(peer, time) => self.last(RecvError::Unlinked),
            _ => None,
        }
    }

    fn first_check(&self, _started: Duration) -> Duration {
        self.consumer.end.due_at()
    }

    fn before_sleep(&mut self) {
        self.consumer.ring.write_down();
        self.consumer.end.note_sleep();
    }

    fn last_look(&mut self) -> Option<Self::Found> {
        let time = now();
        if self.consumer.end.is_due(time) { self.check(time).or_else(|| self.look()) } else { self.look() }
    }
}
