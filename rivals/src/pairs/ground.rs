//! Where two processes meet to open a rival: names that are the pair's own, and memory for the yardsticks.
#![allow(unsafe_code)]

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use anyhow::{Context, Result};
use memmap2::{MmapOptions, MmapRaw};

use super::control::Side;

/// Where POSIX shared memory lives.
const SHM: &str = "/dev/shm";

/// What one side knows when it opens its ends of a rival for messages of one size.
#[derive(Clone, Debug)]
pub struct Ground {
    /// Which side.
    pub side: Side,
    /// Payload bytes.
    pub size: usize,
    /// The pair's own; all its names begin with it.
    pub prefix: String,
    /// The pair's, the rival's and the size's own.
    pub name: String,
}

impl Ground {
    /// For a rival of the pair whose names begin with `prefix`.
    pub fn new(side: Side, size: usize, prefix: &str, rival: &str) -> Self {
        Self { side, size, prefix: prefix.to_owned(), name: format!("{prefix}{rival}-{size}") }
    }

    /// A name for this side's way to the other side, and one for the way back.
    pub fn ways(&self) -> [String; 2] {
        let [forth, back] = ["forth", "back"].map(|way| format!("{}-{way}", self.name));
        match self.side {
            Side::Sender => [forth, back],
            Side::Receiver => [back, forth],
        }
    }

    /// Does this side come first, and make what the other one finds?
    pub fn makes(&self) -> bool {
        self.side == Side::Sender
    }

    /// A file in shared memory.
    pub fn path(&self, name: &str) -> PathBuf {
        Path::new(SHM).join(name)
    }

    /// A file in shared memory: new and empty for the side that makes it, without a name any more for the other.
    pub fn file(&self, name: &str) -> Result<File> {
        let path = self.path(name);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create_new(self.makes()).open(&path);
        let file = file.with_context(|| format!("cannot open {}", path.display()))?;
        if !self.makes() {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(file)
    }

    /// Words that both sides share, zeroed at first.
    pub fn words(&self, name: &str, words: usize) -> Result<&'static [AtomicU64]> {
        let file = self.file(name)?;
        if self.makes() {
            file.set_len((words * size_of::<AtomicU64>()) as u64).context("cannot size a file")?;
        }
        map(&file, words)
    }
}

/// Maps so many words at the start of a file, for as long as this process lives.
pub fn map(file: &File, words: usize) -> Result<&'static [AtomicU64]> {
    let map: MmapRaw = MmapOptions::new()
        .len(words * size_of::<AtomicU64>())
        .populate()
        .map_raw(file)
        .context("cannot map")?;
    let map = Box::leak(Box::new(map));
    // SAFETY: the mapping is page aligned, readable, writable and `words` long, is never unmapped, and everybody who
    // has it touches it through atomic words, or through ranges that the protocol of its user gives to one side.
    Ok(unsafe { std::slice::from_raw_parts(map.as_ptr().cast(), words) })
}

/// Removes every file in shared memory whose name has `prefix` in it: what sides that failed have left.
pub fn sweep(prefix: &str) {
    let entries = fs::read_dir(SHM).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().contains(prefix)) {
        // Fails only if it is gone already.
        let _ = fs::remove_file(entry.path());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn both_sides_find_the_same_words_and_leave_no_name() {
        let prefix = format!("rivals-test-{}-", std::process::id());
        let [sender, receiver] = Side::BOTH.map(|side| Ground::new(side, 8, &prefix, "nobody"));
        let [forth, back] = sender.ways();
        assert_eq!(receiver.ways(), [back, forth.clone()]);
        let here = sender.words(&forth, 4).expect("words");
        let there = receiver.words(&forth, 4).expect("words");
        here[3].store(7, Ordering::Relaxed);
        assert_eq!(there[3].load(Ordering::Relaxed), 7);
        assert!(!sender.path(&forth).exists());
    }

    #[test]
    fn what_is_left_is_swept() {
        let prefix = format!("rivals-sweep-{}-", std::process::id());
        let ground = Ground::new(Side::Sender, 8, &prefix, "nobody");
        ground.file(&ground.name).expect("a file");
        assert!(ground.path(&ground.name).exists());
        sweep(&prefix);
        assert!(!ground.path(&ground.name).exists());
    }
}
