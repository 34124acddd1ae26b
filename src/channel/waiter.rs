//! What everything has in common that waits for a ring without sleeping in a call of the ring's own: [`Select`], descriptors,
//! signals and futures.
//!
//! They all do what a blocking call does, cut into pieces: look; look whether the peer lives, if it is time to; announce; look
//! once more; and then leave the sleeping to somebody else, with the time at which to look whether the peer lives again.
//!
//! [`Select`]: super::Select

use core::time::Duration;

use super::endpoint::{Endpoint, Seat};
use crate::wait::{Condition, now};

/// A handle of which something is waited for.
pub(crate) trait Waits {
    /// What is waited for.
    type Wanted<'a>: Condition
    where
        Self: 'a;

    /// A wait, to be asked piece by piece.
    fn wanted(&mut self) -> Self::Wanted<'_>;
    /// The end that waits.
    fn endpoint(&self) -> &Endpoint;
    /// Does anybody for whom it waits run on another processor?
    fn is_beside(&self) -> bool;
    /// Notes that this end does not sleep any more.
    fn rise(&self) {}
    /// This end was woken, and does not take what it was woken for at once: wakes another in its place.
    fn pass_on(&mut self) {}
}

/// The same, of whichever kind the handle is. Implemented for what [`Waits`], and for nothing else.
pub trait Waiter {
    /// Is this the process whose handle it is?
    fn is_home(&self) -> bool;
    /// Would a call that does not wait have something to do, or an end to tell of?
    fn look(&mut self) -> bool;
    /// The same, asking also whether the peer lives, if it is time to. Whatever is found so, the call that does not wait
    /// tells.
    fn check(&mut self) -> bool;
    /// Notes a coming sleep; when it is to end at the latest, for the next check.
    fn lie_down(&mut self) -> Duration;
    /// Is it of use to look for a while: does anybody for whom it waits run on another processor?
    fn is_beside(&self) -> bool;
    /// Where it waits.
    fn seat(&self) -> Seat;
    /// Notes that it does not sleep any more.
    fn rise(&self);
    /// Wakes another in its place if what it was woken for is still there.
    fn pass_on(&mut self);
}

impl<W: Waits> Waiter for W {
    fn is_home(&self) -> bool {
        self.endpoint().is_home()
    }

    fn look(&mut self) -> bool {
        // A forked child has an error to be told of.
        !self.is_home() || self.wanted().look().is_some()
    }

    fn check(&mut self) -> bool {
        if !self.is_home() {
            return true;
        }
        let time = now();
        let due = self.endpoint().is_due(time);
        let mut wanted = self.wanted();
        // The look tells the check what stands in the way.
        if wanted.look().is_some() {
            return true;
        }
        let found = due && wanted.check(time).is_some();
        drop(wanted);
        if found {
            self.endpoint().suspect();
        }
        found
    }

    fn lie_down(&mut self) -> Duration {
        let interval = self.endpoint().patience.interval;
        let mut wanted = self.wanted();
        wanted.before_sleep();
        wanted.look();
        let again = wanted.check_again(interval);
        drop(wanted);
        self.endpoint().due_within(again, now())
    }

    fn is_beside(&self) -> bool {
        Waits::is_beside(self)
    }

    fn seat(&self) -> Seat {
        self.endpoint().seat()
    }

    fn rise(&self) {
        Waits::rise(self);
    }

    fn pass_on(&mut self) {
        Waits::pass_on(self);
    }
}

/// A handle that can wait for room: a producer.
pub trait MakesRoom {
    /// Room for a message of `len` bytes, as something to wait for.
    fn room_for(&mut self, len: usize) -> impl Waiter;
    /// Waits for room no more.
    fn give_up_room(&mut self) {}
}
