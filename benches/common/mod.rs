//! What the benches share: messages that are written and looked at from their first byte to their last, and two threads.
#![allow(dead_code, reason = "each bench uses a part")]

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// Message `number`: its number, and the number's lowest byte to the end.
#[inline]
pub fn compose(message: &mut [u8], number: u64) {
    message.fill(number as u8);
    message[..8].copy_from_slice(&number.to_le_bytes());
}

/// Is this message `number`, of `len` bytes? Looks at every byte.
#[inline]
pub fn is_right(message: &[u8], len: usize, number: u64) -> bool {
    let Some((first, rest)) = message.split_first_chunk::<8>() else { return false };
    // Without a way out in the middle, so that it goes as fast as memory.
    let wrong = rest.iter().fold(0, |wrong, byte| wrong | (byte ^ number as u8));
    message.len() == len && *first == number.to_le_bytes() && wrong == 0
}

/// From the first message until the last was received.
pub fn timed(send: impl FnOnce() + Send, receive: impl FnOnce() + Send) -> Duration {
    let ready = Barrier::new(2);
    thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            ready.wait();
            receive();
        });
        ready.wait();
        let started = Instant::now();
        send();
        receiver.join().expect("a receiver that found every message right");
        started.elapsed()
    })
}
