//! Where a mapping and a ring meet.
#![allow(unsafe_code)]

use crate::layout::spsc::Sizes;
use crate::ring::record::Window;
use crate::segment::mapping::Mapping;

/// The ring's bytes in `mapping`, whose header gave `sizes`. The mapping must outlive the window: handles keep
/// both.
pub(crate) fn window_of(mapping: &Mapping, sizes: Sizes) -> Window {
    let base = mapping.at(sizes.records_at(), sizes.size);
    // SAFETY: `at` has checked that the bytes are in the mapping; the mapping is page-aligned (hosted memory: to
    // a line and to the payload alignment), so `records_at` leads to a multiple of eight.
    unsafe { Window::new(base, sizes.size) }
}
