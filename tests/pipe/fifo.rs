//! FIFOs: meeting at a name, whoever comes first, and what else may stand there.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use nix::sys::stat::{Mode, umask};
use nix::unistd::mkfifo;
use ringway::pipe::{consumer, options, producer};
use ringway::{OpenError, Owner, RecvError, SendError};
use tempfile::TempDir;

use crate::common::PATIENCE;
use crate::common::role::{Role, say};

/// A directory, and the path of a FIFO in it.
fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("fifo");
    (directory, path)
}

fn is_empty(directory: &TempDir) -> bool {
    fs::read_dir(directory.path()).expect("a directory").next().is_none()
}

#[test]
fn either_side_may_start_first() {
    let (directory, path) = place();
    for producer_first in [true, false] {
        let (mut tx, mut rx);
        if producer_first {
            tx = producer(&path).expect("a producer");
            assert!(matches!(tx.try_send(b"early"), Err(SendError::Full { .. })));
            assert_eq!(tx.send_timeout(b"early", Duration::from_millis(3)), Err(SendError::TimedOut));
            rx = consumer(&path).expect("a consumer");
        } else {
            rx = consumer(&path).expect("a consumer");
            assert_eq!(rx.try_recv().map(drop), Err(RecvError::Empty));
            assert_eq!(rx.recv_timeout(Duration::from_millis(3)).map(drop), Err(RecvError::TimedOut));
            tx = producer(&path).expect("a producer");
        }
        assert!(path.symlink_metadata().expect("a FIFO").file_type().is_fifo());
        tx.send(b"hello").expect("sent");
        assert!(is_empty(&directory), "the two have met");
        assert_eq!(&rx.recv().expect("a message")[..], b"hello");
        drop(tx);
        assert_eq!(rx.recv().map(drop), Err(RecvError::Closed));
    }
    assert!(is_empty(&directory));
}

#[test]
fn a_waiting_side_is_found_by_the_other() {
    let (directory, path) = place();
    let (mut tx, mut rx) = (producer(&path).expect("a producer"), consumer(&path).expect("a consumer"));
    thread::scope(|scope| {
        scope.spawn(|| assert_eq!(&rx.recv().expect("a message")[..], b"hello"));
        scope.spawn(|| tx.send(b"hello").expect("sent"));
    });
    drop(rx);
    let mut tx = producer(&path).expect("a producer");
    thread::scope(|scope| {
        scope.spawn(|| tx.send(b"hello").expect("sent"));
        let mut rx = consumer(&path).expect("a consumer");
        assert_eq!(&rx.recv().expect("a message")[..], b"hello");
    });
    assert!(is_empty(&directory));
}

#[test]
fn who_waits_in_vain_leaves_nothing() {
    let (directory, path) = place();
    drop(producer(&path).expect("a producer"));
    assert!(is_empty(&directory));
    drop(consumer(&path).expect("a consumer"));
    assert!(is_empty(&directory));
    mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).expect("a FIFO");
    drop(producer(&path).expect("a producer"));
    drop(consumer(&path).expect("a consumer"));
    assert!(!is_empty(&directory), "what others made stays");
}

#[test]
fn a_stream_has_one_of_each() {
    let (_directory, path) = place();
    let mut first = consumer(&path).expect("a consumer");
    let error = consumer(&path).map(drop).expect_err("there is one");
    assert!(matches!(error, OpenError::AlreadyAttached { .. }), "{error}");
    let (mut one, mut other) = (producer(&path).expect("a producer"), producer(&path).expect("another"));
    one.send(b"one").expect("sent");
    assert!(matches!(other.try_send(b"other"), Err(SendError::Full { .. })), "it waits for another consumer");
    let mut second = consumer(&path).expect("another consumer");
    other.send(b"other").expect("sent");
    assert_eq!(&first.recv().expect("a message")[..], b"one");
    assert_eq!(&second.recv().expect("a message")[..], b"other");
}

#[test]
fn a_name_that_leads_elsewhere_is_told_to_whoever_waits() {
    let (_directory, path) = place();
    let mut rx = options().liveness(Duration::from_millis(2)).consumer(&path).expect("a consumer");
    fs::remove_file(&path).expect("the name");
    assert_eq!(rx.recv().map(drop), Err(RecvError::Unlinked));
    let mut tx = producer(&path).expect("a producer");
    fs::remove_file(&path).expect("the name");
    fs::write(&path, b"somebody else's").expect("a file");
    assert_eq!(tx.send(b"hello"), Err(SendError::Unlinked));
    drop((tx, rx));
    assert_eq!(fs::read(&path).expect("it was left alone"), b"somebody else's");
}

#[test]
fn what_is_not_to_be_used_is_left_alone() {
    let (directory, path) = place();
    let refused = |word: &str| {
        for error in [producer(&path).map(drop), consumer(&path).map(drop)] {
            let error = error.expect_err(word);
            assert!(error.to_string().contains(word), "{error}");
        }
    };
    let fifo = directory.path().join("target");
    mkfifo(&fifo, Mode::S_IRUSR | Mode::S_IWUSR).expect("a FIFO");
    symlink(&fifo, &path).expect("a link");
    refused("a symbolic link");
    fs::remove_file(&path).expect("a link");
    fs::write(&path, b"contents").expect("a file");
    refused("a regular file");
    assert_eq!(fs::read(&path).expect("a file"), b"contents");
    fs::remove_file(&path).expect("a file");
    fs::create_dir(&path).expect("a directory");
    refused("a directory");
    fs::remove_dir(&path).expect("a directory");
    let socket = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    refused("a socket");
    fs::remove_file(&path).expect("a socket");
    drop(socket);
    mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).expect("a FIFO");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o620)).expect("a mode");
    refused("has mode 0620");
    drop(options().mode(0o620).consumer(&path).expect("a mode that was asked for"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
    let stranger = options().owner(Owner::Uid(12_345));
    assert!(matches!(stranger.consumer(&path).map(drop), Err(OpenError::ForeignOwner { .. })));
    assert!(matches!(stranger.producer(&path).map(drop), Err(OpenError::ForeignOwner { .. })));
    drop(options().owner(Owner::Anyone).consumer(&path).expect("anybody's"));
}

#[test]
fn paths_that_name_no_fifo_are_refused() {
    for path in ["", "/", "/tmp/", ".."] {
        assert!(matches!(producer(path).map(drop), Err(OpenError::Address(_))), "{path}");
    }
    let (directory, path) = place();
    let error = options().create(false).producer(&path).map(drop).expect_err("nothing is there");
    assert!(matches!(error, OpenError::NotFound { .. }), "{error}");
    assert!(consumer(directory.path().join("none/fifo")).is_err());
    assert!(is_empty(&directory));
}

/// In a process of its own: the umask is the process's.
pub fn make_under_umask(arguments: &[&str]) {
    umask(Mode::from_bits_truncate(0o777));
    let path = PathBuf::from(arguments[0]);
    for mode in [0o600, 0o660, 0o622] {
        let rx = options().mode(mode).consumer(&path).expect("a consumer");
        assert_eq!(fs::metadata(&path).expect("a FIFO").permissions().mode() & 0o7777, mode);
        drop(rx);
    }
    umask(Mode::empty());
    let tx = producer(&path).expect("a producer");
    assert_eq!(fs::metadata(&path).expect("a FIFO").permissions().mode() & 0o7777, 0o600);
    drop(tx);
    say("made");
}

#[test]
fn the_mode_is_the_one_asked_for_whatever_the_umask() {
    let (directory, path) = place();
    let role = Role::start("make under umask", &[&path.to_string_lossy()]);
    role.expect("made");
    role.finish();
    assert!(is_empty(&directory));
}

/// Two who come at the same moment meet, whichever step of the other each of them sees.
#[test]
fn two_who_come_at_once_meet() {
    let (directory, path) = place();
    for round in 0..500_u32 {
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut tx = producer(&path).expect("a producer");
                tx.send_timeout(&round.to_le_bytes(), PATIENCE).expect("sent");
            });
            let mut rx = consumer(&path).expect("a consumer");
            assert_eq!(rx.recv_timeout(PATIENCE).expect("a message")[..], round.to_le_bytes());
            assert_eq!(rx.recv_timeout(PATIENCE).map(drop), Err(RecvError::Closed));
        });
        assert!(is_empty(&directory));
    }
}
