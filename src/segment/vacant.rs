//! A segment in which nobody lives, seen by one who joins it: the moment to look what earlier participants, or an earlier
//! boot of the machine, have left. Nobody else joins meanwhile, for the membership lock is held.

use std::io;

use super::Segment;
use super::birth::boot_id;
use super::lease;
use super::mapping::Mapping;
use crate::error::OpenError;
use crate::frame::HEADER;
use crate::layout::{PAGE, Sizes};

/// What whoever joins a segment alone does first.
pub(crate) type Settle<'a> = &'a dyn Fn(&Vacant<'_>) -> Result<(), OpenError>;

/// A segment in which nobody else lives.
pub(crate) struct Vacant<'a> {
    segment: &'a Segment,
    boot: u128,
}

impl Segment {
    /// Has this participant `settle` the segment if nobody else lives here. The caller holds the membership lock.
    pub(super) fn settle(&self, settle: Settle<'_>) -> Result<(), OpenError> {
        let Some(lease) = &self.lease else {
            return Ok(());
        };
        for ids in self.others() {
            match lease::held_among(lease, ids) {
                Ok(Some(_)) => return Ok(()),
                Ok(None) => {}
                Err(source) => return Err(self.system("lock (OFD)", source)),
            }
        }
        settle(&Vacant { segment: self, boot: boot_id() })
    }
}

impl Vacant<'_> {
    pub(crate) fn mapping(&self) -> &Mapping {
        &self.segment.mapping
    }

    pub(crate) fn sizes(&self) -> Sizes {
        self.segment.header.sizes
    }

    /// The address, for messages.
    pub(crate) fn text(&self) -> &str {
        &self.segment.text
    }

    /// Was it last used since the machine was started? `false` if that is not known, for want of /proc.
    pub(crate) fn is_of_this_boot(&self) -> bool {
        let then = self.segment.header.boot;
        then != 0 && then == self.boot
    }

    /// Was it last used before the machine was started? `false` if that is not known.
    pub(crate) fn is_of_earlier_boot(&self) -> bool {
        let then = self.segment.header.boot;
        then != 0 && self.boot != 0 && then != self.boot
    }

    /// Makes an empty ring as empty as a new one. What is there until the end is an empty ring: the data goes first, and
    /// then the control lines from the beginning, the producer's before the consumer's.
    pub(crate) fn clear(&self) {
        let data_at = match self.sizes() {
            Sizes::Mpmc(sizes) => {
                self.mapping().clear(sizes.descriptors_at()..sizes.blocks_at());
                sizes.descriptors_at()
            }
            sizes => {
                sizes
                    .rings()
                    .for_each(|ring| self.mapping().clear(ring.records_at..ring.records_at + HEADER));
                sizes.rings().map(|ring| ring.records_at).min().unwrap_or(PAGE)
            }
        };
        self.mapping().clear(PAGE..data_at);
    }

    /// Says that the segment is of this boot.
    pub(crate) fn adopt(&self) {
        self.mapping().write_header(&self.mapping().read_header().of_boot(self.boot));
    }

    /// Writes the segment to the disk; all of it `again`, whatever the system takes for written.
    pub(crate) fn sync(&self, again: bool) -> Result<(), OpenError> {
        let written: Option<io::Result<()>> = self.segment.sync(again);
        written.unwrap_or(Ok(())).map_err(|source| self.segment.system("fdatasync", source))
    }
}
