//! Processes of other users at the other side of the socket.

use std::fs::{Permissions, set_permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use nix::unistd::{Uid, geteuid, seteuid};
use ringway::untrusted::options;
use ringway::{HandoverError, Owner};

use crate::Meeting;
use crate::common::role::{Entry, Role};
use crate::raw::{CONSUMER, DATA, Half};

pub const ROLES: [Entry; 1] = [("another user", another_user)];

const NOBODY: u32 = 65_534;

/// A role, since a process has one user.
#[test]
fn another_user_is_refused_unless_asked_for() {
    if geteuid().is_root() {
        Role::start("another user", &[]).finish();
    } else {
        // Past the harness, which would keep it from being seen.
        let _ = writeln!(std::io::stderr(), "SKIPPED: \"another user\" needs root");
    }
}

fn another_user(_: &[&str]) {
    let meeting = Meeting::new();
    let directory = std::path::Path::new(&meeting.path).parent().expect("a directory");
    set_permissions(directory, Permissions::from_mode(0o755)).expect("root may");
    set_permissions(&meeting.path, Permissions::from_mode(0o666)).expect("root may");
    seteuid(Uid::from_raw(NOBODY)).expect("root may");
    let nobodys = UnixStream::connect(&meeting.path).expect("it listens");
    seteuid(Uid::from_raw(0)).expect("root may come back");
    let mine = meeting.accept();
    let half = Half::new(DATA);
    half.give(&nobodys, CONSUMER, 0);
    for options in [options(), options().owner(Owner::Uid(12_345))] {
        let error = options.producer(&mine).map(drop).expect_err("a stranger");
        assert!(matches!(error, HandoverError::Stranger { found: NOBODY, .. }), "{error}");
    }
    // Nothing was read or sent.
    options().owner(Owner::Uid(NOBODY)).producer(&mine).expect("asked for").send(b"hello").expect("room");
}
