//! What a new segment is told of its creation.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::BuildHasher;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::layout::header::Birth;

/// Facts about a segment that is created now.
pub(super) fn birth() -> Birth {
    let created = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Birth { instance: random(), boot: boot_id(), created: created.as_nanos() as u64 }
}

/// A random number, from the seeds that the standard library takes from the system. A forked child has its parent's
/// seeds, so its id goes in, too.
pub(crate) fn random() -> u128 {
    let half = || u128::from(RandomState::new().hash_one(std::process::id()));
    half() << 64 | half()
}

/// Which boot of the machine this is; 0 when /proc does not say.
pub(crate) fn boot_id() -> u128 {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    u128::from_str_radix(&text.trim().replace('-', ""), 16).unwrap_or(0)
}
