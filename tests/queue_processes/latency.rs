//! How long a death holds up those who wait for what the dead one held. The tests assert that they go on; the times
//! are printed.

use std::fmt;
use std::thread;
use std::time::Duration;

use ringway::mpmc::{Options, options};

use crate::common::names::Name;
use crate::common::random::Random;
use crate::common::role::Role;
use crate::journal::now;

/// How many victims a test kills.
fn kills() -> usize {
    let kills = std::env::var("RINGWAY_SOAK_KILLS");
    kills.map_or(6, |kills| kills.parse().expect("a number of kills"))
}

fn ring() -> Options {
    options().slots(8).liveness(Duration::from_millis(50))
}

/// When one who waited went on, after the kill and after the kernel had told the parent of the death.
#[derive(Debug, Default)]
struct Times {
    after_kill: Vec<u64>,
    after_death: Vec<u64>,
}

impl Times {
    /// Kills the victim at any moment of the next few milliseconds; then `survivor` says when it went on.
    fn measure(&mut self, victim: Role, random: &mut Random, survivor: impl FnOnce() -> u64) {
        thread::sleep(Duration::from_micros(random.between(1_000, 8_000)));
        let killed = now();
        victim.kill();
        let dead = now();
        let went_on = survivor();
        self.after_kill.push(went_on.saturating_sub(killed));
        self.after_death.push(went_on.saturating_sub(dead));
    }

    fn print(mut self, what: &str) {
        eprintln!("{what}, {} kills:", self.after_kill.len());
        eprintln!("  after the kill   {}", Spread::of(&mut self.after_kill));
        eprintln!("  after the death  {}", Spread::of(&mut self.after_death));
    }
}

/// Nanoseconds: median, 99th percentile, maximum.
struct Spread(u64, u64, u64);

impl Spread {
    fn of(times: &mut [u64]) -> Spread {
        times.sort_unstable();
        let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
        Spread(at(50), at(99), at(100))
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99, max] = [self.0, self.1, self.2].map(|nanoseconds| nanoseconds as f64 / 1e6);
        write!(f, "p50 {p50:.2} ms  p99 {p99:.2} ms  max {max:.2} ms")
    }
}

/// What a `receive` says: when it received, and whether that was redelivered.
fn heard(role: &Role) -> (u64, bool) {
    let line = role.hear();
    let (time, redelivered) = line.split_once(' ').expect("two words");
    (time.parse().expect("a time"), redelivered == "true")
}

/// Time for a process that was told to wait to fall asleep.
fn let_it_sleep(random: &mut Random) {
    thread::sleep(Duration::from_micros(random.between(2_000, 60_000)));
}

/// What this machine makes of any wait at the moment: the other times are to be read beside this one.
#[test]
fn a_plain_sleep_for_comparison() {
    let sleep = Duration::from_millis(2);
    let overshoot = |_| {
        let started = now();
        thread::sleep(sleep);
        (now() - started).saturating_sub(sleep.as_nanos() as u64)
    };
    let mut times: Vec<u64> = (0..kills()).map(overshoot).collect();
    eprintln!("a sleep of {sleep:?} takes longer by   {}", Spread::of(&mut times));
}

/// A consumer waits behind a claim: it began to wait before it was claimed (`asleep`), or after.
fn behind_a_claim(asleep: bool) -> Times {
    let (name, mut random, mut times) = (Name::new("behind"), Random::any(), Times::default());
    let mut tx = ring().producer(&*name).expect("a producer");
    let mut survivor = Role::start("receive", &[&name]);
    survivor.expect("ready");
    for _ in 0..kills() {
        if asleep {
            survivor.tell("go");
            let_it_sleep(&mut random);
        }
        let victim = Role::start("claim", &[&name]);
        victim.expect("claimed");
        tx.send(b"behind").expect("room");
        if !asleep {
            survivor.tell("go");
        }
        times.measure(victim, &mut random, || {
            let (time, redelivered) = heard(&survivor);
            assert!(!redelivered);
            time
        });
    }
    survivor.tell("end");
    survivor.finish();
    times
}

#[test]
fn a_consumer_goes_on_behind_a_dead_producers_claim() {
    behind_a_claim(false).print("a consumer behind a claim");
}

#[test]
fn a_sleeping_consumer_goes_on_behind_a_dead_producers_claim() {
    behind_a_claim(true).print("a consumer behind a claim, asleep before");
}

#[test]
fn a_consumer_that_finds_nothing_receives_what_a_dead_one_had() {
    let (name, mut random, mut times) = (Name::new("empty"), Random::any(), Times::default());
    let mut tx = ring().producer(&*name).expect("a producer");
    let mut survivor = Role::start("receive", &[&name]);
    survivor.expect("ready");
    for _ in 0..kills() {
        let victim = Role::start("hold", &[&name, "1"]);
        tx.send(b"held").expect("room");
        victim.hear();
        survivor.tell("go");
        times.measure(victim, &mut random, || {
            let (time, redelivered) = heard(&survivor);
            assert!(redelivered);
            time
        });
    }
    times.print("a consumer beside a message in hand");
}

#[test]
fn a_sleeping_consumer_receives_what_a_dead_one_had() {
    let (name, mut random, mut times) = (Name::new("snatched"), Random::any(), Times::default());
    let _tx = ring().producer(&*name).expect("a producer");
    let mut survivor = Role::start("receive", &[&name]);
    survivor.expect("ready");
    while times.after_kill.len() < kills() {
        let mut victim = Role::start("snatch", &[&name]);
        survivor.tell("go");
        let_it_sleep(&mut random);
        victim.tell("go");
        if victim.hear() == "missed" {
            assert!(!heard(&survivor).1, "the survivor was faster");
            continue;
        }
        times.measure(victim, &mut random, || {
            let (time, redelivered) = heard(&survivor);
            assert!(redelivered);
            time
        });
    }
    times.print("a consumer beside a message in hand, asleep before");
}

#[test]
fn a_producer_goes_on_where_a_dead_consumer_held_a_slot() {
    let (name, mut random, mut times) = (Name::new("full"), Random::any(), Times::default());
    ring().create_ring(&*name).expect("a ring");
    let (mut survivor, taker) = (Role::start("press", &[&name]), Role::start("take", &[&name]));
    survivor.expect("ready");
    taker.expect("ready");
    for _ in 0..kills() {
        let victim = Role::start("hold", &[&name, "1"]);
        survivor.tell(&victim.pid().to_string());
        victim.hear();
        survivor.expect("stalled");
        times.measure(victim, &mut random, || survivor.hear().parse().expect("a time"));
    }
    times.print("a producer before a slot in a dead consumer's hand");
    survivor.tell("end");
    survivor.finish();
    taker.finish();
}
