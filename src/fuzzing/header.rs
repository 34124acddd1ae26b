//! Whatever stands where a header should.

use zerocopy::{FromZeros, IntoBytes};

use super::input::Input;
use super::memory::Memory;
use crate::layout::header::{HEADER_LEN, RawHeader};
use crate::layout::{Sizes, mpmc, spsc};

/// What the opener expects of messages.
const EXPECTED: &str = "{stamp: u64 @0, pose: {x: f64 @0, y: f32 @8, z: [u8; 4] @12} @8} size 24 align 8";
/// Rings up to this size are really opened.
const SMALL: u64 = 1 << 16;

/// The first byte says how much of the header is made right, so that what lies behind is reached; then come its bytes.
pub(super) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let repair = input.byte();
    let mut raw = RawHeader::new_zeroed();
    let bytes = input.take(HEADER_LEN);
    raw.as_mut_bytes()[..bytes.len()].copy_from_slice(bytes);
    let raw = if repair & 1 != 0 { raw.with_origin() } else { raw };
    let raw = if repair & 2 != 0 { raw.with_consequences() } else { raw };
    let raw = if repair & 4 != 0 { raw.with_fingerprint() } else { raw };
    let length = if repair & 8 != 0 { raw.total() } else { input.word() };
    let header = match raw.check("fuzz", length) {
        Ok(header) => header,
        Err(error) => return assert!(!error.to_string().is_empty(), "an error says something"),
    };
    assert_eq!(header.sizes.total(), length, "a ring ends where its file does");
    for expected in [None, Some(EXPECTED)] {
        if let Err(error) = header.check_type("fuzz", expected) {
            let text = error.to_string();
            assert!(!text.chars().any(char::is_control), "escaped: {text:?}");
        }
    }
    if length <= SMALL {
        lies_within(header.sizes, &Memory::new(length));
    }
}

/// Every part of the ring, which these functions check too, is within the memory.
fn lies_within(sizes: Sizes, memory: &Memory) {
    use crate::channel::window::{table_of, window_of};
    let mapping = memory.mapping();
    for site in sizes.rings() {
        mapping.part::<spsc::Control>(site.control_at);
        window_of(&mapping, site);
    }
    if let Sizes::Mpmc(sizes) = sizes {
        mapping.part::<mpmc::Control>(sizes.control_at());
        table_of(&mapping, sizes);
    }
}
