//! Segments in memory that the caller has.

use std::os::fd::OwnedFd;

use super::birth::birth;
use super::lease::{self, Lease};
use super::mapping::Mapping;
use super::{Request, Segment, membership, no_place, own_lease};
use crate::error::OpenError;
use crate::frame::HEADER;
use crate::layout::participant::Participant;
use crate::layout::{PAGE, Role, Sizes, spsc};

/// Joins a ring in memory that the caller has. `leases`: a file of the host's whose locks prove who lives.
pub(crate) fn join_hosted(
    mapping: Mapping,
    leases: Option<OwnedFd>,
    request: &Request,
    role: Role,
) -> Result<Segment, OpenError> {
    let text = "hosted memory";
    let needed = if request.create_new { request.plan.sizes.total() } else { spsc::DATA_AT };
    if mapping.len() < needed {
        return Err(OpenError::Memory { what: "length", found: mapping.len(), needed });
    }
    check_alignment(&mapping, align_of::<Participant>() as u64)?;
    let sizes = request.plan.sizes;
    let lease = match &leases {
        Some(file) => Some(own_lease(file, &mapping, text, sizes, role)?),
        None => None,
    };
    let (lease, id) = match lease {
        Some((lease, id)) => (Some(lease), id),
        None => (None, sizes.ids(role).start),
    };
    // Nobody joins between the look whether anybody is here and the formatting.
    let lock = match &lease {
        Some(lease) => Some(membership(lease, text)?),
        None => None,
    };
    if request.create_new {
        check_alignment(&mapping, sizes.align())?;
        if let Some(lease) = &lease {
            check_unused(lease, &mapping, text, sizes)?;
        }
        mapping.format(&request.plan.header(birth()), zeroed_to(sizes));
    }
    let header = mapping.read_header();
    let header = header.check(text, header.total().min(mapping.len())).map_err(|error| match error {
        OpenError::NotASegment { found, .. } => OpenError::Unformatted { found },
        error => error,
    })?;
    check_alignment(&mapping, header.sizes.align())?;
    if header.sizes.is_durable() {
        return Err(OpenError::NotDurable { place: "hosted memory".to_owned() });
    }
    request.check(&header, text)?;
    drop(lock);
    Segment::joined(mapping, header, text, lease, id)
}

/// Up to where a new ring must be zero.
fn zeroed_to(sizes: Sizes) -> u64 {
    match sizes {
        Sizes::Mpmc(sizes) => sizes.blocks_at(),
        sizes => sizes.rings().map(|ring| ring.records_at + HEADER).max().unwrap_or(PAGE),
    }
}

/// Does nobody else live here?
fn check_unused(lease: &Lease, mapping: &Mapping, text: &str, sizes: Sizes) -> Result<(), OpenError> {
    let taken = |role: &Role| !matches!(lease::held_among(lease, sizes.ids(*role)), Ok(None));
    match [Role::Producer, Role::Consumer].into_iter().find(taken) {
        Some(role) => Err(no_place(mapping, text, sizes, role)),
        None => Ok(()),
    }
}

/// Is hosted memory aligned to `needed` bytes?
fn check_alignment(mapping: &Mapping, needed: u64) -> Result<(), OpenError> {
    let found = 1 << mapping.at(0, 0).addr().trailing_zeros();
    if found >= needed { Ok(()) } else { Err(OpenError::Memory { what: "alignment", found, needed }) }
}
