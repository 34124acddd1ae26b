//! Two sides of a ring agree on a type by its shape; these tests protect what "the same shape"
//! means.

use proptest::prelude::*;
use ringway::Shape;
use ringway::shape::{describe, difference, fingerprint};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

#[derive(Shape, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Pose {
    x: f64,
    y: f64,
}

#[derive(Shape, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Scan {
    stamp: u64,
    pose: Pose,
    samples: [i16; 8],
}

#[derive(Shape)]
#[repr(transparent)]
struct Metres(#[allow(dead_code)] f64);

#[test]
fn text_tells_names_kinds_and_offsets() {
    assert_eq!(
        describe::<Scan>(),
        "{stamp: u64 @0, pose: {x: f64 @0, y: f64 @8} @8, samples: [i16; 8] @24} size 40 align 8"
    );
}

#[test]
fn type_names_are_no_part_of_the_shape() {
    #[derive(Shape)]
    #[repr(C)]
    struct Point {
        x: Metres,
        y: Metres,
    }
    assert_eq!(describe::<Point>(), describe::<Pose>());
}

#[test]
fn field_names_are_part_of_the_shape() {
    #[derive(Shape)]
    #[repr(C)]
    struct Polar {
        radius: f64,
        angle: f64,
    }
    let (polar, pose) = (describe::<Polar>(), describe::<Pose>());
    assert_ne!(fingerprint(&polar), fingerprint(&pose));
    assert_eq!(difference(&polar, &pose), "found radius: f64 at 0, expected x: f64 at 0");
}

#[test]
fn transparent_struct_has_the_shape_of_its_field() {
    assert_eq!(describe::<Metres>(), describe::<f64>());
}

#[test]
fn tuple_fields_are_named_by_number() {
    #[derive(Shape)]
    #[repr(C)]
    struct Pair(u32, f32);
    assert_eq!(describe::<Pair>(), "{0: u32 @0, 1: f32 @4} size 8 align 4");
}

#[test]
fn raw_identifiers_are_named_without_their_prefix() {
    #[derive(Shape)]
    #[repr(C)]
    struct Event {
        r#type: u32,
    }
    assert_eq!(describe::<Event>(), "{type: u32 @0} size 4 align 4");
}

#[test]
fn packing_and_alignment_are_part_of_the_shape() {
    #[derive(Shape)]
    #[repr(C, packed(2))]
    struct Packed {
        channel: u16,
        value: f64,
    }
    #[derive(Shape)]
    #[repr(C)]
    #[repr(align(16))]
    struct Aligned {
        value: [f64; 2],
    }
    assert_eq!(describe::<Packed>(), "{channel: u16 @0, value: f64 @2} size 10 align 2");
    assert_eq!(describe::<Aligned>(), "{value: [f64; 2] @0} size 16 align 16");
}

#[test]
fn constant_parameters_are_allowed() {
    #[derive(Shape)]
    #[repr(C)]
    struct Block<const N: usize> {
        length: u32,
        bytes: [u8; N],
    }
    assert_eq!(describe::<Block<12>>(), "{length: u32 @0, bytes: [u8; 12] @4} size 16 align 4");
}

#[test]
fn struct_written_by_a_macro_has_a_shape() {
    macro_rules! message {
        ($name:ident { $field:ident: $kind:ty }) => {
            #[derive(Shape)]
            #[repr(C)]
            struct $name {
                $field: $kind,
            }
        };
    }
    message!(Wide { value: u64 });
    assert_eq!(describe::<Wide>(), "{value: u64 @0} size 8 align 8");
}

#[test]
fn empty_struct_has_a_shape() {
    #[derive(Shape)]
    #[repr(C)]
    struct Tick;
    assert_eq!(describe::<Tick>(), "{} size 0 align 1");
}

proptest! {
    /// The text found comes from a header that anybody may have written.
    #[test]
    fn any_two_texts_can_be_compared(
        found in "[a-b{}:;@, é\\x1b\\[\\]]{0,40}",
        expected in "[a-b{}:;@, é]{0,40}",
    ) {
        let difference = difference(&found, &expected);
        prop_assert_eq!(difference == "none", found == expected);
        prop_assert!(!difference.contains(char::is_control));
    }
}
