//! A peer that lies: it overwrites the whole segment, header and all, while another process sends and receives. Whatever it
//! writes, every call of the other's ends in an answer, and when it is over nothing is left.
//!
//! `RINGWAY_SCRIBBLE_SECONDS` says for how long each role of each kind is played (two, unless told otherwise);
//! `RINGWAY_SCRIBBLE_OPERATIONS` for how many operations of the victim's at least.

#[path = "../common/mod.rs"]
mod common;

mod acts;
mod liar;
mod victim;

use std::fmt;
use std::io::Write;
use std::time::{Duration, Instant};

use common::names::Name;
use common::role::{self, Role};

/// The entry of processes that these tests start; see `common::role`.
#[test]
fn role() {
    role::enter(&[("victim", victim::role), ("liar", liar::role)]);
}

/// What the victim does in which kind of ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    SpscProducer,
    SpscConsumer,
    MpmcProducer,
    MpmcConsumer,
}

impl Mode {
    fn parse(text: &str) -> Mode {
        let modes = [Mode::SpscProducer, Mode::SpscConsumer, Mode::MpmcProducer, Mode::MpmcConsumer];
        modes.into_iter().find(|mode| mode.to_string() == text).expect("a mode")
    }

    fn is_producer(self) -> bool {
        matches!(self, Mode::SpscProducer | Mode::MpmcProducer)
    }

    fn is_mpmc(self) -> bool {
        matches!(self, Mode::MpmcProducer | Mode::MpmcConsumer)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[test]
fn a_spsc_producer_survives_a_peer_that_overwrites_everything() {
    scribble(Mode::SpscProducer);
}

#[test]
fn a_spsc_consumer_survives_a_peer_that_overwrites_everything() {
    scribble(Mode::SpscConsumer);
}

#[test]
fn a_mpmc_producer_survives_a_peer_that_overwrites_everything() {
    scribble(Mode::MpmcProducer);
}

#[test]
fn a_mpmc_consumer_survives_a_peer_that_overwrites_everything() {
    scribble(Mode::MpmcConsumer);
}

fn asked(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// Past the harness, which would keep it from being seen.
fn tell(line: fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn scribble(mode: Mode) {
    let (seconds, operations) =
        (asked("RINGWAY_SCRIBBLE_SECONDS", 2), asked("RINGWAY_SCRIBBLE_OPERATIONS", 1));
    let name = Name::new("scribble");
    let mut victim = Role::start("victim", &[&mode.to_string(), &name]);
    victim.expect("attached");
    let liar = Role::start("liar", &[&mode.to_string(), &name]);
    liar.expect("lying");
    let began = Instant::now();
    let (mut done, mut told) = (0, Instant::now());
    while began.elapsed() < Duration::from_secs(seconds) || done < operations {
        // The victim says how far it is; a call that does not end is one who says nothing more.
        victim.tell("on");
        let answer = victim.hear();
        done = answer.split(' ').next().and_then(|count| count.parse().ok()).expect("a count");
        if told.elapsed() > Duration::from_secs(5) {
            told = Instant::now();
            tell(format_args!("{mode}: {} s, {answer}", began.elapsed().as_secs()));
        }
    }
    liar.kill();
    victim.tell("end");
    let last = victim.hear();
    victim.finish();
    tell(format_args!("{mode}: {} s, {last}", began.elapsed().as_secs()));
    assert!(done > 1000, "{last}");
}
