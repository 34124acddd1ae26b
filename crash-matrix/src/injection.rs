//! Which errors the system may answer with.

use nix::libc;

/// Mappings larger than this that no file is behind are the allocator's.
const SMALL: u64 = 4096;

/// A system call that is about to be made.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Its number.
    pub number: i64,
    /// Its arguments.
    pub arguments: [u64; 4],
    /// The first half word that its third argument points to, if it points anywhere.
    pub pointed: Option<i16>,
}

/// The errors with which a system call may fail; none for calls that do not fail, for those whose failure would be the
/// injection's own leak (`close`, `munmap`, the end of a lock), and for those of the allocator.
pub fn errors(call: Call) -> &'static [i32] {
    let anonymous = call.arguments[3] & libc::MAP_ANONYMOUS as u64 != 0;
    match call.number {
        libc::SYS_openat => &[libc::EACCES, libc::EMFILE, libc::ENFILE, libc::ENOMEM],
        libc::SYS_mmap if anonymous && call.arguments[1] > SMALL => &[],
        libc::SYS_mmap => &[libc::ENOMEM, libc::EPERM],
        libc::SYS_madvise => &[libc::ENOMEM, libc::EINVAL],
        libc::SYS_membarrier => &[libc::ENOSYS, libc::EPERM, libc::ENOMEM],
        libc::SYS_fallocate => {
            &[libc::ENOSPC, libc::EDQUOT, libc::EINTR, libc::EFBIG, libc::EOPNOTSUPP, libc::EIO]
        }
        libc::SYS_fcntl => of_fcntl(call),
        libc::SYS_fchmod | libc::SYS_fchmodat => &[libc::EIO, libc::EPERM, libc::EROFS],
        libc::SYS_linkat => &[libc::EIO, libc::EPERM, libc::ENOSPC, libc::EDQUOT],
        libc::SYS_unlinkat | libc::SYS_unlink => &[libc::EPERM, libc::EIO, libc::EROFS, libc::EBUSY],
        libc::SYS_newfstatat | libc::SYS_fstat | libc::SYS_statx | libc::SYS_stat => {
            &[libc::EIO, libc::EACCES, libc::ENOMEM]
        }
        libc::SYS_pread64 | libc::SYS_read => &[libc::EIO, libc::EINTR],
        libc::SYS_pwrite64 | libc::SYS_write => &[libc::EIO, libc::ENOSPC, libc::EINTR],
        libc::SYS_readlink | libc::SYS_readlinkat => &[libc::EACCES, libc::EIO],
        libc::SYS_getrandom => &[libc::ENOSYS, libc::EINTR],
        libc::SYS_prlimit64 | libc::SYS_getrlimit => &[libc::EPERM],
        libc::SYS_memfd_create => &[libc::ENOSYS, libc::EMFILE, libc::ENOMEM],
        libc::SYS_statfs | libc::SYS_fstatfs => &[libc::ENOSYS, libc::EIO],
        libc::SYS_fsync | libc::SYS_fdatasync | libc::SYS_msync => &[libc::EIO, libc::ENOSPC],
        libc::SYS_ftruncate => &[libc::EIO],
        libc::SYS_futex => &[libc::ENOSYS, libc::EINTR, libc::EPERM],
        libc::SYS_clock_nanosleep | libc::SYS_nanosleep => &[libc::EINTR],
        _ => &[],
    }
}

/// Is it one whose failure is final for the handle: the kernel may have forgotten what it could not write?
pub fn is_final(call: Call) -> bool {
    matches!(call.number, libc::SYS_fsync | libc::SYS_fdatasync | libc::SYS_msync)
}

fn of_fcntl(call: Call) -> &'static [i32] {
    match call.arguments[1] as i32 {
        libc::F_OFD_SETLK if call.pointed == Some(libc::F_UNLCK as i16) => &[],
        libc::F_OFD_SETLK => &[libc::ENOLCK, libc::EINTR],
        libc::F_OFD_GETLK => &[libc::ENOLCK],
        libc::F_DUPFD_CLOEXEC => &[libc::EMFILE],
        libc::F_ADD_SEALS => &[libc::EPERM, libc::EBUSY],
        libc::F_GET_SEALS => &[libc::EINVAL],
        _ => &[],
    }
}
