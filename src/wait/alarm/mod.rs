//! The alarm: a descriptor that becomes readable when a bell is rung, for those who sleep in `epoll` or `poll` and
//! not in a futex.
//!
//! A waker knows nothing of it. It changes the bell's word and wakes whoever sleeps on it, and the alarm is one of the
//! sleepers; so it may stand beside threads that sleep, and a wake-up for one sleeper may reach it. There are two ways:
//!
//! | way | who sleeps on the word | descriptor | needs |
//! |---|---|---|---|
//! | `uring` | a request in the kernel | the io_uring's own | Linux 6.7, and leave to use io_uring (many containers give none) |
//! | `watch` | a thread of this process, on up to 127 words | an eventfd | Linux 5.16; before that, or without leave for `futex_waitv`, the thread looks every 5 ms |
//!
//! # Why no wake-up is lost
//!
//! As for a thread that sleeps (see `wait::bell`): the owner announces its sleep, arms with the announced word, looks for
//! its condition, and awaits the descriptor. Arming compares the word, by the kernel or by the thread before it sleeps, and
//! every waker changes the word before it wakes; so a ring after the announcement, however early, is seen.
//!
//! A wake-up for one sleeper that reaches an alarm is used up by it. Whoever stops awaiting calls [`Alarm::disarm`],
//! which tells whether that happened, and wakes another in its place.

mod uring;
mod watch;

use core::fmt;
use core::time::Duration;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use static_assertions::assert_impl_all;

use crate::layout::Shared;
use crate::layout::bell::BellLine;
use crate::sync::Home;
use uring::Request;
use watch::Post;

/// A descriptor that becomes readable when a bell is rung. Dropping it takes a pending arming back; a wake-up that reached
/// it is lost then, so `disarm` first. In a forked child it can only be dropped, which does nothing to the parent's.
pub(crate) struct Alarm {
    home: Home,
    way: Way,
}

assert_impl_all!(Alarm: Send);

/// Who sleeps on the word.
enum Way {
    Uring(Box<Request>),
    Watch(Post),
}

impl Alarm {
    /// An alarm of the process `home`, which is this one, for bells in memory that `memory` keeps. Does not block. An
    /// error: no descriptor is to be had.
    pub(crate) fn new(home: Home, memory: Arc<dyn Send + Sync>) -> io::Result<Alarm> {
        let way = match Request::new() {
            Ok(request) => Way::Uring(Box::new(request)),
            // Where only descriptors are lacking, there is none for the other way either.
            Err(_) => Way::Watch(Post::new(home, memory)?),
        };
        Ok(Alarm { home, way })
    }

    /// Makes the descriptor readable once `bell` is rung after `announced`, and at the latest at `deadline` on the monotonic
    /// clock. What an earlier arming left to be read is taken away first. A pending one stands if it is for the same and due no
    /// later. Does not block.
    ///
    /// The descriptor may become readable too early: look, and arm again.
    pub(crate) fn arm(
        &mut self,
        bell: &Shared<BellLine>,
        announced: u32,
        deadline: Duration,
    ) -> io::Result<()> {
        match &mut self.way {
            Way::Uring(request) => request.arm(&bell.word, announced, deadline),
            Way::Watch(post) => post.arm(bell, announced, deadline),
        }
    }

    /// Is an arming pending, and the descriptor not readable?
    pub(crate) fn is_armed(&mut self) -> bool {
        match &mut self.way {
            Way::Uring(request) => request.is_armed(),
            Way::Watch(post) => post.is_armed(),
        }
    }

    /// Takes the arming back, and what it left to be read. `true`: a wake-up has reached it, or may have, that another
    /// sleeper may wait for. Does not block.
    pub(crate) fn disarm(&mut self) -> io::Result<bool> {
        match &mut self.way {
            Way::Uring(request) => request.disarm(),
            Way::Watch(post) => post.disarm(),
        }
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match &self.way {
            Way::Uring(_) => "io_uring",
            Way::Watch(_) => "watching thread",
        };
        f.debug_struct("Alarm").field("way", &way).field("descriptor", &self.as_fd()).finish()
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.way {
            Way::Uring(request) => request.as_fd(),
            Way::Watch(post) => post.as_fd(),
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if self.home.is_here() {
            // What cannot be taken back ends with the descriptor, a moment later.
            let _ = self.disarm();
        }
    }
}

#[cfg(test)]
#[path = "../../../tests/hostile/filter.rs"]
mod filter;

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use nix::errno::Errno;
    use nix::libc;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
    use nix::sys::memfd::{MFdFlags, memfd_create};
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    use nix::unistd::{pipe, read, write};

    use super::filter::{Denied, deny};
    use super::*;
    use crate::segment::mapping::Mapping;
    use crate::sync::LocalU32;
    use crate::wait::{bell, now};

    /// Milliseconds to wait for what must happen.
    const PATIENCE: u16 = 60_000;

    /// A bell in shared memory, and a process.
    #[derive(Clone)]
    pub(super) struct Scene {
        pub(super) bell: Shared<BellLine>,
        pub(super) memory: Arc<Mapping>,
        pub(super) generation: &'static LocalU32,
    }

    impl Scene {
        pub(super) fn new() -> Scene {
            let file = std::fs::File::from(memfd_create("alarm", MFdFlags::MFD_CLOEXEC).expect("memory"));
            file.set_len(4096).expect("memory");
            let memory = Arc::new(Mapping::of(&file, "test", 4096).expect("memory"));
            // A word of its own, so each scene has a table and a thread of its own.
            Scene { bell: memory.part(0), memory, generation: Box::leak(Box::new(LocalU32::new(1))) }
        }

        pub(super) fn home(&self) -> Home {
            Home::of(self.generation)
        }

        pub(super) fn by_thread(&self) -> Alarm {
            let post = Post::new(self.home(), self.memory.clone()).expect("a descriptor");
            Alarm { home: self.home(), way: Way::Watch(post) }
        }

        /// `None`, and a word about it: this kernel has no such requests.
        pub(super) fn by_uring(&self) -> Option<Alarm> {
            let request = Request::new().inspect_err(|error| eprintln!("SKIPPED: io_uring: {error}")).ok()?;
            Some(Alarm { home: self.home(), way: Way::Uring(Box::new(request)) })
        }
    }

    /// Plays `scene` with an alarm of each way, and a bell that nobody else has.
    fn each_way(play: impl Fn(Scene, Alarm)) {
        let scene = Scene::new();
        if let Some(alarm) = scene.by_uring() {
            play(scene, alarm);
        }
        let scene = Scene::new();
        let alarm = scene.by_thread();
        play(scene, alarm);
    }

    pub(super) fn far() -> Duration {
        now() + Duration::from_secs(3600)
    }

    /// Announces a sleep and arms for it.
    pub(super) fn arm(scene: &Scene, alarm: &mut Alarm) {
        let announced = bell::announce(&scene.bell);
        alarm.arm(&scene.bell, announced, far()).expect("armed");
    }

    fn readable_within(alarm: &Alarm, timeout: PollTimeout) -> bool {
        loop {
            let mut fds = [PollFd::new(alarm.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, timeout) {
                Err(Errno::EINTR) => {}
                found => return found.expect("a descriptor") == 1,
            }
        }
    }

    pub(super) fn is_readable(alarm: &Alarm) -> bool {
        readable_within(alarm, PollTimeout::ZERO)
    }

    #[track_caller]
    pub(super) fn await_readable(alarm: &Alarm) {
        assert!(readable_within(alarm, PATIENCE.into()), "not readable");
    }

    #[test]
    fn a_ring_makes_it_readable() {
        each_way(|scene, mut alarm| {
            for _ in 0..100 {
                arm(&scene, &mut alarm);
                assert!(alarm.is_armed() && !is_readable(&alarm), "{alarm:?}");
                assert!(bell::ring(&scene.bell).found_somebody());
                await_readable(&alarm);
                assert!(!alarm.is_armed(), "{alarm:?}");
                assert!(alarm.disarm().expect("disarmed"), "a wake-up reached {alarm:?}");
                assert!(!is_readable(&alarm) && !alarm.disarm().expect("disarmed"), "{alarm:?}");
            }
        });
    }

    #[test]
    fn a_ring_before_arming_is_seen() {
        each_way(|scene, mut alarm| {
            let announced = bell::announce(&scene.bell);
            assert!(bell::ring(&scene.bell).found_somebody());
            alarm.arm(&scene.bell, announced, far()).expect("armed");
            await_readable(&alarm);
        });
    }

    #[test]
    fn a_deadline_makes_it_readable_and_is_no_wake_up() {
        each_way(|scene, mut alarm| {
            for deadline in [Duration::ZERO, now(), now() + Duration::from_millis(20)] {
                let announced = bell::announce(&scene.bell);
                alarm.arm(&scene.bell, announced, deadline).expect("armed");
                await_readable(&alarm);
                assert!(!alarm.is_armed(), "{alarm:?}");
                assert!(!alarm.disarm().expect("disarmed"), "{alarm:?}");
                assert!(!is_readable(&alarm), "{alarm:?}");
            }
        });
    }

    #[test]
    fn a_deadline_for_ever_is_none() {
        each_way(|scene, mut alarm| {
            let announced = bell::announce(&scene.bell);
            alarm.arm(&scene.bell, announced, Duration::MAX).expect("armed");
            assert!(alarm.is_armed(), "{alarm:?}");
            assert!(bell::ring(&scene.bell).found_somebody());
            await_readable(&alarm);
        });
    }

    #[test]
    fn arming_takes_away_what_an_earlier_arming_left() {
        each_way(|scene, mut alarm| {
            arm(&scene, &mut alarm);
            assert!(bell::ring(&scene.bell).found_somebody());
            await_readable(&alarm);
            arm(&scene, &mut alarm);
            assert!(alarm.is_armed() && !is_readable(&alarm), "{alarm:?}");
        });
    }

    #[test]
    fn a_pending_arming_stands_unless_it_is_due_too_late() {
        each_way(|scene, mut alarm| {
            let announced = bell::announce(&scene.bell);
            for deadline in [far(), far(), Duration::MAX] {
                alarm.arm(&scene.bell, announced, deadline).expect("armed");
                assert!(alarm.is_armed() && !is_readable(&alarm), "{alarm:?}");
            }
            alarm.arm(&scene.bell, announced, now()).expect("armed");
            await_readable(&alarm);
        });
    }

    #[test]
    fn what_was_taken_back_does_not_go_off() {
        each_way(|scene, mut alarm| {
            arm(&scene, &mut alarm);
            assert!(!alarm.disarm().expect("disarmed") && !alarm.is_armed(), "{alarm:?}");
            bell::ring(&scene.bell);
            assert!(!is_readable(&alarm), "{alarm:?}");
            arm(&scene, &mut alarm);
            bell::ring(&scene.bell);
            await_readable(&alarm);
        });
    }

    #[test]
    fn it_stands_beside_threads_that_sleep() {
        each_way(|scene, mut alarm| {
            arm(&scene, &mut alarm);
            let (announcing, announced) = mpsc::channel();
            let bell = scene.bell.clone();
            let sleeper = thread::spawn(move || {
                let word = bell::announce(&bell);
                announcing.send(()).expect("the test listens");
                bell.word.sleep(word, far())
            });
            announced.recv().expect("the sleeper announces");
            assert!(bell::ring(&scene.bell).found_somebody());
            assert_eq!(sleeper.join().expect("no panic"), crate::sync::Woken::LookAgain);
            await_readable(&alarm);
        });
    }

    /// A wake-up for one sleeper, while an alarm is disarmed: if it reaches the alarm, the alarm tells, and the sleeper is
    /// woken in its place.
    #[test]
    fn a_wake_up_for_one_is_not_lost_on_an_alarm_that_is_taken_back() {
        each_way(|scene, mut alarm| {
            for _ in 0..200 {
                let announced = bell::announce(&scene.bell);
                alarm.arm(&scene.bell, announced, far()).expect("armed");
                thread::scope(|threads| {
                    let sleeper = threads.spawn(|| scene.bell.word.sleep(announced, far()));
                    let waker = threads.spawn(|| {
                        assert!(bell::ring_some(&scene.bell, 1).found_somebody());
                    });
                    if alarm.disarm().expect("disarmed") {
                        scene.bell.word.wake(1);
                    }
                    waker.join().expect("no panic");
                    sleeper.join().expect("no panic");
                });
            }
        });
    }

    #[test]
    fn a_thousand_go_off() {
        let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
        setrlimit(Resource::RLIMIT_NOFILE, most, most).expect("a limit");
        let scene = Scene::new();
        for way in [Scene::by_uring, |scene: &Scene| Some(scene.by_thread())] {
            let mut alarms: Vec<Alarm> = (0..most.min(1000)).map_while(|_| way(&scene)).collect();
            for _ in 0..2 {
                alarms.iter_mut().for_each(|alarm| arm(&scene, alarm));
                assert!(!alarms.iter().any(is_readable));
                assert!(alarms.is_empty() || bell::ring(&scene.bell).found_somebody());
                alarms.iter().for_each(await_readable);
            }
        }
    }

    /// What a thread does that has armed an alarm, while another one awaits it.
    fn elsewhere(meanwhile: impl FnOnce() + Send + 'static, scene: &Scene, mut alarm: Alarm) -> Alarm {
        let (giving, given) = mpsc::channel();
        let armer = scene.clone();
        let thread = thread::spawn(move || {
            arm(&armer, &mut alarm);
            giving.send(alarm).expect("the test listens");
            meanwhile();
        });
        let mut alarm = given.recv().expect("an alarm");
        assert!(alarm.is_armed(), "{alarm:?}");
        assert!(bell::ring(&scene.bell).found_somebody());
        await_readable(&alarm);
        drop(thread);
        alarm
    }

    #[test]
    fn another_thread_awaits_what_a_blocked_one_armed() {
        each_way(|scene, alarm| {
            let (reader, writer) = pipe().expect("a pipe");
            let blocked = move || assert_eq!(read(&reader, &mut [0; 8]), Ok(1), "not interrupted");
            drop(elsewhere(blocked, &scene, alarm));
            write(&writer, b"x").expect("written");
        });
    }

    #[test]
    fn another_thread_awaits_what_a_busy_one_armed() {
        each_way(|scene, alarm| {
            let (stop, stopped) = mpsc::channel::<()>();
            let busy = move || {
                while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
                    core::hint::spin_loop();
                }
            };
            drop(elsewhere(busy, &scene, alarm));
            drop(stop);
        });
    }

    fn armed_by_a_thread_that_ended(scene: &Scene, mut alarm: Alarm, deadline: Duration) -> Alarm {
        let armer = scene.clone();
        let ended = thread::spawn(move || {
            let announced = bell::announce(&armer.bell);
            alarm.arm(&armer.bell, announced, deadline).expect("armed");
            alarm
        });
        ended.join().expect("no panic")
    }

    #[test]
    fn what_a_thread_armed_that_ended_goes_off() {
        each_way(|scene, alarm| {
            let mut alarm = armed_by_a_thread_that_ended(&scene, alarm, far());
            assert!(bell::ring(&scene.bell).found_somebody());
            await_readable(&alarm);
            alarm = armed_by_a_thread_that_ended(&scene, alarm, now() + Duration::from_millis(20));
            await_readable(&alarm);
            // And again, here.
            arm(&scene, &mut alarm);
            assert!(bell::ring(&scene.bell).found_somebody());
            await_readable(&alarm);
            assert!(alarm.disarm().expect("disarmed"));
        });
    }

    /// An `epoll_wait` that an arming may interrupt.
    fn events(epoll: &Epoll, timeout: EpollTimeout) -> usize {
        loop {
            match epoll.wait(&mut [EpollEvent::empty(); 4], timeout) {
                Err(Errno::EINTR) => {}
                found => return found.expect("events"),
            }
        }
    }

    #[test]
    fn epoll_sees_it_by_level_and_by_edge() {
        for edge in [EpollFlags::empty(), EpollFlags::EPOLLET] {
            each_way(|scene, mut alarm| {
                let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).expect("an epoll");
                let interest = EpollEvent::new(EpollFlags::EPOLLIN | edge, 0);
                epoll.add(alarm.as_fd(), interest).expect("added");
                for _ in 0..20 {
                    arm(&scene, &mut alarm);
                    let bell = scene.bell.clone();
                    let waker = thread::spawn(move || bell::ring(&bell).found_somebody());
                    assert_eq!(events(&epoll, PATIENCE.into()), 1, "{alarm:?}");
                    if edge.is_empty() {
                        assert_eq!(events(&epoll, EpollTimeout::ZERO), 1, "{alarm:?}");
                    }
                    waker.join().expect("no panic");
                    alarm.disarm().expect("disarmed");
                    assert_eq!(events(&epoll, EpollTimeout::ZERO), 0, "{alarm:?}");
                }
            });
        }
    }

    #[test]
    fn an_edge_comes_for_what_goes_off_as_it_is_armed() {
        each_way(|scene, mut alarm| {
            let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).expect("an epoll");
            let interest = EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, 0);
            epoll.add(alarm.as_fd(), interest).expect("added");
            for _ in 0..20 {
                let announced = bell::announce(&scene.bell);
                assert!(bell::ring(&scene.bell).found_somebody());
                alarm.arm(&scene.bell, announced, far()).expect("armed");
                assert_eq!(events(&epoll, PATIENCE.into()), 1, "{alarm:?}");
            }
        });
    }

    /// In a thread for which a filter refuses `calls`, as does the thread that it starts.
    fn without(calls: &'static [libc::c_long], play: impl FnOnce(Scene, Alarm) + Send) {
        thread::scope(|threads| {
            threads.spawn(|| {
                let denied: Vec<Denied> =
                    calls.iter().map(|call| Denied::always(*call, Errno::EPERM)).collect();
                deny(&denied);
                let scene = Scene::new();
                let alarm = Alarm::new(scene.home(), scene.memory.clone()).expect("an alarm");
                assert!(matches!(alarm.way, Way::Watch(_)), "{alarm:?}");
                play(scene, alarm);
            });
        });
    }

    fn goes_off_again_and_again(scene: Scene, mut alarm: Alarm) {
        for _ in 0..20 {
            arm(&scene, &mut alarm);
            assert!(alarm.is_armed() && !is_readable(&alarm));
            bell::ring(&scene.bell);
            await_readable(&alarm);
            let announced = bell::announce(&scene.bell);
            alarm.arm(&scene.bell, announced, now() + Duration::from_millis(1)).expect("armed");
            await_readable(&alarm);
        }
    }

    #[test]
    fn without_io_uring_a_thread_watches() {
        without(&[libc::SYS_io_uring_setup], goes_off_again_and_again);
    }

    #[test]
    fn without_futex_waitv_the_thread_looks_now_and_then() {
        without(&[libc::SYS_io_uring_setup, libc::SYS_futex_waitv], goes_off_again_and_again);
    }

    #[test]
    fn without_descriptors_there_is_an_error() {
        let scene = Scene::new();
        thread::scope(|threads| {
            threads.spawn(|| {
                deny(&[
                    Denied::always(libc::SYS_io_uring_setup, Errno::EMFILE),
                    Denied::always(libc::SYS_eventfd2, Errno::EMFILE),
                ]);
                let refused = Alarm::new(scene.home(), scene.memory.clone()).expect_err("no descriptor");
                assert_eq!(refused.raw_os_error(), Some(libc::EMFILE));
            });
        });
    }
}
