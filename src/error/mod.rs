//! What can go wrong, one small enum per moment: opening, sending, receiving.
//!
//! Every text says what was found, what was expected, and what to do.

mod address;
mod connect;
mod corrupt;
mod handover;
mod open;
mod request;
mod signal;
mod transfer;

pub use address::AddressError;
pub use connect::ConnectError;
pub use corrupt::Corrupt;
pub use handover::HandoverError;
pub use open::OpenError;
pub use request::{RequestError, ServeError};
pub use signal::SignalError;
pub use transfer::{RecvError, SendError, SyncError};

use std::io;

use nix::errno::Errno;

/// A process in a message.
fn who(pid: u32) -> String {
    if pid == 0 { "a process that is just attaching".to_owned() } else { format!("process {pid}") }
}

/// What to do about a failed system call, where that can be said.
fn remedy(error: &io::Error) -> &'static str {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOMEM) => {
            "; free memory, raise the limit on address space (ulimit -v), or make the ring smaller"
        }
        Some(Errno::EMFILE) => "; raise the limit on open files (ulimit -n) or close some",
        Some(Errno::ENFILE) => "; the whole system is out of open files",
        Some(Errno::EACCES | Errno::EPERM) => "; check who may read and write there",
        Some(Errno::EROFS) => "; choose a directory that can be written to",
        Some(Errno::EBADF) => "; check that the descriptor is open",
        Some(Errno::ENOENT) => "; check that the directory exists (and that /proc is mounted)",
        _ => "",
    }
}
