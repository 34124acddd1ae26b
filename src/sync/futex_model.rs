//! The futex under loom: a word, and in place of the kernel's queues one list of those who sleep. There are no
//! time-outs, so a wake-up that gets lost is a deadlock, which loom reports.

use core::time::Duration;

use loom::sync::atomic::{AtomicU32, Ordering};
use loom::sync::{Condvar, Mutex};

use super::Woken;

/// A 32-bit word that model threads can sleep on.
#[derive(Debug)]
pub(crate) struct Futex {
    word: AtomicU32,
}

/// One who sleeps on one word or on several.
#[derive(Debug)]
struct Sleeper {
    number: u32,
    /// The addresses of the words.
    words: Vec<usize>,
    woken: bool,
}

/// All who sleep, the longest sleepers first.
#[derive(Debug, Default)]
struct Queue {
    next: u32,
    sleepers: Vec<Sleeper>,
}

loom::lazy_static! {
    static ref QUEUE: Mutex<Queue> = Mutex::new(Queue::default());
    static ref WOKEN: Condvar = Condvar::new();
}

/// One who stands in the queue, whether a thread sleeps or not: what a descriptor in the kernel is.
#[derive(Debug)]
pub(crate) struct Ticket(u32);

impl Ticket {
    /// Stands in line for a wake-up of any of `words`, unless one of them is not what is `expected`: `None`.
    pub(crate) fn draw(words: &[(&Futex, u32)]) -> Option<Ticket> {
        let mut queue = QUEUE.lock().expect("a model thread panicked");
        if words.iter().any(|(futex, expected)| futex.word.load(Ordering::Relaxed) != *expected) {
            return None;
        }
        let number = queue.next;
        queue.next += 1;
        let words = words.iter().map(|(futex, _)| futex.address()).collect();
        queue.sleepers.push(Sleeper { number, words, woken: false });
        Some(Ticket(number))
    }

    /// Sleeps until the wake-up.
    pub(crate) fn wait(self) {
        let mut queue = QUEUE.lock().expect("a model thread panicked");
        loop {
            let at = queue.sleepers.iter().position(|sleeper| sleeper.number == self.0).expect("in line");
            if queue.sleepers[at].woken {
                queue.sleepers.remove(at);
                return;
            }
            queue = WOKEN.wait(queue).expect("a model thread panicked");
        }
    }
}

impl Default for Futex {
    fn default() -> Self {
        Futex { word: AtomicU32::new(0) }
    }
}

impl Futex {
    fn address(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    pub(crate) fn load(&self, order: Ordering) -> u32 {
        self.word.load(order)
    }

    pub(crate) fn store(&self, value: u32, order: Ordering) {
        self.word.store(value, order);
    }

    pub(crate) fn fetch_or(&self, bits: u32, order: Ordering) -> u32 {
        self.word.fetch_or(bits, order)
    }

    pub(crate) fn fetch_and(&self, bits: u32, order: Ordering) -> u32 {
        self.word.fetch_and(bits, order)
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
        if let Some(ticket) = Ticket::draw(&[(self, expected)]) {
            ticket.wait();
        }
        Woken::LookAgain
    }

    /// Wakes up to `count` sleepers; how many it woke.
    pub(crate) fn wake(&self, count: u32) -> u32 {
        let mut queue = QUEUE.lock().expect("a model thread panicked");
        let address = self.address();
        let here = |sleeper: &&mut Sleeper| !sleeper.woken && sleeper.words.contains(&address);
        let mut woken = 0;
        for sleeper in queue.sleepers.iter_mut().filter(here).take(count as usize) {
            sleeper.woken = true;
            woken += 1;
        }
        WOKEN.notify_all();
        woken
    }
}
