//! The slot ring, and participants that die.

use core::cell::RefCell;
use std::sync::Arc;

use super::Bell;
use super::bell::BellOf;
use crate::layout::mpmc::{Control, Sizes};
use crate::layout::participant::Participant;
use crate::layout::{Line, Shared};
use crate::ring::Pace;
use crate::ring::slots::{self, Claimed, Core, Found, Life, Pending, Refused, Seek, Table};
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// How many producers, and how many consumers, a ring takes.
const PLACES: u32 = 3;

/// A ring of slots and its participants' leases, without a segment. A descriptor has room for 8 bytes, a block for
/// 16. Clones are views of the same ring.
#[derive(Debug)]
pub struct Ring {
    table: Table,
    control: Shared<Control>,
    leases: Arc<[AtomicU32]>,
    sizes: Sizes,
    at_most_once: bool,
}

impl Clone for Ring {
    fn clone(&self) -> Ring {
        Ring {
            table: self.table.view(0, &Life::new()),
            control: self.control.clone(),
            leases: Arc::clone(&self.leases),
            ..*self
        }
    }
}

impl Ring {
    /// An empty ring.
    pub fn new(slots: u64) -> Ring {
        Ring::turned(slots, 0)
    }

    /// An empty ring through which messages of so many slots have gone.
    pub fn turned(slots: u64, position: u64) -> Ring {
        let sizes = Sizes::new(slots, 16, 8, PLACES).expect("sizes of a ring");
        let hint = || Line(AtomicU64::new(position));
        let control = Control { tail: hint(), head: hint(), ..Control::default() };
        Ring {
            table: Table::on_heap(sizes, position),
            control: Shared::on_heap(control),
            leases: (0..2 * PLACES).map(|_| AtomicU32::new(0)).collect(),
            sizes,
            at_most_once: false,
        }
    }

    /// The same ring, whose consumers drop what dead ones had in hand.
    pub fn at_most_once(self) -> Ring {
        Ring { at_most_once: true, ..self }
    }

    /// What participant `id` has of its own: its leases, its life, and its view of the slots. `None`: another has the
    /// place.
    fn join(&self, id: u32) -> Option<(Leases, Life, Core)> {
        let leases = Leases { all: Arc::clone(&self.leases), mine: RefCell::default() };
        if !slots::Leases::try_take(&leases, id) {
            return None;
        }
        let life = Life::new();
        let line = Shared::on_heap(Participant::default());
        let core = Core::new(self.table.view(id, &life), self.control.clone(), line, self.sizes, id);
        Some((leases, life, core))
    }

    /// Attaches a producer in one of three places, if it is free.
    pub fn try_producer(&self, place: u32) -> Option<Producer> {
        let (leases, life, core) = self.join(place)?;
        let ring = slots::Producer::attach(core, &leases, &[]).expect("a sound ring");
        Some(Producer { ring, life, leases })
    }

    /// Attaches a producer in one of three places, which must be free.
    pub fn producer(&self, place: u32) -> Producer {
        self.try_producer(place).expect("a free place")
    }

    /// Attaches a consumer in one of three places, if it is free.
    pub fn try_consumer(&self, place: u32) -> Option<Consumer> {
        let (leases, life, core) = self.join(PLACES + place)?;
        let pace = Pace { most: 1, probe: 1 };
        let ring =
            slots::Consumer::attach(core, &leases, &[], self.at_most_once, pace).expect("a sound ring");
        Some(Consumer { ring, life, leases })
    }

    /// Attaches a consumer in one of three places, which must be free.
    pub fn consumer(&self, place: u32) -> Consumer {
        self.try_consumer(place).expect("a free place")
    }

    /// The bell for consumers.
    pub fn data_bell(&self) -> Bell {
        Bell::new(BellOf::SlotsData(self.control.clone()))
    }

    /// The bell for producers.
    pub fn space_bell(&self) -> Bell {
        Bell::new(BellOf::SlotsSpace(self.control.clone()))
    }

    /// How many slots are not free.
    pub fn used(&self) -> u64 {
        slots::used(&self.table, self.sizes).expect("a sound ring")
    }
}

/// The leases of a ring, seen by a participant: those it holds are free when it dies.
#[derive(Debug)]
struct Leases {
    all: Arc<[AtomicU32]>,
    mine: RefCell<Vec<u32>>,
}

impl slots::Leases for Leases {
    /// As the kernel does it: whatever the last holder did happens before whatever this one does.
    fn try_take(&self, id: u32) -> bool {
        let lease = &self.all[id as usize];
        // edge: death (acquire)
        let taken = lease.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_ok();
        if taken {
            self.mine.borrow_mut().push(id);
        }
        taken
    }

    fn give_back(&self, id: u32, _repaired: bool) {
        self.mine.borrow_mut().retain(|mine| *mine != id);
        self.all[id as usize].store(0, Ordering::Release); // edge: death (release)
    }
}

impl Drop for Leases {
    fn drop(&mut self) {
        for id in self.mine.take() {
            slots::Leases::give_back(self, id, true);
        }
    }
}

/// `ring::slots::Producer`. Dropping it is its death.
#[derive(Debug)]
pub struct Producer {
    ring: slots::Producer,
    life: Life,
    leases: Leases,
}

/// Room for a message.
#[derive(Debug)]
pub struct Claim(Claimed);

/// `None`: the ring is full. Whatever else is refused is a fault in a model.
fn unless_full<T>(result: Result<T, Refused>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(Refused::Full { .. }) => None,
        Err(refused) => panic!("{refused:?}"),
    }
}

impl Producer {
    /// Does `act`, and dies after the `words`th slot word that it writes. `None`: it has died before the end.
    pub fn spend<T>(&mut self, words: u32, act: impl FnOnce(&mut Producer) -> T) -> Option<T> {
        let life = self.life.clone();
        life.spend(words, || act(self))
    }

    /// Copies a small message in and commits it the short way; `false`: that needs the long way.
    pub fn send_ready(&mut self, tag: u16, payload: &[u8]) -> bool {
        self.ring.send_ready(tag, payload)
    }

    /// Copies a message in and commits it the long way; `false`: the ring is full.
    pub fn send(&mut self, tag: u16, payload: &[u8]) -> bool {
        unless_full(self.ring.send(tag, payload)).is_some()
    }

    /// Claims room for `len` bytes; `None`: the ring is full.
    pub fn claim(&mut self, len: u64) -> Option<Claim> {
        unless_full(self.ring.claim(len)).map(Claim)
    }

    /// The payload of a claim, to fill.
    pub fn payload_mut(&mut self, claim: &Claim) -> &mut [u8] {
        self.ring.payload_mut(&claim.0)
    }

    /// Commits the first `len` bytes of a claim.
    pub fn commit(&mut self, mut claim: Claim, len: u64, tag: u16) {
        claim.0.truncate(len);
        self.ring.commit(claim.0, tag);
    }

    /// Aborts whatever is claimed; `false`: nothing is.
    pub fn abort(&mut self) -> bool {
        self.ring.abort()
    }

    /// Opens a batch.
    pub fn batch(&mut self) -> Batch<'_> {
        Batch { producer: self, pending: Pending::default() }
    }

    /// Would `len` bytes fit?
    pub fn fits(&mut self, len: u64) -> bool {
        unless_full(self.ring.fits(len)).is_some()
    }

    /// Repairs what dead participants left; `true`: something changed.
    pub fn sweep(&mut self) -> bool {
        self.ring.sweep(&self.leases, &[]).expect("a sound ring")
    }
}

/// An open batch; dropping it leaves it claimed.
#[derive(Debug)]
pub struct Batch<'a> {
    producer: &'a mut Producer,
    pending: Pending,
}

impl Batch<'_> {
    /// Appends a copy of a message; `false`: the ring is full.
    pub fn push(&mut self, tag: u16, payload: &[u8]) -> bool {
        unless_full(self.producer.ring.push(&mut self.pending, tag, payload)).is_some()
    }

    /// Commits what was appended; how many messages.
    pub fn commit(mut self) -> u64 {
        self.producer.ring.commit_batch(&mut self.pending)
    }
}

/// A message that was taken, and what is said beside it.
#[derive(Debug)]
pub struct Message(Found);

impl Message {
    /// The tag that it was sent with.
    pub fn tag(&self) -> u16 {
        self.0.tag
    }

    /// Was it in the hands of a consumer that died?
    pub fn redelivered(&self) -> bool {
        self.0.redelivered
    }
}

/// `ring::slots::Consumer`. Dropping it is its death.
#[derive(Debug)]
pub struct Consumer {
    ring: slots::Consumer,
    life: Life,
    leases: Leases,
}

impl Consumer {
    /// Does `act`, and dies after the `words`th slot word that it writes. `None`: it has died before the end.
    pub fn spend<T>(&mut self, words: u32, act: impl FnOnce(&mut Consumer) -> T) -> Option<T> {
        let life = self.life.clone();
        life.spend(words, || act(self))
    }

    /// Takes the next message the short way.
    pub fn find_ready(&mut self) -> Option<Message> {
        self.ring.find_ready().map(Message)
    }

    /// Takes the next message the long way.
    pub fn find(&mut self) -> Option<Message> {
        self.ring.find().expect("a sound ring").map(Message)
    }

    /// Is a message there?
    pub fn is_ready(&mut self) -> bool {
        self.ring.seek().expect("a sound ring") == Seek::Ready
    }

    /// The payload of a message that is taken.
    pub fn payload(&self, message: &Message) -> &[u8] {
        self.ring.payload(&message.0)
    }

    /// Takes the next message, and keeps the one in hand until everything is released.
    pub fn find_next(&mut self) -> Option<Message> {
        self.ring.find_next().expect("a sound ring").map(Message)
    }

    /// Releases the message in hand.
    pub fn release_held(&mut self, message: &Message) {
        self.ring.release_held(&message.0);
    }

    /// Releases everything that was taken.
    pub fn release(&mut self) {
        self.ring.release();
    }

    /// Repairs what dead participants left; `true`: something changed.
    pub fn sweep(&mut self) -> bool {
        self.ring.sweep(&self.leases, &[]).expect("a sound ring")
    }

    /// How many messages of dead consumers it has dropped.
    pub fn dropped(&self) -> u64 {
        self.ring.repairs().2
    }
}
