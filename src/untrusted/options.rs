//! How an end of an untrusted ring is made.

use core::time::Duration;
use std::os::fd::AsFd;

use super::end::{End, Given};
use super::greeting::{self, Greeting};
use super::{Consumer, Producer};
use crate::error::{HandoverError, OpenError};
use crate::handover::socket::{Socket, copy_of};
use crate::layout::{Role, halves};
use crate::segment::process::Home;
use crate::segment::{Owner, half};
use crate::sync::register;
use crate::wait::{Patience, Wait};

/// How an end of an untrusted ring is made and used: `ringway::untrusted::options()`.
#[derive(Clone, Debug)]
#[must_use = "options do nothing until `producer` or `consumer` is called"]
pub struct Options {
    size: usize,
    most: usize,
    owner: Owner,
    timeout: Duration,
    wait: Wait,
    spin: Duration,
    liveness: Duration,
}

impl Options {
    pub(super) fn new() -> Options {
        Options {
            size: 1 << 20,
            most: 64 << 20,
            owner: Owner::Me,
            timeout: Duration::from_secs(5),
            wait: Wait::Adaptive,
            spin: Duration::from_micros(25),
            liveness: Duration::from_millis(50),
        }
    }

    /// Producers: bytes of the ring, rounded up to a power of two; 1 MiB unless told otherwise. The largest message is 8
    /// bytes less.
    pub fn size(mut self, bytes: usize) -> Self {
        self.size = bytes;
        self
    }

    /// Consumers: bytes of the largest ring to take; 64 MiB unless told otherwise. So much memory a producer can make this
    /// process use, and as much again for the copy of a message.
    pub fn most(mut self, bytes: usize) -> Self {
        self.most = bytes;
        self
    }

    /// Whose process the other side must be, by the kernel's account (`SO_PEERCRED`); the caller's own user's, unless told
    /// otherwise.
    pub fn owner(mut self, owner: Owner) -> Self {
        self.owner = owner;
        self
    }

    /// How long the hand-over may take; 5 seconds unless told otherwise.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How blocking calls wait.
    pub fn wait(mut self, wait: Wait) -> Self {
        self.wait = wait;
        self
    }

    /// How long [`Wait::Adaptive`] spins at most before it sleeps; 25 µs unless told otherwise.
    pub fn spin(mut self, spin: Duration) -> Self {
        self.spin = spin;
        self
    }

    /// How often a blocked call looks whether its peer still lives, and the longest that a peer which does not wake it can
    /// delay it; 50 ms unless told otherwise.
    pub fn liveness(mut self, interval: Duration) -> Self {
        self.liveness = interval;
        self
    }

    /// Makes a ring with the process at the other side of `socket`, which calls [`consumer`](Options::consumer); blocks until
    /// it has. The socket stays the caller's, who may use it for other rings or anything else: not a byte is read beyond a
    /// greeting. This end keeps a descriptor of it, whose hang-up is the proof that the other side is gone.
    ///
    /// # Errors
    /// [`HandoverError`] lists them: one for each thing that can be wrong with what came. The socket is of no more use then.
    pub fn producer(&self, socket: impl AsFd) -> Result<Producer, HandoverError> {
        let size = self.ring_size()?;
        let given = Given::to(half::create(halves::producer_len(size))?);
        let (end, _) = self.exchange(socket, Role::Producer, size, given)?;
        Ok(Producer::new(end, size))
    }

    /// Makes a ring with the process at the other side of `socket`, which calls [`producer`](Options::producer); blocks until
    /// it has. See there.
    ///
    /// # Errors
    /// [`HandoverError::TooLarge`] when the ring is larger than [`most`](Options::most); else as [`Options::producer`].
    pub fn consumer(&self, socket: impl AsFd) -> Result<Consumer, HandoverError> {
        let given = Given::to(half::create(halves::CONTROL_LEN)?);
        let (end, size) = self.exchange(socket, Role::Consumer, 0, given)?;
        Ok(Consumer::new(end, size))
    }

    /// Gives this side's half and takes the other's; bytes of the ring. `size`: of this side's ring, as a consumer 0.
    fn exchange(
        &self,
        socket: impl AsFd,
        role: Role,
        size: u64,
        given: Given,
    ) -> Result<(End, u64), HandoverError> {
        let here =
            |source| OpenError::System { call: "mark this process in", place: "memory".to_owned(), source };
        let home = Home::here().map_err(here)?;
        let fd = socket.as_fd();
        let socket = Socket::of(fd, self.owner, self.timeout, greeting::LEN)?;
        let mine = Greeting { role, registered: register(), size };
        socket.send(&mine.bytes(), given.descriptor())?;
        let mut bytes = [0; greeting::LEN];
        let beside = socket.receive(&mut bytes, &greeting::MAGIC)?;
        let theirs = Greeting::read(&bytes)?;
        let descriptor = beside.only_one()?;
        if theirs.role == role {
            return Err(HandoverError::SameRole { role });
        }
        let size = size.max(theirs.size);
        let (found, allowed) = (theirs.size, self.most as u64);
        if found > allowed {
            return Err(HandoverError::TooLarge { found, allowed });
        }
        let len = match theirs.role {
            Role::Producer => halves::producer_len(size),
            Role::Consumer => halves::CONTROL_LEN,
        };
        let taken = half::take(descriptor, len)?;
        let end =
            End::new(given, taken, copy_of(fd)?, mine.registered && theirs.registered, home, self.patience());
        Ok((end, size))
    }

    fn ring_size(&self) -> Result<u64, OpenError> {
        let asked = self.size as u64;
        let size = asked.max(halves::SIZE_MIN).checked_next_power_of_two();
        size.filter(|size| *size <= halves::SIZE_MAX).ok_or(OpenError::Option {
            option: "ring size",
            asked,
            rule: "at most 4 GiB, since a record may fill the ring and its length has 32 bits",
        })
    }

    fn patience(&self) -> Patience {
        Patience {
            how: self.wait,
            began: Duration::ZERO,
            spin: self.spin,
            interval: self.liveness,
            deadline: None,
        }
    }
}
