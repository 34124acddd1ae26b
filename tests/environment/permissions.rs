//! Whose ring it is, and who may use it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use nix::sys::stat::{Mode, umask};
use nix::unistd::{Uid, setegid, seteuid, setuid};
use ringway::inspect::remove;
use ringway::spsc::options;
use ringway::{Address, OpenError, Owner};

use crate::common::names::Name;
use crate::common::role::{Entry, Role};
use crate::{as_root, refused};

const NOBODY: u32 = 65534;

pub const ROLES: [Entry; 4] = [
    ("umask", under_umask),
    ("another user", another_user),
    ("set-uid", set_uid),
    ("nobody's umask", nobodys_umask),
];

fn mode_of(name: &Name) -> u32 {
    fs::metadata(name.path()).expect("the ring").mode() & 0o7777
}

#[test]
fn the_mode_is_the_one_asked_for_whatever_the_umask() {
    for mask in ["0", "777"] {
        Role::start("umask", &[mask]).finish();
    }
}

fn under_umask(arguments: &[&str]) {
    let mask = u32::from_str_radix(arguments[0], 8).expect("octal digits");
    umask(Mode::from_bits_truncate(mask));
    for mode in [0o600, 0o660, 0o644, 0o666] {
        let name = Name::new("mode");
        let _tx = options().mode(mode).producer(&*name).expect("a producer");
        assert_eq!(mode_of(&name), mode);
        options().mode(mode).consumer(&*name).expect("a consumer");
    }
    let name = Name::new("mode");
    options().create_ring(&*name).expect("a ring");
    assert_eq!(mode_of(&name), 0o600);
    options().pair().expect("a pair");
}

#[test]
fn a_ring_that_is_open_to_more_users_than_asked_for_is_refused() {
    for mode in [0o601, 0o660, 0o604, 0o666, 0o777, 0o4600] {
        let name = Name::new("open");
        options().create_ring(&*name).expect("a ring");
        fs::set_permissions(name.path(), fs::Permissions::from_mode(mode)).expect("chmod");
        let parts = [&*format!("mode {mode:04o}"), "expected at most 0600", "ask for that mode"];
        let error = refused(options().producer(&*name), &parts);
        assert!(
            matches!(error, OpenError::Mode { found, expected: 0o600, .. } if found == mode),
            "{error:?}"
        );
        assert_eq!(mode_of(&name), mode, "left as it is");
        if mode < 0o1000 {
            options().mode(0o600 | mode).producer(&*name).expect("asked for");
        }
    }
}

#[test]
fn another_users_ring_is_refused() {
    // The names are this process's to remove: the role gives up the right to.
    let [theirs, roots, open] = ["theirs", "roots", "open"].map(Name::new);
    as_root("another user", &[&theirs, &roots, &open]);
}

fn another_user(arguments: &[&str]) {
    let &[theirs, roots, open] = arguments else { panic!("three names") };
    options().persist(true).create_ring(theirs).expect("a ring");
    chown(format!("/dev/shm/ringway.{theirs}"), Some(NOBODY), None).expect("root may");
    let parts = ["belongs to uid 65534", "expected uid 0", "owner(Owner::Uid(65534))"];
    let error = refused(options().producer(theirs), &parts);
    assert!(matches!(error, OpenError::ForeignOwner { found: NOBODY, expected: 0, .. }), "{error:?}");
    refused(options().owner(Owner::Uid(1)).producer(theirs), &["expected uid 1"]);
    options().owner(Owner::Uid(NOBODY)).producer(theirs).expect("trusted by name");
    options().owner(Owner::Anyone).producer(theirs).expect("trusted like anyone");

    options().persist(true).create_ring(roots).expect("a ring");
    options().persist(true).mode(0o666).create_ring(open).expect("a ring");
    setuid(Uid::from_raw(NOBODY)).expect("root may");
    options().producer(theirs).expect("one's own ring");
    let error = refused(options().producer(roots), &["Permission denied"]);
    assert!(matches!(error, OpenError::System { .. }), "{error:?}");
    refused(options().mode(0o666).producer(open), &["belongs to uid 0"]);
    options().mode(0o666).owner(Owner::Uid(0)).producer(open).expect("trusted by name");
    refused(remove(roots, true), &["Permission denied"]);
    refused(remove(open, true), &["not permitted"]);
    refused(options().producer("file:/etc/ring"), &["Permission denied"]);
}

#[test]
fn me_is_the_effective_user() {
    as_root("set-uid", &[""]);
}

/// As in a set-uid program: the effective user is not the real one, and new files are the effective one's.
fn set_uid(_: &[&str]) {
    seteuid(Uid::from_raw(NOBODY)).expect("root may");
    let name = Name::new("effective");
    let _tx = options().producer(&*name).expect("a producer");
    assert_eq!(fs::metadata(name.path()).expect("the ring").uid(), NOBODY);
    options().consumer(&*name).expect("one's own ring");
}

#[test]
fn the_umask_of_a_user_without_privileges_is_no_obstacle() {
    as_root("nobody's umask", &[""]);
}

fn nobodys_umask(_: &[&str]) {
    let directory = tempfile::tempdir().expect("a directory");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).expect("chmod");
    let path = directory.path().join("ring");
    let real = nix::unistd::geteuid();
    setegid(nix::unistd::Gid::from_raw(NOBODY)).expect("root may");
    seteuid(Uid::from_raw(NOBODY)).expect("root may");
    umask(Mode::from_bits_truncate(0o777));
    let made = options().producer(Address::File(path.clone())).map(|tx| tx.geometry().size);
    seteuid(real).expect("root again");
    assert_eq!(made.expect("a ring"), 1 << 20);
}
