//! What no ring can be, and addresses that name none.

use ringway::spsc::options;
use ringway::{Address, AddressError, OpenError};

use crate::common::names::Name;
use crate::refused;

#[test]
fn impossible_sizes_are_refused() {
    let name = Name::new("sizes");
    for size in [0, 1, 31, 32, (1 << 33) + 1, 1 << 60, usize::MAX / 2 + 2, usize::MAX] {
        let parts = ["ring size", &size.to_string(), "a power of two from 64 bytes to 8 GiB"];
        for attempt in [
            options().size(size).producer(&*name).map(drop),
            options().size(size).consumer(&*name).map(drop),
            options().size(size).pair().map(drop),
            options().size(size).create_ring(&*name),
            options().size(size).hosted_len().map(drop),
        ] {
            let error = refused(attempt, &parts);
            assert!(matches!(error, OpenError::Option { option: "ring size", .. }), "{error:?}");
        }
    }
    assert!(!name.exists());
}

#[test]
fn other_sizes_are_rounded_up() {
    for (asked, size) in [(33, 64), (63, 64), (64, 64), (65, 128), (1_000_000, 1 << 20)] {
        let (tx, _rx) = options().size(asked).pair().expect("a pair");
        assert_eq!(tx.geometry().size, size);
    }
}

#[test]
fn impossible_alignments_are_refused() {
    for align in [0, 1, 3, 4, 24, 8192, usize::MAX] {
        let error = refused(options().payload_align(align).pair(), &["payload alignment", "from 8 to 4096"]);
        assert!(matches!(error, OpenError::Option { asked, .. } if asked == align as u64), "{error:?}");
    }
    let error = refused(options().size(64).payload_align(64).pair(), &["at least four times the alignment"]);
    assert!(matches!(error, OpenError::Option { .. }), "{error:?}");
}

#[test]
fn impossible_modes_are_refused() {
    for mode in [0, 0o400, 0o200, 0o077, 0o1600, 0o4600, 0o10600] {
        let error = refused(options().mode(mode).pair(), &["mode", "such as 0600 or 0660"]);
        assert!(matches!(error, OpenError::Option { option: "mode", .. }), "{error:?}");
    }
}

#[test]
fn names_that_are_too_long_are_refused() {
    let name = "n".repeat(248);
    let error = refused(options().producer(&name), &["248 bytes long", "at most 247 fit", "shorten it"]);
    assert!(matches!(error, OpenError::Address(AddressError::TooLong { .. })), "{error:?}");
    let error = refused(options().consumer(Address::Shm(name)), &["shorten it"]);
    assert!(matches!(error, OpenError::Address(AddressError::TooLong { .. })), "{error:?}");
    let directory = tempfile::tempdir().expect("a directory");
    refused(options().producer(Address::File(directory.path().join("n".repeat(256)))), &["name too long"]);
    assert_eq!(directory.path().read_dir().expect("the directory").count(), 0);
}

#[test]
fn names_that_would_lead_elsewhere_are_refused() {
    for name in ["", "../escape", "a/b", "a\0b", "a b", "\u{e9}"] {
        let error = refused(options().producer(Address::Shm(name.to_owned())), &["bad address"]);
        assert!(matches!(error, OpenError::Address(_)), "{error:?}");
    }
}

#[test]
fn paths_may_be_relative_and_directories_must_exist() {
    let directory = tempfile::tempdir().expect("a directory");
    let here = std::env::current_dir().expect("this directory");
    let up = "../".repeat(here.components().count() - 1);
    let below = format!("{up}{}", directory.path().strip_prefix("/").expect("absolute").display());
    let address = format!("file:{below}/ring");
    let mut tx = options().producer(&address).expect("a relative path");
    let mut rx = options().consumer(Address::File(directory.path().join("ring"))).expect("the same ring");
    tx.send(b"here").expect("room");
    assert_eq!(&rx.recv().expect("a message")[..], b"here");

    let error =
        refused(options().producer("file:/no/such/directory/ring"), &["/no/such/directory", "No such file"]);
    assert!(matches!(error, OpenError::System { .. }), "{error:?}");
    let error = refused(options().producer(format!("file:{below}/ring/ring")), &["Not a directory"]);
    assert!(matches!(error, OpenError::System { .. }), "{error:?}");
}

#[test]
fn what_is_not_there_is_not_found() {
    let name = Name::new("missing");
    for attempt in [
        options().create(false).producer(&*name).map(drop),
        options().create(false).consumer(&*name).map(drop),
        ringway::inspect::inspect(&*name).map(drop),
        ringway::inspect::remove(&*name, true),
    ] {
        let error = refused(attempt, &["no ring at", &name, "start the other side"]);
        assert!(matches!(error, OpenError::NotFound { .. }), "{error:?}");
    }
    assert!(!name.exists());
}
