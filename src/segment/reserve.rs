//! Reserving memory before use: a full file system is an error at creation, never a SIGBUS later.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::posix_fallocate;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use nix::sys::statvfs::statvfs;

use crate::error::OpenError;

/// Makes `file` `len` bytes long and has the file system set all of them aside. `directory`: where the file
/// lives, for the message and the space that is free there; `None` for a memfd.
pub(crate) fn reserve(file: &File, place: &str, directory: Option<&Path>, len: u64) -> Result<(), OpenError> {
    check_file_size_limit(len)?;
    match allocate(file, len) {
        Ok(()) => Ok(()),
        Err(Errno::ENOSPC | Errno::EDQUOT) => {
            // Some file systems keep what they had set aside before they failed. Where that cannot be given back,
            // less is told to be free than is.
            let _ = file.set_len(0);
            Err(no_space(place, directory, len))
        }
        Err(Errno::EFBIG) => Err(OpenError::Option {
            option: "ring size",
            asked: len,
            rule: "at most the largest file of this file system",
        }),
        Err(errno) => {
            Err(OpenError::System { call: "posix_fallocate", place: place.to_owned(), source: errno.into() })
        }
    }
}

/// Going past `RLIMIT_FSIZE` would raise SIGXFSZ, so look first.
fn check_file_size_limit(len: u64) -> Result<(), OpenError> {
    match getrlimit(Resource::RLIMIT_FSIZE) {
        Ok((allowed, _)) if allowed != RLIM_INFINITY && len > allowed => {
            Err(OpenError::Limit { limit: "RLIMIT_FSIZE (file size)", allowed, need: len })
        }
        _ => Ok(()),
    }
}

fn allocate(file: &File, len: u64) -> Result<(), Errno> {
    let len = i64::try_from(len).map_err(|_| Errno::EFBIG)?;
    loop {
        match posix_fallocate(file, 0, len) {
            Err(Errno::EINTR) => continue,
            Err(Errno::EOPNOTSUPP) => return write_zeros(file, len as u64),
            result => return result,
        }
    }
}

/// For file systems that cannot reserve: writing is the only way to have the space.
fn write_zeros(file: &File, len: u64) -> Result<(), Errno> {
    static ZEROS: [u8; 1 << 16] = [0; 1 << 16];
    let mut at = 0;
    while at < len {
        let piece = &ZEROS[..ZEROS.len().min((len - at) as usize)];
        file.write_all_at(piece, at)
            .map_err(|error: io::Error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
        at += piece.len() as u64;
    }
    Ok(())
}

fn no_space(place: &str, directory: Option<&Path>, need: u64) -> OpenError {
    let (directory, available) = match directory {
        Some(directory) => {
            let space = statvfs(directory);
            let free = space.map_or(0, |space| space.blocks_available() * space.fragment_size());
            (directory.display().to_string(), free)
        }
        None => ("memory (MemAvailable)".to_owned(), available_memory()),
    };
    OpenError::NoSpace { place: place.to_owned(), directory, need, available }
}

/// Bytes that the system could still give out; 0 when /proc does not say.
fn available_memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
