//! What the processes of a crowd inherit.

use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::pipe;
use ringway::{mpmc, spsc};

use super::{BLOCK, Crowd, Descriptors, INLINE};
use crate::bench::message_queue;
use crate::bench::studies::{bare, inheritable};

/// Bytes of a ring of one producer's own.
const RING_BYTES: usize = 256 << 10;

/// Messages that a message queue holds: the most that a system allows unless told otherwise.
const QUEUE_DEPTH: usize = 10;

/// Everything that a crew inherits, held open by the coordinator.
pub struct Belongings {
    /// The mpmc ring as it comes.
    ring: OwnedFd,
    /// Those that are fitted to a size.
    fitted: Vec<(usize, OwnedFd)>,
    /// A ring for each producer, if there is one consumer.
    rings: Vec<OwnedFd>,
    /// The pipe, to read and to write.
    pipe: (OwnedFd, OwnedFd),
    /// Datagram and seqpacket sockets, to write and to read.
    sockets: [(OwnedFd, OwnedFd); 2],
    /// The message queue, if there are any.
    pub queue: Option<OwnedFd>,
}

impl Belongings {
    /// New ones. The rings lie in memory files: nothing has a name that could be left behind.
    pub fn new(crowd: Crowd, sizes: &[usize]) -> Result<Self> {
        let ring = |options: mpmc::Options| -> Result<OwnedFd> {
            let (producer, _consumer) = options.slots(bare::CELLS).pair().context("cannot make a ring")?;
            inheritable(producer.descriptor()?)
        };
        let own = |_| -> Result<OwnedFd> {
            let (producer, _consumer) =
                spsc::options().size(RING_BYTES).pair().context("cannot make a ring")?;
            inheritable(producer.descriptor()?)
        };
        let fitted = |&size: &usize| Ok((size, ring(mpmc::options().slot_size(0).inline(size))?));
        let socket = |kind| socketpair(AddressFamily::Unix, kind, None, SockFlag::empty());
        let own_rings = if crowd.consumers == 1 { crowd.producers } else { 0 };
        let name = format!("/bench-{}-crowd", std::process::id());
        Ok(Self {
            ring: ring(mpmc::options().slot_size(BLOCK).inline(INLINE))?,
            fitted: sizes.iter().map(fitted).collect::<Result<_>>()?,
            rings: (0..own_rings).map(own).collect::<Result<_>>()?,
            pipe: pipe().context("cannot create a pipe")?,
            sockets: [socket(SockType::Datagram)?, socket(SockType::SeqPacket)?],
            queue: message_queue::queue(&name, QUEUE_DEPTH, message_queue::LARGEST).ok(),
        })
    }

    /// Their numbers.
    pub fn numbers(&self) -> Descriptors {
        let both = |(one, other): &(OwnedFd, OwnedFd)| [one.as_raw_fd(), other.as_raw_fd()];
        Descriptors {
            ring: self.ring.as_raw_fd(),
            fitted: self.fitted.iter().map(|(size, fd)| (*size, fd.as_raw_fd())).collect(),
            rings: self.rings.iter().map(AsRawFd::as_raw_fd).collect(),
            pipe: both(&self.pipe),
            sockets: [both(&self.sockets[0]), both(&self.sockets[1])],
            queue: self.queue.as_ref().map(AsRawFd::as_raw_fd),
        }
    }
}
