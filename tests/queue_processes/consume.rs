//! A consumer of a soak: receives in every way there is, checks every byte, and notes what it does.

use std::mem;
use std::thread;
use std::time::Duration;

use ringway::RecvError;
use ringway::mpmc::{Consumer, Message};

use crate::common::PATIENCE;
use crate::common::random::Random;
use crate::common::role::say;
use crate::journal::{Journal, Receipt, Stage, now};
use crate::plan::{Plan, check};
use crate::produce::{linger, some_wait};

const A_WHILE: Duration = Duration::from_millis(5);

/// Arguments: ring, journal, plan, the list to note receipts in, the process's number.
pub fn consume(arguments: &[&str]) {
    let [name, journal, plan, list, number] = arguments else { panic!("five arguments") };
    let (list, number): (usize, u32) = (list.parse().expect("a list"), number.parse().expect("a number"));
    let journal = Journal::open(journal);
    let mut random = Random::any();
    let mut ends = vec![Plan::parse(plan).options().create(false).consumer(*name).expect("a consumer")];
    if random.once_in(3) {
        ends.push(ends[0].try_clone().expect("one more consumer"));
    }
    ends.iter_mut().for_each(|end| end.set_wait(some_wait(&mut random)));
    while journal.stage() != Stage::Over {
        let chosen = random.below(ends.len() as u64) as usize;
        let diary = Diary { journal: &journal, list, number: 2 * number + chosen as u32 };
        act(&mut ends[chosen], &diary, &mut random);
    }
    drop(ends);
    say("done");
}

/// Where a consumer notes what it receives.
#[derive(Clone, Copy, Debug)]
pub struct Diary<'a> {
    pub journal: &'a Journal,
    pub list: usize,
    /// Which consumer this is.
    pub number: u32,
}

impl Diary<'_> {
    /// Notes a message in hand; the number of its receipt.
    fn receive(&self, message: &Message) -> usize {
        let producer = message.tag();
        let receipt = Receipt {
            sequence: message.sequence(),
            received: now(),
            released: 0,
            producer,
            redelivered: message.redelivered(),
            whole: false,
            length: message.len(),
            head: 0,
            consumer: self.number,
        };
        let (head, whole) = check(message, producer);
        self.journal.append(self.list, &Receipt { whole, head, ..receipt })
    }

    /// Notes a message and releases it.
    fn note(&self, message: Message) {
        let receipt = self.receive(&message);
        drop(message);
        self.release(receipt);
    }

    fn release(&self, number: usize) {
        self.journal.set_released(self.list, number);
    }
}

fn act(rx: &mut Consumer, diary: &Diary, random: &mut Random) {
    match random.below(10) {
        0..=3 => one(rx, diary, random),
        4 => leak(rx, diary),
        5 => drop(be_patient(rx.wait_for_message(Some(A_WHILE)))),
        6 => {
            if let Some(message) = be_patient(rx.try_recv()) {
                read(message, diary, random);
            }
        }
        _ => drain(rx, diary, random),
    }
}

fn one(rx: &mut Consumer, diary: &Diary, random: &mut Random) {
    if let Some(message) = be_patient(rx.recv_timeout(A_WHILE)) {
        read(message, diary, random);
    }
}

fn read(message: Message, diary: &Diary, random: &mut Random) {
    let receipt = diary.receive(&message);
    linger(random);
    drop(message);
    diary.release(receipt);
}

/// Leaks a message, which the next call releases.
fn leak(rx: &mut Consumer, diary: &Diary) {
    let Some(message) = be_patient(rx.recv_timeout(A_WHILE)) else { return };
    let receipt = diary.receive(&message);
    mem::forget(message);
    be_patient(rx.wait_for_message(Some(Duration::ZERO)));
    diary.release(receipt);
}

fn drain(rx: &mut Consumer, diary: &Diary, random: &mut Random) {
    let most = random.between(1, 20);
    let mut drain = rx.drain().expect("at home");
    let mut receipts = Vec::new();
    for _ in 0..most {
        match drain.next() {
            Some(message) => receipts.push(diary.receive(&message.expect("intact"))),
            None => break,
        }
    }
    linger(random);
    drop(drain);
    receipts.into_iter().for_each(|receipt| diary.release(receipt));
}

/// Receives everything that is left, when no producer lives any more.
pub fn receive_the_rest(rx: &mut Consumer, diary: &Diary) {
    loop {
        let error = rx.recv_timeout(PATIENCE).map(|message| diary.note(message)).err();
        match error {
            None => {}
            Some(RecvError::Closed | RecvError::PeerDead) => return,
            Some(error) => panic!("{} slots are still used: {error}", rx.used().expect("intact")),
        }
    }
}

/// After these errors the call is repeated.
fn be_patient<T>(outcome: Result<T, RecvError>) -> Option<T> {
    match outcome {
        Ok(found) => return Some(found),
        Err(RecvError::Empty | RecvError::TimedOut | RecvError::Stalled { .. }) => {}
        // Every producer was killed at once: they come back.
        Err(RecvError::Closed | RecvError::PeerDead) => thread::sleep(Duration::from_micros(200)),
        Err(error) => panic!("{error}"),
    }
    None
}
