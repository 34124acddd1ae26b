//! A producer of a soak: sends in every way there is, and notes what it does.

use std::mem;
use std::thread;
use std::time::Duration;

use ringway::mpmc::Producer;
use ringway::{SendError, Wait};

use crate::common::random::Random;
use crate::common::role::say;
use crate::journal::{Journal, Stage};
use crate::plan::{Plan, fill};

/// How long a call waits before the producer looks whether it is to stop.
const A_WHILE: Duration = Duration::from_millis(5);

/// Arguments: ring, journal, plan, the producer's number.
pub fn produce(arguments: &[&str]) {
    let mut sender = Sender::new(arguments);
    while sender.is_wanted() {
        sender.act();
    }
    drop(sender);
    say("done");
}

/// A producer that is never killed and sends now and then. Says how many descriptors it has, at first and at last.
pub fn witness(arguments: &[&str]) {
    let mut sender = Sender::new(arguments);
    sender.send();
    say(descriptors());
    while sender.is_wanted() {
        sender.act();
        thread::sleep(Duration::from_millis(2));
    }
    say(descriptors());
    drop(sender);
    say("done");
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("one's own descriptors").count()
}

struct Sender {
    tx: Producer,
    journal: Journal,
    plan: Plan,
    number: u16,
    /// The next message, which is also how many were sent.
    serial: u64,
    random: Random,
    buffer: Vec<u8>,
}

impl Sender {
    fn new(arguments: &[&str]) -> Sender {
        let [name, journal, plan, number] = arguments else { panic!("four arguments") };
        let (plan, mut random) = (Plan::parse(plan), Random::any());
        let mut tx = plan.options().create(false).producer(*name).expect("a producer");
        tx.set_wait(some_wait(&mut random));
        let (journal, number) = (Journal::open(journal), number.parse().expect("a number"));
        Sender { tx, journal, plan, number, serial: 0, random, buffer: Vec::new() }
    }

    fn is_wanted(&self) -> bool {
        self.journal.stage() == Stage::Run
    }

    fn act(&mut self) {
        match self.random.below(12) {
            0..=3 => self.send(),
            4 => self.try_send(),
            5..=6 => self.claim(),
            7 => self.abort(),
            _ => self.batch(),
        }
    }

    /// How long the next message is.
    fn length(&self) -> usize {
        self.plan.length(self.number, self.serial)
    }

    /// Makes the next message.
    fn make(&mut self) {
        self.buffer.resize(self.length(), 0);
        fill(&mut self.buffer, self.number, self.serial);
    }

    /// Notes how an attempt to send so many messages ended.
    fn have_sent(&mut self, messages: u64, outcome: Result<(), SendError>) {
        match outcome {
            Ok(()) => self.serial += messages,
            Err(error) => be_patient(error),
        }
        self.journal.set_committed(self.number, self.serial);
        self.journal.set_tried(self.number, self.serial);
    }

    fn send(&mut self) {
        self.make();
        self.journal.set_tried(self.number, self.serial + 1);
        let outcome = self.tx.send_tagged(self.number, &self.buffer);
        self.have_sent(1, outcome);
    }

    fn try_send(&mut self) {
        self.make();
        if let Err(error) = self.tx.wait_for_space(self.buffer.len(), Some(A_WHILE)) {
            be_patient(error);
        }
        self.journal.set_tried(self.number, self.serial + 1);
        let outcome = self.tx.try_send_tagged(self.number, &self.buffer);
        self.have_sent(1, outcome);
    }

    fn claim(&mut self) {
        let length = self.length();
        // Sometimes more than the message needs.
        let room = if self.random.once_in(4) { self.tx.largest().min(length + 100) } else { length };
        let mut claim = match self.tx.claim_timeout(room, A_WHILE) {
            Ok(claim) => claim,
            Err(error) => return be_patient(error),
        };
        claim.truncate(length);
        claim.set_tag(self.number);
        fill(&mut claim, self.number, self.serial);
        linger(&mut self.random);
        self.journal.set_tried(self.number, self.serial + 1);
        let outcome = claim.commit();
        self.have_sent(1, outcome);
    }

    /// Claims room, spoils it, and sends nothing; sometimes the claim is leaked and the next call aborts it.
    fn abort(&mut self) {
        let length = self.length();
        match self.tx.claim_timeout(length, A_WHILE) {
            Ok(mut claim) => {
                claim.fill(0xee);
                linger(&mut self.random);
                if self.random.once_in(2) { mem::forget(claim) } else { drop(claim) }
            }
            Err(error) => be_patient(error),
        }
    }

    fn batch(&mut self) {
        let wanted = self.random.between(1, 12);
        let mut buffer = mem::take(&mut self.buffer);
        let mut batch = self.tx.batch().expect("at home");
        let (mut sent, mut full) = (0, None);
        while sent < wanted && full.is_none() {
            let serial = self.serial + sent;
            buffer.resize(self.plan.length(self.number, serial), 0);
            fill(&mut buffer, self.number, serial);
            match batch.push_tagged(self.number, &buffer) {
                Ok(()) => sent += 1,
                Err(error) => full = Some(error),
            }
        }
        linger(&mut self.random);
        if self.random.once_in(8) {
            drop(batch);
        } else {
            self.journal.set_tried(self.number, self.serial + sent);
            let outcome = batch.commit();
            self.have_sent(sent, outcome);
        }
        self.buffer = buffer;
        if let Some(error) = full {
            be_patient(error);
            self.wait();
        }
    }

    /// Waits for room for the next message.
    fn wait(&mut self) {
        if let Err(error) = self.tx.wait_for_space(self.length(), Some(A_WHILE)) {
            be_patient(error);
        }
    }
}

/// One of the ways to wait.
pub fn some_wait(random: &mut Random) -> Wait {
    match random.below(8) {
        0 => Wait::Spin,
        1..=3 => Wait::Park,
        _ => Wait::Adaptive,
    }
}

/// Now and then holds on for a while, so that deaths find a claim or a message in hand.
pub fn linger(random: &mut Random) {
    if random.once_in(40) {
        thread::sleep(Duration::from_micros(random.between(50, 2000)));
    }
}

/// After these errors the call is repeated.
fn be_patient(error: SendError) {
    match error {
        SendError::Full { .. } | SendError::TimedOut | SendError::Stalled { .. } => {}
        // Every consumer was killed at once: they come back.
        SendError::Closed | SendError::PeerDead => thread::sleep(Duration::from_micros(200)),
        error => panic!("{error}"),
    }
}
