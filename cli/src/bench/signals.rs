//! Signals as wake-ups: the message is a number in a shared word, and a real-time signal tells of it.
//!
//! Real-time signals are queued, one for each message, and `sigwaitinfo` takes one for each: no handler runs. They go to the
//! thread that waits, which alone must block them.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::libc;
use nix::unistd::gettid;

use super::control::Side;
use super::payload::{Check, Payload};
use super::traffic::{Rx, Tx};

/// Which of the real-time signals; ringway's own mechanism has another.
const OFFSET: i32 = 3;

/// What the sides share: for each a word that it writes, and the number of its thread.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    /// Numbers that were sent.
    pub sent: [&'a AtomicU64; 2],
    /// Thread ids.
    pub thread: [&'a AtomicU64; 2],
}

/// The signalling half.
#[derive(Debug)]
pub struct SignalTx<'a> {
    /// Written by this side.
    sent: &'a AtomicU64,
    /// Whom to signal.
    peer: &'a AtomicU64,
}

/// The half that waits for signals.
#[derive(Debug)]
pub struct SignalRx<'a> {
    /// Written by the other side.
    sent: &'a AtomicU64,
    /// The signal to wait for, and no other.
    set: libc::sigset_t,
}

/// Both halves of `side`. Blocks the signal in this thread: from now on it waits to be taken.
pub fn signals<'a>(side: Side, words: Words<'a>) -> Result<(SignalTx<'a>, SignalRx<'a>)> {
    let (mine, theirs) = (side as usize, 1 - side as usize);
    let set = blocked()?;
    // edge: thread (release), pairs with SignalTx::send
    words.thread[mine].store(gettid().as_raw() as u64, Ordering::Release);
    let tx = SignalTx { sent: words.sent[mine], peer: words.thread[theirs] };
    Ok((tx, SignalRx { sent: words.sent[theirs], set }))
}

/// The signal.
fn signal() -> libc::c_int {
    libc::SIGRTMIN() + OFFSET
}

/// A set of the signal alone, which this thread no longer is interrupted by.
fn blocked() -> Result<libc::sigset_t> {
    let mut set = MaybeUninit::uninit();
    // SAFETY: the call initializes the set that it is given.
    Errno::result(unsafe { libc::sigemptyset(set.as_mut_ptr()) }).context("no set of signals")?;
    // SAFETY: the set was initialized by the call before.
    let mut set = unsafe { set.assume_init() };
    // SAFETY: the set outlives the call.
    Errno::result(unsafe { libc::sigaddset(&raw mut set, signal()) }).context("no real-time signal")?;
    // SAFETY: the set outlives the call, and the old mask is not asked for.
    let error = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, null_mut()) };
    ensure!(error == 0, "cannot block a signal: {}", Errno::from_raw(error));
    Ok(set)
}

impl Tx for SignalTx<'_> {
    fn send(&mut self, _payload: &mut Payload, number: u64) -> Result<()> {
        self.sent.store(number, Ordering::Release); // edge: number (release), pairs with SignalRx::recv
        // edge: thread (acquire), pairs with signals
        let peer = self.peer.load(Ordering::Acquire);
        ensure!(peer > 0, "the other side has not come");
        // SAFETY: takes no pointers. The thread lives: the coordinator buries a role only when the pair has ended.
        let sent = unsafe { libc::syscall(libc::SYS_tkill, peer, signal()) };
        Errno::result(sent).context("cannot send a signal")?;
        Ok(())
    }
}

impl Rx for SignalRx<'_> {
    fn recv(&mut self, check: &mut Check) -> Result<()> {
        loop {
            // SAFETY: the set outlives the call, and nothing about the signal is asked for.
            match Errno::result(unsafe { libc::sigwaitinfo(&raw const self.set, null_mut()) }) {
                // edge: number (acquire), pairs with SignalTx::send
                Ok(_) => return check.take_number(self.sent.load(Ordering::Acquire)),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error).context("cannot wait for a signal"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    /// Round trips of a test.
    const COUNT: u64 = 1000;

    #[test]
    fn both_sides_play_and_every_signal_tells_of_a_number() {
        let cells = [0; 4].map(AtomicU64::new);
        let words = Words { sent: [&cells[0], &cells[1]], thread: [&cells[2], &cells[3]] };
        let both = Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut tx, mut rx) = signals(Side::Receiver, words).unwrap();
                both.wait();
                let (mut payload, mut check) = (Payload::new(8), Check::new(8, 0));
                for number in 0..COUNT {
                    rx.recv(&mut check).unwrap();
                    tx.send(&mut payload, number).unwrap();
                }
            });
            let (mut tx, mut rx) = signals(Side::Sender, words).unwrap();
            both.wait();
            let (mut payload, mut check) = (Payload::new(8), Check::new(8, 0));
            for number in 0..COUNT {
                tx.send(&mut payload, number).unwrap();
                rx.recv(&mut check).unwrap();
            }
            assert_eq!(check.next(), COUNT);
        });
    }

    #[test]
    fn nobody_is_signalled_before_the_other_side_has_come() {
        let cells = [0; 4].map(AtomicU64::new);
        let words = Words { sent: [&cells[0], &cells[1]], thread: [&cells[2], &cells[3]] };
        let (mut tx, _) = signals(Side::Sender, words).unwrap();
        assert!(tx.send(&mut Payload::new(8), 1).is_err());
    }
}
