//! Segments without a name: memory behind a descriptor, its length sealed.

use std::fs::File;
use std::os::fd::{AsFd, RawFd};
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::{SFlag, fstat};
use nix::sys::statfs::{HUGETLBFS_MAGIC, fstatfs};

use super::{place, reserve};
use crate::error::OpenError;

/// What a memfd is called in messages.
pub(crate) const TEXT: &str = "memfd";

/// The seals of a ring: nobody can change its length under a reader, nor take the seals off.
const SEALS: SealFlag = SealFlag::F_SEAL_SHRINK.union(SealFlag::F_SEAL_GROW).union(SealFlag::F_SEAL_SEAL);

fn system(call: &'static str, errno: Errno) -> OpenError {
    OpenError::System { call, place: TEXT.to_owned(), source: errno.into() }
}

/// A memfd of `len` bytes, all of them reserved.
pub(crate) fn create(len: u64) -> Result<File, OpenError> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let file: File = memfd_create(c"ringway", flags).map_err(|errno| system("memfd_create", errno))?.into();
    reserve::reserve(&file, TEXT, None, len)?;
    Ok(file)
}

/// Seals a memfd that has its length.
pub(crate) fn seal(file: &File) -> Result<(), OpenError> {
    fcntl(file, FcntlArg::F_ADD_SEALS(SEALS)).map(drop).map_err(|errno| system("seal", errno))
}

/// Opens the segment behind descriptor `fd` anew. A file without a name must be sealed; one with a name is
/// as good as its name.
pub(crate) fn open(fd: RawFd) -> Result<File, OpenError> {
    let text = format!("fd:{fd}");
    let has_name = place::metadata_of(fd)?.nlink() != 0;
    let own = place::reopen(&fd, &text)?;
    if !has_name {
        let why = "its file has lost its name, and is no memfd, so its length could change under a reader";
        check_seals(&own, text, why)?;
    }
    Ok(own)
}

/// Is this a memfd whose length nobody can change?
pub(crate) fn check(fd: impl AsFd, text: &str) -> Result<(), OpenError> {
    let stat = fstat(&fd).map_err(|errno| OpenError::System {
        call: "fstat",
        place: text.to_owned(),
        source: errno.into(),
    })?;
    if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT != SFlag::S_IFREG {
        let found = "a directory, pipe, socket or device";
        return Err(OpenError::NotAFile { place: text.to_owned(), found });
    }
    let why = "it is no memfd, so its length could change under a reader; hand over one end of a pair, \
               or let the other side open the ring by its name";
    check_seals(fd, text.to_owned(), why)
}

/// `why`: what is wrong with a file that cannot be sealed.
fn check_seals(file: impl AsFd, text: String, why: &'static str) -> Result<(), OpenError> {
    // No seal forbids holes, and one in such a file is filled from a pool that may be empty by then: that would be SIGBUS.
    if fstatfs(&file).is_ok_and(|system| system.filesystem_type() == HUGETLBFS_MAGIC) {
        let why = "it is a memfd of huge pages, which a peer could take away from under a reader";
        return Err(OpenError::NoDescriptor { place: text, why });
    }
    // Only a memfd can be sealed after its creation.
    let bits = fcntl(file, FcntlArg::F_GET_SEALS).unwrap_or(libc::F_SEAL_SEAL);
    if bits == libc::F_SEAL_SEAL {
        return Err(OpenError::NoDescriptor { place: text, why });
    }
    let missing = SEALS.difference(SealFlag::from_bits_truncate(bits));
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter_names().map(|(name, _)| name).collect();
    Err(OpenError::NotSealed { place: text, missing: names.join(" and ") })
}
