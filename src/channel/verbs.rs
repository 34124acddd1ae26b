//! The verbs that do not wait, cut in two where a guard is made: so that whoever waits in between, in a way of its own, can try
//! again and again and make the guard at last.

use crate::error::{RecvError, SendError};

/// A handle that receives messages.
pub trait Receives {
    /// A message that is taken.
    type Taken;
    /// Its guard.
    type Message<'a>
    where
        Self: 'a;

    /// Takes the next message if there is one now.
    fn take(&mut self) -> Result<Self::Taken, RecvError>;
    /// The guard of a message that is taken; an error if it is not of the type that it should be.
    fn message_of(&mut self, taken: Self::Taken) -> Result<Self::Message<'_>, RecvError>;
}

/// A handle that sends messages.
pub trait Sends {
    /// Room that is claimed.
    type Claimed;
    /// Its guard.
    type Claim<'a>
    where
        Self: 'a;

    /// Sends a copy of `message` if there is room now.
    fn send_now(&mut self, tag: u16, message: &[u8]) -> Result<(), SendError>;
    /// Claims room if there is some now.
    fn claim_now(&mut self, len: usize) -> Result<Self::Claimed, SendError>;
    /// The guard of room that is claimed.
    fn claim_of(&mut self, claimed: Self::Claimed) -> Self::Claim<'_>;
}
