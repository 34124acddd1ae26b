//! The studies: patterns that are no pair of one sender and one receiver who do their utmost.
//!
//! | part | question |
//! |---|---|
//! | crowds | what many producers, and many consumers, get through one queue |
//! | load | how long a message takes at a rate that somebody else sets |
//! | idle | what consumers cost that wait for messages which do not come |
//! | growth | what a message, and a ring, cost when there are many rings, or large ones |
//!
//! The processes of a study are started by the coordinator (`crew`) and move checked messages; samples lie between two probes,
//! as those of pairs do. Rings lie in memory files that are handed over, so that nothing has a name that could be left behind.

mod bare;
mod crew;
mod crowds;
mod ends;
mod ground;
mod growth;
mod idle;
mod load;

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use serde::{Deserialize, Serialize};

use super::sample::{Regime, classify};

pub use crew::worker;
pub use crowds::CrowdSample;
pub use growth::{Axis, GrowthSample};
pub use idle::IdleSample;
pub use load::LoadSample;

/// A study.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Many producers, many consumers
    Crowds,
    /// Latency at a fixed rate
    Load,
    /// The cost of waiting
    Idle,
    /// Many rings, and large ones
    Growth,
}

impl Part {
    /// The name shown while it is done.
    fn label(self) -> &'static str {
        match self {
            Self::Crowds => "crowds",
            Self::Load => "load",
            Self::Idle => "idle",
            Self::Growth => "growth",
        }
    }
}

/// How thorough the studies are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Everything once, briefly: shows that it works, the figures mean nothing
    Smoke,
    /// Fewer sizes, one process start
    Quick,
    /// Everything
    Full,
}

impl Preset {
    /// How often the processes are started anew.
    fn starts(self) -> usize {
        if self == Self::Full { 3 } else { 1 }
    }

    /// Length that a sample aims for.
    fn sample(self) -> Duration {
        match self {
            Self::Smoke => Duration::from_micros(200),
            Self::Quick => Duration::from_millis(5),
            Self::Full => Duration::from_millis(10),
        }
    }
}

/// The cores of the sender and the receiver, if each has one.
pub type Cores = Option<[usize; 2]>;

/// One sample of a study.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub enum Study {
    /// Of a crowd.
    Crowd(CrowdSample),
    /// Of latency at a fixed rate.
    Load(LoadSample),
    /// Of waiting consumers.
    Idle(IdleSample),
    /// Of many rings, or large ones.
    Growth(GrowthSample),
}

/// Does these parts one after another and hands over each sample. They take `budget` together, longer only if that is too
/// short for every cell once.
pub fn run(
    parts: &[Part],
    preset: Preset,
    budget: Duration,
    cores: Cores,
    with: &mut dyn FnMut(Study) -> Result<()>,
) -> Result<()> {
    let began = Instant::now();
    let bar = ProgressBar::new(1000);
    bar.set_style(ProgressStyle::with_template("{bar:32} {percent:>3}% {elapsed} {msg}")?);
    for (nth, part) in parts.iter().enumerate() {
        let left = budget.saturating_sub(began.elapsed());
        let share = left / (parts.len() - nth) as u32;
        bar.set_message(part.label());
        let mut with = |sample| {
            bar.set_position((began.elapsed().as_secs_f64() * 1e3 / budget.as_secs_f64().max(1e-9)) as u64);
            with(sample)
        };
        match part {
            Part::Crowds => crowds::run(preset, share, cores, &mut |sample| with(Study::Crowd(sample))),
            Part::Load => load::run(preset, share, cores, &mut |sample| with(Study::Load(sample))),
            Part::Idle => idle::run(preset, &mut |sample| with(Study::Idle(sample))),
            Part::Growth => growth::run(preset, share, cores, &mut |sample| with(Study::Growth(sample))),
        }?;
    }
    bar.finish_and_clear();
    Ok(())
}

/// The samples as tables for people, a study after another.
pub fn render(samples: &[Study]) -> String {
    /// The samples of one kind.
    fn of<T: Clone>(samples: &[Study], kind: impl Fn(&Study) -> Option<&T>) -> Vec<T> {
        samples.iter().filter_map(kind).cloned().collect()
    }
    let crowds = of(samples, |study| if let Study::Crowd(sample) = study { Some(sample) } else { None });
    let load = of(samples, |study| if let Study::Load(sample) = study { Some(sample) } else { None });
    let idle = of(samples, |study| if let Study::Idle(sample) = study { Some(sample) } else { None });
    let growth = of(samples, |study| if let Study::Growth(sample) = study { Some(sample) } else { None });
    let mut text = String::new();
    if !crowds.is_empty() {
        text += &crowds::table(&crowds);
    }
    if !load.is_empty() {
        text += &load::table(&load);
    }
    if !idle.is_empty() {
        text += &idle::table(&idle);
    }
    if !growth.is_empty() {
        text += &growth::table(&growth);
    }
    text
}

/// The regime of a sample between two probes, and whether they agree.
fn regime_of(probe: [f64; 2]) -> (Regime, bool) {
    classify(probe).map_or_else(|_| (Regime::of(probe[0]), false), |regime| (regime, true))
}

/// A descriptor that children inherit.
fn inheritable<F: AsFd>(fd: F) -> Result<F> {
    fcntl(&fd, FcntlArg::F_SETFD(FdFlag::empty())).context("cannot pass on a descriptor")?;
    Ok(fd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_lines_that_say_what_they_are() {
        let sample = idle::IdleSample {
            what: idle::What::Pipe,
            consumers: 3,
            liveness_ns: 0,
            seconds: 1.5,
            cpu_seconds: 0.25,
            wakes: 7,
        };
        let line = serde_json::to_string(&Study::Idle(sample)).unwrap();
        assert!(line.starts_with(r#"{"record":"idle","what":"pipe","consumers":3,"#), "{line}");
        let Study::Idle(back) = serde_json::from_str(&line).unwrap() else { panic!("{line}") };
        assert_eq!((back.what, back.wakes, back.seconds), (idle::What::Pipe, 7, 1.5));
    }

    #[test]
    fn a_regime_is_given_even_when_the_probes_disagree() {
        assert_eq!(regime_of([90.0, 95.0]), (Regime::Near, true));
        assert_eq!(regime_of([90.0, 450.0]), (Regime::Near, false));
    }
}
