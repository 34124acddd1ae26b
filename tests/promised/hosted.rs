//! A ring in memory of the user's own, whose producer is killed.
#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::ptr::NonNull;
use std::time::Duration;

use memmap2::{MmapOptions, MmapRaw};
use ringway::spsc::{Consumer, Options, Peer, Producer, options};
use ringway::{OpenError, RecvError};

use crate::common::role::{Role, listen, say};

/// Memory that two processes map, and a file for leases if there are any.
struct Memory {
    mapped: MmapRaw,
    leases: Option<File>,
}

impl Memory {
    fn new(directory: &Path, with_leases: bool) -> Memory {
        let open = |name: &str| {
            let path = directory.join(name);
            File::options().read(true).write(true).create(true).truncate(false).open(path).expect("a file")
        };
        let file = open("memory");
        file.set_len(plain().hosted_len().expect("a length") as u64).expect("room");
        let mapped = MmapOptions::new().map_raw(&file).expect("mapped");
        Memory { mapped, leases: with_leases.then(|| open("leases")) }
    }

    fn leases(&self) -> Option<OwnedFd> {
        self.leases.as_ref().map(|file| file.try_clone().expect("dup").into())
    }

    fn memory(&self) -> NonNull<u8> {
        NonNull::new(self.mapped.as_mut_ptr()).expect("mapped")
    }

    fn producer(&self, options: &Options) -> Result<Producer, OpenError> {
        // SAFETY: the tests drop the memory after the ends, and only rings are laid there.
        unsafe { options.producer_in(self.memory(), self.mapped.len(), self.leases()) }
    }

    fn consumer(&self, options: &Options) -> Result<Consumer, OpenError> {
        // SAFETY: as above.
        unsafe { options.consumer_in(self.memory(), self.mapped.len(), self.leases()) }
    }
}

fn plain() -> Options {
    options().size(4096).liveness(Duration::from_millis(5))
}

/// Formats the memory, sends a message, holds a claim, and waits to be killed.
pub fn host(arguments: &[&str]) {
    let memory = Memory::new(Path::new(arguments[0]), arguments[1] == "leases");
    let mut tx = memory.producer(&plain().create_new(true)).expect("a producer");
    tx.send(b"committed").expect("room");
    let _claim = tx.claim(100).expect("room");
    say("ready");
    listen();
}

/// A consumer whose producer was killed with a claim.
fn bereaved(directory: &Path, leases: &str) -> (Memory, Consumer) {
    let producer = Role::start("host", &[directory.to_str().expect("a plain path"), leases]);
    producer.expect("ready");
    let memory = Memory::new(directory, leases == "leases");
    let mut rx = memory.consumer(&plain()).expect("a consumer");
    // Without leases nobody can tell whether it lives, now or later.
    assert_eq!(rx.peer(), if leases == "leases" { Peer::Attached } else { Peer::Unknown });
    producer.kill();
    assert_eq!(&rx.recv().expect("what was committed")[..], b"committed");
    (memory, rx)
}

#[test]
fn a_death_is_noticed_by_its_lease() {
    let directory = tempfile::tempdir().expect("a directory");
    let (memory, mut rx) = bereaved(directory.path(), "leases");
    assert_eq!(rx.recv().map(drop), Err(RecvError::PeerDead));
    let mut tx = memory.producer(&plain()).expect("the dead one's place");
    tx.send(b"more").expect("room");
    assert_eq!(&rx.recv().expect("a message")[..], b"more");
}

#[test]
fn without_leases_a_death_is_unknown() {
    let directory = tempfile::tempdir().expect("a directory");
    let (memory, mut rx) = bereaved(directory.path(), "none");
    assert_eq!(rx.recv_timeout(Duration::from_millis(20)).map(drop), Err(RecvError::TimedOut));
    let taken = memory.producer(&plain()).map(drop).expect_err("nothing proves that the place is free");
    assert!(matches!(taken, OpenError::AlreadyAttached { .. }), "{taken}");
    drop(rx);
    let mut tx = memory.producer(&plain().create_new(true)).expect("the memory is formatted anew");
    let mut rx = memory.consumer(&plain()).expect("a consumer");
    tx.send(b"more").expect("room");
    assert_eq!(&rx.recv().expect("a message")[..], b"more");
}
