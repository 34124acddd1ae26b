//! Handles that have their process signalled.

use core::mem;
use core::ops::{Deref, DerefMut};
use std::io;

use super::armed::BySignal;
use super::endpoint::Endpoint;
use super::select::Source;
use super::waiter::MakesRoom;
use crate::error::OpenError;
use crate::layout::call::SignalCall;
use crate::notify::Signal;

/// A consumer or producer whose process is sent a signal when there is something to do.
///
/// The signal is sent once for each time that it was asked for by [`arm`](Signalled::arm): arm when there is nothing to do,
/// wait for the signal if `arm` says so, and look again. Be ready for the signal before you make this handle: see
/// [`notify`](crate::notify).
///
/// ```
/// use core::time::Duration;
/// use ringway::notify::{Inbox, Signal};
/// use ringway::RecvError;
///
/// const CAMERA: u32 = 7;
/// let signal = Signal::realtime(1)?;
/// let inbox = Inbox::new(&[signal])?;
/// let (mut tx, rx) = ringway::spsc::pair()?;
/// let mut rx = rx.signalled(signal, CAMERA)?;
/// # tx.send(b"hello")?;
/// # tx.close();
/// loop {
///     match rx.try_recv() {
///         Ok(message) => assert_eq!(&message[..], b"hello"),
///         Err(RecvError::Empty) => {}
///         Err(_end) => break,
///     }
///     if rx.arm() {
///         // A peer that dies sends no signal: look now and then.
///         let notice = inbox.wait(Some(Duration::from_secs(1)))?;
///         assert!(notice.is_none_or(|notice| notice.token == Some(CAMERA)));
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Whoever sends proves first that this process holds its end of the ring and is ready for this signal with this token, so no
/// other process is ever signalled, and none by another signal; that takes it some 5 µs. It must be of the same user, and see
/// this process in its /proc: not across PID namespaces. One who cannot send the signal, or is killed as it is about to, takes the
/// asking away all the same; while too many are pending (`RLIMIT_SIGPENDING`), or the sender has no descriptor left, the
/// signal is left to whoever sends next. So look now and then without one, and ask again.
///
/// The handle goes on as it was: a `Signalled` derefs to it. A call that blocks takes the asking back where the ring is one of
/// semaphores. Dropping it takes the asking back, and drops the handle; a signal may be on its way even then.
#[derive(Debug)]
pub struct Signalled<E> {
    call: BySignal,
    /// It has asked, and has not looked since.
    armed: bool,
    endpoint: fn(&E) -> &Endpoint,
    end: E,
}

impl<E> Signalled<E> {
    pub(super) fn new(
        end: E,
        endpoint: fn(&E) -> &Endpoint,
        signal: Signal,
        token: u32,
    ) -> Result<Signalled<E>, OpenError> {
        let listening = listen(endpoint(&end), signal, token);
        let refused = |source| endpoint(&end).segment.system("ask for signals about", source);
        let call = BySignal(listening.map_err(refused)?);
        Ok(Signalled { call, armed: false, endpoint, end })
    }
}

/// Has this end listen, and says how it is to be called.
fn listen(endpoint: &Endpoint, signal: Signal, token: u32) -> io::Result<SignalCall> {
    let none =
        || io::Error::new(io::ErrorKind::Unsupported, "hosted memory without leases, or a forked child");
    let descriptor = endpoint.segment.lease_descriptor().ok_or_else(none)?;
    let too_high = || io::Error::new(io::ErrorKind::Unsupported, "a descriptor above 8388607");
    let call = SignalCall::new(signal.number().unsigned_abs(), descriptor, token).ok_or_else(too_high)?;
    match endpoint.segment.listen(call)? {
        true => Ok(call),
        false => Err(io::ErrorKind::AddrInUse.into()),
    }
}

impl<E: Source> Signalled<E> {
    /// Asks for the signal: it is sent when there is a message to receive, or an end to be told of by `try_recv`, but for a
    /// peer that dies; it may come for nothing. `false`: there is something already, and no signal is asked for. Does not
    /// block.
    pub fn arm(&mut self) -> bool {
        self.armed = self.call.arm(&mut self.end);
        self.armed
    }

    /// Takes the asking back; a signal may be on its way. For a consumer of an `mpmc` ring that stops waiting: a message calls
    /// one of those who wait, and if that was this one, another is called in its place.
    pub fn disarm(&mut self) {
        let armed = mem::take(&mut self.armed) && self.end.is_home();
        if !self.call.take_back(&self.end) && armed {
            self.end.pass_on();
        }
    }
}

impl<E: MakesRoom> Signalled<E> {
    /// Asks for the signal: it is sent when a message of `len` bytes fits, or there is an end to be told of by `try_send`, but
    /// for a peer that dies; it may come for nothing, as when there is room, but not yet enough. `false`: it fits already, and
    /// no signal is asked for. Does not block.
    pub fn arm_for(&mut self, len: usize) -> bool {
        self.call.arm(&mut self.end.room_for(len))
    }

    /// Takes the asking for room back; a signal may be on its way.
    pub fn disarm_room(&mut self) {
        self.call.take_back(&self.end.room_for(0));
    }
}

impl<E> Drop for Signalled<E> {
    fn drop(&mut self) {
        let endpoint = (self.endpoint)(&self.end);
        if endpoint.is_home() {
            endpoint.line.take_call();
        }
        endpoint.segment.listen_no_more(self.call.0);
    }
}

impl<E> Deref for Signalled<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.end
    }
}

impl<E> DerefMut for Signalled<E> {
    fn deref_mut(&mut self) -> &mut E {
        &mut self.end
    }
}
