//! What a process has: descriptors, mappings, memory.

use std::fmt;
use std::fs;
use std::hint::black_box;

use crate::common::eventually;
use crate::common::role::{self, Role};

/// How much more memory a process may have after any number of cycles: caches of the allocator, and no more.
const MEMORY_SLACK: u64 = 256 << 10;
/// How many more mappings of its own it may have, for the same reason.
const MAPPINGS_SLACK: usize = 4;

/// What this process had at a moment.
#[derive(Clone, Copy, Debug)]
pub struct Census {
    /// Open descriptors.
    descriptors: usize,
    /// Shared mappings: those of rings.
    shared: usize,
    /// All others.
    private: usize,
    /// Resident bytes of its own. Pages of rings are counted where they live, and those of the program itself come
    /// and go as the system likes.
    memory: u64,
}

impl Census {
    pub fn take() -> Census {
        let maps = fs::read_to_string("/proc/self/maps").expect("the mappings");
        let is_shared = |line: &&str| line.split(' ').nth(1).is_some_and(|rights| rights.ends_with('s'));
        let shared = maps.lines().filter(is_shared).count();
        let private = maps.lines().count() - shared;
        Census { descriptors: descriptors(), shared, private, memory: memory() }
    }

    /// What has leaked since `before`.
    pub fn leaked_since(&self, before: &Census) -> Option<String> {
        let steady = self.descriptors == before.descriptors
            && self.shared == before.shared
            && self.private <= before.private + MAPPINGS_SLACK
            && self.memory <= before.memory + MEMORY_SLACK;
        (!steady).then(|| format!("before: {before}; now: {self}"))
    }
}

impl fmt::Display for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Census { descriptors, shared, private, memory } = self;
        let memory = memory >> 10;
        write!(f, "{descriptors} descriptors, {shared} shared and {private} other mappings, {memory} KiB")
    }
}

/// How many descriptors this process has.
pub fn descriptors() -> usize {
    // One of them is the directory's own.
    fs::read_dir("/proc/self/fd").expect("the descriptors").count() - 1
}

/// Resident bytes that this process shares with nobody.
fn memory() -> u64 {
    // Counted page by page: the figures in /proc/self/status are estimates.
    let sums = fs::read_to_string("/proc/self/smaps_rollup").expect("sums over the mappings");
    let line = sums.lines().find_map(|line| line.strip_prefix("Anonymous:")).expect("a sum");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib << 10
}

/// These checks can fail: whatever is kept is noticed.
#[test]
fn what_is_kept_is_noticed() {
    Role::start("wasteful", &[""]).finish();
}

pub fn wasteful(_: &[&str]) {
    let before = Census::take();
    assert_eq!(before.leaked_since(&before), None);
    let noticed = |what: &str| {
        let leaked = Census::take().leaked_since(&before);
        assert!(leaked.is_some(), "{what} was not noticed");
    };
    let file = fs::File::open("/dev/null").expect("a file");
    noticed("a descriptor");
    drop(file);
    let (tx, rx) = ringway::spsc::pair().expect("a pair");
    noticed("a ring");
    drop((tx, rx));
    let memory = black_box(vec![1_u8; 2 << 20]);
    noticed("memory");
    drop(memory);
    eventually("everything was given back", || Census::take().leaked_since(&before).is_none());
    role::say("noticed");
}
