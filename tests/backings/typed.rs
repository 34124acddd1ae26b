//! Rings whose messages have a type.

use ringway::spsc::options;
use ringway::{OpenError, Shape};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::common::image::{at, crash_image, patch};
use crate::common::names::Name;

#[derive(Clone, Copy, Debug, PartialEq, Shape, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Reading {
    stamp: u64,
    value: [f64; 3],
}

#[derive(Clone, Copy, Debug, PartialEq, Shape, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Narrow {
    stamp: u64,
    value: [f32; 6],
}

/// As long as a [`Wide`] is, and aligned to sixteen bytes.
#[derive(Clone, Copy, Debug, PartialEq, Shape, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Wide {
    value: u128,
}

#[test]
fn typed_messages_are_written_and_read_in_place() {
    let (mut tx, mut rx) = options().size(1024).typed::<Reading>().pair().expect("a pair");
    for stamp in 0..1000 {
        let reading = Reading { stamp, value: [0.5, stamp as f64, -1.0] };
        if stamp % 2 == 0 {
            tx.send(&reading).expect("room");
        } else {
            let mut claim = tx.claim().expect("room");
            *claim = reading;
            claim.set_tag(7);
            claim.commit().expect("at home");
        }
        let message = rx.recv().expect("a message");
        assert_eq!(*message, reading);
        assert_eq!(message.tag(), 7 * (stamp % 2) as u16);
        assert!(!message.redelivered());
    }
    assert!(tx.as_bytes().geometry().type_description.expect("typed").contains("stamp: u64 @0"));
}

#[test]
fn strictly_aligned_types_are_aligned() {
    let (mut tx, mut rx) = options().size(1024).typed::<Wide>().pair().expect("a pair");
    assert_eq!(tx.as_bytes().geometry().payload_align, 16);
    for value in 0..100 {
        tx.send(&Wide { value }).expect("room");
        assert_eq!(rx.recv().expect("a message").value, value);
    }
}

#[test]
fn another_type_is_refused_and_both_are_named() {
    let name = Name::new("typed");
    let _tx = options().typed::<Reading>().producer(&*name).expect("a typed ring");
    let error = options().typed::<Narrow>().consumer(&*name).expect_err("another type");
    assert!(matches!(error, OpenError::Type { .. }), "{error}");
    let text = error.to_string();
    for part in ["[f64; 3]", "[f32; 6]", "first difference", "value"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let text = options().consumer(&*name).expect_err("no type").to_string();
    assert!(text.contains("expects untyped bytes"), "{text}");
    options().typed::<Reading>().consumer(&*name).expect("the place is still free");

    let plain = Name::new("untyped");
    let _tx = options().producer(&*plain).expect("an untyped ring");
    let text = options().typed::<Reading>().consumer(&*plain).expect_err("a type").to_string();
    assert!(text.contains("carries untyped bytes"), "{text}");
}

/// The header says 8 where the type needs 16: no such ring is made, but anybody may write one.
#[test]
fn a_ring_with_too_little_alignment_for_its_type_is_refused() {
    let name = Name::new("wide");
    let ring = options().size(1024).typed::<Wide>();
    let tx = ring.producer(&*name).expect("a typed ring");
    let forged = crash_image(&name);
    drop(tx);
    let total: u64 = 8192 + 4096;
    patch(&forged.path(), at::ALIGN, &8_u32.to_ne_bytes());
    patch(&forged.path(), at::TOTAL, &total.to_ne_bytes());
    std::fs::OpenOptions::new()
        .write(true)
        .open(forged.path())
        .and_then(|file| file.set_len(total))
        .expect("cut");
    let error = ring.producer(&*forged).expect_err("a header that contradicts itself");
    assert!(matches!(error, OpenError::Corrupt { .. } | OpenError::Type { .. }), "{error}");
}

/// A message of another length in a typed ring is damage, not undefined behaviour.
#[test]
fn a_typed_message_of_another_length_is_corrupt() {
    let name = Name::new("short");
    let ring = options().size(1024).typed::<Reading>();
    let mut tx = ring.producer(&*name).expect("a typed ring");
    tx.send(&Reading { stamp: 1, value: [0.0; 3] }).expect("room");
    let forged = crash_image(&name);
    patch(&forged.path(), at::RECORDS, &(24_u64 | 1 << 48).to_ne_bytes());
    let mut rx = ring.consumer(&*forged).expect("the ring");
    let text = rx.recv().expect_err("a short message").to_string();
    assert!(text.contains("length of a typed message"), "{text}");
}
