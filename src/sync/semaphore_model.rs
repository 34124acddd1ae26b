//! The semaphore under loom: a count and a condition variable. There are no time-outs, so a post that gets lost is a
//! deadlock, which loom reports.

use core::time::Duration;

use loom::sync::{Condvar, Mutex};

use super::Woken;

/// A semaphore that model threads can sleep on.
#[derive(Debug)]
pub(crate) struct Semaphore {
    state: Mutex<State>,
    posted: Condvar,
}

#[derive(Debug, Default)]
struct State {
    count: u32,
    /// Somebody sleeps whom no post has woken.
    sleeps: bool,
}

impl Default for Semaphore {
    fn default() -> Self {
        Semaphore { state: Mutex::new(State::default()), posted: Condvar::new() }
    }
}

impl Semaphore {
    /// Makes it new: whatever was posted is gone.
    pub(crate) fn init(&self) {
        *self.state.lock().expect("a model thread panicked") = State::default();
    }

    /// Wakes one who sleeps, or the next one to sleep. `true`: it woke one.
    pub(crate) fn post(&self) -> bool {
        let mut state = self.state.lock().expect("a model thread panicked");
        state.count += 1;
        self.posted.notify_one();
        core::mem::take(&mut state.sleeps)
    }

    /// Sleeps until a post.
    pub(crate) fn sleep(&self, _deadline: Duration) -> Woken {
        let mut state = self.state.lock().expect("a model thread panicked");
        while state.count == 0 {
            state.sleeps = true;
            state = self.posted.wait(state).expect("a model thread panicked");
        }
        state.count -= 1;
        Woken::LookAgain
    }
}
