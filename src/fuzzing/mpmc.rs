//! Operations on a slot ring, deaths among them.

use std::cell::RefCell;
use std::rc::Rc;

use super::input::Input;
use super::memory::Memory;
use super::mpmc_model::Model;
use super::spsc_model::Sent;
use crate::channel::window::table_of;
use crate::error::Corrupt;
use crate::layout::Shared;
use crate::layout::mpmc::{Control, Sizes};
use crate::layout::participant::{Participant, line_at};
use crate::ring::Pace;
use crate::ring::slots::{self, Consumer, Core, Found, Pending, Producer, Refused};
use crate::segment::mapping::Mapping;
use crate::sync::{obey, within};

/// How many producers, and how many consumers.
const PLACES: u32 = 2;
/// What a call may visit beyond every slot once.
const MORE: u64 = 64;

/// The leases that are held, and those that one participant holds. Dropping them is its death.
struct Leases {
    held: Rc<RefCell<u32>>,
    mine: RefCell<u32>,
}

impl slots::Leases for Leases {
    fn try_take(&self, id: u32) -> bool {
        assert!(id < 2 * PLACES, "participant {id} of {}", 2 * PLACES);
        let free = *self.held.borrow() & 1 << id == 0;
        if free {
            *self.held.borrow_mut() |= 1 << id;
            *self.mine.borrow_mut() |= 1 << id;
        }
        free
    }

    fn give_back(&self, id: u32, _repaired: bool) {
        *self.held.borrow_mut() &= !(1 << id);
        *self.mine.borrow_mut() &= !(1 << id);
    }
}

impl Drop for Leases {
    fn drop(&mut self) {
        *self.held.borrow_mut() &= !*self.mine.borrow();
    }
}

/// A ring, which one process has all ends of.
struct Ring {
    memory: Memory,
    mapping: Mapping,
    sizes: Sizes,
    held: Rc<RefCell<u32>>,
    at_most_once: bool,
}

impl Ring {
    fn new(input: &mut Input<'_>) -> Option<Ring> {
        let slots = 2 << input.below(5);
        let slot_size = [0, 8, 24, 64][input.below(4) as usize];
        let inline = [0, 8, 48, 64][input.below(4) as usize];
        let sizes = Sizes::new(slots, slot_size, inline, PLACES).ok()?;
        let memory = Memory::new(sizes.total());
        let at_most_once = input.byte() & 1 != 0;
        Some(Ring { mapping: memory.mapping(), memory, sizes, held: Rc::default(), at_most_once })
    }

    /// What a call may visit.
    fn lap(&self) -> u64 {
        self.sizes.slots + MORE
    }

    /// What a repair may: it looks for the dead, and then at what they hold, and frees that.
    fn repair(&self) -> u64 {
        3 * self.sizes.slots + MORE
    }

    /// What a participant has of its own, in a place that is free.
    fn join(&self, id: u32) -> (Leases, Core) {
        let leases = Leases { held: Rc::clone(&self.held), mine: RefCell::default() };
        assert!(slots::Leases::try_take(&leases, id), "the place is free");
        let control: Shared<Control> = self.mapping.part(self.sizes.control_at());
        let line: Shared<Participant> = self.mapping.part(line_at(id));
        (leases, Core::new(table_of(&self.mapping, self.sizes), control, line, self.sizes, id))
    }
}

/// All ends, and what should be between them.
struct Ends<'a> {
    ring: &'a Ring,
    producers: [Option<(Producer, Leases)>; PLACES as usize],
    consumers: [Option<(Consumer, Leases)>; PLACES as usize],
    /// `None`: somebody lies, so nothing is known.
    model: Option<Model>,
    sent: u8,
}

/// Which ring, and then operations.
pub(super) fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let Some(ring) = Ring::new(&mut input) else { return };
    let mut ends = Ends::new(&ring, Some(Model::new(ring.at_most_once)));
    while !input.is_empty() {
        ends.operate(&mut input);
    }
    ends.finish();
}

/// A script of lies first.
pub(super) fn run_with_lies(data: &[u8]) {
    let mut input = Input::new(data);
    let script = input.script();
    let Some(ring) = Ring::new(&mut input) else { return };
    obey(script);
    let mut ends = Ends::new(&ring, None);
    while !input.is_empty() {
        ends.operate(&mut input);
    }
}

impl<'a> Ends<'a> {
    fn new(ring: &'a Ring, model: Option<Model>) -> Self {
        let mut ends = Ends { ring, producers: [None, None], consumers: [None, None], model, sent: 0 };
        (0..PLACES as usize).for_each(|place| {
            ends.attach_producer(place);
            ends.attach_consumer(place);
        });
        ends
    }

    fn attach_producer(&mut self, place: usize) {
        if self.producers[place].is_none() {
            let (leases, core) = self.ring.join(place as u32);
            let producer = within(2 * self.ring.repair(), || Producer::attach(core, &leases, &[]));
            self.producers[place] = self.sound(producer).map(|producer| (producer, leases));
            self.repaired();
        }
    }

    fn attach_consumer(&mut self, place: usize) {
        if self.consumers[place].is_none() {
            let (leases, core) = self.ring.join(PLACES + place as u32);
            let (once, pace) = (self.ring.at_most_once, Pace { most: 1, probe: 1 });
            let consumer =
                within(2 * self.ring.repair(), || Consumer::attach(core, &leases, &[], once, pace));
            self.consumers[place] = self.sound(consumer).map(|consumer| (consumer, leases));
            self.repaired();
        }
    }

    /// Somebody has repaired what dead producers left.
    fn repaired(&mut self) {
        self.model.as_mut().into_iter().for_each(|model| model.is_blocked = false);
    }

    /// Where nobody lies nothing is corrupt.
    fn sound<T>(&self, result: Result<T, Corrupt>) -> Option<T> {
        assert!(self.model.is_none() || result.is_ok(), "{:?}", result.err());
        result.ok()
    }

    fn operate(&mut self, input: &mut Input<'_>) {
        let place = usize::from(input.byte() & 1);
        self.attach_producer(place);
        self.attach_consumer(place);
        match input.below(16) {
            0..=2 => {
                let len = self.len(input);
                self.send(place, len, input.byte());
            }
            3 => {
                let len = self.len(input);
                self.claim(place, len, input);
            }
            4 => self.batch(place, input),
            5..=6 => {
                self.receive(place);
            }
            7 => self.drain(place, usize::from(input.byte() % 32)),
            8 => self.producers[place] = None,
            9 => self.consumer_dies(place, usize::from(input.byte() % 4)),
            10 => self.leave(place),
            11 => self.sweep_as_producer(place),
            12 => self.sweep_as_consumer(place),
            13 => self.look(place, input.below(self.ring.sizes.largest() + 1)),
            14 if self.model.is_none() => {
                let at = 8 * input.below(self.ring.memory.len() / 8);
                self.ring.memory.write(at, input.take(8));
            }
            15 if self.model.is_none() => self.take_turns(place),
            _ => {}
        }
    }

    /// The length of a message; one byte too many, too.
    fn len(&self, input: &mut Input<'_>) -> usize {
        input.below((self.ring.sizes.largest() + 2).min(1 << 16)) as usize
    }

    fn next(&mut self, len: usize, tag: u8) -> Sent {
        self.sent = self.sent.wrapping_add(1);
        Sent { tag: tag.into(), len, seed: self.sent }
    }

    /// What became of a message; `true`: there was room.
    fn judge(&mut self, sent: Sent, result: Result<(), Refused>) -> bool {
        let largest = self.ring.sizes.largest() as usize;
        if self.model.is_some() {
            match result {
                Ok(()) => assert!(sent.len <= largest),
                Err(Refused::TooLarge) => assert!(sent.len > largest),
                Err(Refused::Full { need, free, .. }) => assert!(need > free),
                Err(Refused::Corrupt(corrupt)) => panic!("{corrupt}"),
            }
        }
        result.is_ok()
    }

    fn commit(&mut self, sent: Sent) {
        self.model.as_mut().into_iter().for_each(|model| model.commit(sent));
    }

    fn send(&mut self, place: usize, len: usize, tag: u8) -> bool {
        let sent = self.next(len, tag);
        let Some((producer, _)) = &mut self.producers[place] else { return false };
        let payload = sent.payload();
        let result = within(self.ring.lap(), || match producer.send_ready(sent.tag, &payload) {
            true => Ok(()),
            false => producer.send(sent.tag, &payload),
        });
        let is_sent = self.judge(sent, result);
        if is_sent {
            self.commit(sent);
        }
        is_sent
    }

    /// A claim that is cut to a part, or aborted, or whose producer dies.
    fn claim(&mut self, place: usize, len: usize, input: &mut Input<'_>) {
        let (part, tag) = (input.byte(), input.byte());
        let sent = self.next(len, tag);
        let Some((producer, _)) = &mut self.producers[place] else { return };
        let claimed = within(self.ring.lap(), || producer.claim(len as u64));
        if !self.judge(sent, claimed.map(drop)) {
            return;
        }
        let (Ok(mut claimed), Some((producer, _))) = (claimed, &mut self.producers[place]) else { return };
        match part {
            0 => assert!(producer.abort()),
            1 => {
                self.producers[place] = None;
                self.model.as_mut().into_iter().for_each(|model| model.is_blocked = true);
            }
            _ => {
                let sent = Sent { len: len * usize::from(part) / 255, ..sent };
                let room = producer.payload_mut(&claimed);
                assert!(room.len() == len && self.ring.memory.holds(room));
                room[..sent.len].copy_from_slice(&sent.payload());
                claimed.truncate(sent.len as u64);
                producer.commit(claimed, sent.tag);
                self.commit(sent);
            }
        }
    }

    /// A batch that is committed, or aborted, or whose producer dies.
    fn batch(&mut self, place: usize, input: &mut Input<'_>) {
        let (count, end, tag) = (input.below(24), input.byte() % 8, input.byte());
        let (mut pending, mut pushed) = (Pending::default(), Vec::new());
        for _ in 0..count {
            let len = self.len(input);
            let sent = self.next(len, tag);
            let Some((producer, _)) = &mut self.producers[place] else { return };
            let payload = sent.payload();
            let result = within(self.ring.lap(), || producer.push(&mut pending, sent.tag, &payload));
            if !self.judge(sent, result) {
                break;
            }
            pushed.push(sent);
        }
        let Some((producer, _)) = &mut self.producers[place] else { return };
        match end {
            0 => {
                producer.abort();
            }
            1 => {
                self.producers[place] = None;
                self.model.as_mut().into_iter().for_each(|model| model.is_blocked |= !pushed.is_empty());
            }
            _ => {
                assert_eq!(producer.commit_batch(&mut pending), pushed.len() as u64);
                pushed.into_iter().for_each(|sent| self.commit(sent));
            }
        }
    }

    /// Takes a message, if there is one, and keeps it.
    fn take(&mut self, place: usize, keep: bool) -> Option<Found> {
        let (consumer, _) = self.consumers[place].as_mut()?;
        let found = within(self.ring.lap(), || match keep {
            true => consumer.find_next(),
            false => consumer.find_ready().map_or_else(|| consumer.find(), |found| Ok(Some(found))),
        });
        let found = self.sound(found)?;
        let (consumer, _) = self.consumers[place].as_ref()?;
        let message = found.as_ref().map(|found| (found.tag, consumer.payload(found), found.redelivered));
        assert!(message.is_none_or(|(_, payload, _)| self.ring.memory.holds(payload)));
        self.model.as_mut().into_iter().for_each(|model| model.took(place, message));
        found
    }

    fn release(&mut self, place: usize) {
        let Some((consumer, _)) = &mut self.consumers[place] else { return };
        within(self.ring.lap(), || consumer.release());
        self.model.as_mut().into_iter().for_each(|model| model.released(place));
    }

    fn receive(&mut self, place: usize) -> bool {
        let Some(found) = self.take(place, false) else { return false };
        let Some((consumer, _)) = &mut self.consumers[place] else { return false };
        within(self.ring.lap(), || consumer.release_held(&found));
        self.model.as_mut().into_iter().for_each(|model| model.released(place));
        true
    }

    fn drain(&mut self, place: usize, most: usize) {
        (0..most).take_while(|_| self.take(place, true).is_some()).for_each(drop);
        self.release(place);
    }

    fn consumer_dies(&mut self, place: usize, taken: usize) {
        (0..taken).take_while(|_| self.take(place, true).is_some()).for_each(drop);
        self.consumers[place] = None;
        self.model.as_mut().into_iter().for_each(|model| model.consumer_died(place));
    }

    /// Both say goodbye. What the consumer was to deliver again is left.
    fn leave(&mut self, place: usize) {
        self.release(place);
        self.producers[place].take().into_iter().for_each(|(producer, _)| producer.write_down());
        self.consumers[place].take().into_iter().for_each(|(consumer, _)| consumer.write_down());
    }

    fn sweep_as_producer(&mut self, place: usize) {
        let Some((producer, leases)) = &mut self.producers[place] else { return };
        let swept = within(self.ring.repair(), || producer.sweep(leases, &[]));
        self.sound(swept);
        self.repaired();
    }

    fn sweep_as_consumer(&mut self, place: usize) {
        let Some((consumer, leases)) = &mut self.consumers[place] else { return };
        let swept = within(self.ring.repair(), || consumer.sweep(leases, &[]));
        self.sound(swept);
        self.repaired();
    }

    fn look(&mut self, place: usize, len: u64) {
        if let Some((producer, _)) = &mut self.producers[place] {
            let fits = within(self.ring.lap(), || producer.fits(len));
            self.judge(Sent { tag: 0, len: len as usize, seed: 0 }, fits);
        }
        let Some((consumer, _)) = &mut self.consumers[place] else { return };
        let seen = within(self.ring.lap(), || consumer.seek());
        let used = within(self.ring.lap(), || consumer.core().used());
        let drained = within(self.ring.lap(), || consumer.is_drained());
        self.sound(seen);
        self.sound(used);
        assert!(self.model.as_ref().is_none_or(|model| !drained || model.is_empty()), "drained");
    }

    fn take_turns(&mut self, place: usize) {
        let Some((producer, _)) = &mut self.producers[place] else { return };
        within(1, || {
            producer.turn().into_iter().for_each(|turn| producer.honour(turn));
            producer.ask_for_turn();
            producer.end_turn();
        });
    }

    /// Everybody takes what there is; then the largest message goes through the empty ring.
    fn finish(&mut self) {
        for place in 0..PLACES as usize {
            self.attach_producer(place);
            self.attach_consumer(place);
            self.sweep_as_consumer(place);
        }
        // What one gets that dead hands had, and one dead left to another: twice.
        for place in [0, 1, 0, 1] {
            while self.receive(place) {}
            self.sweep_as_consumer(place);
        }
        while self.receive(0) {}
        let (consumer, _) = self.consumers[0].as_ref().expect("attached");
        assert!(consumer.is_drained(), "everything was received");
        assert!(self.model.as_ref().is_some_and(Model::is_empty), "nothing is lost: {:?}", self.model);
        assert!(self.send(0, self.ring.sizes.largest() as usize, 7), "an empty ring has room");
        assert!(self.receive(1));
    }
}
