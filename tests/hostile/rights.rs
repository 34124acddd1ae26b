//! Descriptors in messages between sockets (`SCM_RIGHTS`).
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::ptr;

use nix::libc;

/// A control message that carries one descriptor.
#[repr(C)]
struct Rights {
    head: libc::cmsghdr,
    descriptor: RawFd,
    padding: u32,
}

impl Rights {
    fn new(descriptor: RawFd) -> Rights {
        let cmsg_len = size_of::<libc::cmsghdr>() + size_of::<RawFd>();
        let head = libc::cmsghdr { cmsg_len, cmsg_level: libc::SOL_SOCKET, cmsg_type: libc::SCM_RIGHTS };
        Rights { head, descriptor, padding: 0 }
    }
}

/// A message of one byte, with `rights` beside it.
fn with_message<T>(rights: &mut Rights, act: impl FnOnce(&mut libc::msghdr) -> T) -> T {
    let mut byte = 0_u8;
    let mut piece = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    act(&mut libc::msghdr {
        msg_name: ptr::null_mut(),
        msg_namelen: 0,
        msg_iov: &raw mut piece,
        msg_iovlen: 1,
        msg_control: ptr::from_mut(rights).cast(),
        msg_controllen: size_of::<Rights>(),
        msg_flags: 0,
    })
}

/// Hands a descriptor over.
pub fn give(socket: &UnixStream, descriptor: &OwnedFd) {
    let mut rights = Rights::new(descriptor.as_raw_fd());
    with_message(&mut rights, |message| {
        // SAFETY: `message` leads to one byte and to one control message, both of which outlive the call.
        let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), message, 0) };
        assert_eq!(sent, 1, "{}", io::Error::last_os_error());
    });
}

/// Takes a descriptor that is handed over.
pub fn take(socket: &UnixStream) -> OwnedFd {
    let mut rights = Rights::new(-1);
    with_message(&mut rights, |message| {
        // SAFETY: `message` leads to one byte and to room for one control message, both of which outlive the call.
        let received = unsafe { libc::recvmsg(socket.as_raw_fd(), message, libc::MSG_CMSG_CLOEXEC) };
        assert_eq!(received, 1, "{}", io::Error::last_os_error());
    });
    assert!(rights.descriptor >= 0, "no descriptor came");
    // SAFETY: the kernel has just opened this descriptor for us, and nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(rights.descriptor) }
}
