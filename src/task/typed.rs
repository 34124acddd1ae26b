//! Messages of a type, to be sent.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{Async, Room};
use crate::channel::spsc::{TypedClaim, TypedProducer};
use crate::channel::verbs::Sends;
use crate::error::SendError;

impl<T> Async<TypedProducer<T>>
where
    T: FromBytes + IntoBytes + Immutable + KnownLayout,
{
    /// Sends a copy of `message`; waits while the ring is full. Dropping the future sends nothing.
    ///
    /// # Errors
    /// As [`TypedProducer::send`]; [`SendError::Unarmed`] when the system refuses to wait.
    pub async fn send(&mut self, message: &T) -> Result<(), SendError> {
        Room(self).until(size_of::<T>(), |tx| tx.try_send(message)).await
    }

    /// Claims room for one message, to be filled in place; waits while the ring is full. Dropping the future claims nothing.
    ///
    /// # Errors
    /// As [`TypedProducer::claim`]; [`SendError::Unarmed`] when the system refuses to wait.
    pub async fn claim(&mut self) -> Result<TypedClaim<'_, T>, SendError> {
        let len = size_of::<T>();
        let claimed = Room(self).until(len, |tx| tx.as_bytes_mut().claim_now(len)).await?;
        Ok(TypedClaim::new(self.as_bytes_mut().claim_of(claimed)))
    }
}
