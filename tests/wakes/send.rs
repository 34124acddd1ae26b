//! A process that sends.

use std::fs;
use std::thread;
use std::time::Duration;

use ringway::{SendError, mpmc, spsc};

use crate::common::random::Random;
use crate::common::role::say;
use crate::end_with_the_test;
use crate::ends::{Ends, Sending};
use crate::figures::Waits;
use crate::journal::{Journal, Stage, now};
use crate::pace::{be_patient, pause};
use crate::plan::{Kind, LENGTH, Plan, Way};
use crate::soak::messages;

/// Messages that are sent to those who never sleep, at most, and before them to find whom the dead had left to be woken.
const AWAKE: u64 = 10_000;
const HEAL: u64 = 64;

/// Arguments: rings, journal, plan, place.
pub fn send(arguments: &[&str]) {
    end_with_the_test();
    match Plan::parse(arguments[2]).kind {
        Kind::Spsc => Sender::<spsc::Producer>::new(arguments).work(),
        Kind::Mpmc => Sender::<mpmc::Producer>::new(arguments).work(),
    }
}

struct Sender<E> {
    ends: Ends<E>,
    journal: Journal,
    plan: Plan,
    place: usize,
    before: Waits,
    waits: Waits,
    random: Random,
}

impl<E: Sending> Sender<E> {
    fn new(arguments: &[&str]) -> Sender<E> {
        let [names, journal, plan, place] = arguments else { panic!("four arguments") };
        let (journal, plan, place) =
            (Journal::open(journal), Plan::parse(plan), place.parse().expect("a place"));
        let mut random = Random::any();
        let ends = Ends::open(&plan, names, &mut random);
        (0..plan.lanes()).for_each(|lane| journal.succeed(plan.stream(place, lane)));
        let before = journal.waits(place);
        Sender { ends, journal, plan, place, before, waits: before, random }
    }

    fn work(mut self) {
        self.send_some(false);
        let before = Holdings::take();
        while self.journal.stage() == Stage::Run {
            let batch = self.random.once_in(6);
            self.send_some(batch);
            pause(&mut self.random);
        }
        say("idle");
        while self.journal.stage() == Stage::Drought {
            thread::sleep(Duration::from_millis(1));
        }
        self.send_to_the_awake();
        Holdings::take().compare(&before, &self.plan);
        drop(self.ends);
        say("done");
    }

    /// Sends a message, or a few together; waits while there is no room.
    fn send_some(&mut self, batch: bool) {
        let mut lane = self.random.below(self.plan.lanes() as u64) as usize;
        let mut count = if batch { self.random.between(2, 3) } else { 1 };
        let block = self.ends.blocks(&mut self.random);
        let mut full_since = None;
        loop {
            match self.try_to_send(lane, count, block) {
                Ok(()) => break,
                Err(SendError::Full { .. }) => {
                    full_since.get_or_insert_with(now);
                    count = 1;
                    if self.random.once_in(4) {
                        pause(&mut self.random);
                    }
                    lane = self.ends.wait();
                }
                Err(SendError::Closed | SendError::PeerDead) => be_patient(),
                Err(error) => panic!("{error}"),
            }
        }
        if let Some(since) = full_since {
            self.waits.note(since, &self.journal);
        }
        self.count();
    }

    fn try_to_send(&mut self, lane: usize, count: u64, block: bool) -> Result<(), SendError> {
        let stream = self.plan.stream(self.place, lane);
        let (tag, first) = (stream as u16, self.journal.sent(stream));
        self.journal.set_tried(stream, first + count);
        let messages: Vec<[u8; LENGTH]> = (first..first + count).map(message).collect();
        let sent = match messages[..] {
            [one] => self.ends.send(lane, block, tag, &one).map(|()| 1),
            _ => self.ends.lane(lane).send_batch(tag, &messages),
        };
        let next = first + sent.as_ref().unwrap_or(&0);
        self.journal.set_sent(stream, next);
        self.journal.set_tried(stream, next);
        self.waits.messages += next - first;
        sent.map(drop)
    }

    /// Writes down what is counted.
    fn count(&mut self) {
        let (sleeps, wakes) = self.ends.counters();
        self.waits.sleeps = self.before.sleeps + sleeps;
        self.waits.wakes = self.before.wakes + wakes;
        self.journal.set_waits(self.place, &self.waits);
    }

    /// Those who slept are dead, and those who are there never sleep: nobody is to be woken.
    fn send_to_the_awake(&mut self) {
        self.send_without_waiting(HEAL);
        let (_, before) = self.ends.counters();
        self.send_without_waiting(AWAKE.min(messages() / 50));
        let (_, wakes) = self.ends.counters();
        assert_eq!(wakes, before, "wakes, though nobody sleeps");
        self.count();
    }

    fn send_without_waiting(&mut self, messages: u64) {
        for nth in 0..messages {
            let lane = nth as usize % self.plan.lanes();
            while let Err(error) = self.try_to_send(lane, 1, false) {
                let is_patient =
                    matches!(error, SendError::Full { .. } | SendError::Closed | SendError::PeerDead);
                assert!(is_patient, "{error}");
                thread::yield_now();
            }
        }
    }
}

/// The message with this number, sent now.
pub fn message(number: u64) -> [u8; LENGTH] {
    let mut message = [0; LENGTH];
    message[..8].copy_from_slice(&number.to_ne_bytes());
    message[8..].copy_from_slice(&now().to_ne_bytes());
    message
}

/// What a process has.
struct Holdings {
    descriptors: usize,
    threads: usize,
}

impl Holdings {
    fn take() -> Holdings {
        let count = |path| fs::read_dir(path).expect("one's own").count();
        Holdings { descriptors: count("/proc/self/fd"), threads: count("/proc/self/task") }
    }

    fn compare(&self, before: &Holdings, plan: &Plan) {
        assert_eq!(self.descriptors, before.descriptors, "descriptors");
        let watching = usize::from(plan.way == Way::Watch);
        assert!(self.threads <= before.threads + watching, "{} threads", self.threads);
    }
}
