//! The arguments of `ringway bench`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;

use super::control::Tuning;
use super::plan::{Mechanism, Pattern, Preset};
use super::{plan, studies};

/// The arguments of a run that measures.
const MEASURING: [&str; 17] = [
    "parts",
    "quick",
    "full",
    "sizes",
    "patterns",
    "mechanisms",
    "rounds",
    "seconds",
    "starts",
    "sample",
    "rest",
    "size",
    "tune",
    "cores",
    "against",
    "raw",
    "smoke",
];

/// Length that a sample of a smoke run aims for.
const SMOKE_SAMPLE: Duration = Duration::from_micros(200);

/// Largest message, bytes: its rings have 1 GiB.
const LARGEST_MESSAGE: usize = 256 << 20;

/// The share of the time that pairs of processes get when there are studies, too.
const SHARE_OF_PAIRS: f64 = 0.6;

/// What a run consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// One sender and one receiver at their utmost
    Pairs,
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
    /// The study that this part is.
    fn study(self) -> Option<studies::Part> {
        match self {
            Self::Pairs => None,
            Self::Crowds => Some(studies::Part::Crowds),
            Self::Load => Some(studies::Part::Load),
            Self::Idle => Some(studies::Part::Idle),
            Self::Growth => Some(studies::Part::Growth),
        }
    }
}

/// Arguments of `ringway bench`.
#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    /// What to measure (default: everything; with --patterns, --mechanisms or --sizes: pairs)
    #[arg(long, value_delimiter = ',', value_enum)]
    pub parts: Vec<Part>,
    /// The most telling mechanisms and sizes, 8 bytes to 64 KiB, within a minute (the default)
    #[arg(long, conflicts_with = "full")]
    pub quick: bool,
    /// Every mechanism and size, 8 bytes to 1 MiB, within half an hour
    #[arg(long)]
    pub full: bool,
    /// Message sizes in bytes, multiples of 8 (default: some with --quick, more with --full; of wake-ups 8 and 64)
    #[arg(long, value_delimiter = ',', value_parser = message_size, value_name = "BYTES")]
    pub sizes: Vec<usize>,
    /// Traffic patterns (default: all)
    #[arg(long, value_delimiter = ',', value_enum)]
    pub patterns: Vec<Pattern>,
    /// Mechanisms (default: most with --quick, all with --full); the floors and T are measured in any case
    #[arg(long, value_delimiter = ',', value_enum)]
    pub mechanisms: Vec<Mechanism>,
    /// Rounds of each process start (default: as many as there is time for)
    #[arg(long, value_name = "N", conflicts_with = "seconds")]
    pub rounds: Option<usize>,
    /// Seconds for the whole run (default: 48 with --quick, 1740 with --full)
    #[arg(long, value_name = "SECONDS")]
    pub seconds: Option<f64>,
    /// How often both processes are started anew: some behaviour of a stream is settled at its start (default: 3 with --quick,
    /// 10 with --full)
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..), value_name = "N")]
    pub starts: Option<u16>,
    /// Length that each sample aims for; wake-ups take three or six times as long
    #[arg(long, default_value = "8ms", value_parser = humantime::parse_duration, value_name = "TIME")]
    pub sample: Duration,
    /// How long each side keeps busy before it sends in the pattern `wake`, so that the other one has gone to sleep
    #[arg(long, default_value = "50us", value_parser = humantime::parse_duration, value_name = "TIME")]
    pub rest: Duration,
    /// Capacity of the rings in bytes at least, a power of two from 64K up (default: 256K); there is always room for four messages
    #[arg(long, value_parser = ring_size, value_name = "BYTES")]
    pub size: Option<usize>,
    /// How the rings' consumers poll a stream
    #[arg(long, value_enum, default_value_t)]
    pub tune: Tuning,
    /// The cores of the sender and the receiver (default: the first two)
    #[arg(long, value_delimiter = ',', num_args = 2, value_name = "CORE")]
    pub cores: Vec<usize>,
    /// Another build of this program: measure its rings in turn with this one's
    #[arg(long, value_name = "PATH")]
    pub against: Option<PathBuf>,
    /// Write every sample to this file as it is taken, one JSON object per line
    #[arg(long, value_name = "FILE")]
    pub raw: Option<PathBuf>,
    /// Measure nothing; take what a run wrote with --raw
    #[arg(long, value_name = "FILE", conflicts_with_all = MEASURING)]
    pub from: Option<PathBuf>,
    /// Write a page with plots and tables to this file
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
    /// Tell what changed beyond noise since the run that wrote this file with --raw
    #[arg(long, value_name = "OLD.jsonl")]
    pub compare: Option<PathBuf>,
    /// Print the figures as JSON
    #[arg(long)]
    pub json: bool,
    /// Run everything once, briefly: shows that it works, the figures mean nothing
    #[arg(long, conflicts_with_all = ["rounds", "seconds", "starts", "sample"])]
    pub smoke: bool,
}

impl BenchArgs {
    /// How much is measured.
    pub fn preset(&self) -> Preset {
        if self.full { Preset::Full } else { Preset::Quick }
    }

    /// Capacity of the rings at least, bytes.
    pub fn ring_bytes(&self) -> usize {
        self.size.unwrap_or(plan::RING_BYTES)
    }

    /// What was asked for.
    fn parts(&self) -> &[Part] {
        let of_pairs = !(self.patterns.is_empty() && self.mechanisms.is_empty() && self.sizes.is_empty());
        match self.parts.as_slice() {
            [] if of_pairs || self.against.is_some() => &[Part::Pairs],
            [] => Part::value_variants(),
            parts => parts,
        }
    }

    /// Whether pairs were asked for.
    pub fn pairs(&self) -> bool {
        self.parts().contains(&Part::Pairs)
    }

    /// The studies that were asked for.
    pub fn studies(&self) -> Vec<studies::Part> {
        self.parts().iter().filter_map(|part| part.study()).collect()
    }

    /// How thorough the studies are.
    pub fn studies_preset(&self) -> studies::Preset {
        match self.preset() {
            _ if self.smoke => studies::Preset::Smoke,
            Preset::Quick => studies::Preset::Quick,
            Preset::Full => studies::Preset::Full,
        }
    }

    /// How often the processes of pairs are started.
    pub fn starts(&self) -> usize {
        if self.smoke { 1 } else { self.starts.map_or(self.preset().starts(), usize::from) }
    }

    /// Length that each sample aims for.
    pub fn sample(&self) -> Duration {
        if self.smoke { SMOKE_SAMPLE } else { self.sample }
    }

    /// Time for the pairs.
    pub fn budget_of_pairs(&self) -> Result<Duration> {
        let share = if self.studies().is_empty() { 1.0 } else { SHARE_OF_PAIRS };
        Ok(self.budget()?.mul_f64(share))
    }

    /// Time for the whole run.
    pub fn budget(&self) -> Result<Duration> {
        self.seconds.map_or(Ok(self.preset().budget()), Duration::try_from_secs_f64).context("--seconds")
    }
}

/// Parses bytes; K and M are powers of 1024.
fn parse_bytes(text: &str) -> Result<usize, String> {
    let bytes =
        parse_size::Config::new().with_binary().parse_size(text).map_err(|error| error.to_string())?;
    usize::try_from(bytes).map_err(|error| error.to_string())
}

/// Parses a message size.
fn message_size(text: &str) -> Result<usize, String> {
    match parse_bytes(text)? {
        size if size > LARGEST_MESSAGE => Err(format!("{size} is more than {LARGEST_MESSAGE}")),
        size if size > 0 && size % 8 == 0 => Ok(size),
        size => Err(format!(
            "{size} is not a multiple of 8: the first and the last word of a message carry its number"
        )),
    }
}

/// Parses the capacity of a ring.
fn ring_size(text: &str) -> Result<usize, String> {
    match parse_bytes(text)? {
        size if size.is_power_of_two() && (64 << 10..=1 << 30).contains(&size) => Ok(size),
        size => Err(format!("{size} is not a power of two from 64K to 1024M")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_parsed_and_checked() {
        assert_eq!(message_size("8"), Ok(8));
        assert_eq!(message_size("64K"), Ok(65536));
        assert!(message_size("12").is_err() && message_size("0").is_err() && message_size("x").is_err());
        assert!(message_size("256M").is_ok() && message_size("257M").is_err());
        assert_eq!(ring_size("1M"), Ok(1 << 20));
        assert!(ring_size("1000").is_err() && ring_size("4K").is_err());
    }
}
