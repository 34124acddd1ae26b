//! A /dev/shm of this process's own: nobody else comes and goes there, so everything in it can be counted.

use std::fs;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::statvfs::statvfs;

use crate::common::role::say;
use crate::progress::DONE;

/// Where it is mounted.
const SHM: &str = "/dev/shm";

/// The file system, mounted for this thread and its children.
pub struct Ground;

impl Ground {
    /// Mounts it. `None`, and the role has said why, where that is not permitted.
    pub fn new() -> Option<Ground> {
        const NONE: Option<&str> = None;
        if unshare(CloneFlags::CLONE_NEWNS) == Err(Errno::EPERM) {
            say("SKIPPED: mounts are not permitted here");
            say(DONE);
            return None;
        }
        mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).expect("private mounts");
        mount(Some("tmpfs"), SHM, Some("tmpfs"), MsFlags::empty(), Some("size=64m")).expect("a tmpfs");
        Some(Ground)
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        Path::new(SHM).join(name)
    }

    /// What is there now.
    pub fn stock(&self) -> Stock {
        let file = |entry: Result<fs::DirEntry, _>| entry.expect("an entry").file_name();
        let names = fs::read_dir(SHM).expect("the directory").map(file);
        let mut names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort_unstable();
        let figures = statvfs(SHM).expect("figures");
        Stock {
            names,
            inodes: figures.files() - figures.files_free(),
            blocks: figures.blocks() - figures.blocks_free(),
        }
    }
}

/// What a file system holds. An unlinked file that somebody maps still has its inode and its blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stock {
    names: Vec<String>,
    inodes: u64,
    blocks: u64,
}
