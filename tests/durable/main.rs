//! Durable rings: what survives a loss of power, what does not, and that nothing else changes.
//!
//! A loss of power is simulated: see `disk`.

#[path = "../common/mod.rs"]
mod common;

mod boot;
mod disk;
mod life;
mod power;

use std::path::{Path, PathBuf};

/// A directory on a disk (or what the machine has for one) for rings in files.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// The address of a ring in a file.
fn address(path: &Path) -> ringway::Address {
    ringway::Address::File(path.to_owned())
}
