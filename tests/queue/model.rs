//! Random operations of several participants against a queue: the ring does what the queue does, to the byte, and
//! is full exactly when its slots are.
//!
//! Everything happens in one thread. A claim or message that its owner holds on to is a leaked guard, which the
//! owner's next call finishes.

use std::collections::VecDeque;
use std::mem::forget;

use proptest::prelude::*;
use ringway::mpmc::{Consumer, Options, Producer, options};
use ringway::{RecvError, SendError};

use crate::bed::{Bed, on_every_backing};
use crate::common::pattern;

const PRODUCERS: usize = 3;
const CONSUMERS: usize = 3;

/// What participant `who` does.
#[derive(Clone, Debug)]
enum Step {
    Send { who: usize, len: u64, tag: u16 },
    Claim { who: usize, len: u64, sent: u64, end: End },
    Recv { who: usize, keep: bool },
    Drain { who: usize, most: u64, keep: bool },
    NewProducer { who: usize },
    NewConsumer { who: usize },
}

/// What becomes of a claim.
#[derive(Clone, Copy, Debug)]
enum End {
    Commit,
    Drop,
    Leak,
}

fn steps(largest: u64, slot: u64) -> impl Strategy<Value = Vec<Step>> {
    // Mostly one slot, now and then up to and beyond the largest message.
    let len = || prop_oneof![6 => 0..=slot, 3 => 0..=largest / 2, 1 => 0..=largest + 1];
    let end = prop_oneof![3 => Just(End::Commit), 1 => Just(End::Drop), 1 => Just(End::Leak)];
    let step = prop_oneof![
        6 => (0..PRODUCERS, len(), any::<u16>()).prop_map(|(who, len, tag)| Step::Send { who, len, tag }),
        3 => (0..PRODUCERS, len(), len(), end)
            .prop_map(|(who, len, sent, end)| Step::Claim { who, len, sent, end }),
        8 => (0..CONSUMERS, prop::bool::weighted(0.2)).prop_map(|(who, keep)| Step::Recv { who, keep }),
        2 => (0..CONSUMERS, 0..6_u64, prop::bool::weighted(0.2))
            .prop_map(|(who, most, keep)| Step::Drain { who, most, keep }),
        1 => (0..PRODUCERS).prop_map(|who| Step::NewProducer { who }),
        1 => (0..CONSUMERS).prop_map(|who| Step::NewConsumer { who }),
    ];
    prop::collection::vec(step, 1..200)
}

/// Sizes of the ring under test.
#[derive(Clone, Copy)]
struct Sizes {
    slots: u64,
    slot_size: u64,
    inline: u64,
}

impl Sizes {
    fn options(self) -> Options {
        let Sizes { slots, slot_size, inline } = self;
        options().slots(slots as usize).slot_size(slot_size as usize).inline(inline as usize).participants(4)
    }

    fn largest(self) -> u64 {
        self.inline.max(self.slots / 2 * self.slot_size)
    }

    fn span(self, len: u64) -> u64 {
        if len <= self.inline { 1 } else { len.div_ceil(self.slot_size) }
    }
}

#[derive(Debug)]
enum What {
    Message(u16, Vec<u8>),
    /// Of this producer's, not committed.
    Claim(usize),
    Tombstone,
}

/// Slots and messages, by the book.
struct Model {
    sizes: Sizes,
    busy: Vec<bool>,
    tail: u64,
    /// What consumers have not passed: position, slots.
    queue: VecDeque<(u64, u64, What)>,
    /// Spans that each consumer has in hand.
    held: [Vec<(u64, u64)>; CONSUMERS],
    sent: u64,
}

impl Model {
    fn new(sizes: Sizes) -> Model {
        let busy = vec![false; sizes.slots as usize];
        Model { sizes, busy, tail: 0, queue: VecDeque::new(), held: Default::default(), sent: 0 }
    }

    fn mark(&mut self, (at, span): (u64, u64), busy: bool) {
        let first = (at % self.sizes.slots) as usize;
        self.busy[first..first + span as usize].fill(busy);
    }

    /// Takes `span` slots at the tail.
    fn put(&mut self, span: u64, what: What) {
        self.mark((self.tail, span), true);
        self.queue.push_back((self.tail, span, what));
        self.tail += span;
    }

    /// Claims slots for a message of `len` bytes, with a pad if need be, or says why not.
    fn claim(&mut self, who: usize, len: u64) -> Result<(), SendError> {
        let largest = self.sizes.largest();
        if len > largest {
            return Err(SendError::TooLarge { len: len as usize, largest: largest as usize });
        }
        let need = self.sizes.span(len);
        loop {
            let index = self.tail % self.sizes.slots;
            let to_end = self.sizes.slots - index;
            let looked_at = self.busy[index as usize..].iter().take(need as usize);
            let free = looked_at.take_while(|busy| !**busy).count() as u64;
            if free < need.min(to_end) {
                let bytes = self.sizes.slot_size.max(self.sizes.inline);
                return Err(SendError::Full { need: need * bytes, free: free * bytes });
            }
            if need <= to_end {
                self.put(need, What::Claim(who));
                return Ok(());
            }
            self.put(to_end, What::Tombstone);
        }
    }

    /// Makes the claim of producer `who`, if it has one, something else.
    fn settle(&mut self, who: usize, what: What) {
        let claim =
            self.queue.iter_mut().find(|(.., what)| matches!(what, What::Claim(owner) if *owner == who));
        if let Some(claim) = claim {
            claim.2 = what;
        }
    }

    fn payload(&mut self, len: u64) -> Vec<u8> {
        self.sent += 1;
        pattern(self.sent, len as usize)
    }

    fn release(&mut self, who: usize) {
        for span in std::mem::take(&mut self.held[who]) {
            self.mark(span, false);
        }
    }

    /// The next message for consumer `who`; tombstones are freed on the way.
    fn take(&mut self, who: usize) -> Option<(u64, u16, Vec<u8>)> {
        while let Some((at, span, What::Tombstone)) = self.queue.front() {
            let span = (*at, *span);
            self.mark(span, false);
            self.queue.pop_front();
        }
        if !matches!(self.queue.front(), Some((.., What::Message(..)))) {
            return None;
        }
        let Some((at, span, What::Message(tag, bytes))) = self.queue.pop_front() else { return None };
        self.held[who].push((at, span));
        Some((at, tag, bytes))
    }
}

struct Run<'a> {
    bed: &'a Bed,
    producers: [Option<Producer>; PRODUCERS],
    consumers: [Option<Consumer>; CONSUMERS],
    model: Model,
}

impl Run<'_> {
    fn step(&mut self, step: &Step) {
        match *step {
            Step::Send { who, len, tag } => self.send(who, len, tag),
            Step::Claim { who, len, sent, end } => self.claim(who, len, sent, end),
            Step::Recv { who, keep } => self.receive(who, keep),
            Step::Drain { who, most, keep } => self.drain(who, most, keep),
            Step::NewProducer { who } => {
                self.producers[who] = None;
                self.model.settle(who, What::Tombstone);
                self.producers[who] = Some(self.bed.producer());
            }
            Step::NewConsumer { who } => {
                self.consumers[who] = None;
                self.model.release(who);
                self.consumers[who] = Some(self.bed.consumer());
            }
        }
    }

    fn send(&mut self, who: usize, len: u64, tag: u16) {
        let tx = self.producers[who].as_mut().expect("a producer");
        self.model.settle(who, What::Tombstone);
        let bytes = self.model.payload(len);
        let expected = self.model.claim(who, len);
        assert_eq!(tx.try_send_tagged(tag, &bytes), expected);
        self.model.settle(who, What::Message(tag, bytes));
    }

    fn claim(&mut self, who: usize, len: u64, sent: u64, end: End) {
        let tx = self.producers[who].as_mut().expect("a producer");
        self.model.settle(who, What::Tombstone);
        let mut bytes = self.model.payload(len);
        match (tx.try_claim(len as usize), self.model.claim(who, len)) {
            (Ok(mut claim), Ok(())) => {
                claim.copy_from_slice(&bytes);
                claim.truncate(sent as usize);
                bytes.truncate(sent as usize);
                match end {
                    End::Commit => {
                        claim.commit().expect("at home");
                        self.model.settle(who, What::Message(0, bytes));
                    }
                    End::Drop => {
                        drop(claim);
                        self.model.settle(who, What::Tombstone);
                    }
                    End::Leak => forget(claim),
                }
            }
            (claim, expected) => assert_eq!(claim.map(drop), expected),
        }
    }

    fn receive(&mut self, who: usize, keep: bool) {
        let rx = self.consumers[who].as_mut().expect("a consumer");
        self.model.release(who);
        match (rx.try_recv(), self.model.take(who)) {
            (Ok(message), Some((at, tag, bytes))) => {
                assert_eq!((message.sequence(), message.tag(), &message[..]), (at, tag, &bytes[..]));
                assert!(!message.redelivered());
                if keep {
                    forget(message);
                } else {
                    drop(message);
                    self.model.release(who);
                }
            }
            (received, expected) => {
                assert_eq!(received.map(drop), Err(RecvError::Empty));
                assert_eq!(expected, None);
            }
        }
    }

    fn drain(&mut self, who: usize, most: u64, keep: bool) {
        let rx = self.consumers[who].as_mut().expect("a consumer");
        self.model.release(who);
        let mut drain = rx.drain().expect("at home");
        for taken in 0..most {
            let received = drain.next().map(|message| {
                let message = message.expect("intact");
                (message.sequence(), message.tag(), message.to_vec())
            });
            if taken == (self.model.sizes.slots / 8).max(1) {
                assert_eq!(received, None, "a drain ends with an eighth of the slots");
                break;
            }
            assert_eq!(received, self.model.take(who));
        }
        if keep {
            forget(drain);
        } else {
            drop(drain);
            self.model.release(who);
        }
    }

    fn check(&self) {
        let used = self.model.busy.iter().filter(|busy| **busy).count();
        assert_eq!(self.producers[0].as_ref().expect("a producer").used(), Ok(used));
    }
}

fn run(bed: &Bed, sizes: Sizes, steps: &[Step]) {
    let producers = [(); PRODUCERS].map(|()| Some(bed.producer()));
    let consumers = [(); CONSUMERS].map(|()| Some(bed.consumer()));
    let mut run = Run { bed, producers, consumers, model: Model::new(sizes) };
    for step in steps {
        run.step(step);
        run.check();
    }
}

/// Checks steps that were made for rings of these sizes, on every backing.
fn check(sizes: Sizes, steps: &[Step]) {
    on_every_backing(&sizes.options(), |bed| run(bed, sizes, steps));
}

const TINY: Sizes = Sizes { slots: 2, slot_size: 64, inline: 48 };
const SMALL: Sizes = Sizes { slots: 16, slot_size: 64, inline: 48 };
const PLAIN: Sizes = Sizes { slots: 8, slot_size: 40, inline: 0 };
const INLINE: Sizes = Sizes { slots: 8, slot_size: 0, inline: 112 };
const WIDE: Sizes = Sizes { slots: 32, slot_size: 8, inline: 16 };

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_smallest_ring_is_a_queue(steps in steps(TINY.largest(), 64)) {
        check(TINY, &steps);
    }

    #[test]
    fn a_small_ring_is_a_queue(steps in steps(SMALL.largest(), 64)) {
        check(SMALL, &steps);
    }

    #[test]
    fn a_ring_of_blocks_is_a_queue(steps in steps(PLAIN.largest(), 40)) {
        check(PLAIN, &steps);
    }

    #[test]
    fn a_ring_of_descriptors_is_a_queue(steps in steps(INLINE.largest(), 112)) {
        check(INLINE, &steps);
    }

    #[test]
    fn a_ring_of_many_spans_is_a_queue(steps in steps(WIDE.largest(), 16)) {
        check(WIDE, &steps);
    }
}
