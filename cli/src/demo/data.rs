//! The demonstration's data: a tar archive of files that every machine has, built in memory.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use bytesize::ByteSize;
use nix::sys::memfd::{MFdFlags, memfd_create};
use tar::{Builder, Header};
use walkdir::WalkDir;

/// Where files are looked for, until there are enough.
const ROOTS: [&str; 5] = ["/usr", "/lib", "/bin", "/opt", "/etc"];

/// Larger files are passed over, since each is read as a whole.
const LARGEST_FILE: u64 = 64 << 20;

/// The archive.
#[derive(Debug)]
pub struct Data {
    /// A file in memory, positioned anywhere.
    pub file: File,
    /// Its bytes.
    pub bytes: u64,
    /// Its CRC-32.
    pub crc: u32,
    files: usize,
    roots: Vec<&'static str>,
}

impl Data {
    /// Archives files until there are `wanted` bytes, or no more files.
    pub fn collect(wanted: u64) -> Result<Self> {
        let memory =
            memfd_create(c"ringway-demo", MFdFlags::MFD_CLOEXEC).context("cannot create a file in memory")?;
        let file = File::from(memory);
        let tally =
            Tally { inner: BufWriter::new(file.try_clone()?), hasher: crc32fast::Hasher::new(), bytes: 0 };
        let mut archive = Builder::new(tally);
        let (mut files, mut roots) = (0, Vec::new());
        for root in ROOTS {
            if archive.get_ref().bytes >= wanted {
                break;
            }
            let added = add_tree(&mut archive, root, wanted)?;
            files += added;
            roots.extend((added > 0).then_some(root));
        }
        ensure!(files > 0, "found no readable files under {}", ROOTS.join(", "));
        let mut tally = archive.into_inner().context(NO_ROOM)?;
        tally.flush().context(NO_ROOM)?;
        Ok(Self { file, bytes: tally.bytes, crc: tally.hasher.finalize(), files, roots })
    }

    /// What the archive is made of.
    pub fn description(&self) -> String {
        format!(
            "a tar archive of {} files from {}, {}",
            self.files,
            self.roots.join(" and "),
            ByteSize(self.bytes)
        )
    }
}

const NO_ROOM: &str = "cannot hold the data in memory; pass a smaller --bytes";

/// Adds the files below `root` until the archive has `wanted` bytes. Returns how many; those that cannot be read are passed over.
fn add_tree(archive: &mut Builder<Tally>, root: &str, wanted: u64) -> Result<usize> {
    let mut added = 0;
    let entries = WalkDir::new(root).same_file_system(true).sort_by_file_name();
    for entry in entries.into_iter().filter_map(Result::ok) {
        if archive.get_ref().bytes >= wanted {
            break;
        }
        let ordinary = entry.file_type().is_file()
            && entry.metadata().is_ok_and(|meta| (1..=LARGEST_FILE).contains(&meta.len()));
        if !ordinary {
            continue;
        }
        if let Ok(contents) = fs::read(entry.path()) {
            add_file(archive, entry.path(), &contents).context(NO_ROOM)?;
            added += 1;
        }
    }
    Ok(added)
}

/// Adds one file.
fn add_file(archive: &mut Builder<Tally>, path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_size(contents.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, path.strip_prefix("/").unwrap_or(path), contents)
}

/// A writer that counts and sums what passes.
#[derive(Debug)]
struct Tally {
    inner: BufWriter<File>,
    hasher: crc32fast::Hasher,
    bytes: u64,
}

impl Write for Tally {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let len = self.inner.write(buffer)?;
        self.hasher.update(&buffer[..len]);
        self.bytes += len as u64;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
