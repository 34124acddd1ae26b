//! The processes of a soak, and who kills them.

use std::os::unix::process::ExitStatusExt;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use ringway::Role as End;
use ringway::inspect::{Report, inspect};
use ringway::mpmc::{Consumer, Peer};

use crate::common::eventually;
use crate::common::names::Name;
use crate::common::random::Random;
use crate::common::role::Role;
use crate::consume::{Diary, receive_the_rest};
use crate::journal::{Journal, LISTS, PRODUCERS, Stage};
use crate::plan::Plan;
use crate::verdict::{Figures, judge};

/// Producers that are killed, and consumers.
const EACH: usize = 4;
/// Without a message for so long, something hangs.
const HANGS: Duration = Duration::from_secs(10);

/// Whom a killer kills at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kill {
    /// Any one.
    One,
    /// Several at once, and a moment later, when the others repair what those left, one of the others.
    Several,
}

/// The processes of one round: a ring, a journal, workers, and a witness that is never killed.
pub struct Crew {
    name: Name,
    journal: Journal,
    plan: Plan,
    random: Random,
    /// Producers, then consumers.
    workers: Vec<Role>,
    witness: Role,
    /// What the witness said of itself at first.
    descriptors: String,
    producers: u16,
    consumers: u32,
    kills: u64,
    /// How many messages had been received when last somebody looked, and when that number last changed.
    progress: (usize, Instant),
}

impl Crew {
    pub fn start(plan: Plan) -> Crew {
        let (name, journal) = (Name::new("soak"), Journal::create());
        plan.options().create_ring(&*name).expect("a ring");
        let witness = Role::start("witness", &[&name, &journal.path(), &plan.text(), "0"]);
        let descriptors = witness.hear();
        let mut crew = Crew {
            name,
            journal,
            plan,
            random: Random::any(),
            workers: Vec::new(),
            witness,
            descriptors,
            producers: 1,
            consumers: 0,
            kills: 0,
            progress: (0, Instant::now()),
        };
        for worker in 0..2 * EACH {
            let role = crew.employ(worker);
            crew.workers.push(role);
        }
        crew
    }

    /// A new process for a worker's place.
    fn employ(&mut self, worker: usize) -> Role {
        let (journal, plan) = (self.journal.path(), self.plan.text());
        let mut arguments = vec![self.name.to_string(), journal, plan];
        let role = if worker < EACH {
            arguments.push(self.producers.to_string());
            self.producers += 1;
            "produce"
        } else {
            arguments.extend([(worker - EACH).to_string(), self.consumers.to_string()]);
            self.consumers += 1;
            "consume"
        };
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Role::start(role, &arguments)
    }

    /// Kills and replaces workers for so long, or until the journal is full.
    pub fn storm(&mut self, length: Duration, kill: Kill) {
        let started = Instant::now();
        while started.elapsed() < length && !self.journal.is_nearly_full() && self.producers < PRODUCERS - 16
        {
            self.pause(1_000, 50_000);
            self.watch();
            let victim = self.random.below(2 * EACH as u64) as usize;
            if kill == Kill::One {
                self.kill(&[victim]);
                continue;
            }
            let many = self.random.between(2, EACH as u64) as usize;
            let stride = [1, 3, 5][self.random.below(3) as usize];
            let several: Vec<usize> = (1..=many).map(|k| (victim + k * stride) % (2 * EACH)).collect();
            self.strike(&several);
            self.pause(0, 4_000);
            self.kill(&[victim]);
            self.replace(&several);
        }
    }

    fn pause(&mut self, least: u64, most: u64) {
        thread::sleep(Duration::from_micros(self.random.between(least, most)));
    }

    fn kill(&mut self, victims: &[usize]) {
        self.strike(victims);
        self.replace(victims);
    }

    fn strike(&mut self, victims: &[usize]) {
        victims.iter().for_each(|victim| self.workers[*victim].signal(Signal::SIGKILL));
        self.kills += victims.len() as u64;
    }

    /// Buries those who were killed, and puts others in their places.
    fn replace(&mut self, victims: &[usize]) {
        for victim in victims {
            // Only one at a time writes to a part of the journal.
            let status = self.workers.remove(*victim).wait();
            assert_eq!(status.signal(), Some(Signal::SIGKILL as i32), "a worker ended by itself: {status}");
            let role = self.employ(*victim);
            self.workers.insert(*victim, role);
        }
    }

    /// Does anything still happen?
    fn watch(&mut self) {
        let received = self.journal.received();
        if received != self.progress.0 {
            self.progress = (received, Instant::now());
        }
        assert!(self.progress.1.elapsed() < HANGS, "nothing is received any more: {:#?}", self.report());
    }

    fn report(&self) -> Report {
        inspect(&*self.name).expect("the ring is there")
    }

    /// Lets everybody end, receives what is left, and judges the whole round.
    pub fn end(mut self) -> Figures {
        self.watch_for_a_while();
        self.journal.set_stage(Stage::NoMore);
        let consumers = self.workers.split_off(EACH);
        self.workers.into_iter().for_each(finish);
        assert_eq!(self.witness.hear(), self.descriptors, "a witness's descriptors, at first and at last");
        finish(self.witness);
        let rest = self.plan.options().create(false).consumer(&*self.name);
        let mut rest = rest.expect("one more consumer");
        self.journal.set_stage(Stage::Over);
        consumers.into_iter().for_each(finish);
        let diary = Diary { journal: &self.journal, list: LISTS - 1, number: 2 * self.consumers };
        receive_the_rest(&mut rest, &diary);
        check_the_end(rest, &self.name);
        let judged = judge(&self.journal, self.plan, self.producers);
        let figures = judged.unwrap_or_else(|problems| panic!("after {} kills: {problems}", self.kills));
        Figures { kills: self.kills, rounds: 1, ..figures }
    }

    /// Without kills, everybody goes on.
    fn watch_for_a_while(&self) {
        let before = self.journal.received();
        let goes_on = || self.journal.received() > before + 100;
        let started = Instant::now();
        while !goes_on() {
            assert!(started.elapsed() < HANGS, "after the last kill, nothing goes on: {:#?}", self.report());
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn finish(role: Role) {
    role.expect("done");
    role.finish();
}

/// The ring is empty, nobody is left but `last`, and with it the name goes.
fn check_the_end(last: Consumer, name: &Name) {
    assert_eq!(last.used(), Ok(0), "every slot is free");
    let report = inspect(&**name).expect("the ring is there");
    for role in [End::Producer, End::Consumer] {
        let places = report.participants.iter().filter(|one| one.role == role).count();
        // At most as many as live at a time, and as many dead ones whose traces are just repaired.
        assert!(places <= 2 * (2 * EACH + 1), "{places} places were used for {role}s");
    }
    let alive = report.participants.iter().filter(|one| one.state == Peer::Attached).count();
    assert_eq!(alive, 1, "{:#?}", report.participants);
    drop(last);
    eventually("the last one out unlinks", || !name.exists());
}
