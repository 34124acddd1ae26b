//! A forked child's inherited ends refuse, and dropping them says nothing.
#![allow(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use ringway::pipe::options;
use ringway::{RecvError, SendError};

use crate::bed::on_every_stream;
use crate::common::fork::end;
use crate::common::role::{Role, say};

/// In a process with one thread: forks, and goes on with its streams.
pub fn fork_with_ends(_: &[&str]) {
    on_every_stream(&options(), |bed| {
        let (mut tx, mut rx) = bed.ends();
        tx.send(b"before").expect("sent");
        let mut claim = tx.claim(3).expect("room");
        claim.copy_from_slice(b"own");
        // SAFETY: the child uses nothing that another thread could have locked: there is none that does.
        let child = match unsafe { fork() }.expect("a child") {
            ForkResult::Parent { child } => child,
            ForkResult::Child => {
                let committed = claim.commit();
                let result = catch_unwind(AssertUnwindSafe(|| {
                    assert_eq!(committed, Err(SendError::Forked));
                    assert_eq!(tx.send(b"never"), Err(SendError::Forked));
                    assert_eq!(tx.batch().map(drop), Err(SendError::Forked));
                    assert_eq!(tx.flush(None), Err(SendError::Forked));
                    assert_eq!(rx.recv().map(drop), Err(RecvError::Forked));
                    assert_eq!(rx.drain().map(drop), Err(RecvError::Forked));
                    assert_eq!(rx.wait_for_message(None), Err(RecvError::Forked));
                    drop((tx, rx));
                }));
                end(result);
            }
        };
        assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
        claim.commit().expect("sent");
        assert_eq!(&rx.recv().expect("a message")[..], b"before");
        assert_eq!(&rx.recv().expect("a message")[..], b"own");
        tx.send(b"after").expect("sent");
        assert_eq!(&rx.recv().expect("a message")[..], b"after");
        drop(tx);
        assert_eq!(rx.recv().map(drop), Err(RecvError::Closed));
    });
    say("unharmed");
}

#[test]
fn a_forked_child_is_refused_and_the_parent_unharmed() {
    let role = Role::start("fork with ends", &[]);
    role.expect("unharmed");
    role.finish();
}
