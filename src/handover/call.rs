//! Descriptors in the control messages of a socket. nix drops those that came when others were lost: here every one that
//! comes is owned, and closed, whatever happens.
#![allow(unsafe_code)]

use core::mem;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

/// The most descriptors that the kernel takes in one message.
const MOST: usize = 253;
/// Room for as many, and for what else the owner of a socket may have asked for: credentials, a security label.
const ROOM: usize = (MOST * size_of::<RawFd>() + 1024) / size_of::<u64>();

/// A descriptor of the sender's process, beside others' rights (Linux 6.5).
const SCM_PIDFD: libc::c_int = 4;

/// What came.
#[derive(Debug)]
pub(super) struct Received {
    /// Bytes; 0: the other side is gone.
    pub(super) len: usize,
    pub(super) descriptors: Vec<OwnedFd>,
    /// Something came beside the bytes that had no room, or could not be opened.
    pub(super) truncated: bool,
}

/// Sends what it can of `bytes`, with the descriptor if there is one, without waiting and without raising SIGPIPE.
pub(super) fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    descriptor: Option<BorrowedFd<'_>>,
) -> Result<usize, Errno> {
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    let (rights, parts) = (descriptor.map(|descriptor| [descriptor.as_raw_fd()]), [IoSlice::new(bytes)]);
    let control: Vec<_> = rights.iter().map(|rights| ControlMessage::ScmRights(rights)).collect();
    sendmsg::<()>(socket.as_raw_fd(), &parts, &control, flags, None)
}

/// Receives what has come to `into`, and the descriptors beside it, without waiting.
pub(super) fn receive(socket: BorrowedFd<'_>, into: &mut [u8]) -> Result<Received, Errno> {
    let mut room = [0_u64; ROOM];
    let mut part = IoSliceMut::new(into);
    // SAFETY: all zeroes are a `msghdr` without a part, as its fields are numbers and pointers.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = (&raw mut part).cast();
    message.msg_iovlen = 1;
    message.msg_control = room.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&room) as _;
    let flags = libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT;
    // SAFETY: `message` leads to bytes that may be written to and to aligned room, both of which outlive the call.
    let len = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) };
    let len = Errno::result(len)? as usize;
    let came = (message.msg_controllen as usize).min(size_of_val(&room));
    let descriptors = descriptors(&room, came);
    Ok(Received { len, descriptors, truncated: message.msg_flags & libc::MSG_CTRUNC != 0 })
}

/// The descriptors among the control messages that the kernel has just put into the first `len` bytes of `room`.
fn descriptors(room: &[u64; ROOM], len: usize) -> Vec<OwnedFd> {
    const HEAD: usize = size_of::<libc::cmsghdr>();
    let word = |at: usize| room[at / size_of::<u64>()];
    // Of four bytes that begin at a multiple of four.
    let half = |at: usize| word(at).to_ne_bytes()[at % 8..][..4].try_into().map_or(0, i32::from_ne_bytes);
    let mut numbers = Vec::new();
    let mut at = 0;
    while at + HEAD <= len {
        let end = at.saturating_add(word(at) as usize).min(len);
        let (level, kind) = (half(at + 8), half(at + 12));
        if level == libc::SOL_SOCKET && matches!(kind, libc::SCM_RIGHTS | SCM_PIDFD) {
            numbers.extend((at + HEAD..end).step_by(4).map(|at| (kind, half(at))));
        }
        at = end.max(at + HEAD).next_multiple_of(8);
    }
    // Instead of a descriptor of the sender's process there may be an error number.
    let opened = numbers.into_iter().filter(|(_, number)| *number >= 0);
    // SAFETY: the kernel has opened these descriptors for this call, and nobody else knows them.
    let owned = opened.map(|(kind, number)| (kind, unsafe { OwnedFd::from_raw_fd(number) }));
    // That of the sender's process is closed and not counted: whoever has the socket has asked for it.
    owned.filter_map(|(kind, descriptor)| (kind == libc::SCM_RIGHTS).then_some(descriptor)).collect()
}

const _: () =
    assert!(size_of::<libc::cmsghdr>() == 16, "a control message begins with its length, in 64 bits");
