//! A stream from one process to another.

use std::os::fd::AsRawFd;
use std::thread;
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use ringway::RecvError;

use crate::common::eventually;
use crate::common::names::Name;
use crate::common::role::Role;
use crate::roles::Checksum;

const MESSAGES: &str = "3000";

#[test]
fn a_stream_arrives_whole_when_the_receiver_starts_first() {
    for address in addresses("first") {
        let rx = Role::start("receive", &[&address.text]);
        address.wait_until_there();
        let tx = Role::start("send", &[&address.text, MESSAGES]);
        assert_eq!(tx.hear(), rx.hear());
        tx.finish();
        rx.finish();
        assert!(!address.path.exists(), "the last one out unlinks");
    }
}

#[test]
fn a_stream_arrives_whole_when_the_sender_starts_first() {
    for address in addresses("second") {
        let tx = Role::start("send", &[&address.text, MESSAGES]);
        address.wait_until_there();
        // Long enough to fill the ring, most of the time.
        thread::sleep(Duration::from_millis(5));
        let rx = Role::start("receive", &[&address.text]);
        assert_eq!(tx.hear(), rx.hear());
        tx.finish();
        rx.finish();
        assert!(!address.path.exists(), "the last one out unlinks");
    }
}

#[test]
fn one_end_of_a_pair_is_handed_to_a_child() {
    let (tx, mut rx) = ringway::spsc::pair().expect("a pair");
    let descriptor = tx.descriptor().expect("a descriptor");
    drop(tx);
    fcntl(&descriptor, FcntlArg::F_SETFD(FdFlag::empty())).expect("inheritable");
    let sender = Role::start("send", &[&format!("fd:{}", descriptor.as_raw_fd()), "1000"]);
    let mut sum = Checksum::default();
    // Until the child has attached, the end that was dropped counts as closed.
    eventually("the whole stream", || {
        loop {
            match rx.recv_timeout(Duration::from_millis(20)).map(|message| sum.add(&message)) {
                Ok(()) => {}
                Err(RecvError::Closed | RecvError::TimedOut) => break rx.counters().messages == 1000,
                Err(error) => panic!("{error}"),
            }
        }
    });
    assert_eq!(sender.hear(), sum.text());
    sender.finish();
}

struct Place {
    text: String,
    path: std::path::PathBuf,
    _name: Option<Name>,
    _directory: Option<tempfile::TempDir>,
}

impl Place {
    fn wait_until_there(&self) {
        eventually("somebody creates the ring", || self.path.exists());
    }
}

/// A name in shared memory and a file.
fn addresses(what: &str) -> [Place; 2] {
    let name = Name::new(what);
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ring");
    [
        Place { text: name.to_string(), path: name.path(), _name: Some(name), _directory: None },
        Place { text: format!("file:{}", path.display()), path, _name: None, _directory: Some(directory) },
    ]
}
