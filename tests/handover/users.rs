//! Processes of other users at the other side of the socket.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};

use nix::unistd::{Uid, geteuid, seteuid};
use ringway::{HandoverError, Owner, Role as Part, handover, spsc};

use crate::common::role::{Entry, Role};
use crate::{descriptors, refused, skipped};

pub const ROLES: [Entry; 1] = [("another user", another_user)];

const NOBODY: u32 = 65_534;

/// A role, since a process has one user.
#[test]
fn another_user_is_refused_unless_trusted() {
    if geteuid().is_root() {
        Role::start("another user", &[]).finish();
    } else {
        skipped("\"another user\" needs root");
    }
}

/// Two connected sockets, the second of which nobody has connected.
fn connected(listener: &UnixListener) -> (UnixStream, UnixStream) {
    seteuid(Uid::from_raw(NOBODY)).expect("root may");
    let address = listener.local_addr().expect("an address");
    let nobodys = UnixStream::connect_addr(&address).expect("it listens");
    seteuid(Uid::from_raw(0)).expect("root may come back");
    (listener.accept().expect("a connection").0, nobodys)
}

fn another_user(_: &[&str]) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).expect("a socket");
    set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("root may");
    set_permissions(&path, Permissions::from_mode(0o666)).expect("root may");
    let (mine, nobodys) = connected(&listener);
    let tx = spsc::options().lone_producer().expect("a ring");
    let before = descriptors();
    let parts = ["is of uid 65534, expected uid 0", "owner(Owner::Uid(65534))"];
    // Neither taken from nor given to: what a stranger has sent is not even read.
    handover::options().owner(Owner::Anyone).give(&nobodys, &tx, Part::Consumer).expect("root listens there");
    for error in
        [refused(handover::take(&mine), &parts), refused(handover::give(&mine, &tx, Part::Consumer), &parts)]
    {
        assert!(matches!(error, HandoverError::Stranger { found: NOBODY, expected: 0 }), "{error}");
    }
    let wrong = handover::options().owner(Owner::Uid(12_345));
    refused(wrong.take(&mine), &["is of uid 65534, expected uid 12345"]);
    assert_eq!(descriptors(), before);
    for owner in [Owner::Uid(NOBODY), Owner::Anyone] {
        let trusting = handover::options().owner(owner);
        let handed = trusting.take(&mine).expect("trusted");
        handed.consumer(&spsc::options()).expect("a consumer");
        trusting.give(&nobodys, &tx, Part::Consumer).or_else(is_root).expect("given");
        if owner == Owner::Uid(NOBODY) {
            handover::options().give(&nobodys, &tx, Part::Consumer).expect("root is at that side");
        }
    }
}

/// Who trusts nobody alone gives nothing to root.
fn is_root(error: HandoverError) -> Result<(), HandoverError> {
    if matches!(error, HandoverError::Stranger { found: 0, .. }) { Ok(()) } else { Err(error) }
}
