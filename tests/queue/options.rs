//! What no ring can be, what a ring says of itself, and rings of the other kind.

use std::time::Duration;

use ringway::inspect::inspect;
use ringway::mpmc::{self, Options, options};
use ringway::{Address, Kind, OpenError, Owner, Wait, spsc};

use crate::bed::on_every_backing;
use crate::common::names::Name;
use crate::{small, take};

/// An impossible option is refused, by name, by everything that could make a ring of it.
#[track_caller]
fn impossible(options: &Options, option: &str, asked: usize, rule: &str) {
    let name = Name::new("impossible");
    for attempt in [
        options.producer(&*name).map(drop),
        options.consumer(&*name).map(drop),
        options.pair().map(drop),
        options.create_ring(&*name),
    ] {
        let error = attempt.expect_err("impossible");
        let text = error.to_string();
        assert!(matches!(error, OpenError::Option { option: found, .. } if found == option), "{error:?}");
        for part in [option, &asked.to_string(), rule] {
            assert!(text.contains(part), "{part:?} in: {text}");
        }
    }
    assert!(!name.exists());
}

#[test]
fn impossible_options_are_refused_by_name() {
    for slots in [0, 1, (1 << 25) + 1, usize::MAX / 2 + 2, usize::MAX] {
        impossible(&options().slots(slots), "slots", slots, "a power of two from 2 to 33554432");
    }
    for size in [1, 7, 63, (1 << 30) + 8, usize::MAX] {
        impossible(&options().slot_size(size), "slot size", size, "a multiple of 8, up to 1 GiB");
    }
    for inline in [1, 7, 49, 4088, usize::MAX] {
        impossible(&options().inline(inline), "inline size", inline, "a multiple of 8, up to 4080");
    }
    impossible(&options().inline(0).slot_size(0), "inline size", 0, "not 0 if the slot size is");
    for participants in [0, 512, u32::MAX as usize, usize::MAX] {
        let options = options().participants(participants);
        impossible(&options, "participants", participants, "from 1 to 511 of each role");
    }
    impossible(&options().slots(1 << 25).slot_size(1 << 30), "slots × slot size", 1 << 55, "64 TiB");
    impossible(&options().mode(0o1600), "mode", 0o1600, "such as 0600 or 0660");
}

#[test]
fn slot_counts_are_rounded_up() {
    for (asked, slots) in [(2, 2), (3, 4), (5, 8), (1000, 1024), (1024, 1024)] {
        let (tx, rx) = options().slots(asked).slot_size(8).participants(1).pair().expect("a pair");
        assert_eq!((tx.slots(), rx.slots(), tx.geometry().slots), (slots, slots, slots as u64));
    }
}

#[test]
fn a_ring_says_what_it_is_made_of() {
    on_every_backing(&small().inline(112), |bed| {
        let (tx, rx) = bed.ends();
        let geometry = tx.geometry();
        assert_eq!(geometry, rx.geometry());
        assert_eq!((geometry.kind, geometry.backing.as_str()), (Kind::Mpmc, bed.backing()));
        assert_eq!((geometry.slots, geometry.slot_size, geometry.inline), (16, 64, 112));
        assert_eq!((geometry.places, geometry.at_most_once, geometry.persist), (4, false, false));
        assert_eq!((geometry.size, geometry.capacity, geometry.largest), (16 * (128 + 64), 16 * 112, 512));
        assert_eq!((tx.largest(), rx.largest(), geometry.payload_align), (512, 512, 8));
        assert_eq!((geometry.total % 4096, geometry.type_description.is_none()), (0, true));
    });
}

/// Who comes second takes the ring as it is.
#[test]
fn the_creator_s_options_hold() {
    let name = Name::new("creator");
    let tx = small().at_most_once(true).inline(8).producer(&*name).expect("a producer");
    let rx = options().slots(1 << 20).slot_size(0).participants(1).consumer(&*name).expect("a consumer");
    assert_eq!(rx.geometry(), tx.geometry());
    let other = options().create_new(true).consumer(&*name).expect_err("there is one");
    assert!(matches!(other, OpenError::Exists { .. }), "{other:?}");
    let none = options().create(false).producer("test.no-such-queue").expect_err("there is none");
    assert!(matches!(none, OpenError::NotFound { .. }), "{none:?}");
}

#[test]
fn a_pair_is_a_ring_of_its_own() {
    let (mut tx, mut rx) = mpmc::pair().expect("a pair");
    let (_tx, mut other) = mpmc::pair().expect("another");
    tx.send(b"for one").expect("room");
    assert!(other.try_recv().is_err());
    assert_eq!(take(&mut rx), b"for one");
    assert_eq!((tx.slots(), tx.largest()), (1024, 512 * 256));
}

/// Each kind of ring refuses the other's handles, and says what it is.
#[test]
fn the_other_kind_is_refused() {
    let refused = |attempt: Result<(), OpenError>, found: &str, expected: &str| {
        let error = attempt.expect_err("another kind");
        let text = error.to_string();
        assert!(matches!(error, OpenError::Kind { .. }), "{error:?}");
        assert!(text.contains(&format!("kind {found}, expected {expected}")), "{text}");
    };
    let name = Name::new("kind");
    let queue = small().producer(&*name).expect("a queue");
    let by_descriptor = queue.descriptor().expect("a descriptor");
    refused(spsc::producer(&*name).map(drop), "mpmc", "spsc");
    refused(spsc::consumer(&*name).map(drop), "mpmc", "spsc");
    let address = Address::Fd(std::os::fd::AsRawFd::as_raw_fd(&by_descriptor));
    refused(spsc::consumer(address).map(drop), "mpmc", "spsc");
    drop(queue);
    let _stream = spsc::producer(&*name).expect("a stream");
    refused(mpmc::producer(&*name).map(drop), "spsc", "mpmc");
    refused(mpmc::consumer(&*name).map(drop), "spsc", "mpmc");
}

#[test]
fn every_other_option_makes_a_ring_too() {
    let name = Name::new("others");
    let others = [
        small().prefault(false),
        small().huge_pages(true),
        small().owner(Owner::Anyone).mode(0o666),
        small().wait(Wait::Park).spin(Duration::ZERO).liveness(Duration::from_micros(100)),
        small().liveness(Duration::MAX).spin(Duration::MAX),
        small().slots(1 << 14).slot_size(0).inline(4080).participants(511),
        small().slots(4).slot_size(1 << 20),
    ];
    for (number, options) in others.iter().enumerate() {
        println!("options {number}");
        let (mut tx, mut rx) =
            (options.producer(&*name).expect("a producer"), options.consumer(&*name).expect("a consumer"));
        tx.send(&vec![7; tx.largest()]).expect("room");
        assert_eq!(take(&mut rx).len(), rx.largest());
    }
    let _tx = options().mode(0o660).producer(&*name).expect("a producer");
    assert_eq!(inspect(&*name).expect("a report").mode, 0o660);
    let error = options().consumer(&*name).expect_err("more users than expected");
    assert!(matches!(error, OpenError::Mode { found: 0o660, expected: 0o600, .. }), "{error:?}");
}
