//! What is not to be taken: each has an error of its own, and every descriptor that came is closed.

use std::fs::File;
use std::io::{IoSlice, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, setsockopt, socket, sockopt,
};
use ringway::{HandoverError, OpenError, Role as Part, handover, mpmc, spsc};

use crate::common::PATIENCE;
use crate::common::names::Name;
use crate::common::role::{Entry, Role, listen, say};
use crate::{descriptors, refused};

pub const ROLES: [Entry; 4] = [
    ("refuse", refuse),
    ("refuse truncated", refuse_truncated),
    ("begin a greeting", begin),
    ("leave nothing", leave_nothing),
];

/// A greeting that announces a consumer of an `spsc` ring.
const GREETING: [u8; 24] = *b"RINGHAND\x01\0\0\0\x01\0\0\0\x02\0\0\0\0\0\0\0";

/// Sends bytes and descriptors, as anybody may.
fn send(socket: &UnixStream, bytes: &[u8], beside: &[BorrowedFd<'_>]) {
    let numbers: Vec<_> = beside.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    let control = if beside.is_empty() { &[][..] } else { &rights[..] };
    let sent = sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(bytes)], control, MsgFlags::empty(), None);
    assert_eq!(sent, Ok(bytes.len()));
}

fn ring() -> OwnedFd {
    spsc::options().size(4096).lone_producer().expect("a ring").descriptor().expect("a descriptor")
}

/// What comes of these bytes with these descriptors beside them, and then the end. No descriptor is left.
#[track_caller]
fn taken(bytes: &[u8], beside: &[BorrowedFd<'_>], parts: &[&str]) -> HandoverError {
    let (mine, theirs) = UnixStream::pair().expect("sockets");
    send(&mine, bytes, beside);
    drop(mine);
    let before = descriptors();
    let error = refused(handover::take(&theirs), parts);
    assert_eq!(descriptors(), before, "descriptors are left: {error}");
    error
}

/// A role, since it counts the descriptors of its process.
#[test]
fn what_is_not_a_ring_is_refused_and_no_descriptor_is_left() {
    Role::start("refuse", &[]).finish();
}

fn refuse(_: &[&str]) {
    wrong_greetings();
    wrong_numbers();
    wrong_descriptors();
    wrong_roles();
}

fn wrong_greetings() {
    let ring = ring();
    let beside = [ring.as_fd()];
    let error =
        taken(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &beside, &["begins with \"GET / HT\"", "\"RINGHAND\""]);
    assert!(matches!(error, HandoverError::Foreign { .. }));
    let error = taken(b"hi", &beside, &["begins with \"hi\""]);
    assert!(matches!(error, HandoverError::Foreign { .. }), "without waiting for more: {error}");
    let mut other = GREETING;
    other[8] = 9;
    let error = taken(&other, &beside, &["version 9", "version 1", "same version"]);
    assert!(matches!(error, HandoverError::Version { found: 9, expected: 1 }));
    for at in [12, 16, 20] {
        let mut other = GREETING;
        other[at] = 7;
        let error = taken(&other, &beside, &["greeting is 0x7"]);
        assert!(matches!(error, HandoverError::Corrupt(_)));
    }
    for len in 1..GREETING.len() {
        let error = taken(&GREETING[..len], &beside, &["closed", &format!("{len} of the 24 bytes")]);
        assert!(matches!(error, HandoverError::Closed { found, expected: 24 } if found == len), "{error}");
    }
}

fn wrong_numbers() {
    let ring = ring();
    for count in [0, 2, 3, 253] {
        let error = taken(
            &GREETING,
            &vec![ring.as_fd(); count],
            &[&format!("{count} descriptors came"), "exactly 1"],
        );
        assert!(matches!(error, HandoverError::Descriptors { found } if found == count), "{error}");
    }
    // One with the first byte, and another with the last.
    let (mine, theirs) = UnixStream::pair().expect("sockets");
    send(&mine, &GREETING[..1], &[ring.as_fd()]);
    send(&mine, &GREETING[1..], &[ring.as_fd()]);
    let before = descriptors();
    let error = refused(handover::take(&theirs), &["2 descriptors came"]);
    assert!(matches!(error, HandoverError::Descriptors { found: 2 }));
    assert_eq!(descriptors(), before);
    // Two at once are refused without waiting for the rest.
    let (sender, receiver) = UnixStream::pair().expect("sockets");
    send(&sender, &GREETING[..1], &[ring.as_fd(); 2]);
    let error = refused(handover::take(&receiver), &["2 descriptors came"]);
    assert!(matches!(error, HandoverError::Descriptors { found: 2 }));
    drop((sender, receiver));
    // Credentials beside it are no descriptor.
    setsockopt(&theirs, sockopt::PassCred, &true).expect("a socket");
    send(&mine, &GREETING, &[ring.as_fd()]);
    drop(handover::take(&theirs).expect("a ring"));
    assert_eq!(descriptors(), before);
    // In pieces it is the same greeting.
    send(&mine, &GREETING[..5], &[]);
    send(&mine, &GREETING[5..], &[ring.as_fd()]);
    handover::take(&theirs).expect("a ring").consumer(&spsc::options()).expect("a consumer");
    assert_eq!(descriptors(), before);
}

fn wrong_descriptors() {
    let open = |error: HandoverError| match error {
        HandoverError::Open(error) => error,
        other => panic!("{other}"),
    };
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let error = open(taken(&GREETING, &[reader.as_fd()], &["pipe"]));
    assert!(matches!(error, OpenError::NotAFile { .. }), "{error}");
    let directory = File::open("/").expect("a directory");
    let error = open(taken(&GREETING, &[directory.as_fd()], &["directory"]));
    assert!(matches!(error, OpenError::NotAFile { .. }), "{error}");
    let file = tempfile::tempfile().expect("a file");
    let error = open(taken(&GREETING, &[file.as_fd()], &["no memfd"]));
    assert!(matches!(error, OpenError::NoDescriptor { .. }), "{error}");
    let name = Name::new("handed");
    let _tx = spsc::producer(&*name).expect("a ring");
    let named = File::options().read(true).write(true).open(name.path()).expect("it is there");
    let error = open(taken(&GREETING, &[named.as_fd()], &["no memfd", "by its name"]));
    assert!(matches!(error, OpenError::NoDescriptor { .. }), "{error}");
    for flags in [MFdFlags::MFD_ALLOW_SEALING, MFdFlags::empty()] {
        let unsealed = memfd_create(c"unsealed", flags).expect("a memfd");
        let error = open(taken(&GREETING, &[unsealed.as_fd()], &[]));
        assert!(matches!(error, OpenError::NotSealed { .. } | OpenError::NoDescriptor { .. }), "{error}");
    }
    let error = open(taken(&GREETING, &[sealed(b"not a ring").as_fd()], &["not a ringway segment"]));
    assert!(matches!(error, OpenError::NotASegment { .. }), "{error}");
    let other =
        mpmc::options().slots(64).lone_producer().expect("a ring").descriptor().expect("a descriptor");
    let error = open(taken(&GREETING, &[other.as_fd()], &["of kind mpmc, expected spsc"]));
    assert!(matches!(error, OpenError::Kind { .. }), "{error}");
}

/// A memfd with these bytes, sealed as a ring's.
fn sealed(bytes: &[u8]) -> File {
    use nix::fcntl::{FcntlArg, SealFlag, fcntl};
    let mut file = File::from(memfd_create(c"sealed", MFdFlags::MFD_ALLOW_SEALING).expect("a memfd"));
    file.write_all(bytes).expect("room");
    let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals)).expect("sealed");
    file
}

fn wrong_roles() {
    let (mine, theirs) = UnixStream::pair().expect("sockets");
    let tx = spsc::options().lone_producer().expect("a ring");
    handover::give(&mine, &tx, Part::Consumer).expect("given");
    let handed = handover::take(&theirs).expect("a ring");
    let error = refused(handed.producer(&spsc::options()), &["handed over to a consumer, not to a producer"]);
    assert!(matches!(error, OpenError::Role { found: Part::Consumer, expected: Part::Producer, .. }));
    let error = refused(handed.consumer(&mpmc::options()), &["of kind spsc, expected mpmc"]);
    assert!(matches!(error, OpenError::Kind { .. }));
    handed.consumer(&spsc::options()).expect("as it was given");
    handover::give(&mine, &tx, Part::Producer).expect("given");
    let error = refused(
        handover::take(&theirs).expect("a ring").producer(&spsc::options()),
        &["has a producer already"],
    );
    assert!(matches!(error, OpenError::AlreadyAttached { .. }));
}

/// Where no descriptor can be opened the kernel drops those that come, and says so.
#[test]
fn a_truncated_control_message_is_refused_and_no_descriptor_is_left() {
    Role::start("refuse truncated", &[]).finish();
}

fn refuse_truncated(_: &[&str]) {
    let ring = ring();
    let (mine, theirs) = UnixStream::pair().expect("sockets");
    let before = descriptors();
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    let next = File::open("/").expect("a descriptor").as_raw_fd() as u64;
    for room in [0, 1, 2] {
        send(&mine, &GREETING, &[ring.as_fd(); 3]);
        setrlimit(Resource::RLIMIT_NOFILE, next + room, hard).expect("a lower limit");
        let result = handover::take(&theirs);
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard).expect("the limit as it was");
        let error = refused(result, &["truncated", "raise the limit on open files"]);
        assert!(matches!(error, HandoverError::Truncated { found } if found as u64 <= room), "{error}");
        assert_eq!(descriptors(), before);
    }
}

#[test]
fn a_silent_peer_blocks_nobody_for_ever() {
    let (mine, theirs) = UnixStream::pair().expect("sockets");
    let limit = Duration::from_millis(100);
    let take = || handover::options().timeout(limit).take(&theirs);
    let error = refused(take(), &["timed out: 0 of the 24 bytes", "100ms"]);
    assert!(matches!(error, HandoverError::TimedOut { found: 0, .. }));
    send(&mine, &GREETING[..7], &[]);
    let error = refused(take(), &["timed out: 7 of the 24 bytes"]);
    assert!(matches!(error, HandoverError::TimedOut { found: 7, .. }));
}

#[test]
fn a_full_socket_blocks_no_giver_for_ever() {
    let (mut mine, _theirs) = UnixStream::pair().expect("sockets");
    mine.set_nonblocking(true).expect("a socket");
    while mine.write(&[0; 4096]).is_ok() {}
    mine.set_nonblocking(false).expect("a socket");
    let tx = spsc::options().lone_producer().expect("a ring");
    let give = handover::options().timeout(Duration::from_millis(100)).give(&mine, &tx, Part::Consumer);
    let error = refused(give, &["timed out: 0 of the 24 bytes"]);
    assert!(matches!(error, HandoverError::TimedOut { .. }));
}

/// A role, which has SIGPIPE as programs in C have it.
#[test]
fn a_side_that_is_gone_is_told_and_raises_no_signal() {
    Role::start("leave nothing", &[]).finish();
}

#[allow(unsafe_code)]
fn leave_nothing(_: &[&str]) {
    use nix::sys::signal::{SigHandler, Signal, signal};
    // SAFETY: the default disposition runs no code of this program.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }.expect("a disposition");
    let tx = spsc::options().lone_producer().expect("a ring");
    let before = descriptors();
    let (mine, theirs) = UnixStream::pair().expect("sockets");
    drop(theirs);
    let error = refused(handover::give(&mine, &tx, Part::Consumer), &["closed", "0 of the 24 bytes"]);
    assert!(matches!(error, HandoverError::Closed { found: 0, .. }));
    let error = refused(handover::take(&mine), &["closed", "0 of the 24 bytes"]);
    assert!(matches!(error, HandoverError::Closed { found: 0, .. }));
    drop(mine);
    assert_eq!(descriptors(), before);
}

#[test]
fn a_peer_killed_in_the_middle_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    let other = Role::start("begin a greeting", &[path.to_str().expect("text")]);
    let (socket, _) = listener.accept().expect("it connects");
    other.expect("begun");
    let killer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        other.kill();
    });
    let take = handover::options().timeout(PATIENCE).take(&socket);
    let error = refused(take, &["closed", "11 of the 24 bytes"]);
    assert!(matches!(error, HandoverError::Closed { found: 11, .. }));
    killer.join().expect("killed");
}

fn begin(arguments: &[&str]) {
    let socket = UnixStream::connect(arguments[0]).expect("the taker listens");
    send(&socket, &GREETING[..11], &[ring().as_fd()]);
    say("begun");
    listen();
}

#[test]
fn what_is_no_connected_stream_socket_is_refused() {
    let tx = spsc::options().lone_producer().expect("a ring");
    let each = |socket: BorrowedFd<'_>, parts: &[&str]| {
        for error in [
            refused(handover::take(socket), parts),
            refused(handover::give(socket, &tx, Part::Consumer), parts),
        ] {
            assert!(matches!(error, HandoverError::Open(OpenError::NotAPipe { .. })), "{error}");
        }
    };
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    each(reader.as_fd(), &["a pipe or FIFO", "a Unix stream socket"]);
    each(tempfile::tempfile().expect("a file").as_fd(), &["a regular file"]);
    let (datagrams, _other) = UnixDatagram::pair().expect("sockets");
    each(datagrams.as_fd(), &["another kind of socket"]);
    let alone =
        socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).expect("a socket");
    each(alone.as_fd(), &["not connected"]);
}

#[test]
fn a_ring_with_a_name_is_not_given() {
    let (mine, _theirs) = UnixStream::pair().expect("sockets");
    let name = Name::new("named");
    let tx = spsc::producer(&*name).expect("a ring");
    let error = refused(handover::give(&mine, &tx, Part::Consumer), &["no memfd", "by its name"]);
    assert!(matches!(error, HandoverError::Open(OpenError::NoDescriptor { .. })));
}
