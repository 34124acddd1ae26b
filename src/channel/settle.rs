//! What is done with a ring in which nobody lives, by whoever joins it: an earlier boot may have left anything.

use super::window::{table_of, window_of};
use crate::error::{Corrupt, OpenError};
use crate::layout::spsc::CONTROL_AT;
use crate::layout::{Sizes, spsc};
use crate::ring::record::{self, Recovered};
use crate::ring::slots;
use crate::segment::Vacant;

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
pub(crate) fn recover(vacant: &Vacant<'_>, sizes: spsc::Sizes) -> Result<Option<Recovered>, OpenError> {
    let mapping = vacant.mapping();
    let (window, control) = (window_of(mapping, sizes), mapping.part(CONTROL_AT));
    let recovered = record::recover(&window, &control, sizes, vacant.is_of_earlier_boot())
        .map_err(|corrupt| OpenError::Corrupt { place: vacant.text().to_owned(), corrupt })?;
    if recovered.is_some() {
        // What was cut off must not come back before the ring is used again, nor the old boot be forgotten before.
        vacant.sync()?;
        vacant.adopt();
        vacant.sync()?;
    }
    Ok(recovered)
}

/// What is in the ring: bytes of records, or slots.
fn used(vacant: &Vacant<'_>) -> Result<u64, Corrupt> {
    let mapping = vacant.mapping();
    match vacant.sizes() {
        Sizes::Spsc(sizes) => record::backlog(&window_of(mapping, sizes), &mapping.part(CONTROL_AT), sizes),
        Sizes::Mpmc(sizes) => slots::used(&table_of(mapping, sizes), sizes),
    }
}
