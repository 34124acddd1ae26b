//! SIGPIPE: it is never raised, though its disposition is the default one, which ends the process.
#![allow(unsafe_code)]

use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use ringway::SendError;
use ringway::pipe::options;

use crate::bed::on_every_stream;
use crate::common::role::{Role, say};

/// Sends to those who do not read, with every verb.
pub fn send_to_nobody(_: &[&str]) {
    // SAFETY: the default disposition runs no code of this program.
    unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) }.expect("a disposition");
    let mask = SigSet::thread_get_mask().expect("a mask");
    on_every_stream(&options(), |bed| {
        let (mut tx, rx) = bed.ends();
        tx.send(b"hello").expect("sent");
        drop(rx);
        assert_eq!(tx.send(b"more"), Err(SendError::Closed));
        assert_eq!(tx.try_send(b"more"), Err(SendError::Closed));
        assert_eq!(tx.send_timeout(&[0; 100_000], std::time::Duration::MAX), Err(SendError::Closed));
        assert_eq!(tx.claim(10).and_then(|claim| claim.commit()), Err(SendError::Closed));
        assert_eq!(SigSet::thread_get_mask(), Ok(mask));
        drop(tx);
    });
    say("alive");
}

#[test]
fn no_sigpipe_is_raised() {
    let role = Role::start("send to nobody", &[]);
    role.expect("alive");
    role.finish();
}
