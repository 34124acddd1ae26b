//! The ends of rings of both kinds behind one face, and every way to wait with them.

use std::iter;
use std::os::fd::AsFd;
#[cfg(feature = "tokio")]
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use ringway::notify::{Inbox, Signal};
#[cfg(feature = "tokio")]
use ringway::task::Async;
use ringway::{Counters, Pollable, RecvError, Select, SendError, Signalled, Source, Wait, mpmc, spsc};

use crate::common::random::Random;
use crate::filter::{Denied, deny};
use crate::plan::{LENGTH, Plan, SIGNAL_LIMIT, Way};

/// A message in hand: its stream, what it holds, and whether it is marked.
pub type Note<'a> = &'a mut dyn FnMut(usize, &[u8], bool);

/// An end of a ring.
pub trait End: Sized {
    fn open(plan: &Plan, name: &str, wait: Wait) -> Self;
    fn counters(&self) -> Counters;
    fn pollable(self) -> Pollable<Self>;
    fn signalled(self, signal: Signal) -> Signalled<Self>;
    /// Arms a descriptor, or has a signal sent; `false`: there is something to do.
    fn arm(armed: &mut Pollable<Self>) -> bool;
    fn ask(asked: &mut Signalled<Self>) -> bool;
    /// Waits for whichever of `ends` has something to do.
    fn select(select: &mut Select, ends: &mut [Self]) -> usize;
    /// Blocks until there is something to do, or nobody to do it with.
    fn block(&mut self);
}

/// What tasks run on.
#[cfg(feature = "tokio")]
type Runtime = tokio::runtime::Runtime;

/// One that receives.
pub trait Receiving: End {
    /// Receives a message, and notes it while it is in hand; `block`: by a call that waits.
    fn receive(&mut self, block: bool, note: Note<'_>) -> Result<(), RecvError>;
    /// Receives a message in a task, which gives up after so long if it is to.
    #[cfg(feature = "tokio")]
    fn receive_in_task(
        end: &mut Async<Self>,
        runtime: &Runtime,
        limit: Option<Duration>,
        note: Note<'_>,
    ) -> Result<(), RecvError>;
}

/// One that sends.
pub trait Sending: End {
    /// Sends a message; `block`: by a call that waits.
    fn send(&mut self, block: bool, tag: u16, message: &[u8]) -> Result<(), SendError>;
    /// Sends as many of these messages together as there is room for; how many.
    fn send_batch(&mut self, tag: u16, messages: &[[u8; LENGTH]]) -> Result<u64, SendError>;
    /// Sends a message in a task.
    #[cfg(feature = "tokio")]
    fn send_in_task(
        end: &mut Async<Self>,
        runtime: &Runtime,
        tag: u16,
        message: &[u8],
    ) -> Result<(), SendError>;
}

fn select_source<E: Source>(select: &mut Select, ends: &mut [E]) -> usize {
    let mut sources: Vec<&mut dyn Source> = ends.iter_mut().map(|end| end as &mut dyn Source).collect();
    select.wait(&mut sources)
}

impl End for spsc::Consumer {
    fn open(plan: &Plan, name: &str, wait: Wait) -> Self {
        plan.spsc().wait(wait).create(false).consumer(name).expect("a consumer")
    }

    fn counters(&self) -> Counters {
        self.counters()
    }

    fn pollable(self) -> Pollable<Self> {
        self.pollable().expect("a descriptor")
    }

    fn signalled(self, signal: Signal) -> Signalled<Self> {
        self.signalled(signal, 0).expect("leases")
    }

    fn arm(armed: &mut Pollable<Self>) -> bool {
        armed.arm().expect("armed")
    }

    fn ask(asked: &mut Signalled<Self>) -> bool {
        asked.arm()
    }

    fn select(select: &mut Select, ends: &mut [Self]) -> usize {
        select_source(select, ends)
    }

    fn block(&mut self) {
        let _ = self.wait_for_message(None);
    }
}

impl End for mpmc::Consumer {
    fn open(plan: &Plan, name: &str, wait: Wait) -> Self {
        plan.mpmc().wait(wait).create(false).consumer(name).expect("a consumer")
    }

    fn counters(&self) -> Counters {
        self.counters()
    }

    fn pollable(self) -> Pollable<Self> {
        self.pollable().expect("a descriptor")
    }

    fn signalled(self, signal: Signal) -> Signalled<Self> {
        self.signalled(signal, 0).expect("leases")
    }

    fn arm(armed: &mut Pollable<Self>) -> bool {
        armed.arm().expect("armed")
    }

    fn ask(asked: &mut Signalled<Self>) -> bool {
        asked.arm()
    }

    fn select(select: &mut Select, ends: &mut [Self]) -> usize {
        select_source(select, ends)
    }

    fn block(&mut self) {
        let _ = self.wait_for_message(None);
    }
}

impl End for spsc::Producer {
    fn open(plan: &Plan, name: &str, wait: Wait) -> Self {
        plan.spsc().wait(wait).create(false).producer(name).expect("a producer")
    }

    fn counters(&self) -> Counters {
        self.counters()
    }

    fn pollable(self) -> Pollable<Self> {
        self.pollable().expect("a descriptor")
    }

    fn signalled(self, signal: Signal) -> Signalled<Self> {
        self.signalled(signal, 0).expect("leases")
    }

    fn arm(armed: &mut Pollable<Self>) -> bool {
        armed.arm_for(LENGTH).expect("armed")
    }

    fn ask(asked: &mut Signalled<Self>) -> bool {
        asked.arm_for(LENGTH)
    }

    fn select(select: &mut Select, ends: &mut [Self]) -> usize {
        let mut rooms: Vec<_> = ends.iter_mut().map(|end| end.room(LENGTH)).collect();
        select_source(select, &mut rooms)
    }

    fn block(&mut self) {
        let _ = self.wait_for_space(LENGTH, None);
    }
}

impl End for mpmc::Producer {
    fn open(plan: &Plan, name: &str, wait: Wait) -> Self {
        plan.mpmc().wait(wait).create(false).producer(name).expect("a producer")
    }

    fn counters(&self) -> Counters {
        self.counters()
    }

    fn pollable(self) -> Pollable<Self> {
        self.pollable().expect("a descriptor")
    }

    fn signalled(self, signal: Signal) -> Signalled<Self> {
        self.signalled(signal, 0).expect("leases")
    }

    fn arm(armed: &mut Pollable<Self>) -> bool {
        armed.arm_for(LENGTH).expect("armed")
    }

    fn ask(asked: &mut Signalled<Self>) -> bool {
        asked.arm_for(LENGTH)
    }

    fn select(select: &mut Select, ends: &mut [Self]) -> usize {
        let mut rooms: Vec<_> = ends.iter_mut().map(|end| end.room(LENGTH)).collect();
        select_source(select, &mut rooms)
    }

    fn block(&mut self) {
        let _ = self.wait_for_space(LENGTH, None);
    }
}

impl Receiving for spsc::Consumer {
    fn receive(&mut self, block: bool, note: Note<'_>) -> Result<(), RecvError> {
        let message = if block { self.recv() } else { self.try_recv() }?;
        note(message.tag().into(), &message, message.redelivered());
        Ok(())
    }

    #[cfg(feature = "tokio")]
    fn receive_in_task(
        end: &mut Async<Self>,
        runtime: &Runtime,
        limit: Option<Duration>,
        note: Note<'_>,
    ) -> Result<(), RecvError> {
        let message = runtime.block_on(within(limit, end.recv()))?;
        note(message.tag().into(), &message, message.redelivered());
        Ok(())
    }
}

impl Receiving for mpmc::Consumer {
    fn receive(&mut self, block: bool, note: Note<'_>) -> Result<(), RecvError> {
        let message = if block { self.recv() } else { self.try_recv() }?;
        note(message.tag().into(), &message, message.redelivered());
        Ok(())
    }

    #[cfg(feature = "tokio")]
    fn receive_in_task(
        end: &mut Async<Self>,
        runtime: &Runtime,
        limit: Option<Duration>,
        note: Note<'_>,
    ) -> Result<(), RecvError> {
        let message = runtime.block_on(within(limit, end.recv()))?;
        note(message.tag().into(), &message, message.redelivered());
        Ok(())
    }
}

impl Sending for spsc::Producer {
    fn send(&mut self, block: bool, tag: u16, message: &[u8]) -> Result<(), SendError> {
        if block { self.send_tagged(tag, message) } else { self.try_send_tagged(tag, message) }
    }

    fn send_batch(&mut self, tag: u16, messages: &[[u8; LENGTH]]) -> Result<u64, SendError> {
        let mut batch = self.batch()?;
        let pushed = messages.iter().try_for_each(|message| batch.push_tagged(tag, message));
        let sent = batch.len() as u64;
        if sent == 0 { pushed.map(|()| 0) } else { batch.commit().map(|()| sent) }
    }

    #[cfg(feature = "tokio")]
    fn send_in_task(
        end: &mut Async<Self>,
        runtime: &Runtime,
        tag: u16,
        message: &[u8],
    ) -> Result<(), SendError> {
        runtime.block_on(end.send_tagged(tag, message))
    }
}

impl Sending for mpmc::Producer {
    fn send(&mut self, block: bool, tag: u16, message: &[u8]) -> Result<(), SendError> {
        if block { self.send_tagged(tag, message) } else { self.try_send_tagged(tag, message) }
    }

    fn send_batch(&mut self, tag: u16, messages: &[[u8; LENGTH]]) -> Result<u64, SendError> {
        let mut batch = self.batch()?;
        let pushed = messages.iter().try_for_each(|message| batch.push_tagged(tag, message));
        let sent = batch.len() as u64;
        if sent == 0 { pushed.map(|()| 0) } else { batch.commit().map(|()| sent) }
    }

    #[cfg(feature = "tokio")]
    fn send_in_task(
        end: &mut Async<Self>,
        runtime: &Runtime,
        tag: u16,
        message: &[u8],
    ) -> Result<(), SendError> {
        runtime.block_on(end.send_tagged(tag, message))
    }
}

/// Waits for a message, and gives up after so long if it is to.
#[cfg(feature = "tokio")]
async fn within<M>(
    limit: Option<Duration>,
    message: impl Future<Output = Result<M, RecvError>>,
) -> Result<M, RecvError> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, message).await.unwrap_or(Err(RecvError::Empty)),
        None => message.await,
    }
}

/// The ends that a process has, and how it waits for them.
pub enum Ends<E> {
    Blocking(E),
    Descriptor(Pollable<E>, Epoll),
    Signal(Signalled<E>, Inbox),
    Select(Vec<E>, Select),
    #[cfg(feature = "tokio")]
    Task(Async<E>, Runtime, Random),
}

/// The signal that tells of something to do.
pub fn signal() -> Signal {
    Signal::realtime(3).expect("one of thirty")
}

impl<E: End> Ends<E> {
    /// The ends of the rings with these names.
    pub fn open(plan: &Plan, names: &str, random: &mut Random) -> Ends<E> {
        let wait = if random.once_in(2) { Wait::Park } else { Wait::Adaptive };
        if plan.way == Way::Watch {
            deny(&[Denied::always(libc::SYS_io_uring_setup, Errno::EPERM)]);
        }
        let mut ends: Vec<E> = names.split(' ').map(|name| E::open(plan, name, wait)).collect();
        let mut one = || ends.pop().expect("one");
        match plan.way {
            Way::Futex | Way::Semaphore => Ends::Blocking(one()),
            Way::Uring | Way::Watch => {
                let end = one().pollable();
                let edge = if random.once_in(2) { EpollFlags::EPOLLET } else { EpollFlags::empty() };
                let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).expect("an epoll");
                let interest = EpollEvent::new(EpollFlags::EPOLLIN | edge, 0);
                epoll.add(end.as_fd(), interest).expect("added");
                Ends::Descriptor(end, epoll)
            }
            Way::Signal => {
                let inbox = Inbox::new(&[signal()]).expect("an inbox");
                Ends::Signal(one().signalled(signal()), inbox)
            }
            Way::Select => {
                let select = if random.once_in(2) { Select::fair() } else { Select::priority() };
                Ends::Select(ends, select.how(wait))
            }
            #[cfg(feature = "tokio")]
            Way::Task => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime = runtime.expect("a runtime");
                let end = one().pollable();
                let task = runtime.block_on(async { Async::on_tokio(end) }).expect("a watch");
                Ends::Task(task, runtime, Random::any())
            }
        }
    }

    /// The end of a ring.
    pub fn lane(&mut self, lane: usize) -> &mut E {
        match self {
            Ends::Blocking(end) => end,
            Ends::Descriptor(end, _) => end,
            Ends::Signal(end, _) => end,
            Ends::Select(ends, _) => &mut ends[lane],
            #[cfg(feature = "tokio")]
            Ends::Task(end, ..) => end,
        }
    }

    /// Is the next call to be one that waits?
    pub fn blocks(&self, random: &mut Random) -> bool {
        match self {
            Ends::Blocking(_) => random.once_in(2),
            #[cfg(feature = "tokio")]
            Ends::Task(..) => true,
            _ => false,
        }
    }

    /// Waits until there is something to do; for which ring.
    pub fn wait(&mut self) -> usize {
        match self {
            Ends::Blocking(end) => end.block(),
            Ends::Descriptor(end, epoll) => {
                if E::arm(end) {
                    let ready = epoll.wait(&mut [EpollEvent::empty()], EpollTimeout::NONE);
                    assert!(matches!(ready, Ok(1) | Err(Errno::EINTR)), "{ready:?}");
                }
            }
            Ends::Signal(end, inbox) => {
                if E::ask(end) {
                    inbox.wait(Some(SIGNAL_LIMIT)).expect("an inbox");
                }
            }
            Ends::Select(ends, select) => return E::select(select, ends),
            // It waits in its calls.
            #[cfg(feature = "tokio")]
            Ends::Task(..) => {}
        }
        0
    }

    /// Sleeps and wakes of this process.
    pub fn counters(&self) -> (u64, u64) {
        let sum = |counters: &mut dyn Iterator<Item = Counters>| {
            counters.fold((0, 0), |(sleeps, wakes), one| (sleeps + one.sleeps, wakes + one.wakes))
        };
        match self {
            Ends::Blocking(end) => sum(&mut iter::once(end.counters())),
            Ends::Descriptor(end, _) => sum(&mut iter::once(E::counters(end))),
            Ends::Signal(end, _) => sum(&mut iter::once(E::counters(end))),
            Ends::Select(ends, _) => sum(&mut ends.iter().map(E::counters)),
            #[cfg(feature = "tokio")]
            Ends::Task(end, ..) => sum(&mut iter::once(E::counters(end))),
        }
    }
}

impl<E: Receiving> Ends<E> {
    /// Receives a message from a ring, and notes it while it is in hand; `block`: by a call that waits.
    pub fn receive(&mut self, lane: usize, block: bool, note: Note<'_>) -> Result<(), RecvError> {
        match self {
            #[cfg(feature = "tokio")]
            Ends::Task(end, runtime, random) if block => {
                let limit = random.once_in(8).then(|| Duration::from_micros(random.between(0, 2_000)));
                E::receive_in_task(end, runtime, limit, note)
            }
            _ => self.lane(lane).receive(block, note),
        }
    }
}

impl<E: Sending> Ends<E> {
    /// Sends a message into a ring; `block`: by a call that waits.
    pub fn send(&mut self, lane: usize, block: bool, tag: u16, message: &[u8]) -> Result<(), SendError> {
        match self {
            #[cfg(feature = "tokio")]
            Ends::Task(end, runtime, _) if block => E::send_in_task(end, runtime, tag, message),
            _ => self.lane(lane).send(block, tag, message),
        }
    }
}
