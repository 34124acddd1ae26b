//! The semaphore under loom: a count and a condition variable. There are no time-outs, so a post that gets lost is a
//! deadlock, which loom reports.

use core::time::Duration;

use loom::sync::{Condvar, Mutex};

use super::Woken;

/// A semaphore that model threads can sleep on.
#[derive(Debug)]
pub(crate) struct Semaphore {
    count: Mutex<u32>,
    posted: Condvar,
}

impl Default for Semaphore {
    fn default() -> Self {
        Semaphore { count: Mutex::new(0), posted: Condvar::new() }
    }
}

impl Semaphore {
    /// Makes it new: whatever was posted is gone.
    pub(crate) fn init(&self) {
        *self.count.lock().expect("a model thread panicked") = 0;
    }

    /// Wakes one who sleeps, or the next one to sleep.
    pub(crate) fn post(&self) {
        *self.count.lock().expect("a model thread panicked") += 1;
        self.posted.notify_one();
    }

    /// Sleeps until a post.
    pub(crate) fn sleep(&self, _deadline: Duration) -> Woken {
        let mut count = self.count.lock().expect("a model thread panicked");
        while *count == 0 {
            count = self.posted.wait(count).expect("a model thread panicked");
        }
        *count -= 1;
        Woken::LookAgain
    }
}
