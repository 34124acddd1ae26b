//! Resource limits, each at every value that makes a difference: an error or a ring that works, never a signal, and no
//! residue; what was refused works once the limit is raised.

use std::fs;
use std::path::Path;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use ringway::OpenError;
use ringway::inspect::{inspect, remove};

use crate::common::names::Name;
use crate::common::role::Entry;
use crate::kinds::{Plan, kind_of, write_to_the_last_byte};
use crate::mounts::{mount_kind, names_in, own_mounts};
use crate::{of_each_kind, of_each_kind_as_root};

pub const ROLES: [Entry; 5] = [
    ("file sizes", file_sizes),
    ("file sizes by writing", file_sizes_by_writing),
    ("descriptors", descriptors),
    ("address space", address_space),
    ("locked memory", locked_memory),
];

const PAGE: u64 = 4096;

/// Something that leaves nothing: with a ring that is there, or with one that is not.
type Deed = fn(&Plan, &str, &str) -> Result<(), OpenError>;

const DEEDS: [(&str, Deed); 8] = [
    ("make as the producer", |plan, _, fresh| plan.producer(fresh).map(drop)),
    ("make as the consumer", |plan, _, fresh| plan.consumer(fresh).map(drop)),
    ("make for others", |plan, _, fresh| plan.create_ring(fresh).and_then(|()| remove(fresh, false))),
    ("make a pair", |plan, _, _| plan.pair().map(drop)),
    ("join as the producer", |plan, there, _| plan.producer(there).map(drop)),
    ("join as the consumer", |plan, there, _| plan.consumer(there).map(drop)),
    ("hand over", |plan, there, _| plan.producer(there)?.descriptor().map(drop)),
    ("inspect", |_, there, _| inspect(there).map(drop)),
];

/// Does something under a limit, and puts the limit back.
fn under<T>(resource: Resource, limit: u64, deed: impl FnOnce() -> T) -> T {
    let (soft, hard) = getrlimit(resource).expect("a limit");
    setrlimit(resource, limit, hard).expect("a lower limit");
    let outcome = deed();
    setrlimit(resource, soft, hard).expect("the old limit");
    outcome
}

/// What an attempt could leave in this process: descriptors and mappings of rings.
fn residue() -> (usize, usize) {
    let descriptors = fs::read_dir("/proc/self/fd").expect("descriptors").count();
    let maps = fs::read_to_string("/proc/self/maps").expect("mappings");
    (descriptors, maps.lines().filter(|line| line.contains("ringway") || line.contains("/ring")).count())
}

#[test]
fn every_limit_of_file_sizes_is_an_error_or_enough() {
    of_each_kind("file sizes");
}

fn file_sizes(arguments: &[&str]) {
    let name = Name::new("sizes");
    file_sizes_at(&Plan::new(kind_of(arguments[0])), &name, || name.exists());
}

/// Where nothing can be reserved, the ring is written in full.
#[test]
fn every_limit_of_file_sizes_is_an_error_or_enough_where_the_ring_is_written() {
    of_each_kind_as_root("file sizes by writing");
}

fn file_sizes_by_writing(arguments: &[&str]) {
    own_mounts();
    let shm = Path::new("/dev/shm");
    mount_kind("ramfs", shm, "");
    file_sizes_at(&Plan::new(kind_of(arguments[0])), "sizes", || !names_in(shm).is_empty());
}

fn file_sizes_at(plan: &Plan, address: &str, something_is_left: impl Fn() -> bool) {
    let need = plan.total();
    let limited = |limit| under(Resource::RLIMIT_FSIZE, limit, || plan.producer(address).map(drop));
    let before = residue();
    for limit in (0..need).step_by(PAGE as usize).chain([need - 1]) {
        let error = limited(limit).expect_err("a file that is too long");
        let told =
            matches!(error, OpenError::Limit { allowed, need: n, .. } if (allowed, n) == (limit, need));
        assert!(told, "{error:?}");
        let pair = under(Resource::RLIMIT_FSIZE, limit, || plan.pair().map(drop));
        assert!(matches!(pair, Err(OpenError::Limit { .. })), "{pair:?}");
        assert!(!something_is_left() && residue() == before);
    }
    limited(need).expect("long enough");
    // Whoever joins a ring makes no file longer.
    let mut tx = plan.producer(address).expect("no limit");
    under(Resource::RLIMIT_FSIZE, 0, || {
        let mut rx = plan.consumer(address).expect("the other end");
        write_to_the_last_byte(&mut tx, &mut rx);
    });
    drop(tx);
    assert!(!something_is_left());
}

#[test]
fn every_limit_of_descriptors_is_an_error_or_enough() {
    of_each_kind("descriptors");
}

fn descriptors(arguments: &[&str]) {
    let plan = Plan::new(kind_of(arguments[0]));
    let (there, fresh) = (Name::new("there"), Name::new("fresh"));
    Plan { persist: true, ..plan }.create_ring(&there).expect("a ring");
    for (what, deed) in DEEDS {
        let deed = || deed(&plan, &there, &fresh);
        let before = residue();
        let mut refusals = 0;
        for limit in 3.. {
            assert!(limit < 100, "{what}: never enough");
            let outcome = under(Resource::RLIMIT_NOFILE, limit, deed);
            assert_eq!(residue(), before, "{what}: left behind at limit {limit}");
            let Err(error) = outcome else { break };
            assert!(error.to_string().contains("raise the limit on open files"), "{what}: {error}");
            // A ring that was made for others and could not be removed is a sound one.
            let _ = remove(&*fresh, false);
            deed().unwrap_or_else(|error| panic!("{what}: once the limit is raised: {error}"));
            refusals += 1;
        }
        assert!(refusals > 0, "{what}: takes no descriptor");
        assert!(!fresh.exists(), "{what}: a name is left");
    }
}

#[test]
fn every_limit_of_address_space_is_an_error_or_enough() {
    of_each_kind("address space");
}

fn address_space(arguments: &[&str]) {
    let plan = Plan { size: 1 << 20, ..Plan::new(kind_of(arguments[0])) };
    let (there, fresh) = (Name::new("there"), Name::new("fresh"));
    Plan { persist: true, ..plan }.create_ring(&there).expect("a ring");
    for (what, deed) in DEEDS {
        let deed = || deed(&plan, &there, &fresh);
        deed().expect("no limit");
        let before = residue();
        let mut refusals = 0;
        for more in (0..16 << 20).step_by(64 << 10) {
            let outcome = under(Resource::RLIMIT_AS, address_space_used() + more, deed);
            assert_eq!(residue(), before, "{what}: left behind with {more} bytes more");
            let Err(error) = outcome else { break };
            assert!(error.to_string().contains("raise the limit on address space"), "{what}: {error}");
            let _ = remove(&*fresh, false);
            refusals += 1;
        }
        assert!((1..255).contains(&refusals), "{what}: {refusals} refusals");
        deed().unwrap_or_else(|error| panic!("{what}: once the limit is raised: {error}"));
        assert!(!fresh.exists(), "{what}: a name is left");
    }
}

/// Bytes of address space that this process has.
fn address_space_used() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("sizes");
    let pages: u64 = statm.split(' ').next().and_then(|pages| pages.parse().ok()).expect("a number");
    pages * PAGE
}

/// Nothing is locked in memory, so nobody needs to be allowed to.
#[test]
fn no_locked_memory_is_needed() {
    of_each_kind("locked memory");
}

fn locked_memory(arguments: &[&str]) {
    let plan = Plan::new(kind_of(arguments[0]));
    let (there, fresh) = (Name::new("there"), Name::new("fresh"));
    Plan { persist: true, ..plan }.create_ring(&there).expect("a ring");
    under(Resource::RLIMIT_MEMLOCK, 0, || {
        for (what, deed) in DEEDS {
            let deed = || deed(&plan, &there, &fresh);
            deed().unwrap_or_else(|error| panic!("{what}: {error}"));
        }
        let mut tx = plan.producer(&there).expect("a producer");
        let mut rx = plan.consumer(&there).expect("a consumer");
        write_to_the_last_byte(&mut tx, &mut rx);
    });
}
