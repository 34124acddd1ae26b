//! File systems with too little room: every amount of it. Either an error that tells what is there, and nothing is
//! left; or a ring whose every byte can be written, whatever fills the file system up later.

use std::path::Path;
use std::process::Command;

use ringway::OpenError;

use crate::common::role::Entry;
use crate::kinds::{Plan, kind_of, write_to_the_last_byte};
use crate::mounts::{Filler, Mounted, free_in, mount_kind, names_in, own_mounts};
use crate::{of_each_kind_as_root, refused, skipped};

pub const ROLES: [Entry; 4] = [
    ("every amount of room", every_amount_of_room),
    ("filled up later", filled_up_later),
    ("a full disk", a_full_disk),
    ("every number of inodes", every_number_of_inodes),
];

const PAGE: u64 = 4096;

/// A ring of some twenty pages.
fn plan(kind: &str) -> Plan {
    Plan { size: 1 << 16, ..Plan::new(kind_of(kind)) }
}

/// Every way to make a ring.
type Attempt = fn(&Plan, &str) -> Result<(), OpenError>;

const ATTEMPTS: [Attempt; 3] = [
    |plan, address| plan.create_ring(address),
    |plan, address| plan.producer(address).map(drop),
    |plan, address| plan.consumer(address).map(drop),
];

/// Makes a ring, writes all of it, and leaves nothing.
fn make_and_use(plan: &Plan, address: &str, fill_up: impl FnOnce()) {
    let mut tx = plan.producer(address).expect("room");
    fill_up();
    let mut rx = plan.consumer(address).expect("the other end");
    write_to_the_last_byte(&mut tx, &mut rx);
}

#[test]
fn a_tmpfs_with_every_amount_of_room_has_the_ring_or_refuses_it() {
    of_each_kind_as_root("every amount of room");
}

fn every_amount_of_room(arguments: &[&str]) {
    let plan = plan(arguments[0]);
    own_mounts();
    let shm = Path::new("/dev/shm");
    let need = plan.total();
    let room = need.next_multiple_of(PAGE) + 4 * PAGE;
    mount_kind("tmpfs", shm, &format!("size={room}"));
    let filler = Filler::new(shm);
    for address in ["full", "file:/dev/shm/ringway.full"] {
        for free in (0..need).step_by(PAGE as usize) {
            filler.take(room - free);
            let parts = [&*format!("needs {need} bytes"), &format!("{free} are free in /dev/shm")];
            // One way for each amount: whoever could join a ring that another makes meanwhile waits a moment for it.
            let attempt = ATTEMPTS[(free / PAGE) as usize % ATTEMPTS.len()];
            for attempt in [ATTEMPTS[0], attempt] {
                let error = refused(attempt(&plan, address), &parts);
                let told = matches!(error, OpenError::NoSpace { need: n, available: a, .. } if (n, a) == (need, free));
                assert!(told, "{error:?}");
                assert_eq!(names_in(shm), [Filler::NAME], "left behind with {free} bytes free");
                assert_eq!(free_in(shm), free, "room was lost");
            }
        }
        filler.take(room - need.next_multiple_of(PAGE));
        make_and_use(&plan, address, || assert_eq!(free_in(shm), 0));
        assert_eq!(names_in(shm), [Filler::NAME], "the last one out unlinks");
    }
}

#[test]
fn a_ring_has_its_room_however_full_the_file_system_gets() {
    of_each_kind_as_root("filled up later");
}

fn filled_up_later(arguments: &[&str]) {
    own_mounts();
    let directory = tempfile::tempdir().expect("a directory");
    let mut kinds = vec![("tmpfs", "size=1m"), ("ramfs", "")];
    if Path::new("/sys/kernel/mm/transparent_hugepage/shmem_enabled").exists() {
        kinds.push(("tmpfs", "size=8m,huge=always"));
    }
    for (kind, options) in kinds {
        let _mounted = Mounted::new(kind, directory.path(), options);
        let address = format!("file:{}", directory.path().join("ring").display());
        let filler = Filler::new(directory.path());
        // A ramfs is never full.
        let fill_up = || {
            if kind == "tmpfs" {
                filler.take_all(directory.path())
            }
        };
        // No page of it is there before it is written.
        let plan = Plan { prefault: false, ..plan(arguments[0]) };
        make_and_use(&plan, &address, fill_up);
        assert_eq!(names_in(directory.path()), [Filler::NAME]);
    }
}

#[test]
fn a_disk_with_any_amount_of_room_has_the_ring_or_refuses_it() {
    of_each_kind_as_root("a full disk");
}

fn a_full_disk(arguments: &[&str]) {
    let plan = plan(arguments[0]);
    own_mounts();
    let directory = tempfile::tempdir().expect("a directory");
    let disk = directory.path().join("disk");
    let Some(_mounted) = mount_disk(directory.path(), &disk) else {
        return skipped("there is no mkfs.ext4 or no loop device to make a disk of");
    };
    let address = format!("file:{}", disk.join("ring").display());
    let (need, before) = (plan.total(), names_in(&disk));
    let filler = Filler::new(&disk);
    filler.take_all(&disk);
    let full = std::fs::metadata(disk.join(Filler::NAME)).expect("it is there").len();
    let mut refusals = 0;
    for given_back in (0..2 * need).step_by(2 * PAGE as usize) {
        filler.take(full - given_back);
        match plan.producer(&address).map(drop) {
            Ok(()) => make_and_use(&plan, &address, || filler.take_all(&disk)),
            Err(error) => {
                let told = matches!(error, OpenError::NoSpace { need: n, available, .. }
                    if n == need && available == free_in(&disk));
                assert!(told, "{error:?} with {} bytes free", free_in(&disk));
                refusals += 1;
            }
        }
        let expected: Vec<String> = [&[Filler::NAME.to_owned()], &*before].concat();
        assert_eq!(names_in(&disk), expected);
    }
    let possible = need.div_ceil(2 * PAGE);
    assert!((1..=possible).contains(&refusals), "{refusals} refusals");
}

/// Mounts a small disk with an ext4 on `disk`, if one can be had.
fn mount_disk<'a>(directory: &Path, disk: &'a Path) -> Option<Mounted<'a>> {
    let image = directory.join("image");
    std::fs::create_dir(disk).expect("a directory");
    std::fs::File::create(&image).and_then(|file| file.set_len(8 << 20)).expect("an image");
    let runs = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    let made = runs(Command::new("mkfs.ext4").args(["-q", "-m", "0", "-O", "^has_journal"]).arg(&image));
    let mounted = made && runs(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(disk));
    mounted.then_some(Mounted(disk))
}

#[test]
fn a_tmpfs_with_every_number_of_inodes_has_the_ring_or_refuses_it() {
    of_each_kind_as_root("every number of inodes");
}

fn every_number_of_inodes(arguments: &[&str]) {
    let plan = plan(arguments[0]);
    own_mounts();
    let shm = Path::new("/dev/shm");
    for inodes in 1..6 {
        mount_kind("tmpfs", shm, &format!("size=1m,nr_inodes={inodes}"));
        let taken = (0..).find(|n| std::fs::File::create(shm.join(format!("taken.{n}"))).is_err());
        let taken = taken.expect("it gets full");
        let before = names_in(shm);
        for attempt in ATTEMPTS {
            let error = refused(attempt(&plan, "full"), &["No space left on device"]);
            assert!(matches!(error, OpenError::System { .. }), "{error:?}");
            assert_eq!(names_in(shm), before);
        }
        if taken > 0 {
            std::fs::remove_file(shm.join("taken.0")).expect("it is there");
            make_and_use(&plan, "full", || {});
            assert_eq!(names_in(shm), before[1..]);
        }
    }
}
