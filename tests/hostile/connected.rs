//! Connections where memory cannot be shared, or where others are at the address.

use std::fs;
use std::path::Path;
use std::process::exit;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::geteuid;
use ringway::connect::{self, Options};
use ringway::{ConnectError, Owner};

use crate::common::names::Name;
use crate::common::role::{Entry, Role};
use crate::common::{PATIENCE, eventually};
use crate::filter::{Denied, deny};
use crate::forked::{Child, become_user};
use crate::mounts::{mount_kind, own_mounts};
use crate::skipped;

pub const ROLES: [Entry; 5] = [
    ("connected without a directory", without_a_directory),
    ("connected without memory", without_memory),
    ("connected without memfd", without_memfd),
    ("connected beside strangers", beside_strangers),
    ("connected at another's address", at_anothers_address),
];

const SHM: &str = "/dev/shm";
const ALICE: u32 = 12_345;
/// Bytes of a ring that does not fit where memory is short.
const LARGE: usize = 64 << 20;

#[track_caller]
fn as_root(role: &str) {
    if geteuid().is_root() {
        Role::start(role, &[""]).finish();
    } else {
        skipped(&format!("{role:?} needs root"));
    }
}

fn options() -> Options {
    connect::options().timeout(PATIENCE)
}

/// Connects two children, each of whom first does something to itself; what each was connected by.
fn connect_two(
    name: &str,
    options: &Options,
    producer: impl FnOnce(),
    consumer: impl FnOnce(),
) -> [String; 2] {
    let mut receiver = Child::start(|line| {
        consumer();
        let mut rx = options.consumer(name).expect("a consumer");
        assert_eq!(rx.recv_timeout(PATIENCE).expect("a message")[..], *b"hello");
        line.say(rx.transport());
    });
    let mut sender = Child::start(|line| {
        producer();
        let mut tx = options.producer(name).expect("a producer");
        tx.send(b"hello").expect("sent");
        line.say(tx.transport());
    });
    let said = [sender.line.hear(), receiver.line.hear()];
    sender.finish();
    receiver.finish();
    said
}

const BY_MEMORY: &str = "a ring in memory that was handed over";

#[test]
fn memory_is_shared_whatever_is_wrong_with_its_directory() {
    as_root("connected without a directory");
}

fn without_a_directory(_: &[&str]) {
    own_mounts();
    let directory = Path::new(SHM);
    let connected = |what: &str| {
        let named = ringway::spsc::producer("no-ring-can-be-made-here").expect_err("no room for a ring");
        assert_eq!(
            connect_two(&Name::new("connected"), &options(), || {}, || {}),
            [BY_MEMORY; 2],
            "{what}: {named}"
        );
    };
    mount_kind("tmpfs", directory, "size=64k");
    fs::write(directory.join("ballast"), [1; 64 << 10]).expect("all of it");
    connected("full");
    let none = None::<&str>;
    mount(none, directory, none, MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY, none).expect("remounted");
    connected("read-only");
    mount_kind("tmpfs", Path::new("/dev"), "size=64k");
    assert!(!directory.exists());
    connected("gone");
}

#[test]
fn where_one_side_has_no_memory_both_use_the_socket_until_it_has() {
    Role::start("connected without memory", &[""]).finish();
}

/// Under a limit, and then without it.
fn without_memory(_: &[&str]) {
    let options = options().size(LARGE);
    let short = |resource: Resource, room: u64| {
        let used = match resource {
            Resource::RLIMIT_AS => mapped_here(),
            _ => fs::read_dir("/proc/self/fd").expect("descriptors").count() as u64,
        };
        setrlimit(resource, used + room, getrlimit(resource).expect("a limit").1).expect("a lower limit");
    };
    let no_address_space = || short(Resource::RLIMIT_AS, 8 << 20);
    for is_producer in [true, false] {
        let name = Name::new("connected");
        let said = if is_producer {
            connect_two(&name, &options, no_address_space, || {})
        } else {
            connect_two(&name, &options, || {}, no_address_space)
        };
        let [mine, theirs] = if is_producer { [&said[0], &said[1]] } else { [&said[1], &said[0]] };
        let beginning = "a Unix socket, since memory cannot be shared; ";
        let mine = mine.strip_prefix(&format!("{beginning}here: ")).expect("why").to_owned();
        assert_eq!(theirs.strip_prefix(&format!("{beginning}at the other side: ")), Some(&*mine));
        assert!(mine.contains("RLIMIT_AS") || mine.contains("mmap"), "{mine}");
        assert_eq!(connect_two(&name, &options, || {}, || {}), [BY_MEMORY; 2]);
    }
    // The consumer can be connected, and take no more descriptors.
    let said = connect_two(&Name::new("connected"), &options, || {}, || short(Resource::RLIMIT_NOFILE, 1));
    assert!(said.iter().all(|text| text.starts_with("a Unix socket, since")), "{said:?}");
}

/// Bytes of this process's address space.
fn mapped_here() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").expect("a process");
    let pages: u64 = pages.split(' ').next().and_then(|first| first.parse().ok()).expect("a number");
    pages * 4096
}

#[test]
fn where_a_sandbox_forbids_memory_the_socket_is_used_and_it_is_said_why() {
    Role::start("connected without memfd", &[""]).finish();
}

fn without_memfd(_: &[&str]) {
    let deny_memfd = || deny(&[Denied::always(libc::SYS_memfd_create, Errno::EPERM)]);
    let said = connect_two(&Name::new("connected"), &options(), deny_memfd, || {});
    assert!(said.iter().all(|text| text.contains("memfd_create")), "{said:?}");
    let name = Name::new("connected");
    let refused = Child::start(|_| {
        deny_memfd();
        let error = options().using(connect::Using::Memory).producer(&*name).expect_err("no memory");
        assert!(matches!(error, ConnectError::NoMemory { here: Some(_), .. }), "{error}");
    });
    let error = options().consumer(&*name).expect_err("no memory there");
    assert!(matches!(error, ConnectError::NoMemory { there: Some(_), .. }), "{error}");
    refused.finish();
}

#[test]
fn a_strangers_call_is_not_taken_and_keeps_nobody_from_the_next() {
    as_root("connected beside strangers");
}

fn beside_strangers(_: &[&str]) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("meet");
    fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("mine");
    let address = format!("unix:{}", path.display());
    let receiver = Child::start(|_| {
        let mut rx = options().mode(0o666).consumer(&address).expect("a consumer");
        assert_eq!(rx.recv_timeout(PATIENCE).expect("a message")[..], *b"hello");
    });
    let stranger = Child::start(|_| {
        eventually("a path for all", || {
            let metadata = fs::symlink_metadata(&path);
            metadata.is_ok_and(|metadata| std::os::unix::fs::MetadataExt::mode(&metadata) & 0o777 == 0o666)
        });
        become_user(ALICE);
        let trusting = options().owner(Owner::Anyone).timeout(Duration::from_millis(300));
        let error = trusting.producer(&address).expect_err("nobody talks with a stranger");
        assert!(matches!(error, ConnectError::Nobody { .. }), "{error}");
    });
    stranger.finish();
    let mut tx = options().producer(&address).expect("a producer");
    tx.send(b"hello").expect("sent");
    receiver.finish();
    assert!(!path.exists());
}

#[test]
fn whoever_listens_at_anothers_address_is_found_out() {
    as_root("connected at another's address");
}

fn at_anothers_address(_: &[&str]) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("meet");
    fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("mine");
    let address = format!("unix:{}", path.display());
    let mut stranger = Child::start(|line| {
        become_user(ALICE);
        let listener = std::os::unix::net::UnixListener::bind(&path).expect("bound");
        line.say("listening");
        line.hear();
        drop(listener);
        line.say("gone");
        line.hear();
        exit(0);
    });
    stranger.line.expect("listening");
    let error = options().producer(&address).expect_err("a stranger listens");
    assert!(matches!(error, ConnectError::Stranger { found: ALICE, expected: 0, .. }), "{error}");
    let error = options().consumer(&address).expect_err("a stranger listens");
    assert!(matches!(error, ConnectError::Taken { .. }), "{error}");
    stranger.line.say("go");
    stranger.line.expect("gone");
    let error = options().consumer(&address).expect_err("a stranger's path");
    assert!(matches!(error, ConnectError::Stranger { found: ALICE, .. }), "{error}");
    assert!(path.exists(), "it was left alone");
    stranger.line.say("go");
    stranger.finish();
}
