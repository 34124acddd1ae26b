//! A memfd that its maker alone can write, and that the other side need not trust.
//!
//! Its maker maps it and then seals it: from then on its length is fixed, and nobody, whoever has the descriptor, can write
//! to it, map it to be written, or punch holes into it; what was mapped before stays. Whoever takes one checks just that,
//! and then reserves its memory once more: the maker may have punched holes before it sealed it, and a hole that is read
//! when memory has run out is a SIGBUS.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SealFlag, fcntl};
use nix::libc;
use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};

use super::mapping::Mapping;
use super::{memfd, reserve};
use crate::error::{HandoverError, OpenError};

/// What the other side's half is called in messages.
const TEXT: &str = "the other side's half";

/// The seals of a half: these, and no other but the one that the system may set for all (it forbids to execute).
const SEALS: SealFlag = SealFlag::F_SEAL_SHRINK
    .union(SealFlag::F_SEAL_GROW)
    .union(SealFlag::F_SEAL_FUTURE_WRITE)
    .union(SealFlag::F_SEAL_SEAL);

/// A half of `len` bytes that this process alone writes: its memory, and the descriptor to give.
pub(crate) fn create(len: u64) -> Result<(Mapping, File), OpenError> {
    let file = memfd::create(len)?;
    let mapping = Mapping::of(&file, memfd::TEXT, len)?;
    mapping.prefault();
    fcntl(&file, FcntlArg::F_ADD_SEALS(SEALS)).map_err(|errno| system("seal", memfd::TEXT, errno))?;
    Ok((mapping, file))
}

/// Maps the other side's half, to be read, if it is one of `len` bytes.
pub(crate) fn take(descriptor: OwnedFd, len: u64) -> Result<Mapping, HandoverError> {
    check_seals(&descriptor)?;
    let kind = fstatfs(&descriptor).map_err(|errno| system("fstatfs", TEXT, errno))?;
    if kind.filesystem_type() != TMPFS_MAGIC {
        return Err(HandoverError::HugePages);
    }
    let flags = fcntl(&descriptor, FcntlArg::F_GETFL).map_err(|errno| system("fcntl", TEXT, errno))?;
    if OFlag::from_bits_truncate(flags) & OFlag::O_ACCMODE != OFlag::O_RDWR {
        return Err(HandoverError::ReadOnly);
    }
    let file = File::from(descriptor);
    let found = file.metadata().map_err(|source| failed("fstat", TEXT, source))?.len();
    if found != len {
        return Err(HandoverError::Length { found, expected: len });
    }
    reserve::reserve(&file, TEXT, None, len)?;
    Ok(Mapping::to_read(&file, TEXT, len)?)
}

/// Only a memfd can have other seals than the one against more of them.
fn check_seals(descriptor: impl AsFd) -> Result<(), HandoverError> {
    let bits = fcntl(descriptor, FcntlArg::F_GET_SEALS).unwrap_or(libc::F_SEAL_SEAL);
    let expected = SEALS.bits();
    if bits & !libc::F_SEAL_EXEC == expected {
        return Ok(());
    }
    if bits == libc::F_SEAL_SEAL {
        let why = "it is no sealed memfd, so the other side could take its memory from under this one";
        return Err(OpenError::NoDescriptor { place: TEXT.to_owned(), why }.into());
    }
    Err(HandoverError::Seals { found: names(bits), expected: names(expected) })
}

fn names(bits: libc::c_int) -> String {
    let names: Vec<&str> = SealFlag::from_bits_truncate(bits).iter_names().map(|(name, _)| name).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(" ") }
}

fn system(call: &'static str, place: &str, errno: Errno) -> OpenError {
    failed(call, place, errno.into())
}

fn failed(call: &'static str, place: &str, source: io::Error) -> OpenError {
    OpenError::System { call, place: place.to_owned(), source }
}
