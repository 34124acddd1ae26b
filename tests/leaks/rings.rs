//! The rings of the nursery, and the ends that its keeper has in each.

use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use ringway::inspect::{ParticipantReport, inspect};
use ringway::spsc::Peer;
use ringway::{Address, Role};

use crate::chance::Chance;
use crate::common::eventually;
use crate::ends::{self, Kind, Receiver, Receiving, Sender, Sending};
use crate::fork;
use crate::ground::Ground;

/// What takes no time.
const BRISK_SENDING: [Sending; 4] = [Sending::Send, Sending::Claim, Sending::Abort, Sending::Batch];
const BRISK_RECEIVING: [Receiving; 2] = [Receiving::Receive, Receiving::Drain];
/// What guests do: they wait and hold, too.
const SENDING: [Sending; 6] =
    [Sending::Send, Sending::Claim, Sending::Abort, Sending::Batch, Sending::Wait, Sending::Hold];
const RECEIVING: [Receiving; 4] = [Receiving::Receive, Receiving::Drain, Receiving::Wait, Receiving::Hold];

/// How long an empty ring is asked once more: several liveness intervals, so that all that the dead held has come.
const PATIENCE: Duration = Duration::from_millis(10);

/// Where a ring lives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Backing {
    Shm,
    File,
    /// A memfd whose descriptor the guests inherit.
    Fd,
}

/// A ring that stays while guests come, go and are killed.
pub struct Ring {
    kind: Kind,
    backing: Backing,
    address: Address,
    /// What guests of an `spsc` ring are; the keeper is the other.
    guests: Role,
    tx: Option<Box<dyn Sender>>,
    rx: Option<Box<dyn Receiver>>,
    /// What the guests inherit.
    _memfd: Option<OwnedFd>,
}

impl Ring {
    pub fn new(kind: Kind, backing: Backing, ground: &Ground, guests: Role) -> Ring {
        let name = format!("{kind:?}");
        let memfd = (backing == Backing::Fd).then(|| memfd(kind));
        let address = match (&memfd, backing) {
            (Some(memfd), _) => Address::Fd(memfd.as_raw_fd()),
            (None, Backing::File) => Address::File(ground.path(&name)),
            (None, _) => Address::Shm(name),
        };
        let mut ring = Ring { kind, backing, address, guests, tx: None, rx: None, _memfd: memfd };
        ring.come();
        ring
    }

    /// The keeper takes its ends.
    pub fn come(&mut self) {
        let both = self.kind == Kind::Mpmc;
        if both || self.guests == Role::Consumer {
            self.tx = Some(ends::sender(self.kind, &self.address).expect("the keeper's place"));
        }
        if both || self.guests == Role::Producer {
            self.rx = Some(ends::receiver(self.kind, &self.address).expect("the keeper's place"));
        }
    }

    /// The keeper leaves.
    pub fn go(&mut self) {
        (self.tx, self.rx) = (None, None);
    }

    /// Everybody has left: receives what is left, and leaves too. Then the name, or the memfd, is gone.
    pub fn end(mut self) {
        self.go();
        let mut rx = ends::receiver(self.kind, &self.address).expect("a consumer's place");
        rx.empty(PATIENCE);
    }

    /// A new one instead, whose guests have the other role. Nothing is left of the old one meanwhile.
    pub fn renew(self, ground: &Ground) -> Ring {
        let (kind, backing) = (self.kind, self.backing);
        let guests = if self.guests == Role::Producer { Role::Consumer } else { Role::Producer };
        let address = self.address.clone();
        self.end();
        if backing != Backing::Fd {
            let gone = inspect(address).map(drop);
            assert!(matches!(gone, Err(ringway::OpenError::NotFound { .. })), "{gone:?}");
        }
        Ring::new(kind, backing, ground, guests)
    }

    /// The keeper does something with each of its ends, without waiting.
    pub fn tend(&mut self, chance: &mut Chance) {
        if let Some(tx) = &mut self.tx {
            ends::send(&mut **tx, &BRISK_SENDING, chance);
        }
        if let Some(rx) = &mut self.rx {
            ends::receive(&mut **rx, &BRISK_RECEIVING, chance);
        }
    }

    /// How many guests there may be at a time.
    pub fn room(&self) -> u64 {
        if self.kind == Kind::Mpmc { 3 } else { 1 }
    }

    /// A process that attaches and does something again and again, or a few times and leaves.
    pub fn guest(&self, doomed: bool, chance: &mut Chance) -> Guest {
        let role = match self.kind {
            Kind::Spsc | Kind::Durable => self.guests,
            Kind::Mpmc => chance.one_of(&[Role::Producer, Role::Consumer]),
        };
        let (kind, address, mut chance) = (self.kind, self.address.clone(), chance.split());
        let deeds = if doomed { u64::MAX } else { chance.below(4) };
        let pid = fork::child(|| match role {
            Role::Producer => {
                let mut tx = ends::sender(kind, &address).expect("a producer's place");
                (0..deeds).for_each(|_| ends::send(&mut *tx, &SENDING, &mut chance));
            }
            Role::Consumer => {
                let mut rx = ends::receiver(kind, &address).expect("a consumer's place");
                (0..deeds).for_each(|_| ends::receive(&mut *rx, &RECEIVING, &mut chance));
            }
        });
        Guest { pid, doomed }
    }

    /// Nobody lives there but the keeper.
    pub fn check(&self) {
        let keepers = usize::from(self.tx.is_some()) + usize::from(self.rx.is_some());
        eventually("only the keeper lives", || {
            let living = |one: &&ParticipantReport| one.state == Peer::Attached;
            self.participants().iter().filter(living).count() == keepers
        });
    }

    /// How many of `guests` have attached, as far as nobody has come to their places since.
    pub fn attached(&self, guests: &[Guest]) -> u64 {
        let is_guest = |one: &&ParticipantReport| {
            guests.iter().any(|guest| i64::from(guest.pid.as_raw()) == i64::from(one.pid))
        };
        self.participants().iter().filter(is_guest).count() as u64
    }

    fn participants(&self) -> Vec<ParticipantReport> {
        inspect(&self.address).expect("the ring").participants
    }
}

/// A ring in a memfd that only this descriptor leads to.
fn memfd(kind: Kind) -> OwnedFd {
    let descriptor = match kind {
        Kind::Spsc | Kind::Durable => ends::spsc_options().pair().and_then(|(tx, _rx)| tx.descriptor()),
        Kind::Mpmc => ends::mpmc_options().pair().and_then(|(tx, _rx)| tx.descriptor()),
    };
    descriptor.expect("a memfd")
}

/// A process that came to a ring.
pub struct Guest {
    pid: Pid,
    doomed: bool,
}

impl Guest {
    pub fn is_doomed(&self) -> bool {
        self.doomed
    }

    /// Kills it if that is its lot.
    pub fn strike(&self) {
        if self.doomed {
            kill(self.pid, Signal::SIGKILL).expect("it was not waited for");
        }
    }

    /// Waits until it is gone; it must have gone as it was to.
    pub fn bury(&self) {
        let killed = WaitStatus::Signaled(self.pid, Signal::SIGKILL, false);
        let ended = WaitStatus::Exited(self.pid, 0);
        let expected = if self.doomed { killed } else { ended };
        assert_eq!(waitpid(self.pid, None), Ok(expected), "how the guest went");
    }
}
