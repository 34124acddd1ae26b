//! Descriptors that were handed over, and are not what they should be.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use ringway::inspect::{inspect, remove};
use ringway::spsc::{options, pair};
use ringway::{Address, OpenError};

use crate::common::image::crash_image;
use crate::common::names::Name;
use crate::refused;

/// A memfd that holds a sound ring, with these seals.
fn memfd(seals: SealFlag) -> OwnedFd {
    let name = Name::new("copied");
    let _tx = options().size(4096).producer(&*name).expect("a ring");
    let bytes = std::fs::read(crash_image(&name).path()).expect("its bytes");
    let memfd: File = memfd_create("test", MFdFlags::MFD_ALLOW_SEALING).expect("a memfd").into();
    std::os::unix::fs::FileExt::write_all_at(&memfd, &bytes, 0).expect("room");
    fcntl(&memfd, FcntlArg::F_ADD_SEALS(seals)).expect("sealed");
    memfd.into()
}

fn address(descriptor: &impl AsRawFd) -> Address {
    Address::Fd(descriptor.as_raw_fd())
}

#[test]
fn a_memfd_must_be_sealed() {
    let (shrink, grow, seal) = (SealFlag::F_SEAL_SHRINK, SealFlag::F_SEAL_GROW, SealFlag::F_SEAL_SEAL);
    for (seals, missing) in [
        (SealFlag::empty(), ["SHRINK", "GROW", "SEAL"]),
        (shrink, ["GROW", "SEAL", ""]),
        (shrink | grow, ["SEAL", "", ""]),
        (grow | seal, ["SHRINK", "", ""]),
    ] {
        let memfd = memfd(seals);
        let error = refused(options().producer(address(&memfd)), &missing);
        assert!(matches!(error, OpenError::NotSealed { .. }), "{error:?}");
        refused(options().consumer(address(&memfd)), &["add the seals SHRINK, GROW and SEAL"]);
    }
    options().producer(address(&memfd(shrink | grow | seal))).expect("all seals");
}

#[test]
fn a_descriptor_that_is_not_open_is_refused() {
    for attempt in [options().producer("fd:987654").map(drop), inspect("fd:987654").map(drop)] {
        let error = refused(attempt, &["fd:987654", "not open"]);
        assert!(matches!(error, OpenError::NoDescriptor { .. }), "{error:?}");
    }
}

#[test]
fn a_descriptor_of_something_else_is_refused() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let (socket, _peer) = std::os::unix::net::UnixStream::pair().expect("sockets");
    let directory = File::open("/dev/shm").expect("a directory");
    let device = File::open("/dev/null").expect("a device");
    for address in
        [address(&reader), address(&writer), address(&socket), address(&directory), address(&device)]
    {
        for attempt in [
            options().producer(&address).map(drop),
            options().consumer(&address).map(drop),
            inspect(&address).map(drop),
        ] {
            let error = refused(attempt, &[&address.to_string(), "expected a regular file"]);
            assert!(matches!(error, OpenError::NotAFile { .. }), "{error:?}");
        }
    }
}

#[test]
fn a_descriptor_of_a_foreign_file_is_refused() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), vec![7; 10_000]).expect("contents");
    let error = refused(options().producer(address(file.as_file())), &["not a ringway segment"]);
    assert!(matches!(error, OpenError::NotASegment { .. }), "{error:?}");
    let nameless = tempfile::tempfile().expect("a file without a name");
    let error = refused(options().producer(address(&nameless)), &["lost its name"]);
    assert!(matches!(error, OpenError::NoDescriptor { .. }), "{error:?}");
}

#[test]
fn a_descriptor_has_no_name_to_create_or_remove() {
    let (tx, _rx) = pair().expect("a pair");
    let descriptor = tx.descriptor().expect("a descriptor");
    let error = refused(options().create_ring(address(&descriptor)), &["exists already"]);
    assert!(matches!(error, OpenError::Exists { .. }), "{error:?}");
    refused(remove(address(&descriptor), true), &["no name to remove"]);
    let report = inspect(address(&descriptor)).expect("a report");
    assert_eq!(report.geometry.instance, tx.geometry().instance);
}

/// The descriptor of a named ring is as good as its name, and shares no lease with its giver.
#[test]
fn the_descriptor_of_a_named_ring_attaches_to_it() {
    let name = Name::new("handed");
    let mut tx = options().producer(&*name).expect("a ring");
    let descriptor = tx.descriptor().expect("a descriptor");
    let mut rx = options().consumer(address(&descriptor)).expect("the other end");
    drop(descriptor);
    tx.send(b"by descriptor").expect("room");
    assert_eq!(&rx.recv().expect("a message")[..], b"by descriptor");
    refused(options().consumer(&*name), &["has a consumer already"]);
}
