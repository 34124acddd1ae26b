//! The two ends of a side of a `duplex`: a producer of one ring and a consumer of the other, as `spsc` has them.

use super::spsc::durability::Durability;
use super::spsc::end::End;
use super::spsc::{Consumer, Producer};
use super::{Backing, Tune};
use crate::error::OpenError;
use crate::layout::Role;
use crate::segment::Segment;
use crate::wait::Patience;

/// Attaches both ends of the side as which `segment` was joined.
pub(crate) fn attach(
    mut segment: Segment,
    backing: Backing,
    patience: Patience,
    tune: Tune,
) -> Result<(Producer, Consumer), OpenError> {
    let Some(other) = segment.other_end() else { unreachable!("a side is joined with both its leases") };
    let end = |segment, role| End::new(segment, role, backing, patience, Durability::default());
    let producer = Producer::attach(end(segment, Role::Producer)?)?;
    let consumer = Consumer::attach(end(other, Role::Consumer)?, tune)?;
    Ok((producer, consumer))
}
