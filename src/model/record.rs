//! The record ring.

use super::Bell;
use super::bell::BellOf;
use crate::layout::Shared;
use crate::layout::participant::{Participant, Said};
use crate::layout::spsc::{Control, Sizes};
use crate::ring::Pace;
use crate::ring::record::{self, Claimed, Found, Look, Pending, Refused, Window};

/// A ring and its participants' lines, without a segment. Clones are views of the same ring.
#[derive(Clone, Debug)]
pub struct Ring {
    window: Window,
    control: Shared<Control>,
    producer: Shared<Participant>,
    consumer: Shared<Participant>,
    sizes: Sizes,
}

impl Ring {
    /// An empty ring of `size` bytes.
    pub fn new(size: u64) -> Ring {
        Ring {
            window: Window::on_heap(size),
            control: Shared::on_heap(Control::default()),
            producer: Shared::on_heap(Participant::default()),
            consumer: Shared::on_heap(Participant::default()),
            sizes: Sizes::new(size, 8).expect("a ring size"),
        }
    }

    /// Attaches a producer.
    pub fn producer(&self) -> Producer {
        let (window, control, line) = (self.window.clone(), self.control.clone(), self.producer.clone());
        Producer(record::Producer::attach(window, control, line, self.sizes).expect("a sound ring"))
    }

    /// Attaches a consumer, one that waits for a single pause when it finds nothing.
    pub fn consumer(&self) -> Consumer {
        let (window, control, line) = (self.window.clone(), self.control.clone(), self.consumer.clone());
        let pace = Pace { most: 1, probe: 1 };
        Consumer(record::Consumer::attach(window, control, line, self.sizes, pace).expect("a sound ring"))
    }

    /// The bell for the consumer.
    pub fn data_bell(&self) -> Bell {
        Bell::new(BellOf::RecordData(self.control.clone()))
    }

    /// The bell for the producer.
    pub fn space_bell(&self) -> Bell {
        Bell::new(BellOf::RecordSpace(self.control.clone()))
    }

    /// The producer says goodbye.
    pub fn close_producer(&self) {
        self.producer.close();
    }

    /// Has the producer said goodbye?
    pub fn producer_said_goodbye(&self) -> bool {
        self.producer.said() == Said::Closed
    }
}

/// `ring::record::Producer`.
#[derive(Debug)]
pub struct Producer(record::Producer);

/// Room for a record.
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
    /// Copies a message in and commits it the short way; `false`: that needs the long way.
    pub fn send_ready(&mut self, tag: u16, payload: &[u8]) -> bool {
        self.0.send_ready(tag, payload)
    }

    /// Copies a message in and commits it the long way; `false`: the ring is full.
    pub fn send(&mut self, tag: u16, payload: &[u8]) -> bool {
        unless_full(self.0.send(tag, payload, Look::Position)).is_some()
    }

    /// Claims room for `len` bytes; `None`: the ring is full.
    pub fn claim(&mut self, len: u64) -> Option<Claim> {
        unless_full(self.0.claim(len, Look::Position)).map(Claim)
    }

    /// The payload of a claim, to fill.
    pub fn payload_mut(&mut self, claim: &Claim) -> &mut [u8] {
        self.0.payload_mut(&claim.0)
    }

    /// Commits the first `len` bytes of a claim.
    pub fn commit(&mut self, mut claim: Claim, len: u64, tag: u16) {
        claim.0.truncate(len);
        self.0.commit(claim.0, tag);
    }

    /// Opens a batch.
    pub fn batch(&mut self) -> Batch<'_> {
        let pending = self.0.batch();
        Batch { producer: self, pending }
    }

    /// Writes the position down, as before a sleep and at the end.
    pub fn write_down(&self) {
        self.0.write_down();
    }

    /// Would `len` bytes fit, by the consumer's lazily written head?
    pub fn fits_by_head(&mut self, len: u64) -> bool {
        self.0.fits_by_head(len).expect("a sound ring")
    }

    /// Would `len` bytes fit, by the consumer's exact position?
    pub fn fits_by_position(&mut self, len: u64) -> bool {
        self.0.fits_by_position(len).expect("a sound ring")
    }

    /// Has the consumer released everything?
    pub fn is_drained(&self) -> bool {
        self.0.is_drained()
    }
}

/// An open batch; dropping it sends nothing.
#[derive(Debug)]
pub struct Batch<'a> {
    producer: &'a mut Producer,
    pending: Pending,
}

impl Batch<'_> {
    /// Appends a copy of a message the short way; `false`: that needs the long way.
    pub fn push_ready(&mut self, tag: u16, payload: &[u8]) -> bool {
        self.producer.0.push_ready(&mut self.pending, tag, payload)
    }

    /// Appends a copy of a message the long way; `false`: the ring is full.
    pub fn push(&mut self, tag: u16, payload: &[u8]) -> bool {
        unless_full(self.producer.0.push(&mut self.pending, tag, payload)).is_some()
    }

    /// Commits what was appended; `false`: nothing was.
    pub fn commit(self) -> bool {
        self.producer.0.commit_batch(&self.pending)
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

/// `ring::record::Consumer`.
#[derive(Debug)]
pub struct Consumer(record::Consumer);

impl Consumer {
    /// Takes the next message the short way: not over padding.
    pub fn find_ready(&mut self) -> Option<Message> {
        self.0.find_ready().map(Message)
    }

    /// Takes the next message the long way.
    pub fn find(&mut self) -> Option<Message> {
        self.0.find().expect("a sound ring").map(Message)
    }

    /// Is something there?
    pub fn is_ready(&self) -> bool {
        self.0.is_ready()
    }

    /// Is something there? If not, pauses and looks once more.
    pub fn poll(&mut self) -> bool {
        self.0.poll()
    }

    /// The payload of a message that is taken, now to be handed out.
    pub fn hand_out(&self, message: &Message) -> &[u8] {
        self.0.hand_out(&message.0)
    }

    /// Releases every message taken so far.
    pub fn release(&self) {
        self.0.release();
    }

    /// Is there nothing to take?
    pub fn is_drained(&self) -> bool {
        self.0.is_drained()
    }
}
