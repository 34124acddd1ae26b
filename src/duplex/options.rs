//! How a duplex in shared memory is made, found and waited on.

use core::time::Duration;

use super::{Endpoint, Side, Tune};
use crate::channel::common::{Common, common_options};
use crate::channel::settle::settle;
use crate::channel::{Backing, duplex};
use crate::error::OpenError;
use crate::layout::{self, spsc};
use crate::segment::address::Address;
use crate::segment::{self, Entrant, Request, Segment};

/// How a duplex in shared memory is made, found and waited on: `ringway::duplex::options()`.
///
/// Sizes, alignment, mode and `persist` matter to whoever creates it; whoever opens one takes it as it is.
#[derive(Clone, Debug)]
#[must_use = "options do nothing until `endpoint` or `pair` is called"]
pub struct Options {
    size: usize,
    payload_align: usize,
    side: Option<Side>,
    tune: Tune,
    common: Common,
}

impl Options {
    pub(super) fn new() -> Options {
        let (size, payload_align) = (1 << 20, 8);
        Options { size, payload_align, side: None, tune: Tune::Balanced, common: Common::new() }
    }

    /// Bytes of each direction's ring, rounded up to a power of two; 1 MiB unless told otherwise. The segment takes twice
    /// that and 8 KiB (16 KiB with a payload alignment above 8). The largest message is half of it, less 8 bytes.
    pub fn size(mut self, bytes: usize) -> Self {
        self.size = bytes;
        self
    }

    /// Alignment of payloads in bytes, a power of two from 8 (the default) to 4096. Every record is padded to it. The payload
    /// of a request or reply lies 16 bytes further on.
    pub fn payload_align(mut self, bytes: usize) -> Self {
        self.payload_align = bytes;
        self
    }

    /// Take this side, and fail with [`OpenError::SideTaken`] if somebody has it. Otherwise the first side is taken, or the
    /// second one if somebody has that: which is as well while one of both lives. But what was sent to a side stays with that
    /// side, so where both may be gone at once, and what they left matters, each says which it is.
    pub fn side(mut self, side: Side) -> Self {
        self.side = Some(side);
        self
    }

    common_options!();

    /// Take messages from before the machine was started as they are, although nothing can tell whether they are whole.
    /// Otherwise a duplex with such messages is refused ([`OpenError::EarlierBoot`]).
    pub fn earlier_boot(mut self, accept: bool) -> Self {
        self.common.earlier_boot = accept;
        self
    }

    /// How often a blocked call looks whether the other side still lives; 50 ms unless told otherwise.
    pub fn liveness(mut self, interval: Duration) -> Self {
        self.common.liveness = interval;
        self
    }

    /// How a stream is polled.
    pub fn tune(mut self, tune: Tune) -> Self {
        self.tune = tune;
        self
    }

    /// Attaches as one side of the duplex at `address`, which is created if there is none: to both of its directions at once,
    /// or not at all. Does not wait for the other side. When a side has died or said goodbye, another may take its place and
    /// goes on where it stopped.
    ///
    /// # Errors
    /// [`OpenError::NoSide`] when both sides live, [`OpenError::SideTaken`] when the one asked for does;
    /// [`OpenError::Kind`] when a ring of another kind has the name; else what [`OpenError`] lists. After any error nothing
    /// is left behind.
    pub fn endpoint<A>(&self, address: A) -> Result<Endpoint, OpenError>
    where
        A: TryInto<Address>,
        OpenError: From<A::Error>,
    {
        let address = address.try_into()?;
        let accepted = self.common.earlier_boot;
        let request = self.request()?;
        let segment =
            segment::join(&address, &request, Entrant::Side(self.side), &|vacant| settle(vacant, accepted))?;
        self.attach(segment, Backing::of(&address))
    }

    /// Both sides of a new duplex in a sealed memfd, the first one first: nothing on disk, nothing to clean up.
    ///
    /// # Errors
    /// What [`OpenError`] lists: no memory, no descriptors, no /proc to open the memfd anew through.
    pub fn pair(&self) -> Result<(Endpoint, Endpoint), OpenError> {
        let request = self.request()?;
        let file = segment::create_memfd(&request)?;
        let side = |side| {
            let segment = segment::join_memfd(&file, &request, Entrant::Side(Some(side)))?;
            self.attach(segment, Backing::Fd)
        };
        Ok((side(Side::First)?, side(Side::Second)?))
    }

    /// One side of a new duplex in a sealed memfd, the first unless told otherwise, whose other side is yet to come: whoever
    /// gets its [descriptor](Endpoint::descriptor), for example a child, attaches to `fd:N`. Until then the other side is
    /// absent, not gone.
    ///
    /// # Errors
    /// As [`Options::pair`].
    pub fn lone(&self) -> Result<Endpoint, OpenError> {
        let request = self.request()?;
        let file = segment::create_memfd(&request)?;
        self.attach(segment::join_memfd(&file, &request, Entrant::Side(self.side))?, Backing::Fd)
    }

    fn attach(&self, segment: Segment, backing: Backing) -> Result<Endpoint, OpenError> {
        let side = Side::of(segment.id);
        let ends = duplex::attach(segment, backing, self.common.patience(), self.tune)?;
        Ok(Endpoint::of_rings(ends, side))
    }

    fn request(&self) -> Result<Request, OpenError> {
        let sizes = spsc::Sizes::asked(self.size, self.payload_align)
            .map_err(|(option, asked, rule)| OpenError::Option { option, asked, rule })?;
        let sizes = layout::Sizes::Duplex(layout::duplex::Sizes { ring: sizes });
        self.common.request(sizes, false, None, 1)
    }
}
