//! Which process this is: handles belong to the process that made them, not to its forked children.
//!
//! A page marked `MADV_WIPEONFORK` holds a generation number; a child finds zero there, whichever way it was
//! forked. A handle remembers the generation it was made in, so the check is one load and one comparison.
//!
//! A forked child also inherits the descriptors that hold its parent's leases, and an OFD lock lives as long
//! as any of them: the parent would seem alive after its death. So a `pthread_atfork` handler closes them in
//! the child, which has no use for them; the parent's descriptions keep the locks.
#![allow(unsafe_code)]

use core::ptr::NonNull;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::RawFd;
use std::sync::{Mutex, OnceLock, PoisonError};

use nix::errno::Errno;
use nix::libc;
use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, munmap};

use super::lease_table::LEASES;
pub(crate) use crate::sync::Home;
use crate::sync::{LocalU32, Ordering};

/// The generation this process is in: the wiped page.
static GENERATION: OnceLock<Generation> = OnceLock::new();
/// Held while that page is made: by one, and again by the next one if it cannot be made.
static MAKING: Mutex<()> = Mutex::new(());
/// The last generation given out; ordinary memory, so it counts on in a child.
static LAST: LocalU32 = LocalU32::new(0);

struct Generation(NonNull<LocalU32>);

// SAFETY: the pointer leads to an atomic in a page that is never unmapped.
unsafe impl Send for Generation {}
// SAFETY: as above.
unsafe impl Sync for Generation {}

impl Generation {
    fn new() -> Result<Generation, Errno> {
        const PAGE: NonZeroUsize = NonZeroUsize::new(4096).expect("not zero");
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new anonymous mapping touches no memory in use.
        let page = unsafe { mmap_anonymous(None, PAGE, protection, MapFlags::MAP_PRIVATE) }?;
        // SAFETY: the page was just mapped and nothing refers to it yet.
        let wiped = unsafe { madvise(page, PAGE.get(), MmapAdvise::MADV_WIPEONFORK) };
        if let Err(errno) = wiped.and_then(|()| install_fork_handlers()) {
            // SAFETY: as above; the page is of no use.
            let _ = unsafe { munmap(page, PAGE.get()) };
            return Err(errno);
        }
        Ok(Generation(page.cast()))
    }

    /// This process's page, which is made if there is none yet.
    fn get() -> Result<&'static Generation, Errno> {
        if let Some(generation) = GENERATION.get() {
            return Ok(generation);
        }
        let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(generation) = GENERATION.get() {
            return Ok(generation);
        }
        let made = Generation::new()?;
        Ok(GENERATION.get_or_init(|| made))
    }

    fn word(&self) -> &LocalU32 {
        // SAFETY: the page is mapped for ever, aligned, and holds an atomic.
        unsafe { self.0.as_ref() }
    }
}

impl Home {
    /// This process.
    pub(crate) fn here() -> io::Result<Home> {
        let word = Generation::get()?.word();
        if word.load(Ordering::Relaxed) == 0 {
            let next = LAST.fetch_add(1, Ordering::Relaxed) + 1;
            // Another thread may have been first; then its generation is this process's.
            let _ = word.compare_exchange(0, next, Ordering::Relaxed, Ordering::Relaxed);
        }
        Ok(Home::of(word))
    }
}

fn install_fork_handlers() -> Result<(), Errno> {
    // SAFETY: the handlers are functions of this program that take no arguments and live for ever.
    let result =
        unsafe { libc::pthread_atfork(Some(before_fork), Some(after_fork), Some(after_fork_in_child)) };
    if result == 0 { Ok(()) } else { Err(Errno::from_raw(result)) }
}

extern "C" fn before_fork() {
    LEASES.lock();
}

extern "C" fn after_fork() {
    LEASES.unlock();
}

extern "C" fn after_fork_in_child() {
    LEASES.take_all(|fd: RawFd| {
        // SAFETY: the descriptor holds a lease of the parent; handles of the parent never use it again here.
        unsafe { libc::close(fd) };
    });
    LEASES.unlock();
}

/// When this process started, in clock ticks since boot; 0 when /proc does not say.
pub(crate) fn start_time() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The command, in parentheses, may hold anything; start time is the 20th field after it.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    fields.split_ascii_whitespace().nth(19).and_then(|field| field.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_at_home_and_knows_when_it_started() {
        let home = Home::here().expect("a generation");
        assert!(home.is_here());
        assert_eq!(Home::here().expect("the same"), home);
        assert!(start_time() > 0);
    }
}
