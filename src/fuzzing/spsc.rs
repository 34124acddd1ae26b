//! Operations on a record ring, deaths among them.

use super::input::Input;
use super::memory::Memory;
use super::spsc_model::{Model, Sent};
use crate::channel::window::window_of;
use crate::error::Corrupt;
use crate::layout::Shared;
use crate::layout::participant::{Participant, line_at};
use crate::layout::spsc::{Control, Sizes};
use crate::ring::Pace;
use crate::ring::record::{Consumer, Found, Look, Producer, Refused, Window};
use crate::segment::mapping::Mapping;
use crate::sync::{obey, within};
use crate::wait::bell;

/// Sizes of rings.
pub(super) const SIZES: [u64; 4] = [64, 128, 512, 4096];
/// Visits of a call that does not walk: a header, and those around padding.
const FEW: u64 = 4;

/// A ring that one process has both ends of.
pub(super) struct Ring {
    pub(super) memory: Memory,
    mapping: Mapping,
    pub(super) sizes: Sizes,
}

impl Ring {
    /// `None`: no ring has these sizes.
    pub(super) fn new(size: u64, align: u64, durable: bool) -> Option<Ring> {
        let sizes = Sizes { durable, ..Sizes::new(size, align).ok()? };
        let memory = Memory::new(sizes.total());
        Some(Ring { mapping: memory.mapping(), memory, sizes })
    }

    pub(super) fn window(&self) -> Window {
        window_of(&self.mapping, self.sizes.site())
    }

    pub(super) fn control(&self) -> Shared<Control> {
        self.mapping.part(self.sizes.site().control_at)
    }

    fn line(&self, id: u32) -> Shared<Participant> {
        self.mapping.part(line_at(id))
    }

    /// The most visits of a call that walks: a header takes eight bytes, and an onlooker looks again.
    fn lap(&self) -> u64 {
        self.sizes.size / 8 + FEW
    }

    pub(super) fn producer(&self) -> Result<Producer, Corrupt> {
        let attach = || Producer::attach(self.window(), self.control(), self.line(0), self.sizes);
        within(self.lap(), attach)
    }

    pub(super) fn consumer(&self) -> Result<Consumer, Corrupt> {
        let pace = Pace { most: 1, probe: 1 };
        within(FEW, || Consumer::attach(self.window(), self.control(), self.line(1), self.sizes, pace))
    }
}

/// Both ends, and what should be between them.
struct Ends<'a> {
    ring: &'a Ring,
    producer: Option<Producer>,
    consumer: Option<Consumer>,
    /// `None`: somebody lies, so nothing is known.
    model: Option<Model>,
    sent: u8,
}

/// Which ring, and then operations.
pub(super) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let Some(ring) = ring(&mut input) else { return };
    let mut ends = Ends::new(&ring, Some(Model::default()));
    while !input.is_empty() {
        ends.operate(&mut input);
    }
    ends.attach();
    ends.drain(usize::MAX);
    ends.send(ring.sizes.largest() as usize, 7);
    ends.receive();
    assert!(
        ends.model.is_some_and(|model| model.is_empty()),
        "the largest message goes through an empty ring"
    );
}

/// A script of lies first.
pub(super) fn run_with_lies(data: &[u8]) {
    let mut input = Input::new(data);
    let script = input.script();
    let Some(ring) = ring(&mut input) else { return };
    obey(script);
    let mut ends = Ends::new(&ring, None);
    while !input.is_empty() {
        ends.operate(&mut input);
    }
}

fn ring(input: &mut Input<'_>) -> Option<Ring> {
    let size = SIZES[input.below(SIZES.len() as u64) as usize];
    Ring::new(size, [8, 8, 16, 64][input.below(4) as usize], false)
}

impl<'a> Ends<'a> {
    fn new(ring: &'a Ring, model: Option<Model>) -> Self {
        let mut ends = Ends { ring, producer: None, consumer: None, model, sent: 0 };
        ends.attach();
        ends
    }

    /// Whoever is missing comes, if what is there can be attached to.
    fn attach(&mut self) {
        if self.producer.is_none() {
            let producer = self.ring.producer();
            self.producer = self.sound(producer);
        }
        if self.consumer.is_none() {
            let consumer = self.ring.consumer();
            self.consumer = self.sound(consumer);
        }
    }

    /// Where nobody lies nothing is corrupt.
    fn sound<T>(&self, result: Result<T, Corrupt>) -> Option<T> {
        assert!(self.model.is_none() || result.is_ok(), "{:?}", result.err());
        result.ok()
    }

    fn operate(&mut self, input: &mut Input<'_>) {
        self.attach();
        match input.below(14) {
            0..=2 => {
                let len = input.below(self.ring.sizes.largest() + 2) as usize;
                self.send(len, input.byte());
            }
            3 => {
                let len = input.below(self.ring.sizes.largest() + 2) as usize;
                self.claim(len, input.byte(), input.byte());
            }
            4 => self.batch(input),
            5..=6 => self.receive(),
            7 => self.drain(usize::from(input.byte())),
            8 => self.producer = None,
            9 => {
                self.producer.take().inspect(|producer| producer.write_down());
            }
            10 => self.consumer_dies(usize::from(input.byte() % 4)),
            11 => self.look(input.below(self.ring.sizes.largest())),
            12 => self.ring_bells(),
            _ if self.model.is_none() => {
                self.ring.memory.write(8 * input.below(self.ring.memory.len() / 8), input.take(8))
            }
            _ => {}
        }
    }

    fn next(&mut self, len: usize, tag: u8) -> Sent {
        self.sent = self.sent.wrapping_add(1);
        Sent { tag: tag.into(), len, seed: self.sent }
    }

    /// What became of a message; `true`: it was sent.
    fn judge(&mut self, sent: Sent, result: Result<(), Refused>) -> bool {
        let largest = self.ring.sizes.largest() as usize;
        let Some(model) = &mut self.model else { return result.is_ok() };
        match result {
            Ok(()) => assert!(sent.len <= largest),
            Err(Refused::TooLarge) => assert!(sent.len > largest),
            Err(Refused::Full { need, free }) => assert!(!model.is_empty() && need > free),
            Err(Refused::Corrupt(corrupt)) => panic!("{corrupt}"),
        }
        result.is_ok()
    }

    fn commit(&mut self, sent: Sent) {
        self.model.as_mut().into_iter().for_each(|model| model.commit(sent));
    }

    fn send(&mut self, len: usize, tag: u8) {
        let sent = self.next(len, tag);
        let Some(producer) = &mut self.producer else { return };
        let payload = sent.payload();
        let result = within(FEW, || match producer.send_ready(sent.tag, &payload) {
            true => Ok(()),
            false => producer.send(sent.tag, &payload, Look::Position),
        });
        if self.judge(sent, result) {
            self.commit(sent);
        }
    }

    /// A claim of `len` bytes that is cut to a part of them, or dropped.
    fn claim(&mut self, len: usize, tag: u8, part: u8) {
        let sent = self.next(len, tag);
        let Some(producer) = &mut self.producer else { return };
        let claimed = within(FEW, || producer.claim(len as u64, Look::Position));
        if !self.judge(sent, claimed.map(drop)) || part == 0 {
            return;
        }
        let (Ok(mut claimed), Some(producer)) = (claimed, &mut self.producer) else { return };
        let sent = Sent { len: len * usize::from(part) / 255, ..sent };
        let room = producer.payload_mut(&claimed);
        assert!(room.len() == len && self.ring.memory.holds(room));
        room[..sent.len].copy_from_slice(&sent.payload());
        claimed.truncate(sent.len as u64);
        producer.commit(claimed, sent.tag);
        self.commit(sent);
    }

    fn batch(&mut self, input: &mut Input<'_>) {
        let (count, commits, tag) = (input.below(8), input.below(4) > 0, input.byte());
        let Some(mut pending) = self.producer.as_ref().map(Producer::batch) else { return };
        let mut pushed = Vec::new();
        for _ in 0..count {
            let sent = self.next(input.below(self.ring.sizes.largest() + 1) as usize, tag);
            let Some(producer) = &mut self.producer else { return };
            let payload = sent.payload();
            let result = within(FEW, || match producer.push_ready(&mut pending, sent.tag, &payload) {
                true => Ok(()),
                false => producer.push(&mut pending, sent.tag, &payload),
            });
            match result {
                Ok(()) => pushed.push(sent),
                // What is in the batch takes room, too.
                Err(Refused::Full { .. }) if !pushed.is_empty() => break,
                refused => {
                    self.judge(sent, refused);
                    break;
                }
            }
        }
        let Some(producer) = &mut self.producer else { return };
        if commits {
            assert_eq!(producer.messages_in(&pending), pushed.len() as u64);
            assert_eq!(producer.commit_batch(&pending), !pushed.is_empty());
            pushed.into_iter().for_each(|sent| self.commit(sent));
        }
    }

    /// Takes a message, if there is one.
    fn take(&mut self) -> Option<Found> {
        let consumer = self.consumer.as_mut()?;
        let found =
            within(FEW, || consumer.find_ready().map_or_else(|| consumer.find(), |found| Ok(Some(found))));
        let found = self.sound(found)?;
        let consumer = self.consumer.as_ref()?;
        let message = found.as_ref().map(|found| (found.tag, consumer.hand_out(found), found.redelivered));
        assert!(message.is_none_or(|(_, payload, _)| self.ring.memory.holds(payload)));
        self.model.as_mut().into_iter().for_each(|model| model.took(message));
        found
    }

    fn release(&mut self) {
        self.consumer.as_ref().into_iter().for_each(Consumer::release);
        self.model.as_mut().into_iter().for_each(Model::released);
    }

    fn receive(&mut self) {
        if self.take().is_some() {
            self.release();
        }
    }

    fn drain(&mut self, most: usize) {
        let room = self.ring.sizes.size as usize / 8;
        let taken = (0..most.min(room)).map_while(|_| self.take()).count();
        if taken > 0 {
            self.release();
        }
    }

    fn consumer_dies(&mut self, taken: usize) {
        for _ in 0..taken {
            self.take();
        }
        if self.consumer.take().is_some() {
            self.model.as_mut().into_iter().for_each(Model::consumer_died);
        }
    }

    fn look(&mut self, len: u64) {
        let (Some(producer), Some(consumer)) = (&mut self.producer, &mut self.consumer) else { return };
        // An onlooker looks 64 times at a ring that seems to change, and is corrupt each time.
        let seen = within(66 * self.ring.lap(), || {
            consumer.poll();
            (producer.used(), consumer.backlog(), producer.is_drained() && consumer.is_drained())
        });
        let fit = within(FEW, || (producer.fits_by_head(len), producer.fits_by_position(len)));
        let Some(model) = &self.model else { return };
        let (used, backlog, drained) = seen;
        assert_eq!(used, backlog, "both sides see the same");
        assert_eq!((used == Ok(0), drained), (model.is_empty(), model.is_empty()));
        let by_head = fit.0.expect("sound");
        assert!(!by_head || fit.1.expect("sound"), "what fits by the head fits by the position");
    }

    /// Rings the bells, as who publishes does, and says that somebody sleeps.
    fn ring_bells(&self) {
        let control = self.ring.control();
        within(FEW, || {
            bell::announce(&control.data_bell);
            bell::want_call(&control.space_bell);
        });
        for bell in [&*control.data_bell, &*control.space_bell] {
            if bell::may_be_heard(bell) {
                within(bell::ATTEMPTS.into(), || bell::ring(bell));
                within(bell::ATTEMPTS.into(), || bell::ring_some(bell, 1));
            }
        }
    }
}
