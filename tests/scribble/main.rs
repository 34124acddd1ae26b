//! A peer that lies: it overwrites all of the memory that it can write, header and all, while another process sends and receives.
//! Whatever it writes, every call of the other's ends in an answer, and when it is over nothing is left.
//!
//! `RINGWAY_SCRIBBLE_SECONDS` says for how long each role of each kind is played (two, unless told otherwise);
//! `RINGWAY_SCRIBBLE_OPERATIONS` for how many operations of the victim's at least.

#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code, reason = "a part of it")]
#[path = "../untrusted/raw.rs"]
mod raw;

mod acts;
mod album;
mod ends;
mod halves;
mod liar;
mod victim;

use std::fmt;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use common::PATIENCE;
use common::names::Name;
use common::role::{self, Role};
use nix::sys::signal::Signal;
use victim::Counts;

/// How long the longest call may take that was to wait for a moment, on a machine that may be busy.
const SOON: Duration = Duration::from_secs(20);

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
    /// Both.
    Duplex,
    UntrustedProducer,
    UntrustedConsumer,
}

impl Mode {
    const ALL: [Mode; 7] = [
        Mode::SpscProducer,
        Mode::SpscConsumer,
        Mode::MpmcProducer,
        Mode::MpmcConsumer,
        Mode::Duplex,
        Mode::UntrustedProducer,
        Mode::UntrustedConsumer,
    ];

    fn parse(text: &str) -> Mode {
        Mode::ALL.into_iter().find(|mode| mode.to_string() == text).expect("a mode")
    }

    fn is_producer(self) -> bool {
        matches!(self, Mode::SpscProducer | Mode::MpmcProducer | Mode::UntrustedProducer)
    }

    fn is_untrusted(self) -> bool {
        matches!(self, Mode::UntrustedProducer | Mode::UntrustedConsumer)
    }

    /// What the victim's peer does.
    fn other(self) -> Mode {
        match self {
            Mode::SpscProducer => Mode::SpscConsumer,
            Mode::SpscConsumer => Mode::SpscProducer,
            Mode::MpmcProducer => Mode::MpmcConsumer,
            Mode::MpmcConsumer => Mode::MpmcProducer,
            Mode::Duplex => Mode::Duplex,
            Mode::UntrustedProducer => Mode::UntrustedConsumer,
            Mode::UntrustedConsumer => Mode::UntrustedProducer,
        }
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

#[test]
fn a_duplex_survives_an_other_side_that_overwrites_everything() {
    scribble(Mode::Duplex);
}

#[test]
fn an_untrusted_producer_survives_a_peer_that_overwrites_its_half() {
    scribble(Mode::UntrustedProducer);
}

#[test]
fn an_untrusted_consumer_survives_a_peer_that_overwrites_its_half() {
    scribble(Mode::UntrustedConsumer);
}

fn asked(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// Past the harness, which would keep it from being seen.
fn tell(mode: Mode, began: Instant, counts: &Counts) {
    let _ = writeln!(std::io::stderr(), "{mode}: {} s, {counts}", began.elapsed().as_secs());
}

fn scribble(mode: Mode) {
    let (seconds, operations) =
        (asked("RINGWAY_SCRIBBLE_SECONDS", 2), asked("RINGWAY_SCRIBBLE_OPERATIONS", 1));
    // A side of a duplex is in both roles.
    let roles = if mode == Mode::Duplex { 2 } else { 1 };
    let (seconds, operations) = (roles * seconds, roles * operations);
    let (name, directory) = (Name::new("scribble"), tempfile::tempdir().expect("a directory"));
    let socket = directory.path().join("socket").display().to_string();
    let arguments = [&*mode.to_string(), if mode.is_untrusted() { &*socket } else { &*name }];
    let mut victim = Role::start("victim", &arguments);
    victim.expect("ready");
    let liar = Role::start("liar", &arguments);
    liar.expect("lying");
    let (began, mut told) = (Instant::now(), Instant::now());
    let mut counts = Counts::default();
    // Until everything was seen that there is to see, too.
    while began.elapsed() < Duration::from_secs(seconds)
        || counts.operations < operations
        || (!counts.is_complete() && began.elapsed() < PATIENCE)
    {
        // The victim says how far it is; a call that does not end is one who says nothing more.
        victim.tell("on");
        counts = victim.hear().parse().expect("counts");
        if told.elapsed() > Duration::from_secs(5) {
            told = Instant::now();
            tell(mode, began, &counts);
        }
    }
    // The liar is one who is lied to as well, as far as it takes part.
    liar.signal(Signal::SIGKILL);
    assert_eq!(liar.wait().signal(), Some(Signal::SIGKILL as i32), "it lied until it was killed");
    victim.tell("end");
    victim.expect("sound");
    victim.finish();
    tell(mode, began, &counts);
    assert!(counts.is_complete() && counts.longest < SOON, "{counts}");
}
