//! Mounts of a role's own: nothing of them is left when it ends.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::posix_fallocate;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::statvfs::statvfs;

use crate::skipped;

const NONE: Option<&str> = None;

/// Gives this process mounts of its own. In a container that forbids it, the role ends here.
pub fn own_mounts() {
    if unshare(CloneFlags::CLONE_NEWNS) == Err(Errno::EPERM) {
        skipped("mounts are not permitted here");
        std::process::exit(0);
    }
    keep_mounts_private();
}

/// What is mounted from now on is mounted for this mount namespace alone.
pub fn keep_mounts_private() {
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).expect("private mounts");
}

/// Mounts a file system that lives in memory.
pub fn mount_kind(kind: &str, on: &Path, options: &str) {
    mount(Some(kind), on, Some(kind), MsFlags::empty(), Some(options)).expect("mounted");
}

/// Something mounted, until this is dropped: a directory cannot be removed while something is mounted on it.
pub struct Mounted<'a>(pub &'a Path);

impl Mounted<'_> {
    pub fn new<'a>(kind: &str, on: &'a Path, options: &str) -> Mounted<'a> {
        mount_kind(kind, on, options);
        Mounted(on)
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        // A failure leaves an empty directory.
        let _ = umount2(self.0, MntFlags::MNT_DETACH);
    }
}

/// Makes `from` appear at `to` too.
pub fn bind(from: &Path, to: &Path) {
    mount(Some(from), to, NONE, MsFlags::MS_BIND, NONE).expect("bound");
}

/// The names in a directory, hidden ones too.
pub fn names_in(directory: &Path) -> Vec<String> {
    let entries = directory.read_dir().expect("the directory");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

/// Bytes that are free in a file system.
pub fn free_in(directory: &Path) -> u64 {
    let space = statvfs(directory).expect("a file system");
    space.blocks_available() * space.fragment_size()
}

/// A file that takes room.
pub struct Filler(OwnedFd);

impl Filler {
    /// The name of the file.
    pub const NAME: &str = "filler";

    pub fn new(directory: &Path) -> Filler {
        Filler(fs::File::create(directory.join(Filler::NAME)).expect("a file").into())
    }

    /// Takes `bytes` of room, no more and no less.
    pub fn take(&self, bytes: u64) {
        let file = fs::File::from(self.0.try_clone().expect("a descriptor"));
        file.set_len(bytes).expect("shorter");
        if bytes > 0 {
            posix_fallocate(&self.0, 0, bytes as i64).expect("room");
        }
    }

    /// Takes whatever is there.
    pub fn take_all(&self, directory: &Path) {
        let mut taken =
            fs::File::from(self.0.try_clone().expect("a descriptor")).metadata().expect("it").len();
        for step in [1 << 20, 1 << 16, 1 << 12] {
            while posix_fallocate(&self.0, taken as i64, step as i64).is_ok() {
                taken += step;
            }
        }
        assert!(free_in(directory) < 1 << 16, "still {} bytes free", free_in(directory));
    }
}
