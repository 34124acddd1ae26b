//! Edge `asleep`: nobody sleeps on. There are no time-outs in these models, so a wake-up that is lost is a
//! deadlock, which loom reports.

use std::sync::Arc;

use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;
use ringway::model::record::Ring;
use ringway::model::{Bell, no_fence_for_wakers};
use ringway_loom_tests::outcomes;
use ringway_loom_tests::record::{find, look, read, send};

/// A condition that is published without any ordering of its own: the bell's fences must do.
#[derive(Clone)]
struct Flag(Arc<AtomicU32>);

impl Flag {
    fn new() -> Flag {
        Flag(Arc::new(AtomicU32::new(0)))
    }

    fn raise(&self) {
        self.0.store(1, Ordering::Relaxed);
    }

    fn seen(&self) -> Option<()> {
        (self.0.load(Ordering::Relaxed) == 1).then_some(())
    }
}

/// A waiter in a thread of its own.
fn waiter(bell: &Bell, flag: &Flag) -> thread::JoinHandle<()> {
    let (bell, flag) = (bell.clone(), flag.clone());
    thread::spawn(move || bell.wait(|| flag.seen()))
}

#[test]
fn a_sleeper_is_woken() {
    // The waker found somebody asleep, or the sleeper found the flag.
    outcomes(None, [false, true], || {
        let (bell, flag) = (Ring::new(64).data_bell(), Flag::new());
        let waiting = waiter(&bell, &flag);
        flag.raise();
        let woken = bell.ring();
        waiting.join().unwrap();
        woken
    });
}

#[test]
fn two_sleepers_are_woken_by_one_ring() {
    outcomes(Some(3), [false, true], || {
        let (bell, flag) = (Ring::new(64).data_bell(), Flag::new());
        let waiting = [waiter(&bell, &flag), waiter(&bell, &flag)];
        flag.raise();
        let woken = bell.ring();
        for waiting in waiting {
            waiting.join().unwrap();
        }
        woken
    });
}

#[test]
fn two_wakers_need_no_agreement() {
    outcomes(None, [(false, false), (false, true), (true, false), (true, true)], || {
        let (bell, flag) = (Ring::new(64).data_bell(), Flag::new());
        let waiting = waiter(&bell, &flag);
        let waking = {
            let bell = bell.clone();
            thread::spawn(move || bell.ring())
        };
        flag.raise();
        let woken = bell.ring();
        waiting.join().unwrap();
        (waking.join().unwrap(), woken)
    });
}

/// A sleeper that died after its announcement costs one wake-up and stands in nobody's way.
#[test]
fn the_asleep_bit_heals() {
    outcomes(None, [(false, false), (false, true), (true, false)], || {
        let bell = Ring::new(64).data_bell();
        let dying = {
            let bell = bell.clone();
            thread::spawn(move || {
                bell.announce();
            })
        };
        let woken = (bell.ring(), bell.ring());
        dying.join().unwrap();
        woken
    });
}

#[test]
fn a_sleeper_beside_a_dead_one_is_woken() {
    outcomes(Some(3), [false, true], || {
        let (bell, flag) = (Ring::new(64).data_bell(), Flag::new());
        bell.announce();
        let waiting = waiter(&bell, &flag);
        let waking = {
            let (bell, flag) = (bell.clone(), flag.clone());
            thread::spawn(move || {
                bell.ring();
                flag.raise();
                bell.ring()
            })
        };
        waiting.join().unwrap();
        waking.join().unwrap()
    });
}

/// Messages of which each is for one of those who wait.
#[derive(Clone)]
struct Messages(Arc<AtomicU32>);

impl Messages {
    fn new() -> Messages {
        Messages(Arc::new(AtomicU32::new(0)))
    }

    fn publish(&self, count: u32) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    fn take(&self) -> Option<()> {
        let take = |there: u32| there.checked_sub(1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok().map(drop)
    }

    /// Somebody who waits for one as a consumer of a slot ring does, in a thread of its own: a call that came while it
    /// found a message without one may have been another's, so it is passed on while messages are left.
    fn consumer(&self, bell: &Bell) -> thread::JoinHandle<()> {
        let (bell, messages) = (bell.clone(), self.clone());
        thread::spawn(move || {
            bell.wait(|| messages.take());
            if messages.0.load(Ordering::Relaxed) > 0 {
                bell.ring_some(1);
            }
        })
    }

    /// Somebody who waits for one, in a thread of its own.
    fn taker(&self, bell: &Bell) -> thread::JoinHandle<()> {
        let (bell, messages) = (bell.clone(), self.clone());
        thread::spawn(move || bell.wait(|| messages.take()))
    }
}

#[test]
fn one_sleeper_is_woken_by_each_message() {
    outcomes(Some(2), [(false, false), (false, true), (true, false), (true, true)], || {
        let (bell, messages) = (Ring::new(64).data_bell(), Messages::new());
        let waiting = [messages.taker(&bell), messages.taker(&bell)];
        let ring_one = || {
            messages.publish(1);
            bell.ring_some(1)
        };
        let woken = (ring_one(), ring_one());
        for waiting in waiting {
            waiting.join().unwrap();
        }
        woken
    });
}

#[test]
fn two_sleepers_are_woken_by_two_messages() {
    outcomes(Some(2), [false, true], || {
        let (bell, messages) = (Ring::new(64).data_bell(), Messages::new());
        let waiting = [messages.taker(&bell), messages.taker(&bell)];
        messages.publish(2);
        let woken = bell.ring_some(2);
        for waiting in waiting {
            waiting.join().unwrap();
        }
        woken
    });
}

/// The second ring takes the bit away, which the first one left, since others might have slept on.
#[test]
fn the_asleep_bit_heals_if_some_are_woken() {
    outcomes(None, [(false, false), (false, true), (true, false)], || {
        let bell = Ring::new(64).data_bell();
        let dying = {
            let bell = bell.clone();
            thread::spawn(move || {
                bell.announce();
            })
        };
        let woken = (bell.ring_some(1), bell.ring_some(1));
        dying.join().unwrap();
        woken
    });
}

/// Who falls asleep while the bit is taken away is woken, to set it again.
#[test]
fn a_sleeper_beside_a_dead_one_is_woken_by_its_message() {
    outcomes(Some(3), [false, true], || {
        let (bell, messages) = (Ring::new(64).data_bell(), Messages::new());
        bell.announce();
        let waiting = messages.taker(&bell);
        bell.ring_some(1);
        messages.publish(1);
        let woken = bell.ring_some(1);
        waiting.join().unwrap();
        woken
    });
}

/// The whole of a blocking `recv`: the condition is a message.
#[test]
fn a_consumer_sleeps_until_a_message_comes() {
    outcomes(None, ["AB".to_owned()], || {
        let ring = Ring::new(64);
        let (mut producer, mut consumer) = (ring.producer(), ring.consumer());
        let bell = ring.data_bell();
        let producing = {
            let bell = bell.clone();
            thread::spawn(move || {
                for name in ['A', 'B'] {
                    assert!(send(&mut producer, name, 8));
                    bell.ring();
                }
            })
        };
        let mut received = String::new();
        for _ in 0..2 {
            bell.wait(|| consumer.is_ready().then_some(()));
            let message = find(&mut consumer).expect("a message is there");
            received.push(read(&consumer, &message));
            consumer.release();
        }
        producing.join().unwrap();
        received
    });
}

/// The whole of a blocking `send`: the condition is room.
#[test]
fn a_producer_sleeps_until_there_is_room() {
    outcomes(None, ["AB".to_owned()], || {
        let ring = Ring::new(64);
        let (mut producer, mut consumer) = (ring.producer(), ring.consumer());
        assert!(send(&mut producer, 'A', 16));
        assert!(send(&mut producer, 'B', 16));
        let bell = ring.space_bell();
        let producing = {
            let bell = bell.clone();
            thread::spawn(move || {
                bell.wait(|| producer.fits_by_position(16).then_some(()));
                assert!(send(&mut producer, 'C', 16));
            })
        };
        let mut received = String::new();
        for _ in 0..2 {
            received.push(look(&mut consumer));
            bell.ring();
        }
        producing.join().unwrap();
        received
    });
}

/// An announcement that was taken back wakes nobody in vain, and hides no later sleeper.
#[test]
fn an_announcement_is_taken_back() {
    outcomes(None, [(false, false), (false, true), (true, false), (true, true)], || {
        let (bell, first, second) = (Ring::new(64).data_bell().alone(), Flag::new(), Flag::new());
        let waiting = {
            let (bell, first, second) = (bell.clone(), first.clone(), second.clone());
            thread::spawn(move || {
                bell.wait(|| first.seen());
                bell.wait(|| second.seen());
            })
        };
        first.raise();
        let woken = bell.ring();
        second.raise();
        let woken = (woken, bell.ring());
        waiting.join().unwrap();
        woken
    });
}

/// Who found what it wanted before it slept is not woken in vain.
#[test]
fn an_announcement_that_was_taken_back_is_not_answered() {
    outcomes(None, [false], || {
        let (bell, flag) = (Ring::new(64).data_bell().alone(), Flag::new());
        flag.raise();
        bell.wait(|| flag.seen());
        bell.ring()
    });
}

/// A first message is taken back by whoever sent it; the second one is for the sleeper, whose asking may have been seen by the
/// first ring, and must then have been answered by it.
#[test]
fn whoever_takes_the_bit_away_sees_who_asked() {
    outcomes(Some(3), [()], || {
        let (bell, messages) = (Ring::new(64).data_bell().with_semaphores(1), Messages::new());
        let waiting = messages.taker(&bell.by_semaphore(0));
        messages.publish(1);
        bell.ring();
        let taken_back = messages.take().is_some();
        if taken_back {
            messages.publish(1);
            bell.ring();
        }
        waiting.join().unwrap();
    });
}

/// As `a_sleeper_is_woken`, by its semaphore.
#[test]
fn a_sleeper_is_woken_by_its_semaphore() {
    outcomes(None, [false, true], || {
        let (bell, flag) = (Ring::new(64).data_bell().with_semaphores(1), Flag::new());
        let waiting = waiter(&bell.by_semaphore(0), &flag);
        flag.raise();
        let woken = bell.ring();
        waiting.join().unwrap();
        woken
    });
}

/// One sleeps at its semaphore, the other on the word.
#[test]
fn sleepers_of_both_kinds_are_woken_by_one_ring() {
    outcomes(Some(2), [false, true], || {
        let (bell, flag) = (Ring::new(64).data_bell().with_semaphores(1), Flag::new());
        let waiting = [waiter(&bell.by_semaphore(0), &flag), waiter(&bell, &flag)];
        flag.raise();
        let woken = bell.ring();
        for waiting in waiting {
            waiting.join().unwrap();
        }
        woken
    });
}

#[test]
fn one_semaphore_is_posted_for_each_message() {
    outcomes(Some(2), [(false, false), (false, true), (true, false), (true, true)], || {
        let (bell, messages) = (Ring::new(64).data_bell().with_semaphores(2), Messages::new());
        let waiting = [0, 1].map(|own| messages.consumer(&bell.by_semaphore(own)));
        let ring_one = || {
            messages.publish(1);
            bell.ring_some(1)
        };
        let woken = (ring_one(), ring_one());
        for waiting in waiting {
            waiting.join().unwrap();
        }
        woken
    });
}

/// As `a_sleeper_beside_a_dead_one_is_woken_by_its_message`, each at its semaphore.
#[test]
fn a_sleeper_beside_a_dead_one_is_called_for_its_message() {
    outcomes(Some(3), [true], || {
        let (bell, messages) = (Ring::new(64).data_bell().with_semaphores(2), Messages::new());
        bell.by_semaphore(0).announce();
        let waiting = messages.consumer(&bell.by_semaphore(1));
        messages.publish(1);
        let woken = bell.ring_some(1);
        waiting.join().unwrap();
        woken
    });
}

/// Two bells, and one who waits for whichever is rung.
#[test]
fn a_sleeper_at_two_bells_is_woken_by_either() {
    outcomes(Some(3), [(0, 1), (1, 0)], || {
        let bells = [Ring::new(64).data_bell().alone(), Ring::new(64).data_bell().alone()];
        let flags = [Flag::new(), Flag::new()];
        let waiting = {
            let (bells, flags) = (bells.clone(), flags.clone());
            thread::spawn(move || {
                let look = || (0..2).find(|at| flags[*at].seen().is_some());
                let first = Bell::wait_at_any(&bells, look);
                let second = Bell::wait_at_any(&bells, || flags[1 - first].seen().map(|()| 1 - first));
                (first, second)
            })
        };
        let other = {
            let (bell, flag) = (bells[1].clone(), flags[1].clone());
            thread::spawn(move || {
                flag.raise();
                bell.ring();
            })
        };
        flags[0].raise();
        bells[0].ring();
        other.join().unwrap();
        waiting.join().unwrap()
    });
}

/// A descriptor that is armed becomes readable; and it is armed anew after that.
#[test]
fn an_armed_descriptor_becomes_readable() {
    outcomes(None, ["found", "readable"], || {
        let (bell, flag) = (Ring::new(64).data_bell(), Flag::new());
        let waking = {
            let (bell, flag) = (bell.clone(), flag.clone());
            thread::spawn(move || {
                bell.ring();
                flag.raise();
                bell.ring();
            })
        };
        let mut how = "found";
        while let Err(armed) = bell.arm(|| flag.seen()) {
            how = "readable";
            armed.wait();
        }
        waking.join().unwrap();
        how
    });
}

/// The waker was interrupted before its store: what the sleeper did before the interrupt, it sees.
#[test]
fn a_waker_interrupted_early_sees_the_sleeper() {
    outcomes(None, [true], || {
        no_fence_for_wakers();
        let (bell, flag) = (Ring::new(64).data_bell(), Flag::new());
        let announced = bell.announce();
        // The interrupt.
        let waking = {
            let (bell, flag) = (bell.clone(), flag.clone());
            thread::spawn(move || {
                flag.raise();
                bell.ring()
            })
        };
        if flag.seen().is_none() {
            bell.sleep(announced);
        }
        waking.join().unwrap()
    });
}

/// The waker was interrupted after its look: what it did before the interrupt, the sleeper sees.
#[test]
fn a_waker_interrupted_late_is_seen_by_the_sleeper() {
    outcomes(None, [false, true], || {
        no_fence_for_wakers();
        let (bell, flag) = (Ring::new(64).data_bell(), Flag::new());
        let waking = {
            let (bell, flag) = (bell.clone(), flag.clone());
            thread::spawn(move || {
                flag.raise();
                bell.ring()
            })
        };
        bell.announce();
        // The interrupt.
        let woken = waking.join().unwrap();
        flag.seen().expect("the second look finds what was published before the interrupt");
        woken
    });
}
