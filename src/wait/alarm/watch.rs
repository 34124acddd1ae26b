//! A thread sleeps on the words: one for the whole process, and another one for every 127 words that are armed at once.
//!
//! An armed alarm is a post in a table. The thread looks at each post's word and deadline, writes to the eventfds of those
//! that were rung or are due, strikes them out, and sleeps in `futex_waitv` on the others' words and on a word of its
//! own, which changes when a post is added or taken back. It looks at words only under the table's lock, and a post keeps the memory of its
//! word; after that the kernel has their addresses, and checks them.
//!
//! It does not matter which word it was woken by, since a waker changes the word first: all posts of a word that was rung go
//! off, also where the wake-up was meant for one. So every one of them says on `disarm` that a wake-up reached it.
//! A post that is taken back stays in the table until the thread has left its word; a wake-up that reaches the thread until
//! then is passed on.
//!
//! Where there is no `futex_waitv`, the thread looks at the words every 5 ms while any are armed (about half a percent of a
//! processor, for one word or for 127). It ends when nothing has been armed for a second, and is started again by the next arming.
//!
//! A forked child inherits the table without the thread, perhaps locked for ever. It leaves that one alone and makes a table of
//! its own, in the list of those of its ancestors.

use core::time::Duration;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigSet, SigmaskHow};

use crate::layout::Shared;
use crate::layout::bell::BellLine;
use crate::sync::{Awaited, Futex, Home, Ordering, sleep_on_any};
use crate::wait::now;

/// Words that a thread watches: the kernel takes 128, and one is its own.
const WORDS: usize = 127;
/// How often the thread looks where it cannot sleep on the words.
const PACE: Duration = Duration::from_millis(5);
/// How long a thread without posts stays.
const LINGER: Duration = Duration::from_secs(1);
/// Bytes of a thread's stack.
const STACK: usize = 128 * 1024;

/// What is written to an eventfd of which the deadline is over.
const DUE: u64 = 1;
/// What is written to an eventfd of which the word has changed.
const RUNG: u64 = 2;

/// The table of the first process that had one.
static FIRST: OnceLock<Table> = OnceLock::new();

/// The posts of a process.
struct Table {
    home: Home,
    crews: Mutex<Vec<Crew>>,
    /// The table of a forked child.
    next: OnceLock<Box<Table>>,
}

/// The posts that one thread watches.
#[derive(Default)]
struct Crew {
    /// Changes when a post is added or taken back.
    news: Arc<Futex>,
    armed: Vec<Armed>,
    /// Posts that were taken back, on whose words the thread may sleep still.
    left: Vec<Armed>,
    /// Is there a thread?
    is_manned: bool,
}

/// An armed alarm.
struct Armed {
    bell: Shared<BellLine>,
    announced: u32,
    deadline: Duration,
    descriptor: Arc<EventFd>,
    /// Keeps the bell where it is.
    _memory: Arc<dyn Send + Sync>,
}

/// An alarm by a watching thread.
pub(super) struct Post {
    table: &'static Table,
    descriptor: Arc<EventFd>,
    memory: Arc<dyn Send + Sync>,
}

impl Post {
    /// An error: no descriptor is to be had.
    pub(super) fn new(home: Home, memory: Arc<dyn Send + Sync>) -> io::Result<Post> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let descriptor = Arc::new(EventFd::from_value_and_flags(0, flags)?);
        Ok(Post { table: Table::of(home), descriptor, memory })
    }

    /// An error: the thread cannot be started.
    pub(super) fn arm(
        &mut self,
        bell: &Shared<BellLine>,
        announced: u32,
        deadline: Duration,
    ) -> io::Result<()> {
        let armed = Armed {
            bell: bell.clone(),
            announced,
            deadline,
            descriptor: self.descriptor.clone(),
            _memory: self.memory.clone(),
        };
        let mut crews = self.table.lock();
        if find(&mut crews, &self.descriptor).is_some_and(|(crew, at)| crew.armed[at].covers(&armed)) {
            return Ok(());
        }
        take_back(&mut crews, &self.descriptor);
        self.empty()?;
        let crew = crew_with_room(&mut crews);
        if !crews[crew].is_manned {
            start(self.table, crew)?;
            crews[crew].is_manned = true;
        }
        crews[crew].armed.push(armed);
        crews[crew].tell();
        Ok(())
    }

    pub(super) fn is_armed(&mut self) -> bool {
        find(&mut self.table.lock(), &self.descriptor).is_some()
    }

    pub(super) fn disarm(&mut self) -> io::Result<bool> {
        let mut crews = self.table.lock();
        let was_rung = take_back(&mut crews, &self.descriptor);
        Ok(self.empty()? & RUNG != 0 || was_rung)
    }

    /// Takes away what there is to be read.
    fn empty(&self) -> io::Result<u64> {
        match self.descriptor.read() {
            Err(Errno::EAGAIN) => Ok(0),
            read => Ok(read?),
        }
    }
}

impl AsFd for Post {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Table {
    fn new(home: Home) -> Table {
        Table { home, crews: Mutex::default(), next: OnceLock::new() }
    }

    /// The table of the process `home`, which is this one.
    fn of(home: Home) -> &'static Table {
        let mut table = FIRST.get_or_init(|| Table::new(home));
        while table.home != home {
            table = table.next.get_or_init(|| Box::new(Table::new(home)));
        }
        table
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Crew>> {
        self.crews.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Crew {
    /// Has the thread look at the table.
    fn tell(&self) {
        let word = self.news.load(Ordering::Relaxed);
        let changed = word.wrapping_add(1);
        // It only changes under the table's lock.
        let _ = self.news.compare_exchange(word, changed, Ordering::Relaxed, Ordering::Relaxed);
        self.news.wake(1);
    }

    /// Sets off the alarms that were rung or are due. The thread sleeps on no word now.
    fn look(&mut self, time: Duration) {
        self.armed.retain(|armed| match armed.look(time) {
            Some(why) => {
                // The counter is far from full, since it is emptied before each arming.
                let _ = armed.descriptor.write(why);
                false
            }
            None => true,
        });
        self.left.drain(..).filter(Armed::is_rung).for_each(|left| {
            left.bell.word.wake(1);
        });
    }

    /// The words to sleep on, and until when: the first deadline, or as long as a thread without posts stays.
    fn sleep(&self, time: Duration) -> (Vec<Awaited>, Duration) {
        let news = Awaited::new(&self.news, self.news.load(Ordering::Relaxed));
        let others = self.armed.iter().map(|armed| Awaited::new(&armed.bell.word, armed.announced));
        let first = self.armed.iter().map(|armed| armed.deadline).min();
        (core::iter::once(news).chain(others).collect(), first.unwrap_or(time.saturating_add(LINGER)))
    }
}

impl Armed {
    fn is_of(&self, descriptor: &Arc<EventFd>) -> bool {
        Arc::ptr_eq(&self.descriptor, descriptor)
    }

    /// Is whoever asks for `other` served by this one?
    fn covers(&self, other: &Armed) -> bool {
        core::ptr::eq(&*self.bell, &*other.bell)
            && self.announced == other.announced
            && self.deadline <= other.deadline
    }

    /// Why the alarm goes off, if it does.
    fn look(&self, time: Duration) -> Option<u64> {
        if self.is_rung() { Some(RUNG) } else { (self.deadline <= time).then_some(DUE) }
    }

    fn is_rung(&self) -> bool {
        self.bell.word.load(Ordering::Relaxed) != self.announced
    }
}

/// Whose the post of this descriptor is, and where, if it is armed.
fn find<'a>(crews: &'a mut [Crew], descriptor: &Arc<EventFd>) -> Option<(&'a mut Crew, usize)> {
    crews.iter_mut().find_map(|crew| {
        let at = crew.armed.iter().position(|armed| armed.is_of(descriptor))?;
        Some((crew, at))
    })
}

/// Takes the post of this descriptor back, if it is armed. `true`: its word was rung.
fn take_back(crews: &mut [Crew], descriptor: &Arc<EventFd>) -> bool {
    let Some((crew, at)) = find(crews, descriptor) else { return false };
    let armed = crew.armed.swap_remove(at);
    let was_rung = armed.is_rung();
    if !was_rung {
        crew.left.push(armed);
    }
    crew.tell();
    was_rung
}

/// The first crew that can watch another word, or a new one.
fn crew_with_room(crews: &mut Vec<Crew>) -> usize {
    let roomy = crews.iter().position(|crew| crew.armed.len() < WORDS);
    roomy.unwrap_or_else(|| {
        crews.push(Crew::default());
        crews.len() - 1
    })
}

/// Starts a thread that handles no signal.
fn start(table: &'static Table, crew: usize) -> io::Result<()> {
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let thread = thread::Builder::new().name("ringway-alarm".to_owned()).stack_size(STACK);
    let started = thread.spawn(move || watch(table, crew));
    before.thread_set_mask()?;
    started.map(drop)
}

/// Watches a crew's posts until there have been none for a while.
fn watch(table: &Table, crew: usize) {
    let mut idle_since = None;
    loop {
        let mut crews = table.lock();
        let crew = &mut crews[crew];
        let time = now();
        crew.look(time);
        if !crew.armed.is_empty() {
            idle_since = None;
        } else if time.saturating_sub(*idle_since.get_or_insert(time)) >= LINGER {
            crew.is_manned = false;
            return;
        }
        let (words, deadline) = crew.sleep(time);
        let (news, expected) = (crew.news.clone(), crew.news.load(Ordering::Relaxed));
        drop(crews);
        if !sleep_on_any(&words, deadline) {
            let soon = if words.len() == 1 { deadline } else { time.saturating_add(PACE) };
            news.sleep(expected, deadline.min(soon));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Scene, arm, await_readable, far, is_readable};
    use super::*;
    use crate::wait::bell;

    /// Waits until the thread has seen what there is to be seen.
    fn eventually(condition: impl Fn() -> bool) {
        while !condition() {
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn post(scene: &Scene) -> Post {
        Post::new(scene.home(), scene.memory.clone()).expect("a descriptor")
    }

    /// How many posts each thread watches, and for how many it does no more.
    fn crews(scene: &Scene) -> Vec<(usize, usize)> {
        Table::of(scene.home()).lock().iter().map(|crew| (crew.armed.len(), crew.left.len())).collect()
    }

    #[test]
    fn one_thread_watches_127_words() {
        let scene = Scene::new();
        let announced = bell::announce(&scene.bell);
        let mut posts: Vec<Post> = (0..2 * WORDS + 1).map(|_| post(&scene)).collect();
        posts.iter_mut().for_each(|post| post.arm(&scene.bell, announced, far()).expect("armed"));
        assert_eq!(crews(&scene), [(WORDS, 0), (WORDS, 0), (1, 0)]);
        posts[0].disarm().expect("disarmed");
        posts[0].arm(&scene.bell, announced, far()).expect("armed");
        assert_eq!(crews(&scene).iter().map(|(armed, _)| armed).sum::<usize>(), 2 * WORDS + 1);
        assert_eq!(crews(&scene).len(), 3, "room is used again");
        assert!(!posts.iter_mut().any(|post| post.disarm().expect("disarmed")));
        eventually(|| crews(&scene) == [(0, 0); 3]);
    }

    #[test]
    fn a_word_is_kept_until_the_thread_has_left_it() {
        let scene = Scene::new();
        let mut alarm = scene.by_thread();
        arm(&scene, &mut alarm);
        let memory = Arc::downgrade(&scene.memory);
        drop(scene);
        assert!(memory.upgrade().is_some());
        drop(alarm);
        eventually(|| memory.upgrade().is_none());
    }

    #[test]
    fn a_thread_that_has_nothing_to_watch_ends_and_is_started_again() {
        let scene = Scene::new();
        let mut alarm = scene.by_thread();
        for _ in 0..2 {
            arm(&scene, &mut alarm);
            assert!(Table::of(scene.home()).lock()[0].is_manned);
            bell::ring(&scene.bell);
            await_readable(&alarm);
            eventually(|| !Table::of(scene.home()).lock()[0].is_manned);
        }
    }

    #[test]
    fn a_signal_for_the_process_is_left_to_other_threads() {
        let scene = Scene::new();
        let mut alarm = scene.by_thread();
        arm(&scene, &mut alarm);
        let blocked = || {
            let tasks = std::fs::read_dir("/proc/self/task").expect("threads");
            let statuses =
                tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("status")).ok());
            let mut watching =
                statuses.filter(|status| status.starts_with("Name:\tringway-alarm\n")).peekable();
            watching.peek().is_some()
                && watching.all(|status| status.contains("\nSigBlk:\tfffffffe7ffbfeff\n"))
        };
        eventually(blocked);
        let here = SigSet::thread_get_mask().expect("a mask");
        assert!(here != SigSet::all(), "the arming thread's own mask is as before");
    }

    #[test]
    fn a_forked_child_has_a_table_of_its_own() {
        let scene = Scene::new();
        let mut inherited = scene.by_thread();
        arm(&scene, &mut inherited);
        let parents = Table::of(scene.home());
        // What a fork at the worst moment leaves locked.
        let locked = parents.lock();
        scene.generation.store(2, Ordering::Relaxed);
        let mut own = scene.by_thread();
        arm(&scene, &mut own);
        assert!(!is_readable(&own));
        bell::ring(&scene.bell);
        await_readable(&own);
        drop(inherited);
        assert_eq!(locked[0].armed.len(), 1, "the parent's is left alone");
    }
}
