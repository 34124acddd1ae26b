//! Where a mapping and a ring meet.
#![allow(unsafe_code)]

use crate::layout::mpmc;
use crate::layout::spsc::Site;
use crate::ring::record::Window;
use crate::ring::slots::Table;
use crate::segment::mapping::Mapping;

/// The bytes of a record ring in `mapping`, whose header gave the `site`. The mapping must outlive the window: handles keep
/// both.
pub(crate) fn window_of(mapping: &Mapping, site: Site) -> Window {
    let base = mapping.at(site.records_at, site.sizes.size);
    // SAFETY: `at` has checked that the bytes are in the mapping; the mapping is page-aligned (hosted memory: to
    // a line and to the payload alignment), so `records_at` leads to a multiple of eight.
    unsafe { Window::new(base, site.sizes.size) }
}

/// The slots in `mapping`, whose header gave `sizes`. The mapping must outlive the table: handles keep both.
pub(crate) fn table_of(mapping: &Mapping, sizes: mpmc::Sizes) -> Table {
    let descriptors = mapping.at(sizes.descriptors_at(), sizes.slots * sizes.stride());
    let blocks = mapping.at(sizes.blocks_at(), sizes.slots * sizes.slot_size);
    // SAFETY: `at` has checked that both are in the mapping; they are page-aligned in it, as it is in memory.
    unsafe { Table::new(descriptors, blocks, sizes) }
}
