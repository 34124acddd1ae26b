//! The mode of a new ring is the one that was asked for, whatever the umask, the user and the file system; and no
//! file under another name is left.

use std::fs;
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::libc;
use nix::sys::stat::{Mode, umask};
use ringway::OpenError;

use crate::common::role::Entry;
use crate::filter::{Denied, deny};
use crate::forked::{Child, become_user};
use crate::kinds::{Plan, kind_of, write_to_the_last_byte};
use crate::mounts::{Mounted, names_in, own_mounts};
use crate::of_each_kind_as_root;

pub const ROLES: [Entry; 1] = [("umasks", umasks)];

const USERS: [u32; 2] = [0, 65534];
const MODES: [u32; 5] = [0o600, 0o640, 0o660, 0o666, 0o777];

#[test]
fn no_umask_changes_the_mode_of_a_ring_or_leaves_a_hidden_file() {
    of_each_kind_as_root("umasks");
}

fn umasks(arguments: &[&str]) {
    let plan = Plan::new(kind_of(arguments[0]));
    own_mounts();
    let directory = tempfile::tempdir().expect("a directory");
    let _mounted = Mounted::new("tmpfs", directory.path(), "size=1m,mode=1777");
    let address = format!("file:{}", directory.path().join("ring").display());
    for user in USERS {
        for mask in [0, 0o077, 0o777] {
            for unnamed in [true, false] {
                let child = Child::start(|_| {
                    become_user(user);
                    umask(Mode::from_bits_truncate(mask));
                    if !unnamed {
                        deny(&[no_unnamed_files()]);
                    }
                    MODES.iter().for_each(|mode| make(&Plan { mode: *mode, ..plan }, &address));
                    make_too_large(&plan, &address);
                    assert_eq!(names_in(directory.path()), [""; 0], "umask {mask:o}, unnamed: {unnamed}");
                });
                child.finish();
            }
        }
    }
}

/// As on a file system that knows no files without names: rings begin under a hidden name there.
fn no_unnamed_files() -> Denied {
    let only_if = Some((2, (libc::O_TMPFILE & !libc::O_DIRECTORY) as u32));
    Denied { call: libc::SYS_openat, only_if, errno: Errno::EOPNOTSUPP }
}

fn make(plan: &Plan, address: &str) {
    let path = address.trim_start_matches("file:");
    let mode = || fs::symlink_metadata(path).expect("the ring").mode() & 0o7777;
    plan.create_ring(address).expect("a ring");
    assert_eq!(mode(), plan.mode);
    let mut tx = plan.producer(address).expect("a producer");
    let mut rx = plan.consumer(address).expect("a consumer");
    write_to_the_last_byte(&mut tx, &mut rx);
    drop((tx, rx));
    let tx = plan.producer(address).expect("a new ring");
    assert_eq!(mode(), plan.mode);
    // Whoever asks for less finds it too open, unless it is not.
    let strict = Plan { mode: 0o600, ..*plan }.consumer(address).map(drop);
    assert_eq!(strict.is_ok(), plan.mode == 0o600, "{strict:?}");
    drop(tx);
    assert!(fs::symlink_metadata(path).is_err(), "the last one out unlinks");
}

/// A ring that does not fit leaves nothing either.
fn make_too_large(plan: &Plan, address: &str) {
    let error = Plan { size: 2 << 20, ..*plan }.create_ring(address).expect_err("no room");
    assert!(matches!(error, OpenError::NoSpace { .. }), "{error:?}");
}
