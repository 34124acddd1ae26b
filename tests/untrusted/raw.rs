//! The hand-over and the halves by hand: what a side can send and write that runs no code of ringway's.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{IoSlice, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, AtomicU64};

use memmap2::{MmapOptions, MmapRaw};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

/// Where the words of a half lie.
pub const POSITION: usize = 0;
pub const ASLEEP: usize = 128;
pub const CLOSED: usize = 132;
pub const BELL: usize = 256;
pub const DATA: usize = 4096;

pub const PRODUCER: u32 = 1;
pub const CONSUMER: u32 = 2;

/// The seals of a half.
pub const SEALS: SealFlag = SealFlag::F_SEAL_SHRINK
    .union(SealFlag::F_SEAL_GROW)
    .union(SealFlag::F_SEAL_FUTURE_WRITE)
    .union(SealFlag::F_SEAL_SEAL);

/// A greeting of one in this role, whose ring has `size` bytes.
pub fn greeting(role: u32, size: u64) -> [u8; 32] {
    let mut bytes = *b"RINGHALF\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    bytes[12..16].copy_from_slice(&role.to_le_bytes());
    bytes[24..].copy_from_slice(&size.to_le_bytes());
    bytes
}

/// Sends bytes and descriptors, as anybody may.
pub fn send(socket: &UnixStream, bytes: &[u8], beside: &[BorrowedFd<'_>]) {
    let numbers: Vec<_> = beside.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&numbers)];
    let control = if beside.is_empty() { &[][..] } else { &rights[..] };
    let sent = sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(bytes)], control, MsgFlags::empty(), None);
    assert_eq!(sent, Ok(bytes.len()));
}

/// Receives a greeting and the half beside it.
pub fn receive(mut socket: &UnixStream) -> ([u8; 32], OwnedFd) {
    let mut bytes = [0; 32];
    let mut room = nix::cmsg_space!([i32; 1]);
    let mut parts = [std::io::IoSliceMut::new(&mut bytes[..1])];
    let received = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut room), MsgFlags::MSG_CMSG_CLOEXEC);
    let received = received.expect("something");
    let rights = received.cmsgs().expect("room for one").find_map(|message| match message {
        ControlMessageOwned::ScmRights(numbers) => numbers.first().copied(),
        _ => None,
    });
    let number = rights.expect("a descriptor");
    socket.read_exact(&mut bytes[1..]).expect("the rest");
    // SAFETY: the kernel has just opened this descriptor for us, and nobody else knows it.
    (bytes, unsafe { std::os::fd::FromRawFd::from_raw_fd(number) })
}

/// An empty memfd that can be sealed.
pub fn memfd(len: u64) -> File {
    let file = File::from(memfd_create(c"half", MFdFlags::MFD_ALLOW_SEALING).expect("a memfd"));
    file.set_len(len).expect("room");
    file
}

pub fn seal(file: &File, seals: SealFlag) {
    fcntl(file, FcntlArg::F_ADD_SEALS(seals)).expect("sealed");
}

/// A half that this process may write.
pub struct Half {
    memory: MmapRaw,
    pub file: File,
}

impl Half {
    pub fn new(len: usize) -> Half {
        let file = memfd(len as u64);
        let memory = MmapOptions::new().len(len).map_raw(&file).expect("memory");
        seal(&file, SEALS);
        Half { memory, file }
    }

    pub fn len(&self) -> usize {
        self.memory.len()
    }

    /// Where it is mapped, for the kernel.
    pub fn start(&self) -> *mut nix::libc::c_void {
        self.memory.as_mut_ptr().cast()
    }

    /// All of it.
    pub fn words(&self) -> &[AtomicU64] {
        let (start, len) = (self.memory.as_mut_ptr().cast(), self.memory.len() / 8);
        // SAFETY: so many words are mapped, at a page, for as long as the half lives, and everybody uses them as atomics.
        unsafe { std::slice::from_raw_parts(start, len) }
    }

    /// The word at `at`.
    pub fn long(&self, at: usize) -> &AtomicU64 {
        assert!(at.is_multiple_of(8));
        &self.words()[at / 8]
    }

    /// The word of 32 bits at `at`.
    pub fn word(&self, at: usize) -> &AtomicU32 {
        assert!(at.is_multiple_of(4) && at + 4 <= self.memory.len());
        // SAFETY: in the mapping and aligned, as just checked; the mapping lives as long as the half.
        unsafe { AtomicU32::from_ptr(self.memory.as_mut_ptr().wrapping_add(at).cast()) }
    }

    /// Gives this half away as one in this role, whose ring has `size` bytes.
    pub fn give(&self, socket: &UnixStream, role: u32, size: u64) {
        send(socket, &greeting(role, size), &[self.file.as_fd()]);
    }
}
