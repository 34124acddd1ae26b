//! What is not to be taken: each has an error of its own, and every descriptor that came is closed. And what is given cannot be
//! changed by whoever takes it.
#![allow(unsafe_code)]

use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use memmap2::MmapOptions;
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, SealFlag, fallocate, fcntl};
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use ringway::untrusted::options;
use ringway::{HandoverError, OpenError, Role as Part, handover, spsc};

use crate::common::role::{Entry, Role};
use crate::raw::{CONSUMER, DATA, Half, PRODUCER, SEALS, greeting, memfd, receive, seal, send};

pub const ROLES: [Entry; 2] = [("refuse", refuse), ("refuse truncated", refuse_truncated)];

const SIZE: u64 = 4096;
const LEN: u64 = 8192;

/// How many descriptors this process has. Only for roles: other tests of one process open and close theirs meanwhile.
fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").expect("/proc").count()
}

/// What a consumer says of these bytes with these descriptors beside them, and then the end. No descriptor is left.
#[track_caller]
fn taken(bytes: &[u8], beside: &[BorrowedFd<'_>]) -> HandoverError {
    let (mine, theirs) = UnixStream::pair().expect("sockets");
    send(&mine, bytes, beside);
    mine.shutdown(std::net::Shutdown::Write).expect("a socket");
    let before = descriptors();
    let error = options().consumer(&theirs).map(drop).expect_err("refused");
    assert_eq!(descriptors(), before, "descriptors are left: {error}");
    error
}

/// What a consumer says of this as a producer's half.
#[track_caller]
fn half(descriptor: impl AsFd) -> HandoverError {
    taken(&greeting(PRODUCER, SIZE), &[descriptor.as_fd()])
}

/// A role, since it counts the descriptors of its process.
#[test]
fn what_is_no_half_is_refused_and_no_descriptor_is_left() {
    Role::start("refuse", &[]).finish();
}

fn refuse(_: &[&str]) {
    wrong_seals();
    wrong_files();
    wrong_lengths();
    wrong_greetings();
    wrong_numbers();
}

fn wrong_seals() {
    let with = |seals| {
        let file = memfd(LEN);
        seal(&file, seals);
        file
    };
    for missing in SEALS.iter() {
        let error = half(with(SEALS.difference(missing)));
        assert!(matches!(error, HandoverError::Seals { .. }), "{error}");
    }
    for other in [
        SealFlag::empty(),
        SEALS | SealFlag::F_SEAL_WRITE,
        SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL,
        SEALS.difference(SealFlag::F_SEAL_FUTURE_WRITE) | SealFlag::F_SEAL_WRITE,
    ] {
        let error = half(with(other));
        let HandoverError::Seals { found, expected } = &error else { panic!("{error}") };
        assert!(expected.contains("F_SEAL_FUTURE_WRITE") && found != expected, "{error}");
    }
    let trusted = spsc::options().size(4096).lone_producer().expect("a ring");
    let error = half(trusted.descriptor().expect("a descriptor"));
    assert!(matches!(error, HandoverError::Seals { .. }), "a trusted ring: {error}");
}

fn wrong_files() {
    let unsealable = File::from(memfd_create(c"unsealable", MFdFlags::empty()).expect("a memfd"));
    unsealable.set_len(LEN).expect("room");
    let tmpfs = tempfile::tempfile_in("/dev/shm").expect("a file");
    tmpfs.set_len(LEN).expect("room");
    let (pipe, _writer) = std::io::pipe().expect("a pipe");
    let others: [OwnedFd; 5] = [
        unsealable.into(),
        tmpfs.into(),
        tempfile::tempfile().expect("a file").into(),
        pipe.into(),
        File::open("/").expect("a directory").into(),
    ];
    for other in others {
        let error = half(other);
        assert!(matches!(error, HandoverError::Open(OpenError::NoDescriptor { .. })), "{error}");
    }
    let sound = Half::new(LEN as usize);
    let path = format!("/proc/self/fd/{}", sound.file.as_raw_fd());
    for mode in [File::options().read(true), File::options().write(true)] {
        let error = half(mode.open(&path).expect("one's own file"));
        assert!(matches!(error, HandoverError::ReadOnly), "{error}");
    }
    let huge = MFdFlags::MFD_HUGETLB | MFdFlags::MFD_ALLOW_SEALING;
    if let Ok(huge) = memfd_create(c"huge", huge) {
        let huge = File::from(huge);
        seal(&huge, SEALS);
        let error = half(huge);
        assert!(matches!(error, HandoverError::HugePages), "{error}");
    }
}

fn wrong_lengths() {
    for found in [0, 1, DATA as u64, LEN - 1, LEN + 1, 1 << 40] {
        let file = memfd(found);
        seal(&file, SEALS);
        let error = half(file);
        assert!(
            matches!(error, HandoverError::Length { found: len, expected: LEN } if len == found),
            "{error}"
        );
    }
}

fn wrong_greetings() {
    let sound = Half::new(LEN as usize);
    let beside = [sound.file.as_fd()];
    let right = greeting(PRODUCER, SIZE);
    for at in 0..right.len() {
        let mut wrong = right;
        wrong[at] ^= 0x80;
        let error = taken(&wrong, &beside);
        match at {
            0..8 => assert!(matches!(error, HandoverError::Foreign { .. }), "{error}"),
            8..12 => assert!(matches!(error, HandoverError::Version { expected: 1, .. }), "{error}"),
            _ => assert!(matches!(error, HandoverError::Corrupt(_)), "{error}"),
        }
    }
    for len in 1..right.len() {
        let error = taken(&right[..len], &beside);
        assert!(matches!(error, HandoverError::Closed { found, expected: 32 } if found == len), "{error}");
    }
    let error = taken(&greeting(CONSUMER, 0), &beside);
    assert!(matches!(error, HandoverError::SameRole { role: Part::Consumer }), "{error}");
    let error = taken(&greeting(PRODUCER, 128 << 20), &beside);
    assert!(matches!(error, HandoverError::TooLarge { found, allowed } if found == 2 * allowed), "{error}");
    // The greeting of a trusted ring, and of an untrusted one where a trusted one is expected.
    let error = taken(b"RINGHAND\x01\0\0\0\x01\0\0\0\x02\0\0\0\0\0\0\0aaaaaaaa", &beside);
    assert!(matches!(error, HandoverError::Foreign { .. }), "{error}");
    let (mine, theirs) = UnixStream::pair().expect("sockets");
    send(&mine, &right, &beside);
    let error = handover::take(&theirs).map(drop).expect_err("no trusted ring");
    assert!(matches!(error, HandoverError::Foreign { .. }), "{error}");
}

fn wrong_numbers() {
    let sound = Half::new(LEN as usize);
    for count in [0, 2, 253] {
        let error = taken(&greeting(PRODUCER, SIZE), &vec![sound.file.as_fd(); count]);
        assert!(matches!(error, HandoverError::Descriptors { found } if found == count), "{error}");
    }
}

#[test]
fn a_truncated_control_message_is_refused() {
    Role::start("refuse truncated", &[]).finish();
}

fn refuse_truncated(_: &[&str]) {
    let sound = Half::new(LEN as usize);
    let (mine, theirs) = UnixStream::pair().expect("sockets");
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    // The consumer needs a descriptor for its own half.
    let next = File::open("/").expect("a descriptor").as_raw_fd() as u64 + 1;
    for room in [0, 1, 2] {
        send(&mine, &greeting(PRODUCER, SIZE), &[sound.file.as_fd(); 3]);
        let before = descriptors();
        setrlimit(Resource::RLIMIT_NOFILE, next + room, hard).expect("a lower limit");
        let result = options().consumer(&theirs).map(drop);
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard).expect("the limit as it was");
        let error = result.expect_err("truncated");
        assert!(matches!(error, HandoverError::Truncated { found } if found as u64 <= room), "{error}");
        assert_eq!(descriptors(), before);
    }
}

#[test]
fn a_silent_or_absent_peer_blocks_nobody_for_ever() {
    let (mine, theirs) = UnixStream::pair().expect("sockets");
    let limit = Duration::from_millis(50);
    let began = Instant::now();
    let error = options().timeout(limit).consumer(&theirs).map(drop).expect_err("nobody answers");
    assert!(matches!(error, HandoverError::TimedOut { found: 0, expected: 32, .. }), "{error}");
    assert!(began.elapsed() >= limit);
    drop(mine);
    let error = options().producer(&theirs).map(drop).expect_err("nobody is there");
    assert!(matches!(error, HandoverError::Closed { .. }), "{error}");
    let error = options().producer(File::open("/").expect("a directory")).map(drop).expect_err("no socket");
    assert!(matches!(error, HandoverError::Open(OpenError::NotAPipe { .. })), "{error}");
}

/// Punched before it was sealed: the taker has its memory set aside, so that no look at it can fail later.
#[test]
fn holes_are_filled_before_they_are_read() {
    let (mine, theirs) = UnixStream::pair().expect("sockets");
    let file = memfd(LEN);
    assert_eq!(file.metadata().expect("a file").blocks(), 0, "one hole");
    seal(&file, SEALS);
    send(&mine, &greeting(PRODUCER, SIZE), &[file.as_fd()]);
    let _rx = options().consumer(&theirs).expect("a consumer");
    assert_eq!(file.metadata().expect("a file").blocks() * 512, LEN);
}

#[test]
fn what_is_given_cannot_be_changed_by_who_takes_it() {
    let (mine, theirs) = UnixStream::pair().expect("sockets");
    let half = Half::new(DATA);
    half.give(&mine, CONSUMER, 0);
    let mut tx = options().size(SIZE as usize).producer(&theirs).expect("a producer");
    let (bytes, descriptor) = receive(&mine);
    assert_eq!(
        (&bytes[..16], &bytes[20..]),
        (&greeting(PRODUCER, SIZE)[..16], &greeting(PRODUCER, SIZE)[20..])
    );
    tx.send(b"mine").expect("room");
    let file = File::from(descriptor);
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let again = File::options().read(true).write(true).open(path).expect("one's own file");
    for file in [&file, &again] {
        assert!(MmapOptions::new().map_raw(file).is_err(), "it can be mapped to be written");
        assert!(file.write_at(b"yours", 0).is_err(), "it can be written");
        assert!(file.set_len(0).is_err() && file.set_len(2 * LEN).is_err(), "its length can be changed");
        let punch = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        assert_eq!(fallocate(file, punch, 0, LEN as i64), Err(Errno::EPERM));
        assert_eq!(fcntl(file, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_WRITE)), Err(Errno::EPERM));
    }
    // A view to be read cannot be made one to be written, nor be emptied.
    let view = MmapOptions::new().map_raw_read_only(&file).expect("a view");
    let (start, len) = (view.as_mut_ptr().cast(), view.len());
    // SAFETY: the call changes the protection of this test's own mapping, which nobody looks at.
    let result = unsafe { libc::mprotect(start, len, libc::PROT_READ | libc::PROT_WRITE) };
    assert_eq!(Errno::result(result), Err(Errno::EACCES));
    // SAFETY: the call concerns this test's own mapping, which nobody looks at.
    let result = unsafe { libc::madvise(start, len, libc::MADV_REMOVE) };
    assert!(Errno::result(result).is_err());
    let mut message = [0; 4];
    file.read_exact_at(&mut message, DATA as u64 + 8).expect("it can be read");
    assert_eq!(&message, b"mine");
}

/// Nor can its owner take away the memory under the other side: the view of it that was there before the seals is
/// one to be written, and yet it cannot be emptied.
#[test]
fn an_owner_cannot_punch_holes_into_its_own_half() {
    let half = Half::new(LEN as usize);
    half.long(0).store(7, std::sync::atomic::Ordering::Relaxed);
    let punch = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    assert_eq!(fallocate(&half.file, punch, 0, LEN as i64), Err(Errno::EPERM));
    // SAFETY: the words of the half are read as atomics only, and zeroes would be as good.
    let result = unsafe { libc::madvise(half.start(), half.len(), libc::MADV_REMOVE) };
    assert_eq!(Errno::result(result), Err(Errno::EPERM));
    assert_eq!(half.long(0).load(std::sync::atomic::Ordering::Relaxed), 7);
}
