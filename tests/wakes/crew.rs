//! The processes of a soak, and who kills them.

use std::ops::Range;
use std::os::unix::process::ExitStatusExt;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use ringway::notify::Inbox;
use ringway::{Wait, mpmc};

use crate::common::eventually;
use crate::common::names::Name;
use crate::common::random::Random;
use crate::common::role::Role;
use crate::ends::{End, signal};
use crate::figures::{Total, Waits};
use crate::journal::{Journal, Stage};
use crate::plan::{Kind, LIMIT, Plan, SIGNAL_LIMIT, Way};
use crate::send::message;

/// While nothing is received for so long, nobody is killed: whoever is held up is held up by what was done before.
const STALLS: Duration = Duration::from_millis(100);
/// Time to fall asleep.
const LULL: Duration = Duration::from_millis(30);

/// The processes of one round: rings, a journal, and workers.
pub struct Crew {
    plan: Plan,
    names: Vec<Name>,
    journal: Journal,
    /// Those who send, then those who receive.
    workers: Vec<Option<Role>>,
    random: Random,
    kills: u64,
    /// How many messages had been received when last somebody looked, and when that number last changed.
    progress: (u64, Instant),
    /// Where the signal is blocked, it is blocked in every process that is started.
    _inbox: Inbox,
}

impl Crew {
    pub fn start(plan: Plan) -> Crew {
        let names: Vec<Name> = (0..plan.lanes()).map(|_| Name::new("wakes")).collect();
        names.iter().for_each(|name| plan.create_ring(name));
        let mut crew = Crew {
            plan,
            names,
            journal: Journal::create(),
            workers: Vec::new(),
            random: Random::any(),
            kills: 0,
            progress: (0, Instant::now()),
            _inbox: Inbox::new(&[signal()]).expect("an inbox"),
        };
        crew.workers.resize_with(2 * plan.each(), || None);
        crew.employ_all(0..2 * plan.each());
        crew
    }

    /// New processes for workers' places.
    fn employ_all(&mut self, workers: Range<usize>) {
        for worker in workers {
            self.workers[worker] = Some(self.employ(worker));
        }
    }

    /// A new process for a worker's place.
    fn employ(&self, worker: usize) -> Role {
        let names: Vec<&str> = self.names.iter().map(|name| &**name).collect();
        let (names, journal, plan) = (names.join(" "), self.journal.path(), self.plan.text());
        let role = if worker < self.plan.each() { "send" } else { "receive" };
        Role::start(role, &[&names, &journal, &plan, &worker.to_string()])
    }

    /// Has so many messages sent and received. Kills and replaces workers in the first half of them: in the second, nothing
    /// excuses a lost wake-up.
    pub fn work(&mut self, messages: u64) {
        while self.receivers().messages < messages {
            self.pause(1_000, 40_000);
            let goes_on = self.watch();
            if goes_on && self.receivers().messages < messages / 2 {
                self.kill_some();
            }
        }
    }

    fn pause(&mut self, least: u64, most: u64) {
        thread::sleep(Duration::from_micros(self.random.between(least, most)));
    }

    /// Does anything happen? At last it must.
    fn watch(&mut self) -> bool {
        let received = self.receivers().messages;
        if received != self.progress.0 {
            self.progress = (received, Instant::now());
        }
        let still = self.progress.1.elapsed();
        assert!(
            still < self.plan.liveness() + 10 * LIMIT,
            "nothing is received any more: {:?}",
            self.total()
        );
        still < STALLS
    }

    /// Kills any one, or all of a role, mostly asleep.
    fn kill_some(&mut self) {
        let each = self.plan.each();
        let victim = self.random.below(2 * each as u64) as usize;
        if self.random.once_in(2) {
            self.await_sleep(victim);
        }
        let first = victim / each * each;
        let victims = if self.random.once_in(4) { first..first + each } else { victim..victim + 1 };
        self.kill(victims.clone());
        self.employ_all(victims);
    }

    /// Waits for a moment in which a worker sleeps; not for ever.
    fn await_sleep(&self, worker: usize) {
        let stat = format!("/proc/{}/stat", self.workers[worker].as_ref().expect("employed").pid());
        let sleeps = || std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") S "));
        let started = Instant::now();
        while !sleeps() && started.elapsed() < Duration::from_millis(2) {}
    }

    /// Kills workers at once, and buries them.
    fn kill(&mut self, victims: Range<usize>) {
        self.kills += victims.len() as u64;
        self.journal.set_killed();
        let victims: Vec<Role> = self.workers[victims].iter_mut().filter_map(Option::take).collect();
        victims.iter().for_each(|victim| victim.signal(Signal::SIGKILL));
        for victim in victims {
            let status = victim.wait();
            assert_eq!(status.signal(), Some(Signal::SIGKILL as i32), "a worker ended by itself: {status}");
        }
        self.journal.set_killed();
    }

    /// Lets everybody end, and judges the whole round.
    pub fn end(mut self) -> Total {
        let each = self.plan.each();
        self.journal.set_stage(Stage::Drought);
        self.workers[..each].iter().flatten().for_each(|sender| sender.expect("idle"));
        thread::sleep(LULL);
        if self.plan.kind == Kind::Mpmc && !self.plan.way.outlives_its_process() {
            self.wake_one_beside_the_dead();
        }
        self.kill(each..2 * each);
        self.journal.set_stage(Stage::Awake);
        self.employ_all(each..2 * each);
        let receivers = self.workers.split_off(each);
        for sender in self.workers.drain(..).flatten() {
            sender.expect("done");
            sender.finish();
        }
        self.journal.set_stage(Stage::Over);
        receivers.into_iter().flatten().for_each(Role::finish);
        for stream in 0..self.own_stream() + 1 {
            let lost = self.journal.lost(stream);
            assert!(lost.is_empty(), "lost of stream {stream}: {lost:?}; {:?}", self.total());
        }
        self.total()
    }

    /// The stream of the messages that the test itself sends.
    fn own_stream(&self) -> usize {
        self.plan.stream(self.plan.each(), 0)
    }

    /// Kills all but one of those who sleep. A message wakes that one.
    fn wake_one_beside_the_dead(&mut self) {
        if self.plan.way == Way::Signal {
            // A sender that was killed as it was about to send a signal has taken the asking away: that receiver asks again.
            thread::sleep(SIGNAL_LIMIT + LIMIT);
        }
        let each = self.plan.each();
        let first = each + self.random.below(2) as usize;
        self.kill(first..first + each - 1);
        let lane = self.random.below(self.plan.lanes() as u64) as usize;
        let mut tx = mpmc::Producer::open(&self.plan, &self.names[lane], Wait::Park);
        let received = self.receivers().messages;
        let sent = Instant::now();
        tx.send_tagged(self.own_stream() as u16, &message(0)).expect("room");
        self.journal.set_sent(self.own_stream(), 1);
        eventually("a message is received beside the dead", || self.receivers().messages > received);
        let wait = sent.elapsed();
        assert!(wait < LIMIT, "beside a dead sleeper, a message woke nobody for {wait:?}");
    }

    fn sum(&self, places: Range<usize>) -> Waits {
        let mut sum = Waits::default();
        places.for_each(|place| sum.add(&self.journal.waits(place)));
        sum
    }

    fn receivers(&self) -> Waits {
        self.sum(self.plan.each()..2 * self.plan.each())
    }

    /// What was counted so far.
    fn total(&self) -> Total {
        let senders = self.sum(0..self.plan.each());
        Total { kills: self.kills, senders, receivers: self.receivers() }
    }
}
