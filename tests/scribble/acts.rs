//! What a peer may do to the file of a ring: in a sealed memfd nothing that kills, and under a name nothing to those who are
//! attached but to cut the file short.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, SealFlag, fallocate, fcntl};
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::ftruncate;
use ringway::{OpenError, RecvError, SendError};

use crate::common::names::Name;
use crate::ends::{mpmc_options, spsc_options};

/// Everything that a peer can do to the memfd that it has a descriptor of.
fn act(descriptor: impl AsFd, len: u64) {
    for wrong in [0, 4096, len as i64 - 1, len as i64 + 1, 2 * len as i64] {
        assert_eq!(ftruncate(&descriptor, wrong), Err(Errno::EPERM), "its length is sealed");
    }
    for seal in [SealFlag::F_SEAL_WRITE, SealFlag::F_SEAL_FUTURE_WRITE] {
        assert_eq!(
            fcntl(&descriptor, FcntlArg::F_ADD_SEALS(seal)),
            Err(Errno::EPERM),
            "its seals are sealed"
        );
    }
    fchmod(&descriptor, Mode::empty()).expect("one's own");
    let punch = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    fallocate(&descriptor, punch, 0, len as i64).expect("holes are allowed: they are pages of zeros");
}

#[test]
fn a_sealed_spsc_ring_survives_whatever_is_done_to_its_file() {
    let (mut tx, mut rx) = spsc_options().pair().expect("a pair");
    let len = tx.geometry().total;
    for round in 0..3 {
        let _ = tx.try_send(&[round; 100]);
        act(tx.descriptor().expect("a descriptor"), len);
        for _ in 0..100 {
            let sent = tx.try_send(&[1; 40]);
            assert!(matches!(sent, Ok(()) | Err(SendError::Full { .. } | SendError::Corrupt(_))), "{sent:?}");
            let received = rx.try_recv().map(|message| message.len());
            assert!(!matches!(received, Err(RecvError::Forked)), "{received:?}");
        }
        let _ = (tx.used(), rx.used(), tx.peer(), rx.peer(), rx.geometry());
    }
}

#[test]
fn a_sealed_mpmc_ring_survives_whatever_is_done_to_its_file() {
    let (mut tx, mut rx) = mpmc_options().pair().expect("a pair");
    let len = tx.geometry().total;
    for round in 0..3 {
        let _ = tx.try_send(&[round; 200]);
        act(tx.descriptor().expect("a descriptor"), len);
        for _ in 0..100 {
            let sent = tx.try_send(&[1; 40]);
            assert!(!matches!(sent, Err(SendError::Forked)), "{sent:?}");
            let received = rx.try_recv().map(|message| message.len());
            assert!(!matches!(received, Err(RecvError::Forked)), "{received:?}");
        }
        let _ = (tx.used(), rx.used(), tx.peer(), rx.peer(), rx.geometry());
    }
}

/// A hole in a file of huge pages is filled from a pool that may be empty by then, which kills whoever touches it.
#[test]
fn a_memfd_of_huge_pages_is_refused_however_it_is_sealed() {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING | MFdFlags::MFD_HUGETLB;
    let file: File = match memfd_create(c"huge", flags) {
        Ok(file) => file.into(),
        // A kernel without huge pages has no such files either.
        Err(Errno::ENOSYS | Errno::EINVAL | Errno::ENODEV) => return,
        Err(errno) => panic!("{errno}"),
    };
    ftruncate(&file, 2 << 20).expect("a length");
    let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals)).expect("sealed");
    let address = format!("fd:{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    let error = spsc_options().consumer(&*address).map(drop).expect_err("refused");
    assert!(matches!(&error, OpenError::NoDescriptor { why, .. } if why.contains("huge pages")), "{error}");
    assert_eq!(
        fcntl(&file, FcntlArg::F_GET_SEALS),
        Ok(libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL)
    );
}

#[test]
fn whoever_is_attached_goes_on_when_the_name_is_given_to_another_ring() {
    let name = Name::new("recreated");
    let mut tx = spsc_options().producer(&*name).expect("a producer");
    let mut rx = spsc_options().consumer(&*name).expect("a consumer");
    for round in 0..20_u8 {
        fs::set_permissions(name.path(), fs::Permissions::from_mode(0o000)).expect("one's own");
        fs::remove_file(name.path()).expect("one's own");
        spsc_options().create_ring(&*name).expect("another ring");
        assert!(!tx.is_linked() && !rx.is_linked());
        tx.send(&[round]).expect("room");
        assert_eq!(&rx.recv().expect("a message")[..], [round]);
    }
    drop((tx, rx));
    assert!(name.exists(), "the name is the other ring's");
}
