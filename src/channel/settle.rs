//! What is done with a ring in which nobody lives, by whoever joins it: an earlier boot may have left anything.

use super::window::{table_of, window_of};
use crate::error::{Corrupt, OpenError};
use crate::layout::spsc::Site;
use crate::layout::{Shared, Sizes, spsc};
use crate::ring::record::{self, Findings};
use crate::ring::slots;
use crate::segment::Vacant;
use crate::segment::mapping::Mapping;
use crate::sync::Ordering;

/// Settles a ring whose messages carry no checksums. After an earlier boot nothing tells whether they are whole: an empty
/// ring is as good as new, and any other is refused, unless whatever it holds is `accepted`.
pub(crate) fn settle(vacant: &Vacant<'_>, accepted: bool) -> Result<(), OpenError> {
    if !vacant.is_of_earlier_boot() {
        return Ok(());
    }
    match used(vacant) {
        Ok(0) => vacant.clear(),
        _ if accepted => {}
        _ => return Err(OpenError::EarlierBoot { place: vacant.text().to_owned() }),
    }
    vacant.adopt();
    Ok(())
}

/// Recovers a durable ring. `None`: it was as it should be.
pub(crate) fn recover(vacant: &Vacant<'_>, sizes: spsc::Sizes) -> Result<Option<Findings>, OpenError> {
    let (mapping, site) = (vacant.mapping(), sizes.site());
    let (window, control): (_, Shared<spsc::Control>) =
        (window_of(mapping, site), mapping.part(site.control_at));
    if control.producer.failed.load(Ordering::Relaxed) != 0 {
        vacant.sync(true)?;
        control.producer.failed.store(0, Ordering::Relaxed);
    }
    let sync = || vacant.sync(false).inspect_err(|_| control.producer.failed.store(1, Ordering::Relaxed));
    let findings = record::examine(&window, &control, sizes, !vacant.is_of_this_boot())
        .map_err(|corrupt| OpenError::Corrupt { place: vacant.text().to_owned(), corrupt })?;
    if let Some(findings) = &findings {
        // What is there is on the disk before anything is cut off, and that before it is forgotten.
        sync()?;
        findings.truncate(&window, &control, sizes);
        sync()?;
        findings.note(&control);
        vacant.adopt();
        sync()?;
    }
    Ok(findings)
}

/// What is in the ring: bytes of records, or slots.
fn used(vacant: &Vacant<'_>) -> Result<u64, Corrupt> {
    let mapping = vacant.mapping();
    match vacant.sizes() {
        Sizes::Mpmc(sizes) => slots::used(&table_of(mapping, sizes), sizes),
        sizes => sizes.rings().map(|site| used_of(mapping, site)).sum(),
    }
}

/// Bytes of records that are in the record ring at `site`.
pub(crate) fn used_of(mapping: &Mapping, site: Site) -> Result<u64, Corrupt> {
    record::backlog(&window_of(mapping, site), &mapping.part(site.control_at), site.sizes)
}
