//! System V: message queues, a shared memory segment, and semaphores.
//!
//! These outlive every process unless they are removed. A keeper process of its own creates them and removes them when
//! the bench is gone, however it ended (`keeper`); to the roles they are numbers.
#![allow(unsafe_code)]

use std::ptr::{null, null_mut};
use std::sync::atomic::AtomicU64;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;
use serde::{Deserialize, Serialize};

use super::counted_ring::{Counts, Semaphore};
use super::memory;
use super::payload::{Check, Payload, renumber};
use super::slots::Slots;
use super::traffic::{Rx, Tx};

/// Bytes of the largest message of a queue: what a system allows unless told otherwise (/proc/sys/kernel/msgmax).
pub const LARGEST: usize = 8192;

/// Bytes before a message's text: its type.
const TYPE: usize = size_of::<libc::c_long>();

/// Permission bits, and to be created.
const FLAGS: libc::c_int = libc::IPC_CREAT | libc::IPC_EXCL | 0o600;

/// The semaphores of one direction: messages, room.
const PER_DIRECTION: u16 = 2;

/// What kind of object a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A message queue.
    Queue,
    /// A segment of shared memory.
    Memory,
    /// A set of semaphores.
    Semaphores,
}

/// An object, removed when dropped.
#[derive(Debug)]
struct Object {
    /// What it is.
    kind: Kind,
    /// Its number.
    id: i32,
}

impl Object {
    /// Creates an object that only its number leads to; `len`: bytes of a segment, semaphores of a set.
    fn create(kind: Kind, len: usize) -> Result<Self> {
        let id = match kind {
            // SAFETY: takes no pointers.
            Kind::Queue => unsafe { libc::msgget(libc::IPC_PRIVATE, FLAGS) },
            // SAFETY: takes no pointers.
            Kind::Memory => unsafe { libc::shmget(libc::IPC_PRIVATE, len, FLAGS) },
            // SAFETY: takes no pointers.
            Kind::Semaphores => unsafe { libc::semget(libc::IPC_PRIVATE, len as libc::c_int, FLAGS) },
        };
        let id = Errno::result(id).with_context(|| match kind {
            Kind::Queue => "cannot create a System V message queue",
            Kind::Memory => "cannot create System V shared memory",
            Kind::Semaphores => "cannot create System V semaphores",
        })?;
        Ok(Self { kind, id })
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        // Fails only when somebody else has removed it.
        let _ = match self.kind {
            // SAFETY: IPC_RMID follows no pointer.
            Kind::Queue => unsafe { libc::msgctl(self.id, libc::IPC_RMID, null_mut()) },
            // SAFETY: IPC_RMID follows no pointer.
            Kind::Memory => unsafe { libc::shmctl(self.id, libc::IPC_RMID, null_mut()) },
            // SAFETY: IPC_RMID follows no pointer.
            Kind::Semaphores => unsafe { libc::semctl(self.id, 0, libc::IPC_RMID) },
        };
    }
}

/// Everything of System V that a pair needs, removed when dropped.
#[derive(Debug)]
pub struct Objects {
    /// A message queue forth and one back.
    queues: [Object; 2],
    /// Memory for a ring forth and one back.
    memory: Object,
    /// Messages and room forth, messages and room back.
    semaphores: Object,
}

/// The numbers of [`Objects`].
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Ids {
    /// Message queues forth and back.
    pub queues: [i32; 2],
    /// Shared memory.
    pub memory: i32,
    /// A set of semaphores.
    pub semaphores: i32,
}

impl Objects {
    /// Creates them for rings of `ring_bytes`.
    pub fn create(ring_bytes: usize) -> Result<Self> {
        Ok(Self {
            queues: [Object::create(Kind::Queue, 0)?, Object::create(Kind::Queue, 0)?],
            memory: Object::create(Kind::Memory, memory::total_bytes(ring_bytes))?,
            semaphores: Object::create(Kind::Semaphores, 2 * usize::from(PER_DIRECTION))?,
        })
    }

    /// Their numbers.
    pub fn ids(&self) -> Ids {
        let [forth, back] = &self.queues;
        Ids { queues: [forth.id, back.id], memory: self.memory.id, semaphores: self.semaphores.id }
    }
}

/// An attached segment of shared memory.
#[derive(Debug)]
pub struct Attached(*mut u8);

impl Attached {
    /// Attaches to a segment by its number.
    pub fn new(id: i32) -> Result<Self> {
        // SAFETY: the kernel chooses where to attach, so no other mapping is touched.
        let start = unsafe { libc::shmat(id, null(), 0) };
        if start as isize == -1 {
            return Err(Errno::last()).context("cannot attach to System V shared memory");
        }
        Ok(Self(start.cast()))
    }

    /// The first byte.
    pub fn start(&self) -> *mut u8 {
        self.0
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        // SAFETY: this is where the segment is attached; borrows of it have ended.
        let _ = unsafe { libc::shmdt(self.0.cast()) };
    }
}

/// One semaphore of a set.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    /// The set.
    set: i32,
    /// Which of the set.
    number: u16,
}

/// The semaphores of a direction, forth (0) or back (1).
pub fn counts(set: i32, direction: usize) -> Counts<Counter> {
    let first = direction as u16 * PER_DIRECTION;
    Counts { messages: Counter { set, number: first }, room: Counter { set, number: first + 1 } }
}

/// Makes both directions of a set those of empty rings for messages of `size` bytes. To be done before both sides start.
pub fn reset(set: i32, area: &[AtomicU64], size: usize) -> Result<()> {
    let room = Slots::new(area, size).count() as u16;
    let values = [0, room, 0, room];
    // SAFETY: SETALL reads as many values as the set has semaphores.
    Errno::result(unsafe { libc::semctl(set, 0, libc::SETALL, values.as_ptr()) })
        .context("cannot set System V semaphores")?;
    Ok(())
}

impl Counter {
    /// Adds to the semaphore; sleeps while it would fall below zero.
    #[inline(always)]
    fn add(&self, change: i16) -> Result<()> {
        let mut change = libc::sembuf { sem_num: self.number, sem_op: change, sem_flg: 0 };
        loop {
            // SAFETY: `change` is one operation, which the call only reads.
            match Errno::result(unsafe { libc::semop(self.set, &raw mut change, 1) }) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error).context("cannot use a System V semaphore"),
            }
        }
    }
}

impl Semaphore for Counter {
    #[inline(always)]
    fn down(&self) -> Result<()> {
        self.add(-1)
    }

    #[inline(always)]
    fn up(&self) -> Result<()> {
        self.add(1)
    }
}

/// An end of a message queue: a number, and a message's type followed by its text.
#[derive(Debug)]
pub struct SysvQueue {
    /// The queue.
    id: i32,
    /// Type and text.
    message: Vec<u8>,
}

impl SysvQueue {
    /// An end of queue `id`.
    pub fn new(id: i32) -> Self {
        Self { id, message: Vec::new() }
    }
}

impl Tx for SysvQueue {
    fn send(&mut self, payload: &mut Payload, number: u64) -> Result<()> {
        if self.message.len() != TYPE + payload.len() {
            self.message = (1 as libc::c_long).to_ne_bytes().to_vec();
            self.message.extend_from_slice(payload.numbered(number));
        }
        // The text is that of the payload already, but for its number: a program builds its message here.
        renumber(&mut self.message[TYPE..], number);
        // SAFETY: the message is a type and as many bytes of text as said.
        let sent = unsafe { libc::msgsnd(self.id, self.message.as_ptr().cast(), payload.len(), 0) };
        Errno::result(sent).context("cannot send to a System V message queue")?;
        Ok(())
    }
}

impl Rx for SysvQueue {
    fn recv(&mut self, check: &mut Check) -> Result<()> {
        self.message.resize(TYPE + LARGEST, 0);
        // SAFETY: there is room for a type and as many bytes of text as said.
        let len = unsafe { libc::msgrcv(self.id, self.message.as_mut_ptr().cast(), LARGEST, 0, 0) };
        let len = Errno::result(len).context("cannot receive from a System V message queue")?;
        check.take(&self.message[TYPE..TYPE + len as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::counted_ring::tests::play;
    use crate::bench::memory::Memory;

    /// Whether /proc knows a number of this kind.
    fn is_listed(kind: &str, id: i32) -> bool {
        let list = std::fs::read_to_string(format!("/proc/sysvipc/{kind}")).unwrap();
        list.lines().any(|line| line.split_whitespace().nth(1) == Some(&id.to_string()))
    }

    #[test]
    fn all_is_removed_in_the_end() {
        let Ok(objects) = Objects::create(64 << 10) else { return };
        let ids = objects.ids();
        let listed = || {
            [("msg", ids.queues[0]), ("msg", ids.queues[1]), ("shm", ids.memory), ("sem", ids.semaphores)]
                .map(|(kind, id)| is_listed(kind, id))
        };
        assert_eq!(listed(), [true; 4]);
        drop(objects);
        assert_eq!(listed(), [false; 4]);
    }

    #[test]
    fn a_ring_carries_messages_over_many_laps() {
        let Ok(objects) = Objects::create(64 << 10) else { return };
        let memory = Memory::attach(objects.ids().memory, 64 << 10).unwrap();
        for (direction, size) in [(0, 8), (1, 1016), (1, 32 << 10), (0, 120)] {
            let set = objects.ids().semaphores;
            reset(set, memory.data(0), size).unwrap();
            play(memory.data(direction), size, counts(set, direction));
        }
    }

    #[test]
    fn a_queue_carries_messages_of_several_sizes() {
        let Ok(objects) = Objects::create(64 << 10) else { return };
        let id = objects.ids().queues[0];
        for size in [8, LARGEST, 64] {
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    let (mut tx, mut payload) = (SysvQueue::new(id), Payload::new(size));
                    (0..100).try_for_each(|number| tx.send(&mut payload, number)).unwrap();
                });
                let (mut rx, mut check) = (SysvQueue::new(id), Check::new(size, 0));
                (0..100).try_for_each(|_| rx.recv(&mut check)).unwrap();
            });
        }
    }
}
