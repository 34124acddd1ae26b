//! Rings in memory of this process's own.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::fs::File;
use std::ptr::NonNull;

use ringway::OpenError;
use ringway::spsc::{Consumer, Producer, options};

const LEN: usize = 1 << 16;

/// Memory for a ring, which lives for as long as the process.
#[repr(C, align(4096))]
struct Memory(UnsafeCell<[u8; LEN]>);

// SAFETY: only rings, which are shared memory, are laid there.
unsafe impl Sync for Memory {}

static FORMATTED: Memory = Memory(UnsafeCell::new([0; LEN]));
static BLANK: Memory = Memory(UnsafeCell::new([0; LEN]));

fn memory(of: &'static Memory) -> NonNull<u8> {
    NonNull::new(of.0.get()).expect("a static").cast()
}

/// A ring in this process's memory, its leases in a file without a name.
pub fn ring() -> Result<(Producer, Consumer), OpenError> {
    let leases = tempfile::tempfile().expect("a file");
    let own = |file: &File| Some(file.try_clone().expect("dup").into());
    let options = options().size(4096);
    // SAFETY: the memory is never freed, and only this function, in one thread, makes a ring of it.
    let tx = unsafe { options.clone().create_new(true).producer_in(memory(&FORMATTED), LEN, own(&leases)) }?;
    // SAFETY: as above.
    let rx = unsafe { options.consumer_in(memory(&FORMATTED), LEN, own(&leases)) }?;
    Ok((tx, rx))
}

/// An end of a ring where none was formatted.
pub fn unformatted() -> Result<(), OpenError> {
    // SAFETY: the memory is never freed, and nobody uses it.
    unsafe { options().producer_in(memory(&BLANK), LEN, None) }.map(drop)
}

/// A ring in memory that is too small for it.
pub fn too_small() -> Result<(), OpenError> {
    // SAFETY: as above.
    unsafe { options().create_new(true).producer_in(memory(&BLANK), 4096, None) }.map(drop)
}
