//! The bell between two halves, of which each is written by its owner only.
//!
//! Each side has a bell word in its own half, which the other side sleeps on through its read-only view (a futex is found
//! by the file and offset that it lies at, not by the right to write it), and a word `asleep` that says on which value of
//! the other side's bell it sleeps:
//!
//! ```text
//! bell      31 … 1: how often it was rung    0: zero
//! asleep    31 … 1: the bell's, as seen      0: somebody sleeps        0 as a whole: nobody does
//! ```
//!
//! # Why no wake-up is lost
//!
//! The sleeper reads the other side's bell, says in `asleep` that it sleeps at this value, runs the heavy fence, looks for
//! its condition once more, and sleeps only while the bell has that value. The waker makes the condition true, runs the
//! light fence, and looks at `asleep`. By the fences one of the two sees the other: either the sleeper's second look finds
//! the condition true, or the waker finds the announcement. If that is of the bell's value now, the waker changes the bell
//! before it wakes, so a sleeper that has not reached the kernel yet does not sleep. If it is of an older value, the bell
//! was changed after it was read, so whoever made that announcement does not sleep, and nothing is to be done: one sleep
//! costs one system call, however many messages are sent before the sleeper runs.
//!
//! # A side that lies
//!
//! Any `asleep` and any bell is taken for what it is: at worst this side makes a wake-up in vain for a message, does not
//! sleep although it could, or sleeps although it need not. Sleeps are bounded by the liveness interval and the deadline.
//!
//! | edge | from | to | carries |
//! |---|---|---|---|
//! | asleep | sleeper's `asleep`, then heavy fence, then its second look | waker's condition, then light fence, then its look at `asleep` | one of the two looks sees the other's store |

use core::time::Duration;

use super::Sleeps;
use crate::layout::halves::Control;
use crate::sync::{Fence, Ordering, Woken, heavy_fence, light_fence};

/// Somebody sleeps.
const ASLEEP: u32 = 1;
/// One ring of the bell.
const RING: u32 = 2;

/// Wakes the other side if it sleeps, or is about to, for what the caller has just published. `true`: it said that it does.
#[inline(always)]
pub(crate) fn ring(own: &Control, theirs: &Control, fence: Fence) -> bool {
    light_fence(fence);
    let asleep = theirs.flags.asleep.load(Ordering::Relaxed);
    asleep != 0 && wake(own, asleep)
}

#[cold]
fn wake(own: &Control, asleep: u32) -> bool {
    let word = own.bell.load(Ordering::Relaxed);
    let sleeps = asleep == word | ASLEEP;
    if sleeps {
        own.bell.store(word.wrapping_add(RING), Ordering::Relaxed);
        own.bell.wake(1);
    }
    sleeps
}

/// One who waits for the other side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Across<'a> {
    pub(crate) own: &'a Control,
    pub(crate) theirs: &'a Control,
    pub(crate) fence: Fence,
}

impl Sleeps for Across<'_> {
    fn announce(&self) -> u32 {
        let word = self.theirs.bell.load(Ordering::Relaxed);
        self.own.flags.asleep.store(word | ASLEEP, Ordering::Relaxed);
        heavy_fence(self.fence);
        word
    }

    fn sleep(&self, announced: u32, deadline: Duration) -> Woken {
        self.theirs.bell.sleep(announced, deadline)
    }

    fn stands(&self, announced: u32) -> bool {
        self.theirs.bell.load(Ordering::Relaxed) == announced
    }

    fn withdraw(&self, _announced: u32) -> bool {
        self.own.flags.asleep.store(0, Ordering::Relaxed);
        false
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_sleeper_is_woken_once_for_each_sleep() {
        let (mine, yours) = (Control::default(), Control::default());
        let me = Across { own: &mine, theirs: &yours, fence: Fence::Symmetric };
        assert!(!ring(&yours, &mine, me.fence), "nobody sleeps");
        let announced = me.announce();
        assert!(me.stands(announced));
        assert!(ring(&yours, &mine, me.fence));
        assert!(!ring(&yours, &mine, me.fence), "it was woken");
        assert!(!me.stands(announced));
        assert_eq!(
            me.sleep(announced, Duration::from_secs(u64::MAX / 4)),
            Woken::LookAgain,
            "rung before the sleep"
        );
        me.announce();
        me.withdraw(announced);
        assert!(!ring(&yours, &mine, me.fence), "withdrawn");
    }

    /// An odd bell, which the protocol never makes, and announcements of no bell at all.
    #[test]
    fn lies_about_sleep_are_harmless() {
        let (mine, yours) = (Control::default(), Control::default());
        let me = Across { own: &mine, theirs: &yours, fence: Fence::Symmetric };
        for lie in [1, 3, u32::MAX, 1 << 31] {
            yours.bell.store(lie, Ordering::Relaxed);
            let announced = me.announce();
            assert_eq!(me.sleep(announced, crate::wait::now()), Woken::TimedOut);
            yours.flags.asleep.store(lie, Ordering::Relaxed);
            ring(&mine, &yours, me.fence);
            assert!(!ring(&mine, &yours, me.fence), "a lie wakes once at most");
        }
    }
}
