//! What a blocked producer waits for.

use core::time::Duration;

use super::{Peer, Producer};
use crate::channel::endpoint::Endpoint;
use crate::channel::waiter::Waits;
use crate::error::SendError;
use crate::ring::slots::{Refused, Turn};
use crate::sync::pause;
use crate::wait::{self, Condition, now};

/// How long a large message waits before it asks small ones to let it pass.
const PATIENCE: Duration = Duration::from_millis(1);

/// Room for a message of a certain length, as something to wait for together with others: see
/// [`Select`](crate::Select). Takes nothing, and another producer may be quicker: send after it was found.
#[derive(Debug)]
#[must_use = "it does nothing until it is waited for"]
pub struct Room<'a> {
    pub(super) producer: &'a mut Producer,
    pub(super) len: usize,
}

impl Waits for Room<'_> {
    type Wanted<'a>
        = Space<'a>
    where
        Self: 'a;

    fn wanted(&mut self) -> Space<'_> {
        // Its check is made once an interval, and asks for everybody.
        Space { checks: 1, ..Space::new(self.producer, self.len as u64, 0) }
    }

    fn endpoint(&self) -> &Endpoint {
        &self.producer.end
    }

    fn is_beside(&self) -> bool {
        self.producer.end.is_beside()
    }

    fn rise(&self) {
        self.producer.end.line.set_asleep(false);
    }
}

/// Room for a message of `len` bytes, or a reason why there will be none.
#[derive(Debug)]
pub(crate) struct Space<'a> {
    producer: &'a mut Producer,
    len: u64,
    /// Who holds the slot that is needed; 0: nobody.
    holder: u32,
    /// How long this producer still honours another's turn.
    yields: Option<Duration>,
    polls: u32,
    checks: u32,
}

impl<'a> Space<'a> {
    pub(super) fn new(producer: &'a mut Producer, len: u64, holder: u32) -> Self {
        Space { producer, len, holder, yields: None, polls: 0, checks: 0 }
    }

    /// Who holds the slot that the last look found to be needed; 0: nobody.
    pub(super) fn holder(&self) -> u32 {
        self.holder
    }

    fn fits(&mut self) -> Option<Result<(), SendError>> {
        match self.producer.ring.fits(self.len) {
            Ok(()) => Some(Ok(())),
            Err(Refused::Full { holder, .. }) => {
                self.holder = holder;
                None
            }
            Err(refused) => Some(Err(self.producer.now_or_never(Some(refused), self.len as usize))),
        }
    }

    /// Asks for the turn if that is of use; again when it has lasted and there is still no room. A wait that is cut into
    /// pieces goes on where it was.
    fn ask_for_turn(&mut self) {
        if !self.producer.ring.takes_several(self.len) {
            return;
        }
        let time = now();
        match self.producer.asks_at {
            None => self.producer.asks_at = Some(time.saturating_add(PATIENCE)),
            Some(asks_at) if time >= asks_at => {
                let turn = self.producer.ring.ask_for_turn();
                let lasts = turn.map_or(PATIENCE, Turn::lasts);
                self.producer.asks_at = Some(time.saturating_add(lasts));
            }
            Some(_) => {}
        }
    }
}

impl Condition for Space<'_> {
    type Found = Result<(), SendError>;

    fn poll(&mut self) -> Option<Self::Found> {
        pause();
        self.polls = self.polls.wrapping_add(1);
        // Whoever spins for long hears a goodbye, too.
        if self.polls.is_multiple_of(wait::POLLS) { self.look() } else { self.fits() }
    }

    fn look(&mut self) -> Option<Self::Found> {
        let goodbye = self.producer.end.peers_said_goodbye();
        let found = self.fits();
        if found.is_none() && goodbye { Some(Err(SendError::Closed)) } else { found }
    }

    fn check(&mut self, time: Duration) -> Option<Self::Found> {
        // Most sleeps are short: the first check asks for more than what stands in the way once an interval.
        let roll_call = self.checks > 0 || self.producer.end.is_due(time);
        self.producer.end.note_look(time);
        self.checks = 1;
        if let Err(corrupt) = self.producer.repair(self.holder, roll_call) {
            return Some(Err(corrupt.into()));
        }
        self.yields = self.producer.honour_turn();
        self.ask_for_turn();
        let gone = match self.producer.end.peer() {
            Peer::Dead => Some(SendError::PeerDead),
            Peer::Closed => Some(SendError::Closed),
            peer => self.producer.end.waits_in_vain(peer, time).then_some(SendError::Unlinked),
        };
        // Room that they left is found first.
        self.fits().or(gone.map(Err))
    }

    fn check_again(&self, interval: Duration) -> Duration {
        let interval = self.producer.end.check_again(self.holder, interval);
        let asks_at = self.producer.asks_at.filter(|_| self.producer.ring.takes_several(self.len));
        let asks = asks_at.map(|asks_at| asks_at.saturating_sub(now()));
        [self.yields, asks].into_iter().flatten().fold(interval, Duration::min)
    }

    fn first_check(&self, started: Duration) -> Duration {
        // What asks others to wait, and what honours that, is done in the check.
        if self.holder == 0
            && !self.producer.ring.takes_several(self.len)
            && self.producer.ring.turn().is_none()
        {
            self.producer.end.due_at()
        } else {
            started
        }
    }

    fn before_sleep(&mut self) {
        self.producer.ring.write_down();
        self.producer.end.note_sleep();
        // A wait that is cut into pieces may come here without a check.
        self.yields = self.producer.honour_turn();
        if self.producer.asks_at.is_none() {
            self.ask_for_turn();
        }
    }

    fn last_look(&mut self) -> Option<Self::Found> {
        let time = now();
        if self.producer.end.is_due(time) {
            self.checks += 1;
            self.check(time)
        } else {
            self.look()
        }
    }
}
