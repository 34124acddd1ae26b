//! The floor of a wake-up: two futex words, one per direction, and nothing else.
//!
//! A side stores the next number in its own word and wakes whoever sleeps on that; then it sleeps on the other's
//! word for as long as that holds what was read from it last. No ring, no payload, no bit that says whether
//! somebody sleeps, no deadline: a wake-up and a sleep per message are what a futex asks for at least.
//!
//! Shared futexes (no `FUTEX_PRIVATE_FLAG`): the sides are processes.
#![allow(unsafe_code)]

use std::ptr::null;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;

use super::control::Side;
use super::payload::{Check, Payload};
use super::traffic::{Rx, Tx};

/// The waking half: a word of one's own.
#[derive(Debug)]
pub struct FutexTx<'a> {
    /// The word.
    word: &'a AtomicU32,
    /// What was last written.
    last: u32,
}

/// The sleeping half: the other side's word.
#[derive(Debug)]
pub struct FutexRx<'a> {
    /// The word.
    word: &'a AtomicU32,
    /// What was last read.
    last: u32,
}

/// Both halves of `side` on the zeroed words of the sender and the receiver.
pub fn futexes<'a>(side: Side, [sender, receiver]: [&'a AtomicU32; 2]) -> (FutexTx<'a>, FutexRx<'a>) {
    let (mine, theirs) = match side {
        Side::Sender => (sender, receiver),
        Side::Receiver => (receiver, sender),
    };
    (FutexTx { word: mine, last: 0 }, FutexRx { word: theirs, last: 0 })
}

impl Tx for FutexTx<'_> {
    #[inline(always)]
    fn send(&mut self, _payload: &mut Payload, _number: u64) -> Result<()> {
        self.last = self.last.wrapping_add(1);
        self.word.store(self.last, Ordering::Release); // edge: ball (release), pairs with FutexRx::recv
        wake(self.word).context("cannot wake a futex's sleeper")
    }
}

impl Rx for FutexRx<'_> {
    #[inline(always)]
    fn recv(&mut self, check: &mut Check) -> Result<()> {
        // edge: ball (acquire), pairs with FutexTx::send
        while self.word.load(Ordering::Acquire) == self.last {
            sleep(self.word, self.last).context("cannot sleep on a futex")?;
        }
        self.last = self.last.wrapping_add(1);
        check.take_number(check.next())
    }
}

/// Wakes one sleeper.
#[inline(always)]
pub fn wake(word: &AtomicU32) -> Result<(), Errno> {
    // SAFETY: FUTEX_WAKE takes the word's address as a key and does not access the memory.
    let result = unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, 1) };
    Errno::result(result).map(drop)
}

/// Sleeps while the word is `expected`, until a wake-up or a signal.
#[inline(always)]
pub fn sleep(word: &AtomicU32, expected: u32) -> Result<(), Errno> {
    let forever = null::<libc::timespec>();
    // SAFETY: the word outlives the call, and FUTEX_WAIT only reads it.
    let result =
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, expected, forever) };
    match Errno::result(result) {
        Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Round trips of a test.
    const COUNT: u64 = 1000;

    #[test]
    fn both_sides_play_and_sleep() {
        let lines = [AtomicU32::new(0), AtomicU32::new(0)];
        let words = [&lines[0], &lines[1]];
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let (mut tx, mut rx) = futexes(Side::Receiver, words);
                let (mut payload, mut check) = (Payload::new(8), Check::new(8, 0));
                for number in 0..COUNT {
                    rx.recv(&mut check).unwrap();
                    tx.send(&mut payload, number).unwrap();
                }
            });
            let (mut tx, mut rx) = futexes(Side::Sender, words);
            let (mut payload, mut check) = (Payload::new(8), Check::new(8, 0));
            for number in 0..COUNT {
                tx.send(&mut payload, number).unwrap();
                rx.recv(&mut check).unwrap();
                assert_eq!(check.next(), number + 1);
            }
        });
        assert_eq!(lines.map(AtomicU32::into_inner), [COUNT as u32; 2]);
    }

    #[test]
    fn a_word_that_changed_is_not_slept_on() {
        sleep(&AtomicU32::new(1), 0).unwrap();
        wake(&AtomicU32::new(0)).unwrap();
    }
}
