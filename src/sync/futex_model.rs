//! The futex under loom: a word, and a condition variable in place of the kernel's queue. There are no
//! time-outs, so a wake-up that gets lost is a deadlock, which loom reports.

use core::time::Duration;

use loom::sync::atomic::{AtomicU32, Ordering};
use loom::sync::{Condvar, Mutex};

/// A 32-bit word that model threads can sleep on.
#[derive(Debug)]
pub(crate) struct Futex {
    word: AtomicU32,
    queue: Mutex<Queue>,
    woken: Condvar,
}

/// Sleepers stand in line: which number the next one gets, and up to which they have been woken.
#[derive(Debug, Default)]
struct Queue {
    next: u32,
    woken_to: u32,
}

/// Why a sleep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// A wake-up or a changed word: look again.
    LookAgain,
    /// The deadline passed (never in a model).
    #[allow(dead_code)]
    TimedOut,
}

impl Default for Futex {
    fn default() -> Self {
        Futex { word: AtomicU32::new(0), queue: Mutex::new(Queue::default()), woken: Condvar::new() }
    }
}

impl Futex {
    pub(crate) fn load(&self, order: Ordering) -> u32 {
        self.word.load(order)
    }

    pub(crate) fn fetch_or(&self, bits: u32, order: Ordering) -> u32 {
        self.word.fetch_or(bits, order)
    }

    pub(crate) fn compare_exchange(
        &self,
        current: u32,
        new: u32,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u32, u32> {
        self.word.compare_exchange(current, new, success, failure)
    }

    /// Sleeps while the word is `expected`, until a wake-up. Compares under the queue's lock, as the kernel
    /// does.
    pub(crate) fn sleep(&self, expected: u32, _deadline: Duration) -> Woken {
        let mut queue = self.queue.lock().expect("a model thread panicked");
        if self.word.load(Ordering::Relaxed) == expected {
            let number = queue.next;
            queue.next += 1;
            while number >= queue.woken_to {
                queue = self.woken.wait(queue).expect("a model thread panicked");
            }
        }
        Woken::LookAgain
    }

    /// Wakes up to `count` sleepers; how many it woke.
    pub(crate) fn wake(&self, count: u32) -> u32 {
        let mut queue = self.queue.lock().expect("a model thread panicked");
        let woken = count.min(queue.next - queue.woken_to);
        queue.woken_to += woken;
        self.woken.notify_all();
        woken
    }
}
