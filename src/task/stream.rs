//! Messages as a stream, each copied out of the ring.

use core::ops::Deref;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use futures_core::Stream;

use super::{Async, number_of};
use crate::channel::Source;
use crate::channel::verbs::Receives;
use crate::error::RecvError;

/// The messages that are still to come, copied. It ends when every producer has said goodbye and everything was received; any
/// other error is an item, and may come again and again.
///
/// A stream that was pending goes on waiting until it is polled again or dropped. In an `mpmc` ring the message that it is
/// woken for waits for it meanwhile, or for another consumer's next look: a task that turns to something else for long has
/// [`recv`](Async::recv), whose future can be dropped.
impl<E> Stream for Async<E>
where
    E: Source + Receives + Unpin,
    for<'a> E::Message<'a>: Deref<Target = [u8]>,
{
    type Item = Result<Vec<u8>, RecvError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            ready!(this.poll_turn(cx));
            match this.take() {
                Err(RecvError::Empty) => {}
                Err(RecvError::Closed) => return Poll::Ready(None),
                Err(error) => return Poll::Ready(Some(Err(error))),
                Ok(taken) => {
                    let message = this.end.message_of(taken);
                    return Poll::Ready(Some(message.map(|message| message.to_vec())));
                }
            }
            if let Err(error) = ready!(this.poll_ready(cx)) {
                return Poll::Ready(Some(Err(RecvError::Unarmed { errno: number_of(&error) })));
            }
        }
    }
}
