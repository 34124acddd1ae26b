//! A ring's file seen from outside: images of it, and damage to it.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use super::names::Name;

/// Where the header has its fields: part of the layout, so a change here is a new layout version.
pub mod at {
    pub const MAGIC: u64 = 0;
    pub const VERSION: u64 = 8;
    pub const KIND: u64 = 12;
    pub const TOTAL: u64 = 16;
    pub const SIZE: u64 = 24;
    pub const ALIGN: u64 = 48;
    /// The producer's position, as it was last written down.
    pub const PRODUCER_TAIL: u64 = 4096 + 2 * 128;
    /// Where the first record of a ring with 8-byte alignment has its header.
    pub const RECORDS: u64 = 8192;
}

/// What a crash of every participant at this moment would leave: a copy of the ring, which nobody holds a
/// lease of.
pub fn crash_image(ring: &Name) -> Name {
    let image = Name::new("image");
    fs::copy(ring.path(), image.path()).expect("copy of the ring");
    image
}

/// A word of the ring's file.
pub fn read_u64(path: &Path, at: u64) -> u64 {
    let mut word = [0; 8];
    let file = fs::File::open(path).expect("the ring's file");
    file.read_exact_at(&mut word, at).expect("a word");
    u64::from_ne_bytes(word)
}

/// Overwrites bytes of the ring's file.
pub fn patch(path: &Path, at: u64, bytes: &[u8]) {
    let file = fs::OpenOptions::new().write(true).open(path).expect("the ring's file");
    file.write_all_at(bytes, at).expect("patch");
}

/// Which file, and what it holds: to say that nobody touched it.
#[derive(Debug, PartialEq, Eq)]
pub struct Footprint {
    inode: u64,
    mode: u32,
    modified: (i64, i64),
    contents: Vec<u8>,
}

impl Footprint {
    pub fn of(path: &Path) -> Footprint {
        let metadata = path.symlink_metadata().expect("the file is still there");
        let contents = if metadata.is_file() { fs::read(path).expect("its contents") } else { Vec::new() };
        Footprint {
            inode: metadata.ino(),
            mode: metadata.mode(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            contents,
        }
    }
}
