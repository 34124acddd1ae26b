//! Segments that are damaged, or of another make: refused, left as they are, and removable.

use std::fs;

use ringway::OpenError;
use ringway::inspect::{inspect, remove};
use ringway::spsc::options;

use crate::common::image::{Footprint, at, crash_image, patch};
use crate::common::names::Name;
use crate::refused;

/// A ring of 4096 bytes with a message in it, that nobody uses.
fn ring() -> Name {
    let name = Name::new("damaged");
    let mut tx = options().size(4096).producer(&*name).expect("a ring");
    tx.send(b"left").expect("room");
    drop(tx);
    name
}

/// Refused for everybody, and left as it is.
#[track_caller]
fn is_refused(name: &Name, parts: &[&str], expected: fn(&OpenError) -> bool) {
    let before = Footprint::of(&name.path());
    let attempts = [
        options().producer(&**name).map(drop),
        options().consumer(&**name).map(drop),
        inspect(&**name).map(drop),
    ];
    for attempt in attempts {
        let error = refused(attempt, parts);
        assert!(expected(&error), "{error:?}");
    }
    assert_eq!(Footprint::of(&name.path()), before, "it was touched");
}

/// What the texts tell people to do works.
#[track_caller]
fn can_be_replaced(name: &Name) {
    remove(&**name, false).expect("nobody uses it");
    assert!(!name.exists());
    options().producer(&**name).expect("a new ring");
}

#[test]
fn another_layout_version_is_refused() {
    let name = ring();
    patch(&name.path(), at::VERSION, &7_u32.to_ne_bytes());
    let parts = ["layout version 7", "reads version", "use the same version on both sides, or remove"];
    is_refused(&name, &parts, |error| matches!(error, OpenError::LayoutVersion { found: 7, .. }));
    can_be_replaced(&name);
}

#[test]
fn another_kind_is_refused() {
    let name = ring();
    patch(&name.path(), at::KIND, &9_u32.to_ne_bytes());
    let parts = ["kind 9", "expected 1 (spsc), 2 (mpmc) or 3 (duplex)", "use another name"];
    is_refused(&name, &parts, |error| matches!(error, OpenError::Kind { .. }));
    can_be_replaced(&name);
}

#[test]
fn the_other_byte_order_is_told_apart() {
    let name = ring();
    let magic = fs::read(name.path()).expect("the ring")[..8].iter().rev().copied().collect::<Vec<u8>>();
    patch(&name.path(), at::MAGIC, &magic);
    let parts = ["machine of the other byte order", "choose another name"];
    is_refused(&name, &parts, |error| matches!(error, OpenError::NotASegment { .. }));
}

/// A segment that was never finished has no magic.
#[test]
fn an_unfinished_segment_is_refused() {
    let name = ring();
    patch(&name.path(), at::MAGIC, &[0; 8]);
    is_refused(&name, &["[00, 00, 00"], |error| matches!(error, OpenError::NotASegment { .. }));
}

#[test]
fn a_file_of_another_length_than_its_header_says_is_refused() {
    for len in [4096, 8192, 8192 + 4095, 8192 + 4097, 1 << 20] {
        let name = ring();
        let file = fs::OpenOptions::new().write(true).open(name.path()).expect("the ring");
        file.set_len(len).expect("another length");
        let parts = [&*format!("is {len} bytes long"), "its header says 12288", "remove it"];
        is_refused(&name, &parts, |error| matches!(error, OpenError::Length { expected: 12288, .. }));
        can_be_replaced(&name);
    }
}

#[test]
fn impossible_sizes_in_the_header_are_refused() {
    for (field, value) in [
        (at::SIZE, 0),
        (at::SIZE, 1),
        (at::SIZE, 4095),
        (at::SIZE, 8192),
        (at::SIZE, 1 << 40),
        (at::SIZE, u64::MAX),
        (at::TOTAL, 0),
        (at::TOTAL, u64::MAX),
    ] {
        let name = ring();
        patch(&name.path(), field, &value.to_ne_bytes());
        let parts = ["corrupt segment", "header", "remove the ring and create it anew"];
        is_refused(&name, &parts, |error| matches!(error, OpenError::Corrupt { .. }));
        can_be_replaced(&name);
    }
    for align in [0_u32, 3, 4, 8192, u32::MAX] {
        let name = ring();
        patch(&name.path(), at::ALIGN, &align.to_ne_bytes());
        is_refused(&name, &["alignment"], |error| matches!(error, OpenError::Corrupt { .. }));
    }
}

/// Words of the ring itself: whatever they are, attaching and receiving end in an answer.
#[test]
fn damage_to_any_word_of_the_ring_is_survived() {
    let sound = ring();
    let words = (at::RECORDS - 4096) / 8 + 16;
    for word in 0..words {
        for value in [1, 4096, 1 << 48, 2 << 48 | 8, (1 << 48) + 4088, 1 << 63, u64::MAX] {
            let name = crash_image(&sound);
            patch(&name.path(), 4096 + 8 * word, &u64::to_ne_bytes(value));
            use_up(&name);
        }
    }
}

/// Any outcome will do, but a panic, a signal, or no end.
fn use_up(name: &Name) {
    let report = inspect(&**name).expect("the header is sound");
    assert_eq!(report.participants.len(), 2);
    let mut rx = options().create(false).consumer(&**name);
    if let Ok(rx) = &mut rx {
        let largest = rx.largest();
        let longest = (0..2000).map_while(|_| rx.try_recv().ok().map(|message| message.len())).max();
        assert!(longest.is_none_or(|len| len <= largest), "{longest:?} bytes, at most {largest} can be sent");
        let _ = (rx.used(), rx.peer());
    }
    if let Ok(tx) = &mut options().create(false).producer(&**name) {
        let sent = (0..2000).take_while(|_| tx.try_send(b"x").is_ok()).count();
        assert!(sent <= 256, "{sent} messages into 4096 bytes");
        let _ = (tx.used(), tx.peer());
    }
}
