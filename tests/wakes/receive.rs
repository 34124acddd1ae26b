//! A process that receives.

use ringway::{RecvError, mpmc, spsc};

use crate::common::random::Random;
use crate::end_with_the_test;
use crate::ends::{Ends, Receiving};
use crate::figures::Waits;
use crate::journal::{Journal, Stage, now};
use crate::pace::{be_patient, linger, pause};
use crate::plan::{Kind, Plan};

/// Arguments: rings, journal, plan, place.
pub fn receive(arguments: &[&str]) {
    end_with_the_test();
    match Plan::parse(arguments[2]).kind {
        Kind::Spsc => Receiver::<spsc::Consumer>::new(arguments).work(),
        Kind::Mpmc => Receiver::<mpmc::Consumer>::new(arguments).work(),
    }
}

struct Receiver<E> {
    ends: Ends<E>,
    diary: Diary,
    random: Random,
    plan: Plan,
}

/// What this process notes.
struct Diary {
    journal: Journal,
    place: usize,
    /// What the place had counted before, and what it has counted.
    before: Waits,
    waits: Waits,
    /// Since when it has had nothing to do.
    idle_since: u64,
    /// The next number of each stream that is not marked.
    next: Vec<u64>,
    is_alone: bool,
}

impl<E: Receiving> Receiver<E> {
    fn new(arguments: &[&str]) -> Receiver<E> {
        let [names, journal, plan, place] = arguments else { panic!("four arguments") };
        let (journal, plan, place) =
            (Journal::open(journal), Plan::parse(plan), place.parse().expect("a place"));
        let mut random = Random::any();
        let ends = Ends::open(&plan, names, &mut random);
        let (before, is_alone) = (journal.waits(place), plan.kind == Kind::Spsc);
        let streams = plan.stream(plan.each(), 0) + 1;
        let next = (0..streams).map(|stream| if is_alone { journal.next(stream) } else { 0 }).collect();
        let diary = Diary { journal, place, before, waits: before, idle_since: now(), next, is_alone };
        Receiver { ends, diary, random, plan }
    }

    fn work(mut self) {
        if self.diary.journal.stage() >= Stage::Awake {
            return self.stay_awake();
        }
        let mut lane = 0;
        loop {
            let block = self.ends.blocks(&mut self.random);
            match self.receive(lane, block) {
                Ok(()) => {
                    self.diary.count(self.ends.counters());
                    pause(&mut self.random);
                    self.diary.idle_since = now();
                }
                Err(RecvError::Empty) => {
                    if self.random.once_in(4) {
                        pause(&mut self.random);
                    }
                    lane = self.ends.wait();
                }
                Err(RecvError::Closed | RecvError::PeerDead) => be_patient(),
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn receive(&mut self, lane: usize, block: bool) -> Result<(), RecvError> {
        let mut received = None;
        // Deaths are to find messages in hand, too.
        let lingers = self.random.once_in(16);
        self.ends.receive(lane, block, &mut |stream, message, redelivered| {
            received = Some((stream, self.diary.note(stream, message, redelivered)));
            if lingers {
                linger();
            }
        })?;
        let (stream, number) = received.expect("noted");
        self.diary.journal.release(stream, number);
        Ok(())
    }

    /// Receives without ever waiting, until everything is received and every sender has left. Counts nothing.
    fn stay_awake(mut self) {
        let lanes = self.plan.lanes();
        let mut left = vec![true; lanes];
        while left.contains(&true) {
            let is_over = self.diary.journal.stage() == Stage::Over;
            for (lane, left) in left.iter_mut().enumerate() {
                match self.receive(lane, false) {
                    Ok(()) => self.diary.idle_since = now(),
                    Err(RecvError::Empty) => {}
                    Err(RecvError::Closed | RecvError::PeerDead) => *left = !is_over,
                    Err(error) => panic!("{error}"),
                }
            }
            std::thread::yield_now();
        }
    }
}

impl Diary {
    /// Notes a message in hand; its number.
    fn note(&mut self, stream: usize, message: &[u8], redelivered: bool) -> u64 {
        let word = |at: usize| u64::from_ne_bytes(message[8 * at..][..8].try_into().expect("eight bytes"));
        let (number, sent) = (word(0), word(1));
        self.waits.note(sent.max(self.idle_since), &self.journal);
        let received = self.journal.receive(stream, number, redelivered);
        received.unwrap_or_else(|wrong| panic!("{wrong}"));
        let next = &mut self.next[stream];
        assert!(redelivered || number >= *next, "message {number} of stream {stream} after {next}");
        *next = (number + 1).max(*next);
        if self.is_alone {
            self.journal.set_next(stream, *next);
        }
        self.waits.messages += 1;
        number
    }

    /// Writes down what is counted.
    fn count(&mut self, (sleeps, wakes): (u64, u64)) {
        self.waits.sleeps = self.before.sleeps + sleeps;
        self.waits.wakes = self.before.wakes + wakes;
        self.journal.set_waits(self.place, &self.waits);
    }
}
