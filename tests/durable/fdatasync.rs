//! `fdatasync` as the library under test finds it: counted, looked at, and made to fail, each thread for itself.
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::ffi::c_int;
use std::fs::{self, File};

use nix::errno::Errno;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
    /// How many calls succeed before one fails.
    static FAILS_AFTER: Cell<Option<usize>> = const { Cell::new(None) };
    /// To what length a call cuts its file.
    static CUTS_TO: Cell<Option<u64>> = const { Cell::new(None) };
    static IS_SIMULATED: Cell<bool> = const { Cell::new(false) };
    static IS_WATCHED: Cell<bool> = const { Cell::new(false) };
    static WRITTEN: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// How often this thread has called it.
pub fn calls() -> usize {
    CALLS.get()
}

/// What `act` returns, while this thread's calls fail but for the first `successes`.
pub fn failing_after<T>(successes: usize, act: impl FnOnce() -> T) -> T {
    FAILS_AFTER.set(Some(successes));
    let outcome = act();
    FAILS_AFTER.set(None);
    outcome
}

/// What `act` returns, while this thread's calls fail.
pub fn failing<T>(act: impl FnOnce() -> T) -> T {
    failing_after(0, act)
}

/// What `act` returns, while this thread's calls cut their file to `len` bytes.
pub fn cutting_to<T>(len: u64, act: impl FnOnce() -> T) -> T {
    CUTS_TO.set(Some(len));
    let outcome = act();
    CUTS_TO.set(None);
    outcome
}

/// What `act` returns, while this thread's calls succeed at once: what the disk has is simulated.
pub fn simulated<T>(act: impl FnOnce() -> T) -> T {
    IS_SIMULATED.set(true);
    let outcome = act();
    IS_SIMULATED.set(false);
    outcome
}

/// What `act` returns, and what this thread's last call meanwhile has written to the disk.
pub fn watched<T>(act: impl FnOnce() -> T) -> (T, Option<Vec<u8>>) {
    WRITTEN.take();
    IS_WATCHED.set(true);
    let outcome = act();
    IS_WATCHED.set(false);
    (outcome, WRITTEN.take())
}

/// Takes the place of the C library's.
// SAFETY: the name is that of a function of the C library with this signature, and this one does what that one does, or
// fails as that one may.
#[unsafe(no_mangle)]
pub extern "C" fn fdatasync(descriptor: c_int) -> c_int {
    CALLS.set(CALLS.get() + 1);
    match FAILS_AFTER.get() {
        Some(0) => {
            Errno::EIO.set();
            return -1;
        }
        Some(successes) => FAILS_AFTER.set(Some(successes - 1)),
        None => {}
    }
    let path = format!("/proc/self/fd/{descriptor}");
    if IS_WATCHED.get() {
        WRITTEN.set(Some(fs::read(&path).expect("the file that is to be written to the disk")));
    }
    if let Some(len) = CUTS_TO.get() {
        let file = File::options().write(true).open(&path).expect("the file that is to be cut");
        file.set_len(len).expect("cut");
    }
    if IS_SIMULATED.get() {
        return 0;
    }
    match File::open(&path).and_then(|file| file.sync_all()) {
        Ok(()) => 0,
        Err(error) => {
            Errno::set_raw(error.raw_os_error().unwrap_or(Errno::EIO as c_int));
            -1
        }
    }
}
