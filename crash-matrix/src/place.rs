//! Where a cell's ring lives, and what is there.

use std::fs::{self, File};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};
use ringway::Address;

use crate::cell::{Backing, Cell};

/// What the files of this run are called: those of a run whose process is gone may be removed.
const PREFIX: &str = "crash.";

/// The place of one ring, which nobody else uses.
#[derive(Debug)]
pub struct Place {
    /// Its address.
    pub address: Address,
    path: Option<PathBuf>,
    /// The memfd.
    descriptor: Option<OwnedFd>,
}

/// The directories for files, and the names in shared memory, of the run of process `run`.
#[derive(Clone, Debug)]
pub struct Ground {
    run: u32,
    directory: PathBuf,
    /// For durable rings, where writing to the disk takes no time.
    quick: PathBuf,
}

/// Where names in shared memory are.
const SHM: &str = "/dev/shm";

impl Ground {
    /// Makes room for a run, and clears what runs that were ended left.
    pub fn new() -> Result<Ground> {
        let run = std::process::id();
        clear_old(&std::env::temp_dir(), "ringway-crash.");
        clear_old(Path::new(SHM), "ringway-crash.");
        clear_old(Path::new(SHM), "ringway.crash.");
        let name = format!("ringway-crash.{run}");
        let (directory, quick) = (std::env::temp_dir().join(&name), Path::new(SHM).join(&name));
        for directory in [&directory, &quick] {
            fs::create_dir(directory).with_context(|| format!("cannot create {}", directory.display()))?;
        }
        Ok(Ground { run, directory, quick })
    }

    /// A new place for `cell`'s ring. In a memfd: for now nowhere.
    pub fn place(&self, cell: Cell) -> Place {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}.{}.{count}", self.run, std::process::id());
        let path = match cell.backing {
            Backing::Shm => Some(Path::new(SHM).join(format!("ringway.{name}"))),
            Backing::File => Some(own(&self.directory).join(&name)),
            Backing::Durable => Some(own(&self.quick).join(&name)),
            Backing::Memfd => None,
        };
        let address = match (&path, cell.backing) {
            (Some(path), Backing::File | Backing::Durable) => Address::File(path.clone()),
            _ => Address::Shm(name),
        };
        Place { address, path, descriptor: None }
    }

    /// Removes what is left of a run.
    pub fn clear(&self) {
        remove(&self.directory);
        remove(&self.quick);
        let prefix = format!("ringway.{PREFIX}{}.", self.run);
        let rings = names(Path::new(SHM)).into_iter().filter(|name| name.starts_with(&prefix));
        rings.for_each(|name| remove(&Path::new(SHM).join(name)));
    }
}

/// This process's part of a directory.
fn own(directory: &Path) -> PathBuf {
    let directory = directory.join(std::process::id().to_string());
    // A failure shows when the ring is created.
    let _ = fs::create_dir(&directory);
    directory
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn remove(path: &Path) {
    // Whatever cannot be removed is found by whoever looks next.
    let _ = fs::remove_file(path).or_else(|_| fs::remove_dir_all(path));
}

/// Removes what runs that are gone have left: names of `prefix`, then the run's process.
fn clear_old(directory: &Path, prefix: &str) {
    for name in names(directory) {
        let run = name.strip_prefix(prefix).and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
        if run.is_some_and(|run| !Path::new(&format!("/proc/{run}")).exists()) {
            remove(&directory.join(name));
        }
    }
}

impl Place {
    /// The ring is the memfd behind `descriptor`.
    pub fn is_at(&mut self, descriptor: OwnedFd) {
        self.address = Address::Fd(descriptor.as_raw_fd());
        self.descriptor = Some(descriptor);
    }

    /// Has it a name?
    pub fn is_named(&self) -> bool {
        self.path.is_some()
    }

    /// Does the name exist?
    pub fn exists(&self) -> bool {
        self.path.as_ref().is_some_and(|path| path.symlink_metadata().is_ok())
    }

    /// The file, to read; `None` while there is none.
    pub fn open(&self) -> Option<File> {
        let path = match (&self.path, &self.descriptor) {
            (Some(path), _) => path.clone(),
            (None, Some(descriptor)) => PathBuf::from(format!("/proc/self/fd/{}", descriptor.as_raw_fd())),
            (None, None) => return None,
        };
        File::open(path).ok()
    }

    /// What is in the directory of files, or in shared memory under this ring's name, hidden files included.
    pub fn residue(&self) -> Vec<String> {
        let Some(directory) = self.path.as_deref().and_then(Path::parent) else {
            return Vec::new();
        };
        let mine = |name: &String| directory != Path::new(SHM) || name.contains(&self.file_name());
        names(directory).into_iter().filter(mine).collect()
    }

    fn file_name(&self) -> String {
        let name = self.path.as_deref().and_then(Path::file_name).unwrap_or_default();
        name.to_string_lossy().into_owned()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path);
        }
    }
}
