//! No room, no right to write, no resources.

use std::fs;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use ringway::spsc::options;
use ringway::{Address, OpenError};

use crate::common::names::Name;
use crate::common::role::{Entry, Role};
use crate::{as_root, refused, skipped};

pub const ROLES: [Entry; 7] = [
    ("full tmpfs", full_tmpfs),
    ("full of inodes", full_of_inodes),
    ("read-only", read_only),
    ("ramfs", ramfs),
    ("file size limit", file_size_limit),
    ("descriptor limit", descriptor_limit),
    ("memory limit", memory_limit),
];

const MIB: usize = 1 << 20;

/// Mounts a file system for this process alone. In a container that forbids it, the role ends here.
fn mount_here(kind: &str, on: &Path, options: &str) {
    const NONE: Option<&str> = None;
    if unshare(CloneFlags::CLONE_NEWNS) == Err(Errno::EPERM) {
        skipped("mounts are not permitted here");
        std::process::exit(0);
    }
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).expect("private mounts");
    mount(Some(kind), on, Some(kind), MsFlags::empty(), Some(options)).expect("mounted");
}

fn is_empty(directory: &Path) -> bool {
    directory.read_dir().expect("the directory").next().is_none()
}

#[test]
fn a_full_tmpfs_is_an_ordinary_error() {
    as_root("full tmpfs", &[""]);
}

fn full_tmpfs(_: &[&str]) {
    let shm = Path::new("/dev/shm");
    mount_here("tmpfs", shm, "size=1m");
    let need = MIB + 8192;
    for attempt in [
        options().producer("full").map(drop),
        options().consumer("full").map(drop),
        options().create_ring("full"),
        options().producer("file:/dev/shm/full").map(drop),
    ] {
        let parts =
            [&*format!("needs {need} bytes"), "1048576 are free in /dev/shm", "enlarge the file system"];
        let error = refused(attempt, &parts);
        assert!(matches!(error, OpenError::NoSpace { available: 0x10_0000, .. }), "{error:?}");
        assert!(is_empty(shm), "nothing is left");
    }
    // What fits is all there: writing it raises no signal.
    let mut tx = options().size(MIB / 2).producer("fits").expect("a smaller ring");
    let mut rx = options().consumer("fits").expect("the other end");
    for byte in 0..64 {
        tx.try_send(&vec![byte; MIB / 16]).expect("room");
        assert_eq!(&rx.try_recv().expect("a message")[..], vec![byte; MIB / 16]);
    }
    let error = refused(options().size(MIB / 2).producer("second"), &["no room for shm:second"]);
    assert!(matches!(error, OpenError::NoSpace { available, .. } if available < 0x8_0000), "{error:?}");
    drop((tx, rx));
    assert!(is_empty(shm), "the last one out unlinks");
}

#[test]
fn a_tmpfs_without_inodes_is_an_ordinary_error() {
    as_root("full of inodes", &[""]);
}

fn full_of_inodes(_: &[&str]) {
    let directory = tempfile::tempdir().expect("a directory");
    mount_here("tmpfs", directory.path(), "size=8m,nr_inodes=1");
    refused(options().producer(Address::File(directory.path().join("ring"))), &["No space left on device"]);
    assert!(is_empty(directory.path()));
}

#[test]
fn a_read_only_directory_is_an_ordinary_error() {
    as_root("read-only", &[""]);
}

fn read_only(_: &[&str]) {
    let directory = tempfile::tempdir().expect("a directory");
    let address = Address::File(directory.path().join("ring"));
    mount_here("tmpfs", directory.path(), "size=8m");
    options().persist(true).create_ring(&address).expect("a ring, while it can be written");
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(None::<&str>, directory.path(), None::<&str>, flags, None::<&str>).expect("read-only now");
    let fresh = Address::File(directory.path().join("fresh"));
    for address in [&address, &fresh] {
        let error = refused(options().producer(address), &[&address.to_string(), "Read-only file system"]);
        assert!(matches!(error, OpenError::System { .. }), "{error:?}");
    }
    refused(ringway::inspect::remove(&address, true), &["Read-only file system"]);
    assert_eq!(directory.path().read_dir().expect("the directory").count(), 1);
}

/// A file system that cannot reserve space: writing is the only way to have it.
#[test]
fn a_ring_can_live_where_nothing_can_be_reserved() {
    as_root("ramfs", &[""]);
}

fn ramfs(_: &[&str]) {
    let directory = tempfile::tempdir().expect("a directory");
    mount_here("ramfs", directory.path(), "");
    let address = Address::File(directory.path().join("ring"));
    let mut tx = options().producer(&address).expect("a producer");
    let mut rx = options().consumer(&address).expect("a consumer");
    tx.send(b"here").expect("room");
    assert_eq!(&rx.recv().expect("a message")[..], b"here");
    drop((tx, rx));
    assert!(is_empty(directory.path()));
}

#[test]
fn the_limit_of_file_sizes_is_an_error_and_no_signal() {
    Role::start("file size limit", &[""]).finish();
}

fn file_size_limit(_: &[&str]) {
    let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE).expect("a limit");
    setrlimit(Resource::RLIMIT_FSIZE, 100_000, hard).expect("a lower limit");
    let name = Name::new("limited");
    let directory = tempfile::tempdir().expect("a directory");
    for attempt in [
        options().producer(&*name).map(drop),
        options().pair().map(drop),
        options().producer(Address::File(directory.path().join("ring"))).map(drop),
    ] {
        let error = refused(attempt, &["RLIMIT_FSIZE", "allows 100000", "ulimit"]);
        assert!(matches!(error, OpenError::Limit { allowed: 100_000, .. }), "{error:?}");
    }
    assert!(!name.exists() && is_empty(directory.path()));
    options().size(1 << 16).producer(&*name).expect("a smaller ring");
}

#[test]
fn running_out_of_descriptors_is_an_error_at_every_step() {
    Role::start("descriptor limit", &[""]).finish();
}

/// Something that takes descriptors, given a name.
type Attempt = fn(&str) -> Result<(), OpenError>;

fn descriptor_limit(_: &[&str]) {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    let open = || fs::read_dir("/proc/self/fd").expect("descriptors").count() as u64;
    let name = Name::new("descriptors");
    let before = open();
    let attempts: [Attempt; 3] = [
        |name| options().producer(name).map(drop),
        |_| options().pair().map(drop),
        |name| options().create_ring(name).and_then(|()| ringway::inspect::remove(name, false)),
    ];
    for attempt in attempts {
        let mut refusals = 0;
        for limit in 0.. {
            setrlimit(Resource::RLIMIT_NOFILE, limit, hard).expect("a lower limit");
            let outcome = attempt(&name);
            setrlimit(Resource::RLIMIT_NOFILE, soft, hard).expect("the old limit");
            assert_eq!(open(), before, "a descriptor was left open at limit {limit}");
            match outcome {
                Ok(()) => break,
                Err(error) => assert!(error.to_string().contains("Too many open files"), "{error}"),
            }
            // Whoever can create but not open any more has made a sound ring.
            let _ = ringway::inspect::remove(&*name, false);
            refusals += 1;
        }
        assert!(refusals > 1, "it fails at more than one step");
        assert!(!name.exists());
    }
}

#[test]
fn running_out_of_address_space_is_an_error() {
    Role::start("memory limit", &[""]).finish();
}

fn memory_limit(_: &[&str]) {
    let name = Name::new("memory");
    let (_, hard) = getrlimit(Resource::RLIMIT_AS).expect("a limit");
    let statm = fs::read_to_string("/proc/self/statm").expect("sizes");
    let pages: u64 = statm.split(' ').next().and_then(|pages| pages.parse().ok()).expect("a number");
    setrlimit(Resource::RLIMIT_AS, pages * 4096 + (32 << 20), hard).expect("a lower limit");
    let error = refused(options().size(64 << 20).producer(&*name), &["mmap", "Cannot allocate memory"]);
    assert!(matches!(error, OpenError::System { call: "mmap", .. }), "{error:?}");
    assert!(!name.exists());
    options().size(1 << 20).producer(&*name).expect("a smaller ring");
}
