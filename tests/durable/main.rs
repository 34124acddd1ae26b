//! Durable rings: what survives a loss of power, what does not, and that nothing else changes.
//!
//! A loss of power is simulated: see `disk`. So is a disk that fails: see `fdatasync`.

#[path = "../common/mod.rs"]
mod common;

mod boot;
mod disk;
mod doors;
mod fdatasync;
mod gaps;
mod hostile;
mod life;
mod onlooker;
mod power;
mod recovering;
mod syncing;

use std::path::{Path, PathBuf};

use ringway::spsc::{Consumer, Options, options};

/// A message that takes a page of a durable ring, header and seal included.
const PAGE_LONG: usize = 4096 - 16;

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

/// A durable ring of four pages.
fn four_pages() -> Options {
    options().size(4 * 4096).durable(true)
}

/// The first bytes of all messages that are there now.
fn first_bytes(rx: &mut Consumer) -> Vec<u8> {
    let mut firsts = Vec::new();
    while let Ok(message) = rx.try_recv() {
        firsts.push(message[0]);
    }
    firsts
}

/// Plays the role that a test has started this binary for.
#[test]
fn role() {
    common::role::enter(recovering::ROLES);
}
