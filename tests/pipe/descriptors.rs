//! Descriptors that come from elsewhere: what will do, and that their flags are nobody's business.

use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use ringway::OpenError;
use ringway::pipe::options;

use crate::bed::{Kind, on_every_stream};

#[track_caller]
fn assert_refused(result: Result<(), OpenError>, word: &str) {
    let error = result.expect_err("refused");
    assert!(matches!(error, OpenError::NotAPipe { .. }), "{error}");
    assert!(error.to_string().contains(word), "{error}");
}

#[test]
fn what_is_no_pipe_is_refused() {
    let file = || tempfile::tempfile().expect("a file");
    assert_refused(options().producer_on(file()).map(drop), "a regular file");
    assert_refused(options().consumer_on(file()).map(drop), "a regular file");
    let null = || std::fs::File::open("/dev/null").expect("a device");
    assert_refused(options().consumer_on(null()).map(drop), "a terminal or device");
    let datagrams = std::os::unix::net::UnixDatagram::unbound().expect("a socket");
    assert_refused(options().consumer_on(datagrams).map(drop), "another kind of socket");
    let internet = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a socket");
    assert_refused(options().consumer_on(internet).map(drop), "another kind of socket");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    assert_refused(options().producer_on(reader.try_clone().expect("a descriptor")).map(drop), "reading end");
    assert_refused(options().consumer_on(writer).map(drop), "writing end");
    assert_refused(options().duplex(reader).map(drop), "a Unix stream socket");
}

#[test]
fn impossible_options_are_refused() {
    for options in [options().largest(1 << 32), options().mode(0o4600), options().mode(0o400)] {
        assert!(matches!(options.pair().map(drop), Err(OpenError::Option { .. })));
        assert!(matches!(options.duplex_pair().map(drop), Err(OpenError::Option { .. })));
    }
}

#[test]
fn a_pipe_says_how_much_it_holds() {
    let (tx, rx) = options().pipe_size(1 << 17).pair().expect("a pipe");
    assert_eq!((tx.pipe_size(), rx.pipe_size()), (Some(1 << 17), Some(1 << 17)));
    let (tx, _rx) = ringway::pipe::pair().expect("a pipe");
    assert_eq!(tx.pipe_size(), Some(256 << 10));
    // More than anybody gets: the pipe stays as it is.
    let (tx, _rx) = options().pipe_size(usize::MAX).pair().expect("a pipe");
    assert!(tx.pipe_size() > Some(0));
    let [(tx, rx), _other] = ringway::pipe::duplex_pair().expect("sockets");
    assert_eq!((tx.pipe_size(), rx.pipe_size()), (None, None));
}

/// The description is shared with other processes, which would not expect their calls to block, or not to.
#[test]
fn the_flags_of_a_descriptor_stay_as_they_are() {
    on_every_stream(&options(), |bed| {
        if bed.kind == Kind::Fifo {
            return;
        }
        let (bare, mut rx) = bed.bare_writer();
        let is_nonblocking = |descriptor: &OwnedFd| {
            let flags = fcntl(descriptor, FcntlArg::F_GETFL).expect("flags");
            OFlag::from_bits_truncate(flags).contains(OFlag::O_NONBLOCK)
        };
        let shared = |descriptor: &dyn AsFd| descriptor.as_fd().try_clone_to_owned().expect("a descriptor");
        let (writer, reader) = (shared(&bare), shared(&rx));
        let before = (is_nonblocking(&writer), is_nonblocking(&reader));
        let mut tx = options().producer_on(bare).expect("a producer");
        tx.try_send(b"one").expect("room");
        tx.send(b"two").expect("sent");
        assert_eq!(&rx.try_recv().expect("a message")[..], b"one");
        assert_eq!(&rx.recv().expect("a message")[..], b"two");
        assert!(rx.try_recv().is_err());
        assert_eq!((is_nonblocking(&writer), is_nonblocking(&reader)), before);
    });
}
